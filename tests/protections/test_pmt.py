"""PMT against a plain loop: one picture at a time, the network as it was built, each step written out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from bauta.errors import ShapeError, UsageError
from bauta.faces.images import encode_png
from bauta.metrics import SSIM
from bauta.ops.noise import generators
from bauta.protections import PMT
from bauta.protections.images.pmt import AUGMENTATIONS, STARTS, cosine, distance
from bauta.recognizers import Recognizer
from bauta.types import Faces, Source

KERNELS = {
    "linear": [[1, 2, 1], [2, 4, 2], [1, 2, 1]],  # (1 - |i|/2)(1 - |j|/2), times 4
    "gaussian": [[math.exp(-1.5 * (i * i + j * j)) for j in (-1, 0, 1)] for i in (-1, 0, 1)],  # sigma = 1/sqrt 3
}


def maps(network: Recognizer, x: Tensor, aggregate: bool, pool: int) -> list[Tensor]:
    """What must agree, from the whole unfolded client."""
    outputs = network.feature_maps(x)
    chosen = outputs if aggregate else outputs[-1:]
    return [F.avg_pool2d(m, pool, ceil_mode=True) for m in chosen]


def plain_loop(
    faces: Faces,
    networks: Sequence[Recognizer],
    *,
    steps: int,
    seed: int,
    rule: str,
    kernel: str,
    step_size: float,
    aggregate: bool = False,
    pool: int = 1,
    noise: float = 0.0,
    target: float | None = None,
) -> Tensor:
    """PMT picture by picture, in the pictures' own precision; no function of the method is used, only its draws."""
    results = []
    for image, digest in zip(faces.images, faces.digests(), strict=True):
        face = image[None]
        (start,), (draw,) = generators(seed, [digest], "start"), generators(seed, [digest], "augment")
        x = (0.5 + 0.25 * torch.randn(image.shape, generator=start).to(image)).clamp(0, 1)[None]
        leaf = x.clone()
        optimizer = torch.optim.Adam([leaf], lr=1.0, betas=(0.9, 0.999), eps=1e-12)
        for step in range(steps):
            seen = (x * 255).round() / 255
            seen.requires_grad_(True)
            noisy = seen + noise * torch.randn(image.shape, generator=draw).to(image) if noise else seen
            loss, nearest = torch.zeros(()).to(image), 1.0
            for network in networks:
                with torch.no_grad():
                    goals = maps(network, face, aggregate, pool)
                found = maps(network, noisy, aggregate, pool)
                parts = [((f - g) ** 2).sum() / (g**2).sum() for f, g in zip(found, goals, strict=True)]
                loss = loss + sum(parts) / len(parts) / len(networks)
                a, b = found[-1].detach().flatten(), goals[-1].flatten()
                nearest = min(nearest, float(a @ b / (a.norm() * b.norm())))
            if target is not None and nearest >= target:
                break
            (gradient,) = torch.autograd.grad(loss, seen)
            if kernel != "none":
                weight = torch.tensor(KERNELS[kernel], dtype=torch.float64)
                weight = (weight / weight.sum()).view(1, 1, 3, 3)
                smooth = ndimage.convolve(gradient.double().numpy(), weight.numpy(), mode="constant")
                gradient = torch.from_numpy(smooth).to(image)
            rate = step_size * (0.1 + 0.9 * (1 + math.cos(math.pi * step / steps)) / 2)
            if rule == "adam":
                optimizer.param_groups[0]["lr"] = rate
                with torch.no_grad():
                    leaf.copy_(x)
                leaf.grad = gradient
                optimizer.step()
                x = leaf.detach().clone()
            elif rule == "sign":
                x = x - rate * gradient.sign()
            else:
                x = x - rate * gradient / gradient.abs().mean()
            x = x.clamp(0, 1)
        results.append((x[0] * 255).round() / 255)
    return torch.stack(results)


def double(faces: Faces) -> Faces:
    return Faces(faces.images.double(), faces.identity, source=faces.source)


PLAIN: dict[str, Any] = {"augment": "none", "target_cosine": None}
STEP = {"adam": 0.05, "sign": 0.02, "normalized": 0.02}


@pytest.mark.parametrize(
    ("rule", "kernel", "aggregate"), list(product(STEP, ("none", "linear", "gaussian"), (False, True)))
)
def test_three_steps_are_the_plain_loops(rule: str, kernel: str, aggregate: bool) -> None:
    network, faces = tiny.recognizer(cut=3).double(), double(tiny.faces(3))
    pool = 3 if aggregate else 1
    settings: dict[str, Any] = {"steps": 3, "seed": 5, "rule": rule, "kernel": kernel, "step_size": STEP[rule]}
    ours = PMT(aggregate=aggregate, pool=pool, **PLAIN, **settings).fit(None, network)(faces.images, faces)
    wanted = plain_loop(faces, [network], aggregate=aggregate, pool=pool, **settings)
    assert ours.dtype == torch.float64
    assert torch.allclose(ours, wanted, atol=1e-9)
    start = plain_loop(faces, [network], **{**settings, "steps": 0})
    assert float((ours - start).abs().mean()) > 0.01, "nothing was optimized"


