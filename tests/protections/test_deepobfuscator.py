"""DeepObfuscator: what the game keeps and takes, judged by decoders and probes that did not play it."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F

from bauta.attacks import RecFace, Victim
from bauta.errors import ShapeError, UsageError
from bauta.metrics import SSIM
from bauta.ops.quantize import to_8bit
from bauta.pipeline import Pipeline
from bauta.protections import DeepObfuscator
from bauta.protections.features.deepobfuscator import Obfuscator
from bauta.types import Faces

NETWORK = tiny.recognizer(cut=2)
PUBLIC, VICTIMS = tiny.faces(64, seed=3), tiny.faces(16, seed=4)
QUICK: dict[str, float] = {"steps": 40, "warmup": 15, "batch_size": 12, "hidden": 16, "width": 0.25}


def made(weight: float = 3.0, **options: object) -> DeepObfuscator:
    return DeepObfuscator(weight, **{**QUICK, **options})  # type: ignore[arg-type]


def test_before_the_game_it_changes_nothing() -> None:
    x = NETWORK.features(VICTIMS.images)
    assert torch.equal(Obfuscator(x.shape[1], 16)(x), x)
    kept = made(0.0, steps=10, warmup=0).fit(PUBLIC, NETWORK)(x)
    assert torch.allclose(kept, x, atol=0.02), "and without adversaries there is no reason to"


def test_it_keeps_the_template_and_spoils_the_picture_of_a_decoder_that_did_not_play() -> None:
    fitted = made(rate=3e-3).fit(PUBLIC, NETWORK)
    bare, protected = Pipeline(NETWORK), Pipeline(NETWORK, fitted)
    with torch.no_grad():
        kept = (protected.templates(VICTIMS) * bare.templates(VICTIMS)).sum(1)
        attack = RecFace(steps=60, batch_size=12, width=0.25)
        victim = Victim(bare, attack.knowledge)
        trained = attack.fit(PUBLIC, victim)
        seen = [float(SSIM(trained(p.features(VICTIMS), victim), VICTIMS.images).mean()) for p in (bare, protected)]
    assert float(kept.mean()) > 0.75
    assert seen[1] < seen[0] - 0.2


def test_a_greater_weight_takes_more_of_the_template() -> None:
    clean = NETWORK.features(VICTIMS.images)

    def lost(weight: float) -> float:
        changed = made(weight, steps=12, warmup=5).fit(PUBLIC, NETWORK)(clean)
        return float((1 - (NETWORK.templates(changed) * NETWORK.templates(clean)).sum(1)).mean())

    assert lost(0.3) < lost(10.0)


def bright(images: Tensor) -> Tensor:
    """A planted attribute: whether the green of a picture is more than its red."""
    return (images[:, 1].mean((1, 2)) > images[:, 0].mean((1, 2))).long()


def test_an_attribute_is_hidden_from_a_probe_that_did_not_play() -> None:
    labels = bright(PUBLIC.images)
    labelled = Faces(PUBLIC.images, attributes={"green": torch.where(torch.arange(64) % 8 == 0, -1, labels)})

    def pooled(x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(x, 1).flatten(1)

    x, others = NETWORK.features(to_8bit(PUBLIC.images)), tiny.pictures(64, seed=9)
    probe = LogisticRegression(C=100, max_iter=2000).fit(pooled(x).numpy(), labels.numpy())
    held, truth = NETWORK.features(others), bright(others).numpy()
    fitted = made(0.0, attributes=("green",), attribute_weight=1.0).fit(labelled, NETWORK)
    clean, hidden = (probe.score(pooled(z).numpy(), truth) for z in (held, fitted(held)))
    assert clean > 0.85
    assert hidden < clean - 0.15
    with pytest.raises(UsageError, match="hides smile, which the public faces do not have labels for; they have green"):
        made(attributes=("smile",)).fit(labelled, NETWORK)


def test_the_same_game_ends_the_same_and_leaves_the_world_alone() -> None:
    x = NETWORK.features(VICTIMS.images)
    state, weights = torch.get_rng_state(), [w.clone() for w in NETWORK.parameters()]
    with torch.no_grad():  # as a study calls it
        first = made(steps=3, warmup=1).fit(PUBLIC, NETWORK)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(weights, NETWORK.parameters(), strict=True)), "no change to the server"
    assert torch.equal(made(steps=3, warmup=1).fit(PUBLIC, NETWORK)(x), first(x))
    assert not torch.equal(made(steps=3, warmup=1, training_seed=1).fit(PUBLIC, NETWORK)(x), first(x))
    assert first.rekeyed(7) is first, "it is on every device, and no key"
    again = made(steps=3, warmup=1).restored(first.learned())
    assert torch.equal(again(x), first(x))
    assert not any(p.requires_grad for p in again.parameters())


def test_it_refuses_what_has_no_meaning() -> None:
    x = NETWORK.features(VICTIMS.images)
    with pytest.raises(UsageError, match="at least one step on batches of at least two"):
        DeepObfuscator(steps=0)
    with pytest.raises(UsageError, match="weights are 0 or more; got -1"):
        DeepObfuscator(-1)
    with pytest.raises(UsageError, match="call fit"):
        DeepObfuscator()(x)
    with pytest.raises(UsageError, match="at least two public faces; got 1"):
        made().fit(PUBLIC[:1], NETWORK)
    fitted = made(steps=1, warmup=0).fit(PUBLIC, NETWORK)
    with pytest.raises(ShapeError, match="fit it for the recognizer as it is cut here"):
        fitted(NETWORK.at_cut(1).features(VICTIMS.images))
    with pytest.raises(UsageError, match="of other names, shapes or types"):
        made(hidden=8).restored(fitted.learned())


@pytest.mark.mirror
def test_real_faces_stay_who_they_are(mirror: Path) -> None:
    from bauta.faces import load_dataset
    from bauta.recognizers import load

    faces = load_dataset("lfw", 104)
    public, victims = faces[40:], faces[:40]
    network = load("mobilefacenet-casia").at_cut(12)
    fitted = DeepObfuscator(steps=8, warmup=4, batch_size=8, width=0.25).fit(public, network)
    with torch.no_grad():
        clean = network.features(victims.images)
        changed = fitted(clean)
        assert float((changed - clean).norm() / clean.norm()) > 0.02
        assert float((network.templates(changed) * network.templates(clean)).sum(1).mean()) > 0.8
