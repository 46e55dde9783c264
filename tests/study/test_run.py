"""Systems under attacks, on a small protocol and small networks."""

from __future__ import annotations

import random
from collections.abc import Iterable
from functools import partial

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor, nn

from bauta.attacks import (
    ClientHolder,
    Comparison,
    ForeignRecognizer,
    Knowledge,
    Purify,
    Reconstruction,
    Reidentification,
    Victim,
)
from bauta.errors import UsageError
from bauta.faces import Pairs
from bauta.metrics import SSIM, bootstrap
from bauta.pipeline import Pipeline, System
from bauta.protections import PMT, GaussianNoise, PartialFace, WhiteNoise
from bauta.recognizers import Recognizer
from bauta.recognizers.frequency import BlockDCT
from bauta.study.records import Row
from bauta.study.run import refuse_overlap, run
from bauta.types import Faces, Stage

SAME = {"accepted as the same person", "accuracy (Eq. 10)"}


class Guessing(Reidentification):
    """Templates out of the global generators: torch's, numpy's and Python's."""

    default_knowledge = Knowledge(sees=Stage.IMAGES)

    def __repr__(self) -> str:
        return "Guessing()"

    def __call__(self, leak: Tensor, victim: Victim) -> Tensor:
        legacy = torch.from_numpy(np.random.rand(len(leak), 4)).float()  # noqa: NPY002 - what an attack may do
        guess = torch.randn(len(leak), 4) + legacy + random.random()
        return torch.nn.functional.normalize(guess)


class Drawing(Reconstruction):
    """A black picture for each."""

    default_knowledge = Knowledge(sees=Stage.FEATURES)

    def __repr__(self) -> str:
        return "Drawing()"

    def __call__(self, leak: Tensor, victim: Victim) -> Tensor:
        return torch.zeros(len(leak), 3, tiny.SIDE, tiny.SIDE)


class Greedy(Reidentification):
    """Reaches for a gradient that it did not declare."""

    default_knowledge = Knowledge(sees=Stage.IMAGES)

    def __repr__(self) -> str:
        return "Greedy()"

    def __call__(self, leak: Tensor, victim: Victim) -> Tensor:
        return victim.differentiable(leak)


