"""The denoiser learns what each image protection does, and undoes what can be undone."""

from __future__ import annotations

import pytest
import tiny
import torch

from bauta.attacks import Denoiser, Knows, Victim
from bauta.errors import UsageError
from bauta.metrics import PSNR, SSIM
from bauta.pipeline import Pipeline
from bauta.protections import ALL, PEEP, ImageProtection, Resize, WhiteNoise
from bauta.types import Stage

NETWORK = tiny.recognizer(cut=1)
PUBLIC, VICTIMS = tiny.faces(48, seed=3), tiny.faces(8, seed=4)
# PEEP draws a picture in the span of its eigenfaces, here those of eight victims: of other faces nothing is left
IMAGE = [kind for kind in ALL if issubclass(kind, ImageProtection) and kind is not PEEP]
# what the others need, or what keeps them quick; Move by defaults moves nothing
OPTIONS: dict[str, dict[str, object]] = {
    "PMT": {"steps": 12},
    "WhiteNoise": {"std": 0.3},
    "JPEG": {"quality": 1},
    "Resize": {"size": 4},
    "Move": {"right": 4, "down": 3},
    # cloaks and masks of a quarter of the range, which one sees: of those that nobody sees there is little to undo
    **{name: {"steps": 5, "epsilon": 0.25, "step_size": 0.1} for name in ("PGD", "MIFGSM", "DIM", "TIM", "LowKey")},
    "TIPIM": {"steps": 5, "epsilon": 0.25},
    "Fawkes": {"steps": 20, "budget": 0.3, "rate": 1.0},
    **{name: {"steps": 5, "epsilon": 0.25, "step_size": 0.1} for name in ("OPOMCenter", "OPOMAffine")},
    "OPOMConvex": {"steps": 5, "warmup": 2, "epsilon": 0.25, "step_size": 0.1},
    **{name: {"epochs": 4, "epsilon": 0.25, "step_size": 0.1, "budget": 0.4} for name in ("P3Mask", "TransferMask")},
    "ScatterMask": {"steps": 3, "least": 1, "epochs": 4, "epsilon": 0.25, "step_size": 0.1, "budget": 0.4},
}


@pytest.mark.parametrize("kind", IMAGE, ids=lambda kind: kind.__name__)
def test_it_undoes_every_image_protection_in_part(kind: type[ImageProtection]) -> None:
    """Nearer to the original than the protected picture is, on faces that it has not seen, under other keys."""
    pipeline = Pipeline(NETWORK, kind(**OPTIONS[kind.__name__]).fit(VICTIMS, NETWORK))
    attack = Denoiser(steps=60, batch_size=8, width=0.25)
    victim = Victim(pipeline, attack.knowledge)
    leak = pipeline.images(VICTIMS)
    restored = attack.fit(PUBLIC, victim)(leak, victim)
    assert SSIM(restored, VICTIMS.images).mean() > SSIM(leak, VICTIMS.images).mean() + 0.01
    mean = PUBLIC.images.mean(0).expand_as(VICTIMS.images)
    assert SSIM(restored, VICTIMS.images).mean() > SSIM(mean, VICTIMS.images).mean() + 0.1, (
        "this person's, not anybody's"
    )
    assert victim.queries == len(PUBLIC)


def test_it_runs_the_scheme_with_keys_of_its_own() -> None:
    """It declares that it knows the scheme, and so does not depend on the victim's seed; on its own it does."""
    attack = Denoiser(steps=3, batch_size=4, width=0.25)
    assert (attack.knowledge.sees, attack.knowledge.knows) == (Stage.IMAGES, Knows.SCHEME)

    def restored(secret: int, own: int = 1, seed: int = 0) -> torch.Tensor:
        victim = Victim(Pipeline(NETWORK, WhiteNoise(0.3, seed=secret)), attack.knowledge, attacker_seed=own)
        return Denoiser(steps=3, batch_size=4, width=0.25, seed=seed).fit(PUBLIC, victim)(VICTIMS.images, victim)

    state = torch.get_rng_state()
    first = restored(0)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(restored(5), first)
    assert not torch.equal(restored(0, own=2), first)
    assert not torch.equal(restored(0, seed=1), first)


def test_the_bare_picture_passes_nearly_unchanged() -> None:
    """The estimator's own error, beside which every leak is to be read."""
    attack = Denoiser(steps=100, batch_size=8, width=0.5)
    victim = Victim(Pipeline(NETWORK), attack.knowledge)
    kept = attack.fit(PUBLIC, victim)(VICTIMS.images, victim)
    assert PSNR(kept, VICTIMS.images).mean() > 24


def test_a_leak_of_another_shape_and_no_faces_are_sentences() -> None:
    attack = Denoiser(steps=1, batch_size=2, width=0.25)
    victim = Victim(Pipeline(NETWORK, Resize(16)), attack.knowledge)
    with pytest.raises(UsageError, match=r"Denoiser.* learns from public faces"):
        attack.fit(None, victim)
    fitted = attack.fit(PUBLIC[:4], victim)
    with pytest.raises(UsageError, match=r"leaks of shape \(B, 3, 32, 32\), got \(1, 8, 16, 16\)"):
        fitted(torch.zeros(1, 8, 16, 16), victim)
