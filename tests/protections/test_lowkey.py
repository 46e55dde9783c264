"""LowKey: its objective recomputed by hand, its bound, and that the price of DSSIM is paid."""

from __future__ import annotations

import tiny
import torch
from scipy import ndimage

from bauta.metrics import SSIM
from bauta.ops.noise import generators
from bauta.ops.quantize import to_8bit
from bauta.protections import LowKey
from bauta.protections.images.lowkey import blurred
from bauta.recognizers import Recognizer
from bauta.types import Faces


def files(number: int = 4) -> Faces:
    faces = tiny.faces(number)
    return Faces(to_8bit(faces.images), faces.identity, source=faces.source)


def team() -> list[Recognizer]:
    return [tiny.recognizer(seed=1), tiny.recognizer(seed=2, embedding=12)]


def test_the_blur_is_the_gaussian_of_its_window() -> None:
    x = tiny.pictures(2)
    wanted = ndimage.gaussian_filter(x.double().numpy(), 3.0, axes=(2, 3), mode="nearest", radius=3)
    assert torch.allclose(blurred(x), torch.from_numpy(wanted).float(), atol=1e-6)


def test_the_gain_is_the_papers_with_dssim_for_lpips() -> None:
    faces, networks = files(), team()
    ours = (faces.images + 0.05 * torch.randn(faces.images.shape, generator=torch.Generator().manual_seed(0))).clamp(
        0, 1
    )
    soft = torch.from_numpy(ndimage.gaussian_filter(ours.numpy(), 3.0, axes=(2, 3), mode="nearest", radius=3))
    cloak = LowKey(weight=2.0).fit(None, *networks)
    gain = cloak.gain(ours, faces.images, cloak.team_.templates(faces.images), generators(0, faces.digests(), "steps"))
    dssim = (1 - SSIM.score(ours, faces.images)) / 2
    for i in range(len(faces)):
        apart = 0.0
        for network in networks:
            clean, sharp, blunt = (network.embed(x[i : i + 1])[0] for x in (faces.images, ours, soft))
            apart += float((sharp - clean).norm() ** 2 + (blunt - clean).norm() ** 2)
        assert abs(float(gain[i]) - (apart / 4 - 2 * float(dssim[i]))) < 1e-4


def test_it_moves_sharp_and_blurred_features_and_keeps_its_bound() -> None:
    faces, networks = files(6), team()
    out = LowKey(weight=0.0, seed=1).fit(None, *networks)(faces.images, faces)
    coin = torch.randint(0, 2, out.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    size = (out - faces.images).abs().mean((1, 2, 3), keepdim=True)
    noise = to_8bit(faces.images + size * coin)
    assert (out - faces.images).abs().max() <= 16 / 255 + 1e-6
    for network in networks:
        for see in (lambda x: x, blurred):
            ours, chance = (1 - (network.embed(see(x)) * network.embed(faces.images)).sum(1) for x in (out, noise))
            assert ours.mean() > 1.5 * chance.mean(), (ours, chance)
            assert (ours > chance).all()


def test_a_higher_price_buys_likeness() -> None:
    faces = files(6)
    likeness = [
        SSIM.score(LowKey(weight=w, seed=1).fit(None, *team())(faces.images, faces), faces.images).mean()
        for w in (0.0, 5.0, 50.0)
    ]
    assert likeness[0] + 0.02 < likeness[1]
    assert likeness[1] + 0.02 < likeness[2]
