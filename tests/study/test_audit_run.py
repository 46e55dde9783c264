"""An audit of made people as a whole: who is run, what is written, what is resumed, and what is left out."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import audited
import pytest
import rayed
import tiny
import torch

from bauta import zoo
from bauta.attacks import Comparison, Denoiser, ForeignRecognizer, InverseDCT, Knows, Linkage, PlainFace, Purify
from bauta.errors import BadFile, UsageError
from bauta.generators import synthetic
from bauta.job.engine import Processes
from bauta.pipeline import Pipeline
from bauta.protections import JPEG, PMT, AdvFace, GaussianNoise, Protection
from bauta.recognizers import Recognizer
from bauta.report.auditing import audit
from bauta.study.audit.asking import asked
from bauta.study.audit.attackers import jobs
from bauta.study.audit.auditing import parts
from bauta.study.audit.cast import LEAST, MOST_AWARE, STANDARD, STRONG, Cast, Job, Knobs
from bauta.study.audit.plan import Plan, between, planned
from bauta.study.audit.prices import Prices
from bauta.study.audit.request import Request
from bauta.study.audit.result import Audit, measure
from bauta.study.audit.subjects import Asked, Stand, Subject, names_of, portraits
from bauta.study.audit.threats import FOREIGN, INSIDER, THREATS, VIEWER, WIRE
from bauta.study.records import read
from bauta.study.run import cell_of
from bauta.study.sanity import is_bare
from bauta.types import Stage
from bauta.zoo.digests import digest


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return audited.people(tmp_path_factory.mktemp("made") / "people")


@pytest.fixture(scope="module")
def mine() -> Recognizer:
    return audited.recognizer("mine")


def cast(level: str = STANDARD, public: int = 100) -> Cast:
    readers = [ForeignRecognizer(audited.recognizer(name, seed=n)) for n, name in enumerate(("one", "two", "three"))]
    return Cast(readers, ["gender"], {}, level, public, 20)


def subject(protection: Protection | None, mine: Recognizer, cut: int | None = None) -> Subject:
    stand = Stand(mine, None)
    return stand.bare(2, True) if protection is None else stand.outline(Asked("p", protection, cut))


def known(found: list[Job]) -> dict[str, set[str]]:
    """Threat -> the cells of its attackers."""
    made: dict[str, set[str]] = {}
    for job in found:
        made.setdefault(job.threat, set()).add(cell_of("s", job.attack).removeprefix("s / "))
    return made


def run_small(people: Path, mine: Recognizer, out: Path, **more: object) -> Audit:
    told = {
        "recognizer": mine,
        "data": people,
        "out": out,
        "attacks": [ForeignRecognizer(audited.recognizer("one", seed=1)), PlainFace(steps=2, batch_size=2)],
        "readers": [audited.recognizer("other", seed=3)],
        "pairs": 20,
        "budget": "10m",
    } | more
    return audit(["PMT(steps=2)", GaussianNoise(0.5)], **told)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(people: Path, mine: Recognizer, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return run_small(people, mine, tmp_path_factory.mktemp("audit") / "whole")


def test_every_threat_that_arises_has_attackers_and_the_aware_ones_are_among_them(mine: Recognizer) -> None:
    pictures = known(jobs(subject(PMT(), mine), cast(), Knobs(100, 50, 1), Knobs(50, 40, 1)))
    assert set(pictures) == set(THREATS)
    assert "ForeignRecognizer('one') / NOTHING" in pictures[FOREIGN]
    assert "Purify(ForeignRecognizer('one'), 'blur 1') / NOTHING" in pictures[FOREIGN]
    assert any("Linkage" in cell and "at images / SCHEME" in cell for cell in pictures[FOREIGN])
    assert any("Denoiser" in cell and "SCHEME" in cell for cell in pictures[VIEWER])
    assert "ClientHolder(Comparison()) / NOTHING" in pictures[INSIDER]
    assert {cell.split(" / ")[-1] for cell in pictures[WIRE]} == {"NOTHING", "SCHEME"}

    features = known(jobs(subject(GaussianNoise(), mine), cast(), Knobs(100, 50, 1), Knobs(50, 40, 1)))
    assert set(features) == {"the wire", "the database", "an insider"}
    assert any("PlainFace(steps=40" in cell and cell.endswith("KEYS") for cell in features[INSIDER])

    bare = jobs(subject(None, mine), cast(), Knobs(100, 50, 1), Knobs(50, 40, 1))
    assert {job.attack.knowledge.knows for job in bare} == {Knows.NOTHING}
    assert not any(job.aware for job in bare)
    assert not any(isinstance(job.attack, Purify) for job in bare)


def test_what_is_run_on_a_protection_is_run_on_the_bare_system_too(mine: Recognizer) -> None:
    """Else its failure would say nothing."""
    knobs = Knobs(100, 50, 1)
    bare = jobs(subject(None, mine), cast(), knobs, knobs)
    capable = {(job.threat, job.attack.guesses) for job in bare}
    for protection in (PMT(), JPEG(50)):
        for job in jobs(subject(protection, mine), cast(), knobs, knobs):
            if job.attack.knowledge.knows is not Knows.KEYS:
                assert (job.threat, job.attack.guesses) in capable, job.attack


def test_strong_is_more_and_optimizers_see_few_faces(mine: Recognizer) -> None:
    one, knobs = subject(PMT(), mine), Knobs(100, 50, 1)
    few, more = (known(jobs(one, cast(level), knobs, knobs)) for level in (STANDARD, STRONG))
    assert all(few[threat] <= more[threat] for threat in few)
    assert any("Inversion" in cell for cell in more[INSIDER])
    optimizing = [job for job in jobs(one, cast(STRONG), knobs, knobs) if job.few]
    assert optimizing
    assert all(
        len(part) == sum(job.few for job in part) or not any(job.few for job in part) for part in parts(optimizing)
    )


def test_without_faces_or_readers_nobody_trains_or_reads(mine: Recognizer) -> None:
    alone = replace(cast(public=LEAST.faces - 1), readers=[])
    attacks = [job.attack for job in jobs(subject(PMT(), mine), alone, LEAST, LEAST)]
    assert attacks
    assert not any(isinstance(one, Denoiser | PlainFace | Linkage | ForeignRecognizer) for one in attacks)
    assert any(isinstance(one, Comparison) for one in attacks)


def test_more_time_is_never_less_and_no_time_drops_what_counts_least(people: Path, mine: Recognizer) -> None:
    victims = tiny.pairs()
    stand, actors = Stand(mine, None), cast()
    subjects = [stand.bare(2, True), stand.outline(Asked("PMT()", PMT()))]
    units = {"judged": 1.0, "embedded": 0.01, "read": 0.01, "plain step": 0.1, "denoiser step": 0.3}
    prices = Prices(units, {"PMT()": 0.5})
    plans = [planned(subjects, actors, prices, victims, left) for left in (5, 100, 400, 1000, 10000)]
    for less, more in itertools.pairwise(plans):
        assert less.unaware.steps <= more.unaware.steps
        assert less.aware["PMT()"].faces <= more.aware["PMT()"].faces
        assert len(less.dropped) >= len(more.dropped)
    assert plans[-1].dropped == {}
    assert plans[-1].aware["PMT()"] == between(MOST_AWARE, 1.0, 100)
    assert sum(s for cell, s in plans[2].seconds.items() if cell not in plans[2].dropped) <= 400
    assert all(cell in plan.seconds for plan in plans for cell in plan.dropped)
    assert plans[0].dropped
    assert not any("ForeignRecognizer('one') / NOTHING" in cell and "Purify" not in cell for cell in plans[0].dropped)
    for plan in plans:
        assert Plan.read(json.loads(json.dumps(plan.written()))) == plan
    with pytest.raises(BadFile, match="no plan"):
        Plan.read({"pairs": 3})


def test_templates_of_a_trained_network_are_compared_with_its_own(mine: Recognizer) -> None:
    """Those of the audited recognizer are another network's, so that comparing with them would find nobody and seem
    to show that the database is safe."""
    one = Stand(mine, None).outline(asked("bauta-partialface"))
    assert one.system.gallery.recognizer is one.pipeline.recognizer
    faces = synthetic(4, 0, views=2)
    own = one.system.probe.templates(faces)
    assert torch.equal(own, one.system.gallery.templates(faces))
    assert one.plain.recognizer is not one.pipeline.recognizer


def test_an_audit_measures_bare_and_protected_unaware_and_aware(whole: Audit) -> None:
    assert whole.failed == []
    systems = {row.system for row in whole.rows}
    assert systems == {"bare", "PMT(steps=2)", "GaussianNoise(sd=0.5)"}
    assert {row.system for row in whole.rows if is_bare(row)} == {"bare"}
    decoders = {(row.system, row.knows) for row in whole.rows if row.attack.startswith("PlainFace")}
    aware = {(system, "SCHEME") for system in systems - {"bare"}}
    assert decoders == {(system, "NOTHING") for system in systems} | aware
    threats = {(row.system, row.settings["threat"]) for row in whole.rows if row.role == "attack"}
    assert ("PMT(steps=2)", "a foreign recognizer") in threats
    assert ("GaussianNoise(sd=0.5)", "a foreign recognizer") not in threats
    assert {verdict.threat for verdict in whole.verdicts} == set(THREATS)
    words = {(verdict.system, verdict.threat): verdict.word for verdict in whole.verdicts}
    assert words["GaussianNoise(sd=0.5)", "a viewer"] == "does not arise"
    assert words["PMT(steps=2)", "the database"] == "not shown", "nobody was run on templates"


def test_what_it_leaves_behind(whole: Audit) -> None:
    out = whole.folder
    assert list(read(out / "rows.jsonl")) == list(whole.rows)
    tables = {path.name for path in (out / "tables").iterdir()}
    assert {f"attacks.{ending}" for ending in ("csv", "json", "md", "tex")} <= tables
    assert "\\begin{tabular}" in (out / "tables" / "use.tex").read_text()
    said = json.loads((out / "verdicts.json").read_text())
    assert [one["word"] for one in said["verdicts"]] == [one.word for one in whole.verdicts]
    page = (out / "report.html").read_text()
    assert whole.verdicts[0].word in page
    assert "data:image/png;base64," in page
    readers = {curve.title for curve in whole.document.curves}
    assert "ROC of the authorized recognizer" in readers
    (first,) = [one for one in whole.document.histograms if one.title == "bare, the authorized recognizer"]
    assert sum(first.genuine) == sum(first.impostor) == 10
    assert {point.system for point in whole.document.points} == {row.system for row in whole.rows}


def asked_again(whole: Audit, people: Path, mine: Recognizer, out: Path) -> Request:
    """The same audit in another folder, under the same plan."""
    (out / "settings.json").write_bytes((whole.folder / "settings.json").read_bytes())
    return Request(
        [asked("PMT(steps=2)"), asked(GaussianNoise(0.5))],
        mine,
        people,
        out,
        attacks=[ForeignRecognizer(audited.recognizer("one", seed=1)), PlainFace(steps=2, batch_size=2)],
        readers=[audited.recognizer("other", seed=3)],
        pairs=20,
    )


@pytest.mark.slow
def test_workers_measure_the_same(whole: Audit, people: Path, mine: Recognizer, tmp_path: Path) -> None:
    """And when nothing is left, nothing is measured."""
    request = asked_again(whole, people, mine, tmp_path)
    told: list[tuple[str, int, int, float]] = []
    found = measure(request, lambda *words: told.append(words), engine=Processes(2, threads=torch.get_num_threads()))
    assert list(found.rows) == list(whole.rows)
    assert found.absent == whole.absent
    assert [one.word for one in found.verdicts] == [one.word for one in whole.verdicts]
    assert {cell for cell, *_ in told} == {row.cell for row in whole.rows}
    assert told[-1][1] == told[-1][2]
    again = measure(request, lambda *words: told.append(words), engine=Processes(2))
    assert list(again.rows) == list(whole.rows)


@pytest.mark.slow
def test_ray_measures_the_same(whole: Audit, people: Path, mine: Recognizer, tmp_path: Path) -> None:
    """But for the last bits of a sum, where an actor has another number of threads than the whole audit had."""
    with rayed.started(__name__) as ray:
        found = measure(asked_again(whole, people, mine, tmp_path), engine=ray)
    assert [(row.cell, row.metric) for row in found.rows] == [(row.cell, row.metric) for row in whole.rows]
    if torch.get_num_threads() == 1:
        assert list(found.rows) == list(whole.rows)
    assert found.absent == whole.absent


def test_another_audit_is_not_mixed_in(whole: Audit, people: Path, mine: Recognizer, tmp_path: Path) -> None:
    before = (whole.folder / "rows.jsonl").read_bytes()
    with pytest.raises(UsageError, match="another seed"):
        run_small(people, mine, whole.folder, seed=1)
    with pytest.raises(UsageError, match="another attackers"):
        run_small(people, mine, whole.folder, attacks=["Comparison()"])
    assert (whole.folder / "rows.jsonl").read_bytes() == before
    (tmp_path / "rows.jsonl").write_bytes(before)
    with pytest.raises(UsageError, match=r"no settings\.json"):
        run_small(people, mine, tmp_path)
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(BadFile, match="no settings of an audit"):
        run_small(people, mine, tmp_path)


def test_when_the_time_is_over_cells_are_listed_and_run_the_next_time(
    whole: Audit, people: Path, mine: Recognizer, tmp_path: Path
) -> None:
    (tmp_path / "settings.json").write_bytes((whole.folder / "settings.json").read_bytes())
    short = run_small(people, mine, tmp_path, budget="0.001s", faces=False)
    cells = {row.cell for row in short.rows}
    assert {cell for cell in cells if not cell.endswith("/ utility")} == set()
    listed = {cell for cell, _ in short.absent}
    assert {row.cell for row in whole.rows} - cells <= listed
    assert all("run it again" in why for cell, why in short.absent if " / " in cell)
    assert short.document.gallery == ()
    assert not (tmp_path / "shown").exists()
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write('{"cell": "half a line')
    again = run_small(people, mine, tmp_path)
    assert again.absent == whole.absent
    assert sorted(again.rows, key=repr) == sorted(whole.rows, key=repr)
    assert [one.word for one in again.verdicts] == [one.word for one in whole.verdicts]
    before = (tmp_path / "rows.jsonl").read_bytes()
    run_small(people, mine, tmp_path)
    assert (tmp_path / "rows.jsonl").read_bytes() == before


def test_what_the_plan_left_out_is_run_at_the_end_where_there_is_time(
    whole: Audit, people: Path, mine: Recognizer, tmp_path: Path
) -> None:
    said = json.loads((whole.folder / "settings.json").read_text())
    left = next(row.cell for row in whole.rows if row.cell.startswith("bare / ") and row.knows == "NOTHING")
    said["plan"]["dropped"][left] = "no time: it would take about 1 s"
    (tmp_path / "settings.json").write_text(json.dumps(said))
    found = run_small(people, mine, tmp_path, faces=False)
    assert found.absent == whole.absent
    assert found.rows[-1].cell == left
    assert sorted(found.rows, key=repr) == sorted(whole.rows, key=repr)


def test_a_protection_that_cannot_be_fitted_is_a_row_that_says_why(
    people: Path, mine: Recognizer, tmp_path: Path
) -> None:
    request = Request(
        [Asked("AdvFace()", AdvFace(shadow_steps=1))],
        mine,
        audited.people(tmp_path / "few", 10),  # all of them are victims: nobody is left to learn from
        tmp_path / "out",
        attacks=[Comparison()],
        readers=[],
        pairs=20,
        faces=False,
    )
    found = measure(request)
    (row,) = found.failed
    assert (row.system, row.cell) == ("AdvFace()", "AdvFace() / utility")
    assert "public faces" in row.note
    assert {row.system for row in found.rows if row.value is not None} == {"bare"}


def test_portraits_are_photos_that_are_not_attacked_where_there_are_others() -> None:
    victims = tiny.pairs()
    own = portraits(victims)
    attacked = {victims.faces[[row]].digests()[0] for row in victims.first.tolist()}
    assert not attacked & set(own.digests())
    assert own.identity is not None
    assert set(own.identity.tolist()) == set(victims.faces.identity[victims.first].tolist())  # type: ignore[index]
    alone = replace(victims, second=victims.first.flip(0))  # nobody has another photo
    few = victims.faces[victims.first.unique()]
    alone = replace(alone, faces=few, first=torch.arange(12) % 6, second=(torch.arange(12) + 1) % 6)
    assert portraits(alone).digests() == few.digests()


def test_names_and_cuts(mine: Recognizer) -> None:
    made = [asked("PMT(steps=3) @ 1"), asked("PMT(steps=3)"), asked(JPEG(50))]
    assert list(names_of(made)) == ["PMT(steps=3), cut 1", "PMT(steps=3)", "JPEG(quality=50)"]
    with pytest.raises(UsageError, match="Two systems"):
        names_of([asked("PMT()"), asked(PMT())])
    with pytest.raises(UsageError, match="Nothing is called"):
        asked("Linkage()")
    stand = Stand(mine, None)
    assert stand.outline(made[0]).cut == 1
    assert stand.outline(made[1]).plain is stand.plain(2)
    assert isinstance(stand.plain(2), Pipeline)
    assert stand.outline(made[2]).stage is Stage.IMAGES


def test_a_trained_network_is_attacked_and_its_file_is_in_the_report(people: Path, tmp_path: Path) -> None:
    request = Request(
        [asked("bauta-partialface")], "bauta-residual", people, tmp_path, attacks=[InverseDCT()], readers=[], budget=60
    )
    found = measure(request)
    assert {row.system for row in found.failed} <= {"bare"}, "whose wire carries no DCT"
    own = [row for row in found.rows if "PartialFace" in row.system and row.attack.startswith("InverseDCT")]
    assert {row.knows for row in own} == {"DRAW"}
    assert {"SSIM", "COS"} <= {row.metric for row in own}, "read by the server behind the scheme"
    weights = zoo.locate(zoo.tool("bauta-partialface").files[0]).parent / "weights.safetensors"
    assert found.document.weights["bauta-partialface, weights.safetensors"] == digest(weights)
    assert found.settings["audit"]["networks"]["bauta-partialface, weights.safetensors"] == digest(weights)