def test_two_recognizers_are_the_plain_loops_too() -> None:
    networks = [tiny.recognizer(cut=2).double(), tiny.recognizer(cut=4, seed=3, embedding=8).double()]
    faces = double(tiny.faces(2))
    settings: dict[str, Any] = {"steps": 3, "seed": 5, "rule": "adam", "kernel": "gaussian", "step_size": 0.05}
    ours = PMT(aggregate=True, **PLAIN, **settings).fit(None, *networks)(faces.images, faces)
    assert torch.allclose(ours, plain_loop(faces, networks, aggregate=True, **settings), atol=1e-9)


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_a_picture_stops_where_it_reaches_the_target(batch_size: int) -> None:
    """Under noise too, whatever pictures are optimized beside it; what stopped is what the plain loop stops with."""
    network, faces = tiny.recognizer(cut=3).double(), double(tiny.faces(5))
    settings: dict[str, Any] = {
        "steps": 12,
        "seed": 5,
        "rule": "adam",
        "kernel": "gaussian",
        "step_size": 0.05,
        "noise": 0.05,
    }
    target = 0.93
    pmt = PMT(augment="noise", target_cosine=target, batch_size=batch_size, **settings).fit(None, network)
    ours = pmt(faces.images, faces)
    assert torch.allclose(ours, plain_loop(faces, [network], target=target, **settings), atol=1e-9)
    whole = plain_loop(faces, [network], **settings)
    stopped = [not torch.allclose(a, b, atol=1e-9) for a, b in zip(ours, whole, strict=True)]
    assert any(stopped), "no picture stopped early: the test shows nothing"


def test_with_two_recognizers_both_must_reach_the_target() -> None:
    networks = [tiny.recognizer(cut=2).double(), tiny.recognizer(cut=3, seed=3).double()]
    faces = double(tiny.faces(4))
    settings: dict[str, Any] = {"steps": 25, "seed": 5, "rule": "adam", "kernel": "gaussian", "step_size": 0.05}
    ours = PMT(augment="none", target_cosine=0.85, **settings).fit(None, *networks)(faces.images, faces)
    assert torch.allclose(ours, plain_loop(faces, networks, target=0.85, **settings), atol=1e-9)
    goals, found = ([n.feature_maps(x)[-1:] for n in networks] for x in (faces.images, ours))
    assert (cosine(found, goals) >= 0.85 - 1e-9).all()
    apart = [cosine([f], [g]) for f, g in zip(found, goals, strict=True)]
    assert float((apart[0] - apart[1]).abs().min()) > 0.01, "one is nearer than the other: the test tells which counts"


def test_a_target_that_the_start_meets_leaves_the_start() -> None:
    network, faces = tiny.recognizer(), tiny.faces()
    found = PMT(target_cosine=-1.0, seed=5).fit(None, network)(faces.images, faces)
    start = STARTS["noise"](faces.images, generators(5, faces.digests(), "start"))
    assert torch.equal(found, (start * 255).round() / 255)


def test_a_long_run_ends_as_near_as_the_plain_loop() -> None:
    network, faces = tiny.recognizer(cut=4), tiny.faces(4)
    settings: dict[str, Any] = {"steps": 60, "seed": 5, "rule": "adam", "kernel": "gaussian", "step_size": 0.1}
    truth = network.embed(faces.images)
    ours = PMT(**PLAIN, **settings).fit(None, network)(faces.images, faces)
    theirs = plain_loop(faces, [network], **settings)
    near, wanted = ((network.embed(x) * truth).sum(1) for x in (ours, theirs))
    assert float(wanted.min()) > 0.95
    assert float((near - wanted).abs().max()) < 0.01


