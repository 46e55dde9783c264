"""Study map2v on tiny networks, and the engine behind `bauta validate`: counts, limits, who is scored with whom."""

from __future__ import annotations

import importlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import tiny
import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.attacks import (
    AnySystem,
    EvolutionStrategy,
    GaussianBlobs,
    Knows,
    Map2V,
    Map2VFast,
    Map2VWhiteBox,
    RandomStart,
)
from bauta.errors import UsageError
from bauta.faces import Pairs
from bauta.generators import Eigenfaces
from bauta.metrics import bootstrap
from bauta.metrics.privacy_score import privacy_scores
from bauta.ops.dct import block_dct
from bauta.ops.quantize import to_8bit
from bauta.pipeline import Pipeline, System
from bauta.protections import ALL, DCTDP, P3Mask, PartialFace, Quantization
from bauta.recognizers import trainable
from bauta.recognizers.frequency import BlockDCT
from bauta.report.table import measured
from bauta.study.presets.frequencynetworks import TEACHER
from bauta.study.presets.map2v import (
    BARE,
    FEW,
    FULL,
    PUBLISHED,
    QUICK,
    SCHEMES,
    SMALL,
    cell_of,
    map2v,
    others,
    protection,
    searches,
    validators,
)
from bauta.study.presets.map2vnatives import beside_cell, natives
from bauta.study.presets.map2vnetworks import FREQUENCY, OFF, trained
from bauta.study.presets.settings import Settings
from bauta.study.presets.variants import AUTHORIZED
from bauta.study.records import Row
from bauta.study.tables import study_of, tables
from bauta.study.tables.map2v import query_curves
from bauta.study.validation import BLIND, OWN, Attacked, Meter, Reader, limited, recover, scored, searching, targets
from bauta.train import Training
from bauta.train.run import build, export
from bauta.types import Faces

preset = importlib.import_module("bauta.study.presets.map2v")  # the package's name is the function's
PRIOR = Eigenfaces(components=5).fit(tiny.faces(20, seed=4))
WHO = torch.arange(3)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals have tests of their own."""
    monkeypatch.setattr("bauta.metrics.draws.bootstrap", partial(bootstrap, draws=20))
    monkeypatch.setattr("bauta.study.validation.privacy_scores", partial(privacy_scores, draws=20))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Twelve pictures of six people, other people's faces, tiny networks."""
    monkeypatch.setattr(preset, "network", lambda cut: tiny.recognizer(cut=cut or 4))
    monkeypatch.setattr(preset, "SHALLOW", 2)
    monkeypatch.setattr(preset, "protection", lambda name, seed, quick: Quantization(bits=1))
    monkeypatch.setattr("bauta.study.validation.load", lambda name: tiny.recognizer(name, seed=5))
    others = tiny.faces(80, seed=9)
    assert others.identity is not None
    return Settings(tiny.pairs(), tmp_path, 0, public=replace(others, identity=others.identity + 100))


