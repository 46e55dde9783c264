"""PGD, MI-FGSM, DIM and TIM against plain loops: one picture at a time, the network as it was built."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tiny
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

from bauta.ops.filters import filter_same, gaussian_kernel
from bauta.ops.noise import generators
from bauta.ops.quantize import to_8bit
from bauta.protections import DIM, MIFGSM, PGD, TIM
from bauta.protections.images.dodging import resized_and_padded
from bauta.recognizers import Recognizer
from bauta.types import Faces

KINDS = (PGD, MIFGSM, DIM, TIM)
EACH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def files(number: int = 4) -> Faces:
    """Pictures on 8-bit levels, as they come from files."""
    faces = tiny.faces(number)
    return Faces(to_8bit(faces.images), faces.identity, source=faces.source)


def team(double: bool = False) -> list[Recognizer]:
    made = [tiny.recognizer(seed=1), tiny.recognizer(seed=2, embedding=12)]
    return [m.double() for m in made] if double else made


def turned(networks: list[Recognizer], ours: Tensor, theirs: Tensor) -> Tensor:
    """Angle between templates, summed over networks, by the arc cosine."""
    return torch.stack([(n.embed(ours) * n.embed(theirs)).sum(1).clamp(-1, 1).acos() for n in networks]).sum(0)


def plain_loop(
    faces: Faces,
    networks: list[Recognizer],
    *,
    steps: int,
    step_size: float,
    reach: float,
    seed: int,
    decay: float | None = None,
    smooth: Callable[[Tensor], Tensor] = lambda gradient: gradient,
) -> Tensor:
    """Signed ascent picture by picture; the start is uniform in +-reach. decay None: no momentum."""
    epsilon, results = 16 / 255, []
    for image, digest in zip(faces.images, faces.digests(), strict=True):
        (draws,) = generators(seed, [digest], "start")
        x = image[None]
        noise = 2 * torch.rand(image.shape, generator=draws).to(image) - 1
        cloaked = torch.minimum(torch.maximum(x + reach * noise, x - epsilon), x + epsilon).clamp(0, 1)
        total = torch.zeros_like(x)
        for _ in range(steps):
            seen = ((cloaked * 255).round() / 255).requires_grad_(True)
            loss = torch.zeros((), dtype=x.dtype)
            for network in networks:
                a, b = network.embed(seen)[0], network.embed(x)[0].detach()
                loss = loss + torch.acos(a @ b)
            (gradient,) = torch.autograd.grad(loss, seen)
            gradient = smooth(gradient)
            total = gradient if decay is None else decay * total + gradient / gradient.abs().sum()
            cloaked = cloaked + step_size * total.sign()
            cloaked = torch.minimum(torch.maximum(cloaked, x - epsilon), x + epsilon).clamp(0, 1)
        results.append((cloaked * 255).round() / 255)
    return torch.cat(results)


def scipy_kernel(radius: int) -> Tensor:
    """The kernel of TIM's paper: a normal density over three standard deviations."""
    line = stats.norm.pdf([3 * i / radius for i in range(-radius, radius + 1)])
    kernel = torch.tensor(line)[:, None] * torch.tensor(line)
    return kernel / kernel.sum()


def by_channel(gradient: Tensor) -> Tensor:
    return torch.cat([F.conv2d(gradient[:, c : c + 1], scipy_kernel(3)[None, None], padding=3) for c in range(3)], 1)


@pytest.mark.parametrize(
    ("cloak", "loop"),
    [
        (PGD(steps=4, seed=3), {"step_size": 2 / 255, "reach": 16 / 255}),
        (MIFGSM(steps=4, decay=0.7, seed=3), {"step_size": 1.6 / 255, "reach": 1.6 / 255, "decay": 0.7}),
        (DIM(steps=4, chance=0.0, seed=3), {"step_size": 1.6 / 255, "reach": 1.6 / 255, "decay": 1.0}),
        (TIM(steps=4, seed=3), {"step_size": 1.6 / 255, "reach": 1.6 / 255, "decay": 1.0, "smooth": by_channel}),
    ],
    ids=["PGD", "MIFGSM", "DIM without luck", "TIM"],
)
def test_it_is_the_plain_loop_step_by_step(cloak: PGD, loop: dict[str, object]) -> None:
    """In double precision, so that no sign hangs on rounding."""
    faces = files()
    double = Faces(faces.images.double(), source=faces.source)
    double = Faces(to_8bit(double.images), source=faces.source)
    networks = team(double=True)
    cloak.batch_size = 3
    ours = cloak.fit(None, *networks)(double.images, double)
    theirs = plain_loop(double, networks, steps=4, seed=3, **loop)  # type: ignore[arg-type]
    assert torch.allclose(ours, theirs, atol=1e-9)


