"""Fawkes: who the target is, that pictures come nearer to it, and that the DSSIM budget is kept in the file."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.metrics import SSIM
from bauta.ops.quantize import to_8bit
from bauta.protections import Fawkes
from bauta.protections.images.fawkes import dssim
from bauta.recognizers import Recognizer
from bauta.types import Faces


def files(number: int = 12) -> Faces:
    """Two pictures of each of `number` / 2 people."""
    faces = tiny.faces(number)
    return Faces(to_8bit(faces.images), faces.identity, source=faces.source)


def team() -> list[Recognizer]:
    return [tiny.recognizer(seed=1), tiny.recognizer(seed=2, embedding=12)]


def away(networks: list[Recognizer], ours: Tensor, goals: list[Tensor]) -> Tensor:
    """(B,) distance to the goals, summed over the networks."""
    return torch.stack([(n.embed(ours) - g).norm(dim=1) for n, g in zip(networks, goals, strict=True)]).sum(0)


def goals(cloak: Fawkes, faces: Faces, people: list[int | None]) -> list[Tensor]:
    return cloak._goals(faces.images, faces.digests(), people)


def people_of(faces: Faces) -> list[int | None]:
    assert faces.identity is not None
    return faces.identity.tolist()


def test_the_target_is_the_person_with_the_farthest_center() -> None:
    """With every other person a candidate, found here with angles by the arc cosine, person by person."""
    faces, networks = files(), team()
    cloak = Fawkes(candidates=99).fit(faces, *networks)
    found = goals(cloak, faces, people_of(faces))
    means = [torch.stack([n.embed(faces.images[2 * p : 2 * p + 2]).mean(0) for p in range(6)]) for n in networks]
    for i in range(12):
        turned = [
            sum(float(torch.cosine_similarity(m[i // 2], m[p], dim=0).clamp(-1, 1).acos()) for m in means)
            for p in range(6)
        ]
        target = max(range(6), key=lambda p: turned[p])
        mates = [n.embed(faces.images[2 * target : 2 * target + 2]) for n in networks]
        hits = [(m - g[i]).norm(dim=1) < 1e-4 for m, g in zip(mates, found, strict=True)]
        assert (hits[0] & hits[1]).sum() == 1, "one picture of the target, the same for all members"


def test_one_candidate_is_anybody_else_and_the_same_for_all_of_a_persons_pictures() -> None:
    faces, networks = files(), team()
    targets = set()
    for seed in range(12):
        cloak = Fawkes(candidates=1, seed=seed).fit(faces, *networks)
        templates = networks[0].embed(faces.images)
        rows = [int((templates - g).norm(dim=1).argmin()) for g in goals(cloak, faces, people_of(faces))[0]]
        assert all(row // 2 != i // 2 for i, row in enumerate(rows)), "nobody is his own target"
        assert all(rows[i] // 2 == rows[i + 1] // 2 for i in range(0, 12, 2))
        targets.add(rows[0] // 2)
    assert len(targets) >= 4


def test_a_picture_without_a_name_is_not_moved_toward_whoever_it_looks_like() -> None:
    """That may be the person himself. Both networks are asked."""
    faces, networks = files(), team()
    templates = [n.embed(faces.images) for n in networks]
    centers = [torch.stack([t[2 * p : 2 * p + 2].mean(0) for p in range(6)]) for t in templates]
    for seed in range(6):
        cloak = Fawkes(candidates=1, seed=seed).fit(faces, *networks)
        rows = [int((templates[0] - g).norm(dim=1).argmin()) for g in goals(cloak, faces, [None] * 12)[0]]
        for i, row in enumerate(rows):
            turned = [torch.cosine_similarity(t[i], c).acos() for t, c in zip(templates, centers, strict=True)]
            assert row // 2 != int(torch.stack(turned).sum(0).argmin())


@pytest.mark.parametrize("budget", [0.007, 0.03])
def test_it_comes_nearer_to_its_target_within_the_budget(budget: float) -> None:
    faces, networks = files(), team()
    cloak = Fawkes(budget=budget, seed=2).fit(faces, *networks)
    out = cloak(faces.images, faces)
    change = (1 - SSIM.score(out, faces.images)) / 2
    assert torch.equal(out, to_8bit(out))
    assert (change <= budget + 1e-6).all()
    assert change.mean() > 0.5 * budget, "what may be spent is spent"
    aims = goals(cloak, faces, people_of(faces))
    coin = torch.randint(0, 2, out.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    noise = to_8bit(faces.images + (out - faces.images).square().mean((1, 2, 3), keepdim=True).sqrt() * coin)
    before, after, chance = (away(networks, x, aims) for x in (faces.images, out, noise))
    assert (after < before).all()
    assert (before - after).mean() > 3 * (before - chance).abs().mean()


def test_nothing_hides_at_the_rim_where_windows_hardly_look() -> None:
    faces, networks = files(), team()
    change = (Fawkes(budget=0.003).fit(faces, *networks)(faces.images, faces) - faces.images).abs()
    inside = change[..., 5:-5, 5:-5].mean()
    rim = (change.sum() - change[..., 1:-1, 1:-1].sum()) / (12 * 3 * 4 * 31)
    assert rim < 3 * inside, (rim, inside)
    loud = faces.images.clone()
    loud[..., 0, :] = 1 - loud[..., 0, :]
    plain = (1 - SSIM.score(loud, faces.images)) / 2
    assert (dssim(loud, faces.images) > 2 * plain).all()
    assert torch.equal(dssim(faces.images, faces.images), torch.zeros(12))


def test_a_larger_budget_comes_nearer() -> None:
    faces, networks = files(6), team()
    near = []
    for budget in (0.002, 0.01, 0.05):
        cloak = Fawkes(budget=budget).fit(faces, *networks)
        near.append(away(networks, cloak(faces.images, faces), goals(cloak, faces, people_of(faces))).mean())
    assert near[0] > near[1] > near[2]


def test_no_budget_leaves_the_picture() -> None:
    faces = files(4)
    assert torch.equal(Fawkes(budget=0.0, steps=5).fit(faces, *team())(faces.images, faces), faces.images)


def test_it_needs_other_people() -> None:
    faces = files(4)
    for few in (None, Faces(faces.images), faces[:2]):
        with pytest.raises(UsageError, match="needs a pool of them: faces with the identity of at least two people"):
            Fawkes().fit(few, *team())
