"""Linear inversion is ridge regression: against a dense solution, and against the schemes that leave channels out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.fft
import tiny
import torch
from torch import Tensor, nn

from bauta.attacks import Knows, Victim
from bauta.attacks.reconstruction.linear_inversion import POWER, LinearInversion, Prior, centered
from bauta.attacks.reconstruction.normal_equations import FLOOR, Noise
from bauta.errors import UsageError
from bauta.faces.datasets import load_dataset
from bauta.ops.dct import block_dct, to_images, to_planes
from bauta.pipeline import Pipeline
from bauta.protections.features.dctdp import DCTDP
from bauta.protections.features.partialface import PartialFace
from bauta.recognizers import BlockDCT, Recognizer
from bauta.types import Faces, Stage

CLIENT = (0, 1, 2, 3, 4, 5, 8, 9, 16, 24)  # DuetFace's
SERVER = [k for k in range(192) if k % 64 not in CLIENT]
NO_DC = [k for k in range(192) if k % 64]


def network(channels: int = 192) -> Recognizer:
    """A server of one layer behind a DCT."""
    return Recognizer({"dct": BlockDCT(), "embedding": nn.Conv2d(channels, 8, tiny.SIDE)}, cut=1).frozen()


def system(protection: PartialFace | DCTDP) -> Pipeline:
    return Pipeline(network(protection.channels), protection, twin=network())


def muted(number: int, seed: int) -> Faces:
    """Pictures far from black and white."""
    return Faces(0.3 + 0.4 * tiny.pictures(number, seed=seed))


def psnr(guess: Tensor, truth: Tensor) -> float:
    """Mean over the pictures, in dB, the brightness of each color taken as known."""
    guess = guess + (truth - guess).mean((2, 3), keepdim=True)
    return float((-10 * (guess - truth).square().mean((1, 2, 3)).log10()).mean())


NOBODY = Victim(Pipeline(network()), LinearInversion.default_knowledge)


@pytest.mark.parametrize("quiet", [True, False])
def test_it_is_the_dense_ridge_regression(quiet: bool) -> None:
    """The front end as a matrix, column by column, and numpy's solution of the normal equations: for columns that are
    channels but for rounding, and for noise that every place has its own of, on one channel twice."""
    height, width, layout = 6, 5, [1, 9, 0, 64, 70, 70]
    loud = np.array([3.0, 0.5, 9.0, 20.0, 1.0, 0.02])[:, None, None] * np.random.default_rng(1).uniform(
        0.3, 3, (6, height, width)
    )
    noise = np.full_like(loud, FLOOR) if quiet else loud
    offset = 0 * noise if quiet else 2 * noise
    size = 3 * height * width
    generator = torch.Generator().manual_seed(0)
    mean = 3 * torch.randn(3, height, width, generator=generator, dtype=torch.float64)
    images = 0.4 + 0.2 * torch.rand(1, 3, height, width, generator=generator, dtype=torch.float64)
    leak = block_dct(images)[:, layout]
    leak += torch.from_numpy(offset) + torch.randn(leak.shape, generator=generator) * torch.from_numpy(noise)

    basis = torch.eye(size, dtype=torch.float64).view(size, 3, height, width)
    dark = block_dct(to_images(torch.zeros_like(basis[:1])))[:, layout]
    matrix = (block_dct(to_images(basis))[:, layout] - dark).flatten(1).T.numpy()
    frequency = 1 + np.arange(height)[:, None] ** 2 + np.arange(width) ** 2
    smooth = np.stack([scipy.fft.dctn(plane, axes=(1, 2), norm="ortho") for plane in basis.numpy()]).reshape(size, -1).T
    ridge = np.concatenate([(0.7 * frequency / power).ravel() for power in POWER])
    weights = (1 / noise**2).ravel()
    normal = matrix.T @ (weights[:, None] * matrix) + smooth.T @ (ridge[:, None] * smooth)
    rest = leak.flatten().numpy() - offset.ravel() - matrix @ mean.flatten().numpy()
    expected = mean.flatten().numpy() + np.linalg.solve(normal, matrix.T @ (weights * rest))

    attack = LinearInversion(layout, smoothness=0.7, steps=1000)
    attack.prior_ = Prior(mean, torch.tensor(POWER, dtype=torch.float64))
    attack.noise_ = None if quiet else Noise(torch.from_numpy(offset), torch.from_numpy(noise**2))
    came = to_planes(attack(leak, NOBODY))
    wanted = to_images(torch.from_numpy(expected).view(1, 3, height, width))
    assert 0 < wanted.min() < wanted.max() < 1
    torch.testing.assert_close(came, to_planes(wanted), rtol=0, atol=1e-6 if quiet else 2e-3)  # gray levels


@pytest.mark.parametrize("channels", [SERVER, NO_DC])
def test_leaving_channels_out_hides_nothing_but_the_brightness(channels: list[int]) -> None:
    faces = muted(2, seed=0)
    leak = block_dct(faces.images)[:, channels]
    assert psnr(LinearInversion(channels)(leak, NOBODY), faces.images) > 90


def test_it_finds_every_draw_of_partialface_and_whose_it_was() -> None:
    scheme = PartialFace(ranks=3, permutations=2, per_identity=3, seed=4)
    pipeline, faces = system(scheme), muted(6, seed=0)
    attack = LinearInversion(candidates=2).knowing(knows=Knows.KEYS)
    victim = Victim(pipeline, attack.knowledge)
    fitted = attack.fit(muted(40, seed=1), victim)
    assert fitted.layouts_ is not None
    assert attack.layouts_ is None
    possible = scheme.indices(torch.cartesian_prod(torch.arange(3), torch.arange(2)))
    assert sorted(fitted.layouts_.tolist()) == sorted(possible.tolist())
    leak = pipeline.at(Stage.FEATURES, faces)
    guess = fitted(leak, victim)
    for row, layout in enumerate(scheme.indices(scheme.ranks_of(faces)).tolist()):
        told = LinearInversion(layout)
        told.prior_ = fitted.prior_
        assert torch.equal(guess[row], told(leak[row : row + 1], victim)[0])
    own = LinearInversion(candidates=2)
    victim = Victim(pipeline, own.knowledge)
    assert psnr(own.fit(muted(40, seed=1), victim)(leak, victim), faces.images) < psnr(guess, faces.images) - 1


def test_it_finds_the_channels_under_noise_and_how_loud_it_is() -> None:
    scheme, public = DCTDP(20.0), muted(60, seed=1)
    pipeline = system(scheme)
    scheme.fit(public, network())
    attack = LinearInversion()
    victim = Victim(pipeline, attack.knowledge)
    fitted = attack.fit(public, victim)
    assert fitted.layouts_ is not None
    assert fitted.layouts_.tolist() == [NO_DC]
    expected = 2 * scheme.scale().detach().double().square()
    assert fitted.noise_ is not None
    found = fitted.noise_.variance
    torch.testing.assert_close(found.mean((1, 2)), expected.mean((1, 2)), rtol=0.25, atol=0)
    loud = expected > 1e-6  # of others the rounding is louder
    assert (found.sqrt() / expected.sqrt() - 1)[loud].abs().mean() < 0.2
    # there is no offset before a training, and what 60 faces seem to have is mostly not believed
    assert fitted.noise_.mean.square().mean() < 0.5 * expected.mean() / 60
    faces = muted(2, seed=0)
    leak = pipeline.at(Stage.FEATURES, faces)
    smooth, rough = (psnr(a(leak, victim), faces.images) for a in (fitted, LinearInversion(NO_DC)))
    assert smooth > rough + 3, "without faces it takes the wire for exact"


def test_a_budget_that_was_spread_hides_nothing_from_it() -> None:
    """What a training does to DCTDP: some places of a channel get most of the budget, and all an offset. Who takes a
    channel's noise for the same everywhere loses much by it."""
    scheme, public, faces = DCTDP(8.0), muted(120, seed=1), muted(4, seed=0)
    pipeline = system(scheme)
    scheme.fit(public, network())
    generator = torch.Generator().manual_seed(0)
    found = []
    for spread in (0.0, 1.5):
        with torch.no_grad():
            scheme.rho_.copy_(spread * torch.randn(scheme.rho_.shape, generator=generator))
            # of one size where the noise is loud and where it is not, as the steps of Adam are
            scheme.locs_.copy_(spread * torch.randn(scheme.rho_.shape, generator=generator))
        attack = LinearInversion()
        victim = Victim(pipeline, attack.knowledge)
        fitted, leak = attack.fit(public, victim), pipeline.at(Stage.FEATURES, faces)
        found.append(psnr(fitted(leak, victim), faces.images))
    even, spread = found
    assert spread > even - 5
    assert fitted.noise_ is not None
    square = fitted.noise_.variance + fitted.noise_.mean.square()
    fitted.noise_ = Noise(0 * square, square.mean((1, 2), keepdim=True).expand_as(square))
    assert spread > psnr(fitted(leak, victim), faces.images) + 10


