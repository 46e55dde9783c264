"""ScatterMask: a person's mask first, and then every photo on its own way."""

from __future__ import annotations

import pytest
import tiny
import torch

from bauta.errors import UsageError
from bauta.protections import ScatterMask, TransferMask
from bauta.types import Faces, Source

OPTIONS = {"epochs": 6, "step_size": 0.002, "budget": 0.2}


def people() -> Faces:
    """Six photos of one person, and two of each of four strangers."""
    who = torch.tensor([1] * 6 + [2, 2, 3, 3, 4, 4, 5, 5])
    sources = [Source(f"{i}.png", f"{i:064x}") for i in range(len(who))]
    return Faces(0.2 + 0.6 * tiny.pictures(len(who), seed=6), who, source=sources)


@pytest.fixture(scope="module")
def networks() -> list:  # type: ignore[type-arg]
    return [tiny.recognizer(seed=1), tiny.recognizer(seed=2)]


def test_its_mask_is_transfermasks_and_those_with_few_photos_are_strangers(networks: list) -> None:  # type: ignore[type-arg]
    faces = people()
    scatter = ScatterMask(steps=2, **OPTIONS).fit(faces, *networks)
    transfer = TransferMask(**OPTIONS).fit(faces[:6], *networks)
    assert list(scatter.people()) == [1]
    assert torch.equal(scatter.masks_[1], transfer.masks_[1])
    assert scatter.pool_.people == [2, 3, 4, 5]


def test_photos_scatter_that_one_mask_gathers(networks: list) -> None:  # type: ignore[type-arg]
    """Protected photos of a person are less alike than under the mask alone, and no more like the person."""
    faces = people()
    mine = faces[:6]
    alike, own = {}, {}
    for made in (TransferMask(**OPTIONS), ScatterMask(steps=20, **OPTIONS)):
        fitted = made.fit(faces if isinstance(made, ScatterMask) else mine, *networks)
        out = fitted(mine.images, mine)
        assert ((out - mine.images).abs() <= 16.501 / 255).all(), "the bound, and the rounding of these pictures"
        rows = [n.embed(out) for n in networks]
        clean = [n.embed(mine.images) for n in networks]
        upper = torch.triu_indices(6, 6, 1)
        alike[type(made)] = float(torch.stack([(r @ r.T)[upper[0], upper[1]].mean() for r in rows]).mean())
        own[type(made)] = float(torch.stack([(r * c).sum(1).mean() for r, c in zip(rows, clean, strict=True)]).mean())
    assert alike[ScatterMask] < alike[TransferMask] - 0.1
    assert own[ScatterMask] < own[TransferMask]


def test_the_key_takes_off_the_mask_and_leaves_the_steps(networks: list) -> None:  # type: ignore[type-arg]
    faces = people()
    fitted = ScatterMask(steps=5, **OPTIONS).fit(faces, *networks)
    mine = faces[:6]
    out = fitted(mine.images, mine)
    left = (fitted.remove(out, mine) - mine.images).abs().mean()
    assert 0 < left < (out - mine.images).abs().mean() * 1.5


def test_it_says_what_is_missing(networks: list) -> None:  # type: ignore[type-arg]
    with pytest.raises(UsageError, match="at least 5 photos"):
        ScatterMask().fit(people()[6:], *networks)
    with pytest.raises(UsageError, match="at least two people"):
        ScatterMask(epochs=1).fit(people()[:6], *networks)
    with pytest.raises(UsageError, match="photos of known people"):
        ScatterMask().fit(None, *networks)
    with pytest.raises(UsageError, match="at least 1"):
        ScatterMask(steps=0)
