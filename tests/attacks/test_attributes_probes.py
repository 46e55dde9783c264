"""Probes learn what is there, and nothing where nothing is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tiny
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from bauta import load_dataset
from bauta.attacks import Guess, Knows, Victim
from bauta.attacks.attributes.learning import NUMBERS, Beside, Projection, best_penalty, linear, pooled, train
from bauta.attacks.attributes.probes import CNNProbe, LogisticProbe, MLPProbe, Probe
from bauta.attacks.attributes.transfer import TransferProbe
from bauta.errors import ShapeError, UsageError
from bauta.metrics.attribute import blind_error
from bauta.pipeline import Pipeline
from bauta.protections import PMT
from bauta.recognizers import load
from bauta.spec import parse
from bauta.types import Faces, Stage

KINDS: dict[str, Callable[[str], Probe]] = {
    "LogisticProbe": lambda a: LogisticProbe(a, components=24),
    "MLPProbe": lambda a: MLPProbe(a, components=24, width=64, epochs=40),
    "CNNProbe": lambda a: CNNProbe(a, width=8, epochs=15),
}
EACH = pytest.mark.parametrize("kind", KINDS)


def tinted(number: int, seed: int) -> Faces:
    """Pictures whose hue is their gender, whose brightness is their age, and whose luck is drawn; some unlabelled."""
    g = torch.Generator().manual_seed(seed)
    gender, luck = torch.randint(2, (number,), generator=g), torch.randint(2, (number,), generator=g)
    age = torch.randint(5, 80, (number,), generator=g)
    images = tiny.pictures(number, seed=seed) * 0.3 + 0.4 * age[:, None, None, None] / 80
    images[:, 0] += 0.2 * gender[:, None, None]
    gender[::10] = -1
    return Faces(images.clamp(0, 1), None, {"gender": gender, "age": age, "luck": luck})


PUBLIC, VICTIMS = tinted(240, 1), tinted(120, 2)


def guessed(probe: Probe, pipeline: Pipeline) -> tuple[Tensor, Tensor]:
    victim = Victim(pipeline, probe.knowledge)
    fitted = probe.fit(PUBLIC, victim)
    labels = VICTIMS.attributes[probe.attribute]
    return fitted(pipeline.at(probe.knowledge.sees, VICTIMS), victim)[labels >= 0], labels[labels >= 0]


@EACH
@pytest.mark.parametrize("stage", [Stage.IMAGES, Stage.FEATURES, Stage.TEMPLATES])
def test_it_reads_what_is_there_at_every_stage(kind: str, stage: Stage) -> None:
    pipeline = Pipeline(tiny.recognizer())
    logits, labels = guessed(KINDS[kind]("gender").knowing(sees=stage), pipeline)
    assert logits.shape == (len(labels), 2)
    assert (logits.argmax(1) == labels).float().mean() > 0.8
    years, age = guessed(KINDS[kind]("age").knowing(sees=stage), pipeline)
    assert years.shape == (len(age), 1)
    assert (years[:, 0] - age).abs().mean() < 0.8 * blind_error(age)


@EACH
def test_it_does_not_read_what_is_not_there(kind: str) -> None:
    logits, labels = guessed(KINDS[kind]("luck"), Pipeline(tiny.recognizer()))
    assert 0.3 < (logits.argmax(1) == labels).float().mean() < 0.7


@EACH
def test_fitting_is_repeatable_counts_its_queries_and_leaves_the_original(kind: str) -> None:
    pipeline = Pipeline(tiny.recognizer())
    probe = KINDS[kind]("gender")
    leak = pipeline.at(probe.knowledge.sees, VICTIMS)
    first = Victim(pipeline, probe.knowledge)
    one, state = probe.fit(PUBLIC, first), torch.random.get_rng_state()
    assert first.queries == int((PUBLIC.attributes["gender"] >= 0).sum()), "unlabelled faces are not asked about"
    torch.rand(3)
    other = probe.fit(PUBLIC, Victim(pipeline, probe.knowledge))
    assert torch.equal(one(leak, first), other(leak, first))
    assert not torch.equal(state, torch.random.get_rng_state()), "the draw above, which did not matter"
    assert one.classes_ == (0, 1)
    assert one.guesses is Guess.ATTRIBUTES
    assert repr(one) == repr(probe)
    assert repr(parse(repr(probe), [LogisticProbe, MLPProbe, CNNProbe])) == repr(probe)
    with pytest.raises(UsageError, match="untrained"):
        probe(leak, first)


def test_the_aware_attacker_trains_on_what_he_protects_himself() -> None:
    network = tiny.recognizer()
    protected = Pipeline(network, PMT(steps=2).fit(None, network))
    probe = CNNProbe("gender", width=4, epochs=1)
    readers = []
    for knows in (Knows.NOTHING, Knows.SCHEME):
        aware = probe.knowing(knows=knows)
        victim = Victim(protected, aware.knowledge)
        rows = victim.observe(PUBLIC.images[:40])
        bare = Pipeline(network).images(Faces(PUBLIC.images[:40]))
        assert torch.equal(rows, bare) is (knows is Knows.NOTHING)
        readers.append(aware.fit(PUBLIC[:40], victim).reader_.state_dict())
    assert any(not torch.equal(a, b) for a, b in zip(*(r.values() for r in readers), strict=True))


def test_labels_nobody_has_come_last() -> None:
    gaps = Faces(PUBLIC.images, None, {"race": PUBLIC.attributes["gender"] * 3})
    pipeline = Pipeline(tiny.recognizer())
    victim = Victim(pipeline, LogisticProbe.default_knowledge)
    fitted = LogisticProbe("race", components=8).fit(gaps, victim)
    assert fitted.classes_ == (0, 3)
    logits = fitted(pipeline.features(VICTIMS), victim)
    assert logits.shape == (120, 4)
    assert logits.isfinite().all()
    assert (logits[:, 1:3].amax(1) < torch.minimum(logits[:, 0], logits[:, 3])).all()


def test_the_rare_class_weighs_as_much_as_the_other() -> None:
    """Nineteen of twenty are of one class; what cannot be told apart is guessed evenly, not always as the frequent."""
    rare = Faces(PUBLIC.images, None, {"luck": (torch.arange(240) % 20 == 0).long()})
    pipeline = Pipeline(tiny.recognizer())
    victim = Victim(pipeline, LogisticProbe.default_knowledge)
    logits = LogisticProbe("luck", components=4).fit(rare, victim)(pipeline.features(VICTIMS), victim)
    assert 0.2 < logits.argmax(1).float().mean() < 0.8


@pytest.mark.parametrize(
    ("public", "says"),
    [
        (None, "public faces"),
        (Faces(tiny.pictures(4)), "no attribute"),
        (Faces(tiny.pictures(4), None, {"race": torch.zeros(4)}), "only with race"),
        (Faces(tiny.pictures(4), None, {"gender": torch.full((4,), -1)}), "not labelled"),
        (Faces(tiny.pictures(40), None, {"gender": torch.ones(40, dtype=torch.long)}), "two classes"),
        (Faces(tiny.pictures(2), None, {"gender": torch.tensor([0, 1])}), "too few"),
    ],
)
def test_public_faces_that_teach_nothing_are_refused(public: Faces | None, says: str) -> None:
    probe = LogisticProbe("gender")
    with pytest.raises(UsageError, match=says):
        probe.fit(public, Victim(Pipeline(tiny.recognizer()), probe.knowledge))


def test_large_maps_are_averaged_and_small_ones_kept() -> None:
    large, small = torch.rand(2, 3, 112, 112), torch.rand(2, 128, 7, 6)
    found = pooled(large)
    assert found.shape == (2, 3, 56, 56)
    assert torch.allclose(found[1, 2, 5, 7], large[1, 2, 10:12, 14:16].mean())
    assert torch.equal(pooled(small), small)
    assert pooled(torch.rand(2, 64, 56, 48)).flatten(1).shape[1] <= NUMBERS
    assert pooled(torch.rand(4, 9)).shape == (4, 9, 1, 1)


def test_components_are_scikit_learns() -> None:
    g = torch.Generator().manual_seed(0)
    rows = torch.randn(200, 5, generator=g) @ torch.randn(5, 40, generator=g) * 3 + torch.rand(40, generator=g)
    found = Projection(rows, 64)(rows[:20])
    assert found.shape == (20, 5), "no components of rounding"
    scaled = StandardScaler().fit_transform(rows.double().numpy())
    wanted = PCA(5, whiten=True).fit(scaled).transform(scaled[:20])
    assert np.allclose(np.abs(found.numpy()), np.abs(wanted), rtol=0.02, atol=0.02)


def test_the_linear_map_is_scikit_learns() -> None:
    g = torch.Generator().manual_seed(0)
    rows = torch.randn(300, 6, generator=g)
    labels = (rows @ torch.randn(6, 3, generator=g) + torch.randn(300, 3, generator=g)).argmax(1)
    penalty = 0.02
    ours = linear(rows, labels, 3, torch.nn.functional.cross_entropy, penalty)
    theirs = LogisticRegression(C=1 / (2 * penalty * 300), tol=1e-10, max_iter=5000).fit(rows.numpy(), labels.numpy())
    shares = ours(rows).softmax(1).numpy()
    assert np.allclose(shares, theirs.predict_proba(rows.numpy()), atol=1e-3)


def test_the_penalty_is_the_one_that_reads_the_held_out_rows_best() -> None:
    g = torch.Generator().manual_seed(0)
    rows, held = torch.randn(60, 30, generator=g), torch.randn(60, 30, generator=g)
    noise = [torch.randint(2, (60,), generator=g) for _ in range(2)]
    signs = [(part[:, 0] > 0).long() for part in (rows, held)]
    loss = torch.nn.functional.cross_entropy
    assert best_penalty(rows, noise[0], held, noise[1], 2, loss, (10.0, 1e-2)) == 10, "noise is best not read at all"
    assert best_penalty(rows, signs[0], held, signs[1], 2, loss, (10.0, 1e-2)) == 1e-2


def test_a_network_that_learns_nothing_more_stays_the_linear_map() -> None:
    """Its second part begins at nothing, and an epoch that reads the held-out rows worse is not kept."""
    rows = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    line, last = torch.nn.Linear(4, 2), torch.nn.Linear(3, 2)
    both = Beside(line, torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU()), last)
    assert torch.equal(both(rows), line(rows))
    target = line(rows).argmax(1)
    wrong = 1 - target
    kept = train(both, rows, wrong, rows, target, torch.nn.functional.cross_entropy, epochs=2, rate=1e-1, decay=0.0)
    with torch.no_grad():
        assert torch.equal(kept(rows), line(rows))
        assert (kept(rows).argmax(1) == target).all()


def test_a_transfer_probe_reads_pictures_through_its_own_recognizer() -> None:
    pipeline, own = Pipeline(tiny.recognizer()), tiny.recognizer("own", seed=7)
    probe = TransferProbe("gender", own, cut=3, components=24, width=64, epochs=40)
    assert probe.knowledge.sees is Stage.IMAGES
    logits, labels = guessed(probe, pipeline)
    assert (logits.argmax(1) == labels).float().mean() > 0.8
    features = own.at_cut(3).features(VICTIMS.images[:2])
    assert torch.allclose(probe._rows(VICTIMS.images[:2]), features, atol=1e-5)
    assert repr(probe) == "TransferProbe('gender', 'own', cut=3, seed=0)"
    with pytest.raises(ShapeError, match="MLPProbe"):
        probe._rows(torch.rand(2, 16))


@pytest.mark.slow
@pytest.mark.mirror
def test_a_mid_layer_tells_gender_and_age(mirror: object) -> None:
    """A few faces of the real set: over 4,000 of them the figures are 88 % and 6 years."""
    faces = load_dataset("utkface", limit=600)
    third = torch.arange(len(faces)) % 3 == 0
    public, victims = faces[~third], faces[third]
    pipeline = Pipeline(load("mobilefacenet-y1-ms1m", cut=12))
    leak = pipeline.features(victims)
    for probe in (LogisticProbe("gender"), LogisticProbe("age")):
        victim = Victim(pipeline, probe.knowledge)
        labels = victims.attributes[probe.attribute]
        guess = probe.fit(public, victim)(leak, victim)
        if probe.attribute == "gender":
            assert (guess.argmax(1) == labels)[labels >= 0].float().mean() > 0.78
        else:
            assert (guess[:, 0] - labels).abs().mean() < 0.6 * blind_error(labels)