def test_a_place_that_few_faces_tell_of_leans_on_its_channel() -> None:
    generator = torch.Generator().manual_seed(0)
    true = torch.tensor([1.0, 4.0, 25.0]).view(3, 1, 1).expand(3, 20, 20).double()
    offset = torch.zeros(3, 20, 20).double()
    offset[2] = 10 * torch.randn(20, 20, generator=generator)
    for number in (1, 6, 4000):
        drawn = offset + true.sqrt() * torch.randn(number, 3, 20, 20, generator=generator, dtype=torch.float64)
        found = Noise.heard(drawn.sum(0), drawn.square().sum(0), number)
        if number == 1:
            assert not found.mean.any()
            assert len(found.variance.unique()) == 3
            continue
        raw = drawn.mean(0) - offset
        assert (found.mean - offset).square().mean() < raw.square().mean()
        assert (found.variance / true - 1).abs().mean() < (0.6 / number**0.5 + 0.15 if number < 9 else 0.05)


def test_gray_faces_do_not_mislead_it() -> None:
    """Their Cb and Cr are empty, so that nothing tells which of those channels a column is."""
    color, attack = muted(6, seed=1), LinearInversion()
    gray = Faces(muted(6, seed=2).images.mean(1, keepdim=True).expand(-1, 3, -1, -1))
    victim = Victim(Pipeline(network()), attack.knowledge)
    fitted = attack.fit(Faces(torch.cat([color.images, gray.images])), victim)
    assert fitted.layouts_ is not None
    assert fitted.layouts_.tolist() == [list(range(192))]
    assert fitted.noise_ is None


