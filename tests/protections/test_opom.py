"""OPOM: its hulls against independent solvers, one step by hand, its bound and its effect on photos it has not seen."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from scipy import linalg, optimize
from torch import Tensor
from torch.nn import functional as F

from bauta.ops.quantize import to_8bit
from bauta.protections import OPOMAffine, OPOMCenter, OPOMConvex
from bauta.protections.images.opom import OPOM, affine_hull, convex_hull, simplex
from bauta.recognizers import Recognizer
from bauta.types import Faces

KINDS = (OPOMCenter, OPOMAffine, OPOMConvex)
EACH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def person(number: int, seed: int = 0) -> Tensor:
    """Unit rows (number, 24) around one direction, as one person's templates are."""
    g = torch.Generator().manual_seed(seed)
    rows = torch.randn(1, 24, generator=g) + 0.8 * torch.randn(number, 24, generator=g)
    return F.normalize(rows.double())


def photos(number: int = 8) -> Faces:
    """Photos of one person: the same picture with other noise."""
    noise = 0.08 * torch.randn(number, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return Faces(to_8bit(tiny.pictures(1) + noise), torch.zeros(number, dtype=torch.long))


def team() -> list[Recognizer]:
    return [tiny.recognizer(seed=1), tiny.recognizer(seed=2, embedding=12)]


@pytest.mark.parametrize("number", [1, 2, 7, 20])
def test_the_affine_hull_is_constrained_least_squares(number: int) -> None:
    """Against the optimality conditions of: least |w P - y|^2 with weights that sum to 1, by scipy."""
    points, found = person(number), person(5, seed=1)
    p = points.numpy()
    kkt = np.block([[p @ p.T, np.ones((number, 1))], [np.ones((1, number)), np.zeros((1, 1))]])
    for y, ours in zip(found.numpy(), affine_hull(found, points).numpy(), strict=True):
        weights = linalg.lstsq(kkt, np.append(p @ y, 1.0))[0][:number]
        assert np.allclose(ours, weights @ p, atol=1e-8)


def test_a_repeated_photo_changes_no_hull() -> None:
    points, found = person(5), person(3, seed=1)
    twice = torch.cat([points, points[:2]])
    for hull in (affine_hull, convex_hull):
        assert torch.allclose(hull(found, points), hull(found, twice), atol=2e-3)


@pytest.mark.parametrize("number", [1, 2, 7, 20, 50])
def test_the_convex_hull_is_the_quadratic_program(number: int) -> None:
    """Against non-negative least squares with a heavy row that makes the weights sum to 1 (Lawson and Hanson)."""
    points = person(number)
    inside = torch.full((1, number), 1 / number, dtype=torch.float64) @ points
    found = torch.cat([person(4, seed=1), points[:1], inside])
    p = points.numpy()
    for y, ours in zip(found.numpy(), convex_hull(found, points).numpy(), strict=True):
        weights, _ = optimize.nnls(np.vstack([p.T, 1e4 * np.ones(number)]), np.append(y, 1e4))
        best, reached = np.sum((weights @ p - y) ** 2), np.sum((ours - y) ** 2)
        assert abs(reached - best) < 2e-6
        assert np.allclose(ours, weights @ p, atol=2e-3)  # the square root of the tolerance


def test_the_simplex_is_the_nearest_point_of_it() -> None:
    rows = torch.randn(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for row, ours in zip(rows.numpy(), simplex(rows).numpy(), strict=True):
        bounds = [(0, None)] * 5
        sums = {"type": "eq", "fun": lambda w: w.sum() - 1}
        best = optimize.minimize(
            lambda w, r=row: ((w - r) ** 2).sum(), np.full(5, 0.2), bounds=bounds, constraints=sums, tol=1e-14
        )
        assert np.allclose(ours, best.x, atol=1e-5)


def test_the_center_is_the_mean() -> None:
    points = person(7)
    assert torch.equal(OPOMCenter().nearest(person(3, seed=1), points, 0), points.mean(0).expand(3, -1))


def test_the_convex_hull_waits_for_the_warmup() -> None:
    points, found = person(7), person(3, seed=1)
    cloak = OPOMConvex(warmup=2)
    assert torch.equal(cloak.nearest(found, points, 1), points.mean(0).expand(3, -1))
    assert torch.equal(cloak.nearest(found, points, 2), convex_hull(found, points))


@EACH
def test_it_is_the_plain_loop(kind: type[OPOM]) -> None:
    """One picture at a time, in double precision; only the start is taken from the method."""
    faces = photos(5)
    images = to_8bit(faces.images.double())
    faces = Faces(images, faces.identity)
    networks = [n.double() for n in team()]
    start = kind(steps=0, seed=3).fit(faces, *networks).masks_[0]
    assert 0.9 / 255 < start.abs().max() <= 1 / 255
    hulls = {OPOMCenter: lambda f, p: p.mean(0)[None], OPOMAffine: affine_hull, OPOMConvex: convex_hull}
    mask, clean = start, [n.embed(images).detach() for n in networks]
    for step in range(3):
        total = torch.zeros_like(mask)
        for x in images:
            seen = ((x + mask).clamp(0, 1) * 255).round()[None] / 255
            leaf = seen.requires_grad_(True)
            loss = torch.zeros((), dtype=x.dtype)
            for n, points in zip(networks, clean, strict=True):
                found = n.embed(leaf)
                hull = hulls[OPOMCenter if kind is OPOMConvex and step < 1 else kind]
                loss = loss + ((found - hull(found.detach(), points)) ** 2).sum()
            inside = ((x + mask) >= 0) & ((x + mask) <= 1)
            total += torch.autograd.grad(loss, leaf)[0][0] * inside
        mask = (mask + total.sign() / 255).clamp(-16 / 255, 16 / 255)
    options = {"warmup": 1} if kind is OPOMConvex else {}
    ours = kind(steps=3, seed=3, batch_size=2, **options).fit(faces, *networks).masks_[0]
    assert torch.allclose(ours, mask, atol=1e-9)


@EACH
def test_its_mask_turns_photos_it_has_not_seen_within_the_bound(kind: type[OPOM]) -> None:
    faces, networks = photos(12), team()
    cloak = kind(seed=1).fit(faces[:8], *networks)
    fresh = faces[8:]
    out = to_8bit(cloak(fresh.images, fresh))
    assert (out - fresh.images).abs().max() <= 16 / 255 + 1e-6
    coin = torch.randint(0, 2, (3, 32, 32), generator=torch.Generator().manual_seed(0)) * 2 - 1
    noise = to_8bit(fresh.images + 16 / 255 * coin)
    for n in networks:
        ours, chance = (1 - (n.embed(x) * n.embed(fresh.images)).sum(1).mean() for x in (out, noise))
        assert ours > chance + 0.2