def test_the_quick_study_and_its_tables(settings: Settings) -> None:
    shown: list[str] = []
    given = replace(settings, show=lambda cell, pictures, faces: shown.append(cell))
    rows = list(map2v(given, True))
    assert not [row.note for row in rows if row.metric == "failed"]
    assert list(dict.fromkeys(row.system for row in rows)) == list(QUICK)
    asked = {name: [cell_of(name, *search) for search in searches(name, FEW, True)] for name in QUICK}
    own = {name: [beside_cell(name, attack) for attack in others(name, FEW, True)] for name in QUICK}
    assert [len(cells) for cells in asked.values()] == [4, 1]
    assert [len(cells) for cells in own.values()] == [2, 1]
    spent = {row.cell: (row.value, row.n) for row in rows if row.metric == "queries"}
    for cell in (cell for cells in asked.values() for cell in cells):
        value, people = spent[cell]
        assert people == 3
        # rounded to 1, a score is enough and its search ends
        assert value == 3 * FEW.queries or ("|" in cell and value < 3 * FEW.queries)
    assert shown == [cell for name in QUICK for cell in (*(f"{one} / NOTHING" for one in asked[name]), *own[name])]
    for row in rows:
        assert (row.settings["study"], row.settings["quick"], row.settings["protection"]) == ("map2v", True, row.system)
    validators = {row.settings["validator"] for row in rows if "validator" in row.settings}
    assert validators == {OWN, "mobilefacenet-relu6-ms1m"}
    # the protected database is attacked under the network's shallow cut
    system = preset.system_of(given, "AdvFace", settings.public, targets(settings.victims.faces, 3, 0), True)[1]
    stored = Attacked.of("AdvFace", system)
    assert not torch.allclose(*(embed(settings.victims.faces) for embed in (stored.enroll, stored.asked)), atol=1e-3)

    assert study_of(rows) == "map2v"
    made = {table.name: table for table in tables(rows)}
    assert set(made) == {"found", "scores", "beside", "limits", "queries", "searches", "published"}
    (first, *_) = made["scores"].rows
    by = {(row.cell, row.metric): row.value for row in rows}
    cell = asked[BARE][0]
    for column, metric in (("PSI", "PSI"), ("PSII", "PSII"), ("SAR@FAR=0.01", "SAR@FAR=0.01")):
        shown_number = measured(first[column])
        assert shown_number is not None
        assert shown_number.value == by[cell, f"{metric} by {OWN}"]
    baseline = measured(first[f"PSI, {BLIND}"])
    assert baseline is not None
    assert baseline.value == by[f"{BARE} / {BLIND}", f"PSI by {OWN}"]
    assert [line["limit"] for line in made["limits"].rows] == ["none", "QuantizedScores(0.1)"]
    assert {line["queries"] for line in made["queries"].rows} == {FEW.queries // 2, FEW.queries}
    assert {line["system"] for line in made["published"].rows} == {"DuetFace", "DCTDP", "PartialFace"}
    curves = query_curves(rows)
    assert [x for x, _ in next(iter(curves[BARE].values()))] == [FEW.queries / 2, FEW.queries]

    lines = made["beside"].rows
    assert [line["validator"] for line in lines] == [OWN, "mobilefacenet-relu6-ms1m"] * 3
    for column, cell in (("PSI", own["AdvFace"][0]), ("PSI, MAP2V", asked["AdvFace"][0])):
        shown_number = measured(lines[-2][column])
        assert shown_number is not None
        assert shown_number.value == by[cell, f"PSI by {OWN}"]

    # what is done is not run again, and the last cell comes out alike
    again = own["AdvFace"][-1]
    rest = [row for row in rows if row.cell.startswith(again)]
    done = frozenset(row.cell for row in rows if row not in rest)
    assert list(map2v(replace(settings, done=done), True)) == rest
    assert list(map2v(replace(settings, done=done | {again}), True)) == []


def test_the_published_search_stands_beside_ours_where_the_paper_has_a_table() -> None:
    for name in SCHEMES:
        made = [type(search) for search, limits in searches(name, SMALL, False) if not limits]
        also = [EvolutionStrategy, GaussianBlobs] * (name == BARE)
        assert made == [Map2VFast] + [Map2V] * (name in PUBLISHED) + also
    assert (FULL.victims, FULL.queries, FULL.priors) == (200, 6900, 500)


def test_what_a_paper_attacks_its_scheme_with_knows_what_the_paper_says() -> None:
    """The family's U-Net has the victim's keys, PMT's and AdvFace's learns from the bare device; others have none."""
    known = {name: {attack.knowledge.knows for attack in natives(name, False)} for name in SCHEMES}
    assert {name for name, knows in known.items() if knows == {Knows.NOTHING}} == {"PMT", "AdvFace"}
    assert {name for name, knows in known.items() if knows == {Knows.KEYS}} == set(FREQUENCY) - set(OFF)
    assert not natives(BARE, False)


def test_no_judge_took_part() -> None:
    """The frequency family's servers follow a teacher, and all else attacks another network."""
    for name in SCHEMES:
        judges = validators(name, False)
        assert len(set(judges)) == 2
        assert not set(judges) & ({TEACHER} if name in FREQUENCY else {AUTHORIZED})


def server(*, channels: int = 192) -> torch.nn.Module:
    """Behind a DCT of 32 x 32 pictures."""
    from bauta.recognizers import Recognizer

    layers = {"dct": BlockDCT(), "embedding": torch.nn.Conv2d(channels, 8, tiny.SIDE, bias=False)}
    return Recognizer(layers, cut=1, name="tiny")


def test_networks_of_the_frequency_family_are_taken_or_said_to_be_missing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(trainable.TRAINABLE, "frequency_compact", server)
    monkeypatch.setattr(preset, "QUICK", ("DCTDP", "PartialFace, no draws", "MinusFace"))
    folder = settings.out / "networks"
    for name, spec in (("PartialFace", "PartialFace(seed=2)"), ("DCTDP", "DCTDP()")):
        made = build(Training("frequency_compact", protections=[spec], cast=0.4))
        fitted = [one.fit(settings.public, made.recognizer) for one in made.protections]
        (folder / name).mkdir(parents=True)
        training = Training("frequency_compact", protections=[spec], cast=0.4)
        channels = {"channels": made.protections[0].channels}
        importlib.import_module("bauta.train.run").write_recipe(
            folder / name, training.written() | {"options": channels}
        )
        export(folder / name, Pipeline(made.recognizer, *fitted), {"accuracy": 0.5})
    rows = list(map2v(settings, True))
    absent = {row.system: row.note for row in rows if row.metric == "failed"}
    assert set(absent) == {"MinusFace"}
    assert all("bauta study run frequency" in note for note in absent.values())
    ran = {row.system for row in rows if row.metric == "similarity"}
    assert ran == {"DCTDP", "PartialFace, no draws"}
    assert {row.settings["cast"] for row in rows if row.system in ran} == {0.4}
    # without draws two pictures are asked alike, and without noise the channels are the picture's own
    x = block_dct(tiny.pictures(2))
    (partial_face,) = trained(folder, "PartialFace, no draws")[1].protections
    first = PartialFace(seed=2)
    assert torch.equal(partial_face(x), x[:, first.indices(torch.zeros(1, 2).long())[0]])
    (dctdp,) = trained(folder, "DCTDP, no noise")[1].protections
    assert torch.equal(dctdp(x), x[:, DCTDP().kept])


def attacked(seed: int = 0) -> Attacked:
    plain = Pipeline(tiny.recognizer(seed=seed))
    return Attacked.of("tiny", System(plain, plain))


@pytest.mark.parametrize("budget", [1, 37, 200])
def test_queries_are_exact_whatever_the_search_does(budget: int) -> None:
    system, counted = attacked(), [0]
    found = targets(tiny.pairs().faces, 3, 0)
    answer = system.score(system.enroll(found.faces))

    def ask(images: Tensor, target: Tensor) -> Tensor:
        counted[0] += len(images)
        return answer(images, target)

    oracle = AnySystem(ask)
    for search in (Map2VFast(PRIOR, rounds=99, priors=20), Map2V(PRIOR, "random", iterations=99, directions=4)):
        before, heard = counted[0], []
        made = recover(search, oracle, WHO, enrolled=3, queries=budget, marks=(20, 100), told=heard.append)
        assert made.queries.tolist() == [budget] * 3
        assert counted[0] - before == 3 * budget == heard[-1]
        assert sorted(heard) == heard
        assert set(made.after) <= {20, 100}
        assert torch.equal(made.pictures, (made.pictures * 255).round() / 255)
    assert oracle.queries == counted[0]


def test_marks_keep_what_was_best_by_then() -> None:
    system = attacked()
    answer = system.score(system.enroll(targets(tiny.pairs().faces, 3, 0).faces))
    search = Map2V(PRIOR, "random", iterations=20, directions=4, flip=False)
    made = recover(search, AnySystem(answer), WHO, enrolled=3, queries=100, marks=(10, 50, 100))
    short = recover(search, AnySystem(answer), WHO, enrolled=3, queries=50)
    assert torch.equal(made.after[50], short.pictures)
    assert torch.equal(made.after[100], made.pictures)
    scores = [answer(made.after[mark], WHO) for mark in (10, 50, 100)]
    assert (scores[0] <= scores[1] + 0.01).all()  # but for 8-bit rounding
    assert (scores[1] <= scores[2] + 0.01).all()
    late = recover(Map2VFast(PRIOR, priors=30, rounds=1), AnySystem(answer), WHO, enrolled=3, marks=(10,))
    assert late.after == {}, "nothing was known so early"


def test_limits_stand_between() -> None:
    meter = Meter(AnySystem(lambda images, target: torch.linspace(0, 1, len(images))), 2)
    asked = limited(meter, ["QuantizedScores(0.25)", "AcceptReject(0.5)", "QueryLimit(2)"])
    answers = asked.score(tiny.pictures(4), torch.tensor([0, 0, 0, 1]))
    assert answers.isnan().tolist() == [False, False, True, False]
    assert answers[[0, 1, 3]].tolist() == [0, 0, 1]
    assert (meter.queries, meter.spent.tolist()) == (3, [2, 1])
    with pytest.raises(UsageError, match="AcceptReject"):
        limited(meter, ["Silence()"])
    with pytest.raises(UsageError, match="threshold"):
        limited(meter, ["AcceptReject()"])


def test_targets_are_people_with_two_pictures_and_others_are_nobodys_target() -> None:
    faces = tiny.faces(13, seed=3)  # the last has one picture
    found = targets(faces, 4, 7, strangers=3)
    assert found.real.identity is not None
    who = found.real.identity[found.attacked]
    assert len(set(who.tolist())) == 4
    assert 6 not in who
    assert torch.equal(found.real.identity[found.other], who)
    assert (found.other != found.attacked).all()
    assert not set(found.real.identity[found.stranger].tolist()) & set(who.tolist())
    assert len(found.real) == 4 * 2 + 3
    place = {digest: row for row, digest in enumerate(faces.digests())}
    assert all(place[one] < place[two] for one, two in zip(
        found.faces.digests(), found.real[found.other].digests(), strict=True
    ))  # fmt: skip
    with pytest.raises(UsageError, match="6 with two"):
        targets(faces, 7, 0)
    with pytest.raises(UsageError, match="somebody else"):
        targets(tiny.faces(4), 2, 0)
    with pytest.raises(UsageError, match="who is who"):
        targets(Faces(tiny.pictures(4)), 2, 0)


def test_scores_are_those_of_the_module_on_these_very_pictures() -> None:
    system, found, judge = attacked(), targets(tiny.pairs().faces, 3, 0), tiny.recognizer("judge", seed=5)
    enrolled, pictures = system.enroll(found.faces), to_8bit(tiny.pictures(3, seed=8))
    reader = Reader("judge", lambda faces: judge.embed(faces.images), found)
    blank = Row("c", "s", "attack", "a", "", None)
    rows = {
        row.metric: row for row in scored(blank, pictures, found, system, enrolled, [reader], torch.tensor([3, 5, 4]))
    }
    with torch.no_grad():
        plain = tiny.recognizer()
        cosine = F.cosine_similarity(plain.embed(pictures), plain.embed(to_8bit(found.faces.images)))
        assert found.real.identity is not None
        right = privacy_scores(
            judge.embed(pictures), judge.embed(found.real.images), found.real.identity, found.attacked, draws=20
        )
    assert rows["similarity"].value == pytest.approx(float(cosine.mean()), abs=1e-5)
    assert right.psii is not None
    for metric, interval in (("PSI", right.psi), ("PSII", right.psii), ("SAR@FAR=0.001", right.sar[1e-3])):
        row = rows[f"{metric} by judge"]
        assert (row.value, row.low, row.high, row.n) == (interval.value, interval.low, interval.high, interval.n)
        assert row.settings["validator"] == "judge"
    assert (rows["queries"].value, rows["queries"].note) == (12, "3 to 5 for each")


def test_who_is_told_more_than_similarities_is_refused() -> None:
    assert searching(Map2V(PRIOR, RandomStart())).prior is PRIOR
    for attack in (Map2VWhiteBox(PRIOR), object()):
        with pytest.raises(UsageError, match="more than similarities"):
            searching(attack)  # type: ignore[arg-type]


def test_a_database_is_asked_with_unprotected_pictures() -> None:
    network = tiny.recognizer()
    stored = Pipeline(network, Quantization(bits=1).fit(tiny.faces(8, seed=2), network))
    system = Attacked.of("db", System(Pipeline(network), stored))
    faces = tiny.faces(3)
    assert isinstance(tiny.pairs(), Pairs)
    with torch.no_grad():
        assert torch.equal(system.asked(faces), network.embed(to_8bit(faces.images)))
        assert torch.equal(system.enroll(faces), stored.templates(faces))


def test_every_scheme_has_its_protection_with_the_seed() -> None:
    own = [name for name in SCHEMES if name != BARE and name not in FREQUENCY]
    made = [protection(name, 3, True) for name in own]
    assert len({type(one) for one in made}) == len(own)
    assert {type(one) for one in made} <= set(ALL)
    assert all(getattr(one, "seed", 3) == 3 for one in made)
    assert any(isinstance(one, P3Mask) for one in made)