def test_a_shift_that_leaves_the_range_is_undone() -> None:
    picture = tiny.pictures(2)
    picture = (picture - picture.amin((2, 3), keepdim=True)) / (
        picture.amax((2, 3), keepdim=True) - picture.amin((2, 3), keepdim=True)
    )
    assert torch.allclose(centered(picture + torch.tensor([0.2, -0.1, 0.0]).view(3, 1, 1), 5000), picture, atol=1e-3)
    assert torch.equal(centered(0.5 * picture + 0.25), 0.5 * picture + 0.25)


def test_what_it_refuses() -> None:
    for options in ({"channels": ()}, {"channels": (192,)}, {"smoothness": 0.0}, {"steps": 0}, {"candidates": 0}):
        with pytest.raises(UsageError):
            LinearInversion(**options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="give it faces"):
        LinearInversion().fit(None, NOBODY)
    with pytest.raises(UsageError, match="does not know"):
        LinearInversion()(torch.zeros(1, 3, 8, 8), NOBODY)
    with pytest.raises(UsageError, match="inverts 2 of the 192"):
        LinearInversion((1, 2))(torch.zeros(1, 3, 8, 8), NOBODY)
    other = tiny.recognizer()
    with pytest.raises(UsageError, match="cut behind its DCT"):
        LinearInversion().fit(tiny.faces(4), Victim(Pipeline(other), LinearInversion.default_knowledge))


@pytest.mark.mirror
def test_real_faces_behind_duetface_dctdp_and_partialface(mirror: Path) -> None:
    faces = load_dataset("utkface", limit=4)
    faces = Faces(0.25 + 0.5 * faces.images)  # the brightness that is guessed must not be cut off
    maps = block_dct(faces.images)
    assert psnr(LinearInversion(SERVER)(maps[:, SERVER], NOBODY), faces.images) > 67
    assert psnr(LinearInversion(NO_DC)(maps[:, NO_DC], NOBODY), faces.images) > 80
    scheme = PartialFace()
    for layout in scheme.indices(torch.tensor([[0, 0], [5, 1]])).tolist():
        assert psnr(LinearInversion(layout)(maps[:, layout], NOBODY), faces.images) > 17
