"""TIP-IM: the greedy choice against trying every target by hand, MMD by its definition, the bound, the effect."""

from __future__ import annotations

import math

import pytest
import tiny
import torch

from bauta.errors import UsageError
from bauta.ops.quantize import to_8bit
from bauta.protections import TIPIM
from bauta.protections.images import tipim
from bauta.protections.images.tipim import WIDTHS, mmd
from bauta.recognizers import Recognizer
from bauta.types import Faces


def files(number: int = 12) -> Faces:
    faces = tiny.faces(number)
    return Faces(to_8bit(faces.images), faces.identity, source=faces.source)


def team() -> list[Recognizer]:
    return [tiny.recognizer(seed=1), tiny.recognizer(seed=2, embedding=12)]


def test_mmd_is_its_definition() -> None:
    """E k(a, a') + E k(b, b') - 2 E k(a, b), with one point on each side, on 0..255."""
    a, b = tiny.pictures(3).double(), tiny.pictures(3, seed=5).double()
    b = a + 0.001 * (b - a)
    for i, value in enumerate(mmd(a, b).tolist()):
        distance = sum(
            ((x - y) * 255) ** 2 for x, y in zip(a[i].flatten().tolist(), b[i].flatten().tolist(), strict=True)
        )
        wanted = sum(1 + 1 - 2 * math.exp(-distance / (2 * w)) for w in WIDTHS)
        assert abs(value - wanted) < 1e-6
    assert mmd(a, a).tolist() == [0, 0, 0]


def test_targets_are_other_people_drawn_once_a_person() -> None:
    faces, networks = files(), team()
    assert faces.identity is not None
    cloak = TIPIM(targets=3, seed=4).fit(faces, *networks)
    clean = cloak.team_.templates(faces.images)
    found = cloak._goals(clean, faces.digests(), faces.identity.tolist())
    assert [g.shape for g in found] == [(12, 3, 16), (12, 3, 12)]
    means = torch.stack([networks[0].embed(faces.images[2 * p : 2 * p + 2]).mean(0) for p in range(6)])
    centers = means / means.norm(dim=1, keepdim=True)
    for i in range(12):
        people = [int((centers - goal).norm(dim=1).argmin()) for goal in found[0][i]]
        assert len(set(people)) == 3
        assert i // 2 not in people
        assert torch.allclose(found[0][i], centers[people], atol=1e-5)
        assert torch.equal(found[0][i], found[0][i // 2 * 2])


def test_one_step_is_the_best_of_all_targets_tried_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without diversity; in double precision, so that no sign hangs on rounding."""
    monkeypatch.setattr(tipim, "resized_and_padded", lambda images, *_: images)
    faces = files(8)
    faces = Faces(to_8bit(faces.images.double()), faces.identity, source=faces.source)
    assert faces.identity is not None
    networks = [n.double() for n in team()]
    cloak = TIPIM(steps=1, epsilon=8 / 255, seed=1).fit(faces, *networks)
    out = cloak(faces.images, faces)
    means = [torch.stack([n.embed(faces.images[2 * p : 2 * p + 2]).mean(0) for p in range(4)]) for n in networks]
    centers = [m / m.norm(dim=1, keepdim=True) for m in means]
    chosen = []
    for i in range(8):
        x = faces.images[i : i + 1]
        others, best = [p for p in range(4) if p != i // 2], (-math.inf, x, -1)
        for target in others:
            leaf = x.clone().requires_grad_(True)
            loss = torch.zeros((), dtype=x.dtype)
            for n, c in zip(networks, centers, strict=True):
                clean, found = n.embed(x)[0].detach(), n.embed(leaf)[0]
                loss = loss + ((found - c[target]) ** 2).sum() - ((found - clean) ** 2).sum()
            (gradient,) = torch.autograd.grad(loss, leaf)  # MMD has no slope at the picture itself
            tried = to_8bit((x - 8 / 255 * gradient.sign()).clamp(0, 1))  # 1.5 epsilon, cut by the ball
            seen = [n.embed(tried)[0] for n in networks]
            apart = sum(float((s - n.embed(x)[0]).norm()) for s, n in zip(seen, networks, strict=True))
            left = min(sum(float((s - c[p]).norm()) for s, c in zip(seen, centers, strict=True)) for p in others)
            best = max(best, (apart - left, tried, target), key=lambda b: b[0])
        assert torch.allclose(out[i : i + 1], best[1], atol=1e-9)
        chosen.append(others.index(best[2]))
    assert len(set(chosen)) > 1, "the choice is a choice"


def test_the_bound_holds_and_features_leave_far_more_than_under_noise() -> None:
    faces, networks = files(), team()
    out = TIPIM(steps=10, gamma=0.0).fit(faces, *networks)(faces.images, faces)
    assert torch.equal(out, to_8bit(out))
    assert (out - faces.images).abs().max() <= 16 / 255 + 1e-6
    coin = torch.randint(0, 2, out.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    noise = to_8bit(faces.images + 16 / 255 * coin)
    for n in networks:
        ours, chance = ((n.embed(x) - n.embed(faces.images)).norm(dim=1).mean() for x in (out, noise))
        assert ours > 1.5 * chance


def test_gamma_keeps_pictures_nearer() -> None:
    faces = files(6)
    sizes = [
        (TIPIM(steps=10, gamma=g).fit(faces, *team())(faces.images, faces) - faces.images).square().mean()
        for g in (0.0, 1e6)
    ]
    assert sizes[1] < 0.5 * sizes[0]


def test_it_needs_other_people() -> None:
    faces = files(4)
    with pytest.raises(UsageError, match="TIPIM moves pictures toward other people"):
        TIPIM().fit(faces[:2], *team())
