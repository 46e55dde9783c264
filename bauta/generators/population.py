"""People who do not exist: draws of a face prior, several pictures of each, for whoever has no faces and needs some."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from bauta import zoo
from bauta.errors import BadFile, UsageError
from bauta.generators.autoencoder import EMBEDDED, AutoencoderPrior
from bauta.ops.noise import generators, normal, uniform
from bauta.types import Faces, Images, Source

__all__ = ["Population", "photographed", "synthetic"]

BATCH = 64


@dataclass(frozen=True)
class Population:
    """Draws of a prior, by number: who they are follows from `seed` and the number alone.

    people: the numbers of those who were found to be nobody (`bauta generator vet`). amount: how far one person's
    pictures lie from each other, 1 as those in the prior's training. gender: of each of the people, as an attribute
    network reads it off their pictures (0 man, 1 woman, -1 not sure); empty where none was asked.
    """

    prior: AutoencoderPrior
    seed: int
    people: tuple[int, ...]
    amount: float = 0.7
    gender: tuple[int, ...] = ()

    def bases(self, people: Sequence[int]) -> Tensor:
        """(n, latent) latents of W, one a person."""
        draws = generators(self.seed, [str(person) for person in people], "a person who does not exist")
        return self.prior.mapped(normal(self.prior.z_shape, draws, self.prior.mean_))

    def pictures(self, people: Sequence[int], views: Sequence[int]) -> Images:
        """(n, 3, 112, 112), person by person and view by view; a view has its own pose, mood and light."""
        latents = self.bases(people)
        draws = generators(self.seed, [f"{p}:{v}" for p, v in zip(people, views, strict=True)], "a view of a person")
        moved = torch.cat([
            self.prior.moved(latent[None], draw, self.amount) for latent, draw in zip(latents, draws, strict=True)
        ])  # fmt: skip
        found = [self.prior.in_space("w").render(part) for part in torch.split(moved, BATCH)]
        return photographed(torch.cat(found), draws)

    def faces(self, count: int, views: int, seed: int = 0) -> Faces:
        """`views` pictures each of `count` people, whom `seed` chooses. Raises `UsageError`."""
        if not 1 <= count <= len(self.people):
            raise UsageError(
                f"There are {len(self.people)} people who were found to be nobody, got a wish for {count}; ask for "
                "fewer, or draw more with `bauta generator vet`."
            )
        if views < 1:
            raise UsageError(f"A person needs at least one picture, got views={views}.")
        (draw,) = generators(seed, ["chosen"], "people who do not exist")
        places = torch.randperm(len(self.people), generator=draw)[:count].tolist()
        chosen = [self.people[place] for place in places]
        people = [person for person in chosen for _ in range(views)]
        seen = [seed * views + view for _ in chosen for view in range(views)]
        images = torch.cat([
            self.pictures(people[i : i + BATCH], seen[i : i + BATCH]) for i in range(0, len(people), BATCH)
        ])  # fmt: skip
        digests = Faces(images).digests()
        source = [
            Source(f"nobody-{person:05}/{view:03}.png", digest)
            for person, view, digest in zip(people, seen, digests, strict=True)
        ]
        read = [self.gender[place] for place in places for _ in range(views)] if self.gender else []
        attributes = {"gender": torch.tensor(read)} if read else {}
        return Faces(images, torch.arange(count).repeat_interleave(views), attributes, source)


def photographed(images: Images, draws: Sequence[Generator]) -> Images:
    """The same faces in another photo: half of them mirrored, turned by at most 5 degrees, 4 % larger or smaller,
    shifted by at most 3 % of the picture, lit from a side, lighter or darker, and with a camera's grain."""
    mirrored = uniform((1, 1, 1), draws, images) < 0.5
    u = 2 * uniform((8,), draws, images) - 1
    angle, scale = u[:, 0] * torch.pi / 36, 1 + 0.04 * u[:, 1]
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    theta = torch.stack([cosine, -sine, 0.06 * u[:, 2], sine, cosine, 0.06 * u[:, 3]], 1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    turned = F.grid_sample(
        torch.where(mirrored, images.flip(3), images), grid, padding_mode="border", align_corners=False
    )
    height, width = images.shape[-2:]
    down = torch.linspace(-1, 1, height)[None, None, :, None]
    across = torch.linspace(-1, 1, width)[None, None, None, :]
    gain, gamma, side, top = (u[:, i, None, None, None] for i in (4, 5, 6, 7))
    light = (1 + 0.15 * gain) * (1 + 0.2 * (side * across + top * down))
    lit = turned.clamp(1e-3, 1).pow(2 ** (0.3 * gamma)) * light
    return (lit + 0.01 * normal(images.shape[1:], draws, images)).clamp(0, 1)


def read_population(prior: str | Path, people: str | Path) -> Population:
    """A prior's file and what `bauta generator vet` wrote of it. Raises `MissingData`, `BadFile`."""
    try:
        said = json.loads(Path(people).read_bytes())
        numbers, seed, amount = tuple(map(int, said["people"])), int(said["seed"]), float(said["amount"])
        gender = tuple(map(int, said["gender"]))
        if len(gender) not in (0, len(numbers)):
            raise ValueError(f"{len(numbers)} people, and the gender of {len(gender)}")
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise BadFile(f"{people} is no list of people of `bauta generator vet` ({error}); write it again.") from error
    return Population(AutoencoderPrior(prior), seed, numbers, amount, gender)


@lru_cache(maxsize=1)
def embedded() -> Population:
    """The population that comes with bauta."""
    _, people = zoo.tool(EMBEDDED).files
    return read_population(EMBEDDED, zoo.locate(people))


def synthetic(number: int, seed: int = 0, *, views: int = 4) -> Faces:
    """`views` pictures each of `number` people who do not exist, aligned, with their identity.

    They are draws of the face prior that comes with bauta. None came nearer to a face that it has learned from than
    strangers do once in 10,000 times, under two recognizers (`docs/models/bauta-faces.md` has the distances). The same
    numbers give the same pictures; another seed other people, and other pictures of those who are in both. Raises
    `UsageError`.
    """
    return embedded().faces(number, views, seed)