@EACH
def test_the_bound_holds_in_the_file(kind: type[PGD]) -> None:
    """Also one that lies between two 8-bit levels, and for pictures that are on no level."""
    faces = tiny.faces(4)
    for epsilon in (16 / 255, 5.5 / 255):
        for pictures in (faces.images, to_8bit(faces.images)):
            out = kind(epsilon=epsilon).fit(None, *team())(pictures, faces)
            assert torch.equal(out, to_8bit(out))
            assert (out - pictures).abs().max() <= epsilon + 1e-5
            assert (out - pictures).abs().max() > epsilon - 1.01 / 255, "the bound is used"


@EACH
def test_it_turns_the_templates_far_more_than_noise_does(kind: type[PGD]) -> None:
    faces, networks = files(6), team()
    out = kind(seed=1).fit(None, *networks)(faces.images, faces)
    coin = torch.randint(0, 2, out.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    noise = to_8bit(faces.images + 16 / 255 * coin)
    ours, chance = turned(networks, out, faces.images), turned(networks, noise, faces.images)
    assert (ours > 2 * chance).all(), (ours, chance)
    assert ours.mean() > chance.mean() + 0.5


@EACH
def test_more_steps_turn_more(kind: type[PGD]) -> None:
    faces, networks = files(6), team()
    few, many = (kind(steps=n, seed=1).fit(None, *networks)(faces.images, faces) for n in (2, 10))
    assert turned(networks, many, faces.images).mean() > 1.2 * turned(networks, few, faces.images).mean()


def test_batches_do_not_matter() -> None:
    faces = files(5)
    one, all_at_once = (DIM(steps=3, batch_size=n).fit(None, *team())(faces.images, faces) for n in (1, 32))
    assert ((one - all_at_once).abs() > 1e-6).double().mean() < 0.005


def test_every_picture_of_diverse_input_is_resized_for_itself() -> None:
    x = tiny.pictures(200).clamp_min(0.2)  # nothing in it is as dark as the padding
    out = resized_and_padded(x, generators(0, [str(i) for i in range(200)], "steps"), 0.5, 0.75)
    assert out.shape == x.shape
    left_alone = (out == x).flatten(1).all(1)
    assert 80 <= left_alone.sum() <= 130  # half, and the few whose size is the whole one
    sides = set()
    for picture, before in zip(out[~left_alone], x[~left_alone], strict=True):
        inside = (picture > 0.1).all(0)
        rows, columns = inside.any(1).nonzero().flatten(), inside.any(0).nonzero().flatten()
        height, width = len(rows), len(columns)
        assert 24 <= height == width <= 32
        small = picture[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert torch.allclose(small, F.interpolate(before[None], (height, width), mode="bilinear", antialias=True)[0])
        outside = torch.ones(32, 32, dtype=torch.bool)
        outside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = False
        assert not picture[:, outside].any()
        sides.add(height)
    assert len(sides) >= 6


def test_smoothing_the_gradient_is_averaging_over_shifted_pictures() -> None:
    """What TIM rests on: for a linear loss, the gradient of its weighted mean over all shifts of the picture."""
    g = torch.Generator().manual_seed(0)
    x, slope = (torch.rand(1, 3, 12, 12, generator=g, dtype=torch.float64) for _ in range(2))
    x.requires_grad_(True)
    weights, loss = scipy_kernel(3), torch.zeros((), dtype=torch.float64)
    wide = F.pad(x, [3, 3, 3, 3])
    for i in range(7):
        for j in range(7):
            loss = loss + weights[i, j] * (slope * wide[..., i : i + 12, j : j + 12]).sum()
    (averaged,) = torch.autograd.grad(loss, x)
    memory = torch.zeros_like(slope)
    TIM().direction(slope, memory)  # the first gradient in memory is the smoothed one, over its mean magnitude
    assert torch.allclose(memory, averaged / averaged.abs().mean(), atol=1e-12)
    assert torch.allclose(filter_same(slope, gaussian_kernel(3, 1.0)), averaged, atol=1e-12)