def test_two_recognizers_both_come_nearer() -> None:
    networks, faces = [tiny.recognizer(cut=4), tiny.recognizer(cut=4, seed=3, embedding=8)], tiny.faces()
    start = PMT(steps=1, step_size=0.0, augment="none", target_cosine=None).fit(None, *networks)(faces.images, faces)
    end = PMT(steps=40, augment="none", target_cosine=None).fit(None, *networks)(faces.images, faces)
    for network in networks:
        goal = [network.feature_maps(faces.images)[-1:]]
        before, after = (distance([network.feature_maps(x)[-1:]], goal) for x in (start, end))
        assert (after < 0.2 * before).all()
        assert (cosine([network.feature_maps(end)[-1:]], goal) > 0.9).all()


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("augment", AUGMENTATIONS)
def test_same_seed_and_settings_same_bytes_on_levels(start: str, augment: str) -> None:
    network, faces = tiny.recognizer(), tiny.faces(3, side=48)
    one, two = (
        PMT(steps=3, start=start, augment=augment, seed=2**127 + 1).fit(None, network)(faces.images, faces)
        for _ in range(2)
    )
    assert [encode_png(x) for x in one] == [encode_png(x) for x in two]
    assert one.shape == faces.images.shape
    assert 0 <= float(one.min()) <= float(one.max()) <= 1
    assert torch.equal(one, (one * 255).round() / 255)
    other = PMT(steps=3, start=start, augment=augment, seed=2).fit(None, network)(faces.images, faces)
    assert torch.equal(one, other) == (start == "blur" and augment == "none")


@pytest.mark.parametrize("start", STARTS)
def test_a_start_depends_on_seed_and_content_alone(start: str) -> None:
    network, faces = tiny.recognizer(), tiny.faces(5, side=48)
    still = PMT(steps=1, step_size=0.0, start=start, target_cosine=None, seed=5).fit(None, network)
    wanted = still(faces.images, faces)
    order = [3, 0, 4, 2, 1]
    assert torch.equal(still(faces.images[order], faces[order]), wanted[order])
    few = PMT(steps=1, step_size=0.0, start=start, target_cosine=None, seed=5, batch_size=2).fit(None, network)
    assert torch.equal(few(faces.images, faces), wanted)
    assert torch.equal(still(faces.images[2:3], faces[2:3]), wanted[2:3])
    renamed = Faces(faces.images, source=[Source("elsewhere.png", s.digest) for s in faces.source])
    assert torch.equal(still(faces.images, renamed), wanted)
    if start != "blur":
        changed = Faces(faces.images, source=[Source(s.file, s.digest[::-1] + "0") for s in faces.source])
        assert all(not torch.equal(a, b) for a, b in zip(still(faces.images, changed), wanted, strict=True))


def test_starts_are_what_they_say() -> None:
    faces = tiny.faces(3, side=112)
    draws = generators(0, faces.digests(), "start")
    noise = STARTS["noise"](faces.images, draws)
    assert abs(float(noise.mean()) - 0.5) < 0.01
    assert abs(float(noise.std()) - 0.25) < 0.02
    shuffled = STARTS["shuffle"](faces.images, draws)
    for a, b in zip(shuffled, faces.images, strict=True):
        assert sorted(zip(*a.flatten(1).tolist(), strict=True)) == sorted(zip(*b.flatten(1).tolist(), strict=True))
    assert not torch.equal(shuffled, faces.images)
    blurred = STARTS["blur"](faces.images, draws)
    wanted = ndimage.gaussian_filter(faces.images.numpy(), 6, axes=(2, 3), mode="mirror", radius=18)
    assert torch.allclose(blurred, torch.from_numpy(wanted), atol=1e-5)


def augmented(name: str, ours: Tensor, original: Tensor, noise: float = 0.1) -> tuple[Tensor, Tensor]:
    return AUGMENTATIONS[name]((ours, original), generators(3, [str(i) for i in range(len(ours))], "augment"), noise)


def test_affine_moves_both_alike() -> None:
    x = tiny.pictures(3, side=64)
    ours, theirs = augmented("affine", x, x)
    assert torch.equal(ours, theirs)
    assert not torch.allclose(ours, x, atol=0.02)
    assert not torch.equal(*augmented("affine", x[[0, 0]], x[[0, 0]])[0]), "each picture has its motion"
    # small: a blob stays within 5 degrees, 5 % and 3 % of the side, so at most 9 of 64 pixels away
    spot = torch.zeros(3, 3, 64, 64)
    spot[..., 10:12, 50:52] = 1
    moved, _ = augmented("affine", spot, spot)
    place = torch.arange(64.0)
    for picture in moved[:, 0]:
        y, x_ = (float((picture.sum(d) * place).sum() / picture.sum()) for d in (1, 0))
        assert 0.05 < math.hypot(y - 10.5, x_ - 50.5) < 9


@pytest.mark.parametrize("name", ["noise", "service"])
def test_the_original_stays_where_ours_is_disturbed(name: str) -> None:
    x = tiny.pictures(3, side=64)
    ours, theirs = augmented(name, x, x)
    assert torch.equal(theirs, x)
    assert abs(float((ours - x).std()) - 0.1) < 0.01
    calm, _ = augmented(name, x, x, noise=0.0)
    assert torch.equal(calm, x) == (name == "noise")


