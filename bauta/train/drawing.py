"""What a face prior's training minimizes: an autoencoder whose decoder also draws what nobody encoded.

Losses, all on pictures in [0, 1]: the mean absolute difference of a picture and what the decoder makes of its latent;
their distance in the layers of a recognizer (`bauta.metrics.perceptual`); and a critic's, which sees pictures, what was
made of their latents, and pictures of latents *between* people, so that these too must look like faces (Makhzani et
al., Adversarial autoencoders, arXiv 1511.05644, turned around; Larsen et al., VAE/GAN, ICML 2016).
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from bauta.generators.autoencoder import LatentDecoder
from bauta.metrics.base import Metric
from bauta.recognizers import Recognizer
from bauta.train.batches import Batch
from bauta.train.objective import Minimized
from bauta.types import Images

__all__ = ["Critic", "Drawing", "between", "gray"]


class Critic(nn.Module):
    """(B, 3, H, W) -> (B, 1, h, w): for each patch, how much it looks like a photo's (Isola et al., CVPR 2017), with
    spectral norms (Miyato et al., ICLR 2018)."""

    def __init__(self, widths: tuple[int, ...] = (32, 64, 96, 128)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for outputs in widths:
            layers += [spectral_norm(nn.Conv2d(inputs, outputs, 4, 2, 1)), nn.LeakyReLU(0.2)]
            inputs = outputs
        self.layers = nn.Sequential(*layers, spectral_norm(nn.Conv2d(inputs, 1, 3, 1, 1)))

    def forward(self, images: Images) -> Tensor:
        patches: Tensor = self.layers(images * 2 - 1)
        return patches


class Drawing(Minimized):
    """Batch -> {pixels, layers, critic, drawn}, whose sum is minimized by encoder, decoder and critic at once.

    encoder: a recognizer whose embedding is the latent; its last batch norm gives each number mean 0. layers: the
    perceptual distance, or None. noise: standard deviation of what is added to a latent, so that near latents look
    alike. weights: what layers and critic weigh against the pixels.

    The critic's part holds two losses of opposite aim. It learns to tell pictures (hinge loss, pictures detached), and
    encoder and decoder learn to be taken for pictures by the critic as it is (its weights detached).
    """

    def __init__(
        self,
        encoder: Recognizer,
        decoder: LatentDecoder,
        layers: Metric | None = None,
        *,
        noise: float = 0.1,
        weights: tuple[float, float] = (1.0, 0.03),
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.critic = encoder, decoder, Critic()
        self.layers = layers
        self.noise, self.weights = noise, weights

    def encoded(self, images: Images) -> Tensor:
        """(B, latent)."""
        return self.encoder.embedding(self.encoder.features(images))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        images = batch.faces.images
        latents = self.encoded(images).float()
        noisy = latents + self.noise * torch.randn_like(latents)
        both = self.decoder(torch.cat([noisy, between(latents, gray(images))])).float()
        made = both[: len(images)]
        losses = {"pixels": (made - images).abs().mean()}
        if self.layers is not None:
            with torch.autocast(images.device.type, enabled=False):
                losses["layers"] = self.weights[0] * self.layers(made, images).mean()
        frozen = {name: tensor.detach() for name, tensor in self.critic.named_parameters()}
        judged = functional_call(self.critic, frozen, (both,)).float()
        losses["drawn"] = -self.weights[1] * judged.mean()
        true, false = self.critic(images).float(), self.critic(both.detach()).float()
        losses["critic"] = (F.relu(1 - true).mean() + F.relu(1 + false).mean()) / 2
        return losses


def gray(images: Images) -> Tensor:
    """(B,) whether a picture has no color."""
    return (images.amax(1) - images.amin(1)).flatten(1).amax(1) < 1e-3


def between(latents: Tensor, apart: Tensor, *, generator: Generator | None = None) -> Tensor:
    """(B, latent) draws with the mean and covariance of a batch's latents, by random combinations of its rows.

    apart: (B,) two groups that are not mixed. A row is the mean of its group plus a combination of the others'
    deviations with standard normal weights, over the square root of their number.
    """
    found = torch.empty_like(latents)
    for group in (apart, ~apart):
        rows = latents[group]
        if len(rows):
            draws = torch.randn(len(rows), len(rows), generator=generator).to(latents)
            found[group] = rows.mean(0) + draws @ (rows - rows.mean(0)) / max(1, len(rows) - 1) ** 0.5
    return found