@pytest.fixture(autouse=True)
def short_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty draws an interval: these tests ask where the numbers come from, and the bootstrap has its own."""
    monkeypatch.setattr("bauta.metrics.draws.bootstrap", partial(bootstrap, draws=60))


@pytest.fixture(scope="module")
def victims() -> Pairs:
    return tiny.pairs()


@pytest.fixture(scope="module")
def systems() -> dict[str, System]:
    network = tiny.recognizer(cut=4)
    plain = Pipeline(network)
    return {
        "bare": System(plain, plain),
        "PMT": System(Pipeline(network, PMT(steps=30).fit(None, network)), plain),
        "noise": System(Pipeline(network, WhiteNoise(0.3)), plain),
    }


READER = ForeignRecognizer(tiny.recognizer("reader", seed=4), threshold=0.5)


READING, OWNER = Comparison(), "the authorized recognizer"


def table(rows: Iterable[Row]) -> dict[tuple[str, str], Row]:
    return {(r.cell, r.metric): r for r in rows}


def test_utility_and_attacks_stand_side_by_side(systems: dict[str, System], victims: Pairs) -> None:
    attacks = [READER, Purify(READER, "blur 1"), ClientHolder()]
    rows = list(run(systems, attacks, None, victims, 3))
    for name in systems:
        roles = [r.role for r in rows if r.system == name]
        assert roles[0] == "utility"
        assert {repr(a) for a in attacks} <= {r.attack for r in rows if r.system == name and r.role == "attack"}
        for attack in (None, *attacks):
            cell = f"{name} / utility" if attack is None else f"{name} / {attack!r} / NOTHING"
            metrics = {r.metric for r in rows if r.cell == cell}
            assert metrics >= SAME | {"AUC", "rank-1", "TAR@FAR=0.01 recalibrated", "cosine to itself"}
    for r in rows:
        assert r.seed == 3
        assert r.value is not None
        assert r.low is not None
        assert r.high is not None
        assert r.low - 1e-9 <= r.high
        assert r.n in (6, 12)
        assert r.private_when == ("" if r.role == "utility" else "low")


def test_the_numbers_are_those_computed_by_hand(systems: dict[str, System], victims: Pairs) -> None:
    found = table(run({"PMT": systems["PMT"]}, [READER], None, victims, 3))
    pictures = systems["PMT"].probe.images(victims.faces)
    with torch.no_grad():
        probe = READER.recognizer.embed(pictures).double()
        gallery = READER.recognizer.embed((victims.faces.images * 255).round() / 255).double()
    own = [float(probe[a] @ gallery[a]) for a in victims.first.tolist()]
    scores = [
        float(probe[a] @ gallery[b]) for a, b in zip(victims.first.tolist(), victims.second.tolist(), strict=True)
    ]
    genuine, impostor = scores[:6], scores[6:]
    cell = f"PMT / {READER!r} / NOTHING"
    right = [o > 0.5 and s > 0.5 for o, s in zip(own, genuine, strict=False)]
    right += [o > 0.5 and s <= 0.5 for o, s in zip(own[6:], impostor, strict=True)]
    wanted = {
        "accuracy (Eq. 10)": np.mean(right),
        "accepted as itself": np.mean([o > 0.5 for o in own]),
        "accepted as the same person": np.mean([s > 0.5 for s in genuine]),
        "accepted as a stranger": np.mean([s > 0.5 for s in impostor]),
        "cosine to itself": np.mean(own),
        "AUC": np.mean([[(g > i) + 0.5 * (g == i) for i in impostor] for g in genuine]),
        "TAR@FAR=0.01 recalibrated": np.mean([g > max(impostor) for g in genuine]),
        "rank-1": np.mean([(probe[a] @ gallery[1::2].T).argmax() == a // 2 for a in range(0, 12, 2)]),
    }
    for metric, value in wanted.items():
        assert found[cell, metric].value == pytest.approx(float(value), abs=1e-4), metric
    seen = SSIM(pictures[::2], victims.faces.images[::2]).mean()
    assert found["PMT / utility", "SSIM"].value == pytest.approx(float(seen), abs=1e-4)


def test_a_fair_protocol_reads_the_bare_pictures_and_not_pmts(systems: dict[str, System], victims: Pairs) -> None:
    found = table(run(systems, [READER], None, victims, 3))
    bare, pmt = (found[f"{n} / {READER!r} / NOTHING", "cosine to itself"].value for n in ("bare", "PMT"))
    assert bare == pytest.approx(1, abs=1e-4)
    assert pmt is not None
    assert pmt < 0.7
    authorized = found["PMT / utility", "cosine to itself"].value
    assert authorized is not None
    assert authorized > 0.85


def test_order_and_company_of_cells_change_nothing(systems: dict[str, System], victims: Pairs) -> None:
    attacks = [Guessing(), READER, Purify(Guessing(), "blur 1")]
    first = table(run(systems, attacks, None, victims, 3))
    torch.manual_seed(99)
    backwards = dict(reversed(list(systems.items())))
    again = table(run(backwards, attacks[::-1], None, victims, 3))
    assert again == first
    alone = table(run({"PMT": systems["PMT"]}, [Guessing()], None, victims, 3))
    assert all(first[key] == row for key, row in alone.items())
    other = table(run({"PMT": systems["PMT"]}, [Guessing()], None, victims, 4))
    cell = "PMT / Guessing() / NOTHING"
    assert other[cell, "cosine to itself"].value != first[cell, "cosine to itself"].value


def test_a_failed_cell_is_a_row_that_says_why_and_the_rest_goes_on(systems: dict[str, System], victims: Pairs) -> None:
    rows = list(run({"bare": systems["bare"]}, [Greedy(), READER], None, victims, 3))
    (failed,) = [r for r in rows if r.metric == "failed"]
    assert failed.cell == "bare / Greedy() / NOTHING"
    assert failed.value is None
    assert "gradients need GRADIENT" in failed.note
    assert any(r.attack == repr(READER) for r in rows)


def test_cells_measured_before_are_skipped(systems: dict[str, System], victims: Pairs) -> None:
    attacks = [READER, Guessing()]
    first = list(run(systems, attacks, None, victims, 3))
    done = {r.cell for r in first if r.system == "bare"} | {f"PMT / {READER!r} / NOTHING", "PMT / utility"}
    rest = list(run(systems, attacks, None, victims, 3, skip=done))
    assert rest == [r for r in first if r.cell not in done]
    assert list(run(systems, attacks, None, victims, 3, skip={r.cell for r in first})) == []


def test_public_faces_reach_the_attack(systems: dict[str, System], victims: Pairs) -> None:
    public = Faces(tiny.pictures(6, seed=9), 100 + torch.arange(6))
    attacks = [Comparison(), ClientHolder()]
    without = table(run({"PMT": systems["PMT"]}, attacks, None, victims, 3))
    fitted = table(run({"PMT": systems["PMT"]}, attacks, public, victims, 3))
    for attack in attacks:
        key = (f"PMT / {attack!r} / NOTHING", "cosine to itself")
        assert fitted[key].value != without[key].value


def test_an_attackers_faces_are_not_the_victims(systems: dict[str, System], victims: Pairs) -> None:
    mine = victims.faces
    shared = Faces(tiny.pictures(3, seed=9), torch.tensor([70, 5, 71]))
    with pytest.raises(UsageError, match="share 1 people"):
        next(run(systems, [READER], shared, victims, 3))
    with pytest.raises(UsageError, match="share 2 files"):
        refuse_overlap(Faces(mine.images[3:5]), mine)
    nobody = Faces(mine.images)
    with pytest.raises(UsageError, match="share 12 files"):
        refuse_overlap(mine, nobody)
    refuse_overlap(None, mine)
    refuse_overlap(Faces(tiny.pictures(3, seed=9), torch.tensor([70, 71, 72])), mine)
    refuse_overlap(Faces(tiny.pictures(3, seed=9)), mine)


def test_without_identities_there_are_no_ranks_and_all_else(systems: dict[str, System], victims: Pairs) -> None:
    unknown = Pairs(Faces(victims.faces.images), victims.first, victims.second, victims.same, victims.fold)
    metrics = {r.metric for r in run({"bare": systems["bare"]}, [READER], None, unknown, 3)}
    assert "rank-1" not in metrics
    assert metrics >= SAME | {"AUC"}


def test_pictures_are_read_through_the_scheme_whose_server_reads_nothing_else(victims: Pairs) -> None:
    """A server of 27 channels cannot be given a picture: what is drawn is protected and embedded as any picture is."""
    torch.manual_seed(0)
    servers = []
    for channels in (192, 27):
        layers = {"dct": BlockDCT(), "embedding": nn.Conv2d(channels, 8, tiny.SIDE, bias=False)}
        servers.append(Recognizer(layers, cut=1, name=f"of {channels}"))
    behind = Pipeline(servers[1], PartialFace(seed=3), twin=servers[0])
    black = Drawing()
    rows = list(run({"p": System(behind, behind)}, [black], None, victims, 0))
    assert not [row.note for row in rows if row.value is None]
    found = {row.metric: row.value for row in rows}
    faces = victims.faces[torch.unique(victims.first)]
    with torch.no_grad():
        drawn, own = behind.templates(Faces(torch.zeros_like(faces.images))), behind.templates(faces)
    cosines = torch.nn.functional.cosine_similarity(drawn, own)
    assert found["COS"] == pytest.approx(float(cosines.mean()), abs=1e-5)


def test_a_zoo_networks_own_threshold_judges_it(victims: Pairs) -> None:
    named = tiny.recognizer("mobilefacenet-y1-ms1m", cut=4)
    for network, threshold in ((named, "threshold 0.246"), (tiny.recognizer(cut=4), "threshold 0.")):
        rows = run({"bare": System(Pipeline(network), Pipeline(network))}, [], None, victims, 3)
        notes = {r.note for r in rows if r.metric in SAME}
        assert len(notes) == 1
        assert notes.pop().startswith(threshold)


def test_an_unknown_networks_threshold_is_the_best_on_clean_pairs(systems: dict[str, System], victims: Pairs) -> None:
    found = table(run({"bare": systems["bare"]}, [], None, victims, 3))
    clean = systems["bare"].gallery.templates(victims.faces)
    scores = (clean[victims.first] * clean[victims.second]).sum(1)
    reachable = max(float(((scores > t) == victims.same).float().mean()) for t in torch.linspace(-1, 1, 20001))
    assert found["bare / utility", "accuracy on the clean pairs"].value == pytest.approx(reachable)


def test_a_protected_database_is_attacked_where_it_is_protected(victims: Pairs) -> None:
    network = tiny.recognizer()
    plain, noisy = Pipeline(network), Pipeline(network, GaussianNoise(2.0))
    database, probe, both = System(plain, noisy), System(noisy, plain), System(noisy, noisy)
    assert (database.exposed, database.opposite) == (noisy, plain)
    assert (probe.exposed, probe.opposite) == (noisy, plain)
    assert both.exposed is both.opposite is noisy
    assert System(plain, plain).exposed is plain
    rows = {
        name: {(r.attack, r.metric): r.value for r in run({name: system}, [READING], None, victims, 0)}
        for name, system in (("database", database), ("probe", probe), ("both", both), ("bare", System(plain, plain)))
    }
    attacked = {name: {k: v for k, v in found.items() if k[0] == repr(READING)} for name, found in rows.items()}
    # who has the first pictures' records reads the same of them, whichever side they were protected for
    assert attacked["database"] == attacked["probe"]
    assert attacked["database"] != attacked["both"]
    assert attacked["bare"][repr(READING), "AUC"] == 1
    assert attacked["database"][repr(READING), "cosine to itself"] < 0.98
    # the matcher is asked with clean first pictures for noisy records of all, and by hand
    owner = {name: {k[1]: v for k, v in found.items() if k[0] == OWNER} for name, found in rows.items()}
    first = victims.faces[torch.unique(victims.first)]
    with torch.no_grad():
        clean = plain.templates(first)
        stored = torch.cat([noisy.templates(batch) for batch in victims.faces.batches(64)])
    by_hand = (clean * stored[torch.unique(victims.first)]).sum(1).mean()
    assert owner["database"]["cosine to itself"] == pytest.approx(float(by_hand), abs=1e-5)
