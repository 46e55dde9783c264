"""DeepObfuscator: features learned in a game against who reads them (Li et al., IoTDI 2021)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bauta.errors import UsageError, check_shape
from bauta.generators.training import absolute_and_structural, compact
from bauta.generators.unet import UNet
from bauta.ops.quantize import through_8bit
from bauta.ops.seeds import seeded
from bauta.protections.base import FeatureProtection
from bauta.protections.features.public import check_fitted, public_features
from bauta.recognizers.base import Recognizer
from bauta.recognizers.folding import folded
from bauta.spec import recipe
from bauta.types import Faces, Features


class Obfuscator(nn.Module):
    """(B, C, h, w) -> the same plus three convolutions of it, at first nothing. hidden: channels between them."""

    mean: Tensor
    spread: Tensor

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("spread", torch.ones(1, channels, 1, 1))
        self.enter = nn.Conv2d(channels, hidden, 3, padding=1)
        self.middle = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.leave = nn.Conv2d(hidden, channels, 3, padding=1)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Features) -> Features:
        inner = F.silu(self.enter((x - self.mean) / self.spread))
        change: Tensor = self.leave(F.silu(self.middle(inner)))
        return x + self.spread * change


class Reader(nn.Module):
    """(B, C, h, w) -> logits (B, K): who infers an attribute."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(channels), nn.Conv2d(channels, 64, 3, 2, padding=1), nn.SiLU(), nn.AdaptiveAvgPool2d(1)
        )
        self.out = nn.Linear(64, classes)

    def forward(self, x: Features) -> Tensor:
        logits: Tensor = self.out(self.layers(x).flatten(1))
        return logits


class DeepObfuscator(FeatureProtection):
    """A transform of features (B, C, h, w), same shape, that was trained against a decoder that was trained against it.

    In each step of the game the adversaries learn from a batch of obfuscated features of public faces: a U-Net to draw
    the pictures, and for each of `attributes` (names in ``faces.attributes``; a negative label is none) a classifier to
    read it. Then the obfuscator makes one step against them. It minimizes::

        1 - cos(template of the obfuscated, template of the clean)
          - weight * (L1 + 0.1 (1 - SSIM)) of the decoder's clipped picture
          + attribute_weight * cross-entropy of each classifier's answer to a uniform one

    The paper trains the client's own layers and the provider's classifier; here the recognizer stays as it is, and the
    obfuscator is put behind the client's layers as a small residual network, the identity at first. So it can only
    remove what the server's layers do not need. The weights are ours; the paper's task, classification of attributes,
    needs much less of a face than recognition does.

    It is no key: the transform has no secret, is on every device, and a decoder trained on its output sees through
    whatever it only re-encodes. Judge it by such a one, and not by the decoder of the game. After 120 steps on 300
    faces at 128 x 14 x 12 of the CASIA MobileFaceNet, templates keep a cosine of 0.97 and lose no accuracy on 200 LFW
    pairs, and a briefly trained RecFace (120 steps) gets, on 48 faces, an SSIM of 0.34 when it learned from clean
    features, and of 0.58 when it learned from obfuscated ones: 0.64 without any protection.

    steps: of the game, after `warmup` steps of the adversaries alone. rate: of the obfuscator. hidden: its channels.
    width: a factor on the U-Net's channels. training_seed: of all first weights and the order of the batches.
    """

    needs = ("the recognizer", "public faces")
    trains = "an obfuscator, against a decoder"

    def __init__(
        self,
        weight: float = 3.0,
        *,
        steps: int = 400,
        warmup: int = 100,
        batch_size: int = 16,
        rate: float = 1e-3,
        hidden: int = 64,
        width: float = 0.5,
        attributes: Sequence[str] = (),
        attribute_weight: float = 0.1,
        training_seed: int = 0,
    ) -> None:
        super().__init__()
        if steps < 1 or warmup < 0 or batch_size < 2:
            raise UsageError(
                "DeepObfuscator needs at least one step on batches of at least two faces; "
                f"got steps={steps}, warmup={warmup}, batch_size={batch_size}."
            )
        if weight < 0 or attribute_weight < 0:
            raise UsageError(f"DeepObfuscator's weights are 0 or more; got {weight} and {attribute_weight}.")
        self.weight, self.steps, self.warmup, self.batch_size = weight, steps, warmup, batch_size
        self.rate, self.hidden, self.width = rate, hidden, width
        self.attributes, self.attribute_weight, self.training_seed = tuple(attributes), attribute_weight, training_seed
        self.network_: Obfuscator | None = None

    __repr__ = recipe

    def fit(self, faces: Faces | None, *recognizers: Recognizer) -> Self:
        """Play the game on public faces, for the one recognizer as it is cut."""
        batches = [(batch, compact(x)) for batch, x in public_features(self, faces, *recognizers)]
        leaks = torch.cat([x for _, x in batches])
        assert faces is not None  # public_features would have raised
        if len(faces) < 2:
            raise UsageError(f"DeepObfuscator learns from at least two public faces; got {len(faces)}.")
        with seeded(self.training_seed):
            network, game = self._begun(leaks, faces)
        server = nn.Sequential(*(folded(layer) for layer in list(recognizers[0].layers)[recognizers[0].cut :]))
        with torch.enable_grad():  # a caller that needs no gradient may have switched it off
            game.play(network, server, self._order(len(faces)))
        self.network_ = network.eval().requires_grad_(False)
        return self

    def forward(self, x: Features, faces: Faces | None = None) -> Features:
        check_shape(x, "B C h w", "features")
        check_fitted(self, x, () if self.network_ is None else (self.network_.mean.shape[1],))
        assert self.network_ is not None
        return self.network_(x)  # type: ignore[no-any-return]

    def restored(self, tensors: Mapping[str, Tensor], *recognizers: Recognizer) -> Self:
        """As the base has it; the number of channels is read off the tensors."""
        other = copy.deepcopy(self)
        mean = tensors.get("network_.mean")
        if mean is not None and mean.ndim == 4:
            with seeded(self.training_seed):
                other.network_ = Obfuscator(mean.shape[1], self.hidden).eval().requires_grad_(False)
        return super(DeepObfuscator, other).restored(tensors, *recognizers)

    def _begun(self, leaks: Features, faces: Faces) -> tuple[Obfuscator, Game]:
        device, channels = leaks.device, leaks.shape[1]
        unknown = [name for name in self.attributes if name not in faces.attributes]
        if unknown:
            raise UsageError(
                f"DeepObfuscator hides {unknown[0]}, which the public faces do not have labels for; "
                f"they have {', '.join(faces.attributes) or 'none'}."
            )
        height, width = faces.images.shape[-2:]
        decoder = UNet(tuple(leaks.shape[1:]), (height, width), width=self.width).adapt(leaks[:500])
        labels = {name: faces.attributes[name].long().to(device) for name in self.attributes}
        readers = nn.ModuleDict({name: Reader(channels, int(known.max()) + 1) for name, known in labels.items()})
        network = Obfuscator(channels, self.hidden)
        network.mean.copy_(decoder.mean)
        network.spread.copy_(decoder.spread)
        return network.to(device), Game(self, leaks, faces, labels, decoder.to(device), readers.to(device))

    def _order(self, count: int) -> Iterator[Tensor]:
        """Rows of a batch after another, epoch by epoch: the warmup's and the game's."""
        draws = Generator().manual_seed(self.training_seed)
        rows = torch.empty(0, dtype=torch.long)
        for _ in range(self.warmup + self.steps):
            if len(rows) < min(self.batch_size, count):
                rows = torch.randperm(count, generator=draws)
            yield rows[: self.batch_size]
            rows = rows[self.batch_size :]