def test_mix_moves_both_and_disturbs_ours() -> None:
    x = tiny.pictures(3, side=64)
    ours, theirs = augmented("mix", x, x)
    assert not torch.allclose(theirs, x, atol=0.02)
    assert abs(float((ours - theirs).std()) - 0.1) < 0.01
    assert torch.equal(*augmented("mix", x, x, noise=0.0))


def test_service_takes_details_away() -> None:
    """Ours at most as sharp as before: mixed with itself at 5/7 of its size."""
    x = torch.rand(4, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    soft, _ = augmented("service", x, x, noise=0.0)
    assert (soft.std((1, 2, 3)) < x.std((1, 2, 3))).all()
    assert len({round(float(s), 3) for s in soft.std((1, 2, 3)) / x.std((1, 2, 3))}) == 4, "each by its own share"


def test_it_runs_where_gradients_are_off_and_keeps_no_graph() -> None:
    network, faces = tiny.recognizer(), tiny.faces()
    pmt = PMT(steps=2).fit(None, network)
    with torch.no_grad():
        quiet = pmt(faces.images, faces)
    assert torch.equal(quiet, pmt(faces.images, faces))
    assert not quiet.requires_grad


def test_no_pictures_give_no_pictures() -> None:
    network, faces = tiny.recognizer(), tiny.faces()
    assert PMT(steps=1).fit(None, network)(faces.images[:0], faces[:0]).shape == (0, 3, 32, 32)


def test_another_seed_leaves_the_first_as_it_was() -> None:
    network, faces = tiny.recognizer(), tiny.faces()
    pmt = PMT(steps=2, seed=1).fit(None, network)
    before = pmt(faces.images, faces)
    other = pmt.rekeyed(2)
    assert (pmt.seed, other.seed) == (1, 2)
    assert not torch.equal(other(faces.images, faces), before)
    other.fit(None, tiny.recognizer(seed=9))
    assert torch.equal(pmt(faces.images, faces), before), "fitting the copy changed the original"


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": "zeros"}, {"augment": "flip"}, {"kernel": "box"}, {"rule": "momentum"},
        {"steps": 0}, {"pool": 0}, {"length": 0}, {"batch_size": 0},
    ],
)  # fmt: skip
def test_a_wrong_option_is_named(wrong: dict[str, Any]) -> None:
    ((option, value),) = wrong.items()
    with pytest.raises(UsageError, match=f"PMT's {option} must be .*got {value!r}"):
        PMT(**wrong)


def test_nobody_authorized_is_an_error() -> None:
    with pytest.raises(UsageError, match="who is authorized"):
        PMT()(tiny.pictures())
    with pytest.raises(UsageError, match="at least one authorized"):
        PMT().fit(None)


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 1, 32, 32), (2, 32, 32, 3)])
def test_a_wrong_shape_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="images must have shape"):
        PMT().fit(None, tiny.recognizer())(torch.rand(shape))


@pytest.mark.parametrize("factor", [255.0, -1.0])
def test_a_wrong_range_is_an_error(factor: float) -> None:
    with pytest.raises(ShapeError, match=r"\[0, 1\]"):
        PMT(steps=1).fit(None, tiny.recognizer())(factor * tiny.pictures())


@pytest.mark.slow
@pytest.mark.mirror
def test_real_faces_can_be_used_by_the_authorized_network_alone(mirror: Path) -> None:
    from bauta.attacks import FILTERS
    from bauta.faces import load_pairs
    from bauta.recognizers import load

    faces = load_pairs("lfw", 20).faces[:6]
    authorized, foreign = load("mobilefacenet-casia"), load("mobilefacenet-y1-ms1m")

    def cosines(network: Recognizer, pictures: Tensor) -> Tensor:
        with torch.no_grad():
            return (network.embed(pictures) * network.embed(faces.images)).sum(1)

    deep = PMT(seed=1).fit(None, authorized)(faces.images, faces)
    assert float(cosines(authorized, deep).min()) > 0.85
    assert float(cosines(foreign, deep).mean()) < 0.3
    assert float(SSIM(deep, faces.images).mean()) < 0.1

    # the negative result: matched at a shallow cut only, low SSIM hides a face that a blur brings back
    shallow = PMT(seed=1, steps=60, target_cosine=None, augment="none").fit(None, authorized.at_cut(5))
    pictures = shallow(faces.images, faces)
    assert float(SSIM(pictures, faces.images).mean()) < 0.2
    accepted = cosines(foreign, FILTERS["blur 1.5 + stretch"](pictures)) > 0.246
    assert int(accepted.sum()) >= 4
