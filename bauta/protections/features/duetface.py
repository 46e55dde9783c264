"""DuetFace: the server gets the high-frequency channels, and the client's attention (Mi et al., ACM MM 2022)."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bauta.errors import UsageError
from bauta.faces.landmarks import Landmarker, hulls, landmarker
from bauta.ops.dct import inverse_block_dct
from bauta.ops.seeds import seeded
from bauta.protections.features.frequency import FrequencyProtection
from bauta.recognizers.base import Recognizer
from bauta.recognizers.duet import SERVER, STAGES, WIRE, duet_client, stretched
from bauta.recognizers.registry import load
from bauta.spec import recipe
from bauta.types import Faces, Features, Images

# Whose output a stage's attention is made of, and its channels: 28, 14, 7 and 7 places wide (TFace's body 1, 3, 5, 7).
SOURCES = {"block1": 64, "block6": 128, "block13": 128, "widen": 512}


class DuetFace(FrequencyProtection):
    """Coefficients (B, 192, h, w) -> (B, 162 + 4, h, w): 54 channels a plane as they are, and four attention masks.

    The client keeps the ten channels a plane that show the face and runs a small network on them, `client_`
    (`duet_client`: MobileFaceNet). What this has at four depths goes through a 1 x 1 convolution to one map each
    (`attention_`), is enlarged, brought to 0..1 in each picture, cut to the convex hull of the face's landmarks, and
    brought to 0..1 again: the masks, packed behind the server's channels. The server (`duet_small`, `duet_irse`)
    weighs its maps by them at the end of its four stages::

        Pipeline(duet_small(), DuetFace(), twin=frequency_small())

    Training: the client's network, a recognizer, is trained alone first: `client_` itself (``Pipeline(p.client_)``), or
    a `duet_client` whose name or folder is given as `client` and which `fit` takes the weights from. Then it is frozen,
    and the convolutions are trained with the server (`param_groups`). The released code makes those convolutions anew
    at every pass, in use too, so that its masks are random projections; here there is one set. There they give as many
    channels as the server's maps have, whose mean is the mask: the mean of convolutions is one convolution.

    landmarks: who finds the face's points in its picture (`bauta.faces.landmarks`; 68 of PFLD's in the paper too), by
    default the best on this machine: PFLD, or the median face's outline with a warning. side: of the pictures.
    training_seed: of the first weights. There is neither key nor draw: **what the server gets is 162 of the 192
    channels, exactly**, and least squares through the known transform gives the face back from them.

    Raises `UsageError` while the client has not been trained.
    """

    trains = "the server behind it, and the client's network"

    def __init__(
        self,
        *,
        client: str | None = None,
        landmarks: Landmarker | None = None,
        embedding: int = 512,
        side: int = 112,
        training_seed: int = 0,
    ) -> None:
        super().__init__()
        if embedding < 1 or side < 32:
            raise UsageError(
                f"DuetFace's client gives 1 number or more for pictures of 32 or more; got {embedding}, {side}."
            )
        self.client, self.landmarks = client, landmarks
        self.embedding, self.side, self.training_seed = embedding, side, training_seed
        self._finder = landmarks
        with seeded(training_seed):
            self.client_ = duet_client(embedding=embedding, side=side)
            self.attention_ = nn.ModuleList(nn.Conv2d(channels, 1, 1) for channels in SOURCES.values())

    __repr__ = recipe

    @property
    def channels(self) -> int:
        """Of all that crosses the wire, masks included."""
        return WIRE

    @property
    def kept(self) -> list[int]:
        """The server's channels; the masks show something of the others, too."""
        return list(SERVER)

    def fit(self, faces: Faces | None, *recognizers: Recognizer) -> Self:
        """Take the weights of the recognizer called `client`, where there is one. Faces are not looked at.

        Raises `MissingWeights`, `UsageError`.
        """
        if self.client is not None:
            trained = load(self.client)
            try:
                self.client_.load_state_dict(trained.state_dict())
            except RuntimeError as error:
                raise UsageError(
                    f"{self.client} is no duet_client of {self.embedding} numbers for pictures of {self.side}; "
                    "train one, or say its embedding= and side=."
                ) from error
        return self

    def train(self, mode: bool = True) -> Self:
        """As modules do, but for the client's network: from here on it stays as it is."""
        super().train(mode)
        self.client_.frozen()
        return self

    def param_groups(self) -> list[dict[str, object]]:
        """The convolutions that the attention comes out of, at the server's rate."""
        return [{"params": list(self.attention_.parameters()), "lr_scale": 1.0}]

    def forward(self, x: Features, faces: Faces | None = None) -> Features:
        self.check(x, faces)
        images = inverse_block_dct(x.detach()).clamp(0, 1) if faces is None else faces.images
        size = (x.shape[-2], x.shape[-1])
        return torch.cat([x[:, self.kept], self.masks(x, self.regions(images, size).to(x))], 1)

    def regions(self, images: Images, size: tuple[int, int]) -> Tensor:
        """(B, 1, *size): 1 inside the convex hull of each face's landmarks."""
        if self._finder is None:
            self._finder = landmarker()
        points = self._finder.landmarks(images)
        return hulls(points * [size[1] / images.shape[-1], size[0] / images.shape[-2]], size)

    def masks(self, x: Features, regions: Tensor) -> Tensor:
        """(B, 4, h, w) in 0..1: the client's attention, one for each of the server's stages, inside of the regions."""
        if not self.client_.get_buffer("layers.stem.scale.running_mean").any():  # as it is before the first batch
            raise UsageError(
                "DuetFace's client has not been trained: train the recognizer `client_` alone first, or restore what a "
                "trained one learned."
            )
        found: list[Tensor] = []
        for name, layer in list(self.client_.layers.named_children())[self.client_.cut :]:
            x = layer(x)
            if name in SOURCES:
                # the convolution first: it commutes with enlarging, and is up to 256 times as cheap here
                seen = self.attention_[len(found)](x)
                seen = F.interpolate(seen, regions.shape[-2:], mode="bilinear", align_corners=False)
                found.append(stretched(stretched(seen) * regions))
            if len(found) == STAGES:
                break
        return torch.cat(found, 1)