class Game:
    """The adversaries, and the steps of both sides."""

    def __init__(
        self,
        rules: DeepObfuscator,
        leaks: Features,
        faces: Faces,
        labels: Mapping[str, Tensor],
        decoder: UNet,
        readers: nn.ModuleDict,
    ) -> None:
        self.rules, self.leaks, self.labels = rules, leaks, labels
        self.truth = through_8bit(faces.images)
        decoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # several times quicker on a CPU
        self.decoder, self.readers = decoder.train(), readers.train()

    def play(self, network: Obfuscator, server: nn.Module, order: Iterator[Tensor]) -> None:
        """Adversaries and obfuscator in turn, after the warmup."""
        against = [*self.decoder.parameters(), *self.readers.parameters()]
        theirs = torch.optim.AdamW(against, lr=2e-3, weight_decay=1e-4)
        own = torch.optim.Adam(network.parameters(), lr=self.rules.rate)
        for step, rows in enumerate(order):
            clean = self.leaks[rows].float()
            with torch.no_grad():
                hidden = network(clean)
            theirs.zero_grad()
            self.learned(hidden, rows).backward()  # type: ignore[no-untyped-call]
            theirs.step()
            if step < self.rules.warmup:
                continue
            hidden = network(clean)
            with torch.no_grad():
                wanted = server(clean).flatten(1)
            kept = F.cosine_similarity(server(hidden).flatten(1), wanted)
            cost = (1 - kept).mean() + self.given_away(hidden, rows)
            weights = list(network.parameters())
            for weight, gradient in zip(weights, torch.autograd.grad(cost, weights), strict=True):
                weight.grad = gradient
            own.step()

    def learned(self, hidden: Features, rows: Tensor) -> Tensor:
        """What the adversaries minimize."""
        loss = absolute_and_structural(self.decoder(hidden), self.truth[rows])
        for name, reader in self.readers.items():
            known = self.labels[name][rows]
            if (known >= 0).any():
                loss = loss + F.cross_entropy(reader(hidden), known.clamp_min(-1), ignore_index=-1)
        return loss

    def given_away(self, hidden: Features, rows: Tensor) -> Tensor:
        """What the obfuscator minimizes beside the change of the templates."""
        missed = absolute_and_structural(self.decoder(hidden).clamp(0, 1), self.truth[rows])
        loss = -self.rules.weight * missed
        for reader in self.readers.values():
            loss = loss - self.rules.attribute_weight * F.log_softmax(reader(hidden), 1).mean()
        return loss
