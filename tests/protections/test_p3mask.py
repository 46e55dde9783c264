"""P3-Mask against the published algorithm as a plain loop, and what personal masks promise."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import tiny
import torch
from torch.nn import functional as F

from bauta.errors import UsageError
from bauta.metrics import SSIM
from bauta.ops.noise import generators
from bauta.ops.similarity import structural_similarity
from bauta.protections import P3Mask, TransferMask
from bauta.protections.images.p3mask import APART, Epoch, face_area, likeness, resampled
from bauta.protections.images.team import Team
from bauta.types import Faces

PEOPLE = torch.tensor([4, 4, 4, 4, 4, 7, 7, 7])


def photos() -> Faces:
    return Faces(tiny.pictures(8), PEOPLE)


def team() -> Team:
    return Team(tiny.recognizer(seed=1), tiny.recognizer(seed=2))


def curve(protection: P3Mask, images: torch.Tensor, from_: Epoch | None = None) -> list[Epoch]:
    (draws,) = generators(0, ["4"], "mask")
    start = protection.started(images, draws) if from_ is None else from_
    return list(protection.learning(images, team(), draws, start))


def published(images: torch.Tensor, epochs: int, budget: float, step: float) -> tuple[torch.Tensor, list[float]]:
    """The released algorithm under its budget, one photo at a time, by an arc cosine, nothing kept between steps."""
    networks = [tiny.recognizer(seed=1), tiny.recognizer(seed=2)]
    (draws,) = generators(0, ["4"], "mask")
    area = face_area(tiny.SIDE, tiny.SIDE)
    mask = (2 * torch.rand(3, tiny.SIDE, tiny.SIDE, generator=draws) - 1) * step * area
    angles = []
    for _ in range(epochs):
        order = torch.randperm(len(images), generator=draws).tolist()
        seen = []
        for start in range(0, len(order), 4):
            batch = order[start : start + 4]
            gradient, dssims = torch.zeros_like(mask), []
            for row in batch:
                m = mask.clone().requires_grad_(True)
                x = images[row : row + 1]
                masked = (x + resampled((x + m).clamp(0, 1) - x, 48)).clamp(0, 1)
                angle = sum((n.embed(x) * n.embed(masked)).sum(1).acos() for n in networks)
                assert isinstance(angle, torch.Tensor)
                dssims.append(float((1 - structural_similarity(x, masked.detach())) / 2))
                seen.append(float(angle.detach()))
                gradient += torch.autograd.grad(-angle.sum(), m)[0] / len(batch)
            mean = sum(dssims) / len(dssims)
            assert mean < budget, "there is no penalty here: choose a budget that is not reached"
            bound = 16 / 255 * area
            mask = (mask - step * gradient.sign()).minimum(bound).maximum(-bound)
        angles.append(sum(seen) / len(seen))
    return mask, angles


def test_it_is_the_published_loop() -> None:
    images = tiny.pictures(8)
    found = curve(P3Mask(epochs=3, boxed=48, step_size=0.004, budget=0.5), images)
    mask, angles = published(images, 3, 0.5, 0.004)
    assert ((found[-1].mask - mask).abs() > 1e-6).float().mean() < 0.05, "a gradient of about zero may turn its sign"
    for epoch, expected in zip(found, angles, strict=True):
        assert abs(epoch.angle - expected) < 2e-3 * expected


def test_the_weight_follows_the_published_schedule() -> None:
    p3 = P3Mask(budget=0.03)
    assert [p3.weighed(1, d) for d in (0.027, 0.0271, 0.0329, 0.033)] == [0.5, 1.0, 1.0, 2.0]
    assert p3.weighed(8.0, 0.03) == 1.0, "back inside the band it starts anew"
    weight = 1.0
    for _ in range(20):
        weight = p3.weighed(weight, 0.0)
    assert weight == 2**-8, "the last halving begins above 1/129"
    for _ in range(30):
        weight = p3.weighed(weight, 1.0)
    assert weight == 2**8, "the last doubling begins below 129"


def test_the_angle_grows_and_the_budget_holds_it_back() -> None:
    images = tiny.pictures(8)
    free = curve(P3Mask(epochs=12, step_size=0.004, budget=0.5), images)
    kept = curve(P3Mask(epochs=12, step_size=0.004, budget=0.01), images)
    assert free[-1].angle > 3 * free[0].angle
    assert free[-1].dssim > 1.5 * kept[-1].dssim
    assert kept[-1].dssim < 0.02
    assert free[-1].ssim == pytest.approx(1 - 2 * free[-1].dssim)


def test_learning_goes_on_as_if_it_had_not_stopped() -> None:
    images, p3 = tiny.pictures(6), P3Mask(epochs=4, step_size=0.01)
    whole = curve(p3, images)
    rest = curve(p3, images, from_=whole[1])
    assert [e.number for e in rest] == [3, 4]
    assert torch.equal(rest[-1].mask, whole[-1].mask)
    assert rest[-1].angle == whole[-1].angle


def test_masks_are_bounded_personal_and_end_softly() -> None:
    faces = photos()
    p3 = P3Mask(epochs=30, step_size=0.02).fit(faces, tiny.recognizer(seed=1))
    assert list(p3.people()) == [4, 7]
    for person in (4, 7):
        mask = p3.masks_[person]
        assert mask.abs().max() <= 16 / 255 + 1e-7
        assert mask.abs().max() > 12 / 255, "a long run reaches the bound somewhere"
        edge = torch.cat([mask[:, 0], mask[:, -1], mask[:, :, 0], mask[:, :, -1]])
        assert not edge.any()
    out = p3(faces.images, faces)
    assert torch.equal(out, (faces.images + torch.stack([p3.masks_[int(p)] for p in PEOPLE])).clamp(0, 1))
    assert (SSIM(out, faces.images) < 0.999).all()


def test_the_key_takes_it_off_again_up_to_clipping() -> None:
    faces = photos()
    p3 = P3Mask(epochs=10, step_size=0.01).fit(faces, tiny.recognizer(seed=1))
    back = p3.remove(p3(faces.images, faces), faces)
    safe = (faces.images > 17 / 255) & (faces.images < 1 - 17 / 255)
    assert torch.allclose(back[safe], faces.images[safe], atol=1e-6)
    wrong = p3.remove(p3(faces.images, faces), replace(faces, identity=11 - PEOPLE))
    assert (wrong - faces.images)[safe].abs().mean() > 20 * (back - faces.images)[safe].abs().mean()


def test_strength_is_a_dial() -> None:
    faces, p3 = photos(), P3Mask(epochs=5, step_size=0.01).fit(photos(), tiny.recognizer(seed=1))
    half = P3Mask(epochs=5, step_size=0.01, strength=0.5).fit(photos(), tiny.recognizer(seed=1))
    assert torch.allclose(half.of(faces.images, faces), 0.5 * p3.of(faces.images, faces))


def test_it_says_who_has_no_mask() -> None:
    p3 = P3Mask(epochs=1).fit(photos(), tiny.recognizer(seed=1))
    stranger = Faces(tiny.pictures(2), torch.tensor([4, 5]))
    with pytest.raises(UsageError, match="no mask for person 5"):
        p3(stranger.images, stranger)
    with pytest.raises(UsageError, match="whose picture"):
        p3(stranger.images)
    with pytest.raises(UsageError, match="photos of known people"):
        P3Mask().fit(None, tiny.recognizer())
    with pytest.raises(UsageError, match="at least one recognizer"):
        P3Mask().fit(photos())
    for wrong in ({"epochs": 0}, {"epsilon": 16.0}, {"strength": 2.0}):
        with pytest.raises(UsageError):
            P3Mask(**wrong)  # type: ignore[arg-type]


def test_the_face_area_is_a_cosine_window() -> None:
    area = face_area(56, 112)[0]
    assert area.shape == (56, 112)
    assert area[28, 56] == 1
    assert area[0].max() == 0
    assert area[1, 56] == pytest.approx(0.5 - 0.5 * math.cos(math.pi / 2))
    assert torch.equal(area, area.flip(0))


def test_resampling_keeps_what_a_photo_can_hold() -> None:
    smooth = F.interpolate(torch.rand(1, 3, 4, 4), (32, 32), mode="bicubic")
    assert (resampled(smooth, 48) - smooth).abs().mean() < 0.02
    fine = (torch.arange(32)[:, None] + torch.arange(32)).remainder(2).float().expand(1, 3, 32, 32)
    assert resampled(fine, 48).std() < 0.7 * fine.std(), "a checkerboard does not survive a photo's own pixels"


@pytest.mark.parametrize("method", [P3Mask, TransferMask])
def test_a_mask_that_is_to_differ_from_others_does_and_turns_photos_away(method: type[P3Mask]) -> None:
    protection, images = method(epochs=12, step_size=0.01), photos().images[:5]
    first = curve(protection, images)[-1]
    (draws,) = generators(0, ["other"], "mask")
    start = protection.started(images, draws)
    alone, apart = (
        list(protection.learning(images, team(), draws, start, others))[-1] for others in (None, first.mask[None])
    )
    cosines = [float(torch.cosine_similarity(e.mask.flatten(), first.mask.flatten(), 0)) for e in (alone, apart)]
    assert cosines[1] < min(0.4, cosines[0] - 0.1)
    assert apart.angle > 0.7 * alone.angle
    (none,) = list(method(epochs=1).learning(images, team(), draws, start, first.mask[None][:0]))
    (without,) = list(method(epochs=1).learning(images, team(), draws, start))
    assert torch.equal(none.mask, without.mask)


def test_what_likeness_costs() -> None:
    mask = torch.zeros(3, 4, 4)
    mask[0, 0, :2] = torch.tensor([3.0, 4.0])
    others = torch.zeros(3, 3, 4, 4)
    others[0, 0, 0, 0], others[1, 0, 0, 1], others[2, 0, 0, 0] = 1, -2, 5  # cosines 0.6, -0.8 and 0.6
    assert float(likeness(mask, others)) == pytest.approx(APART * 2 * 0.36)
    assert float(likeness(mask, None)) == 0


def test_gray_photos_stay_gray() -> None:
    """Learned from gray photos the mask is gray; learned from colored ones, a gray photo gets its average."""
    colored, network = photos(), tiny.recognizer(seed=1)
    gray = replace(colored, images=colored.images.mean(1, keepdim=True).expand(-1, 3, -1, -1).clone())
    learned = P3Mask(epochs=3, step_size=0.01).fit(gray, network)
    assert all(torch.equal(m[0], m[1]) and torch.equal(m[0], m[2]) and m.any() for m in learned.masks_.values())
    made = P3Mask(epochs=3, step_size=0.01).fit(colored, network)
    out = made(gray.images, gray)
    assert torch.equal(out[:, 0], out[:, 1])
    assert torch.equal(out[:, 0], out[:, 2])
    assert not torch.equal(out, gray.images)
    back = made.remove(out, gray)
    safe = (gray.images > 17 / 255) & (gray.images < 1 - 17 / 255)
    assert torch.allclose(back[safe], gray.images[safe], atol=1e-6)
