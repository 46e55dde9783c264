"""A study in parts: every cell in one, those about the same pictures together, and what they measure is the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import audited
import pytest
import rayed
import tiny
import torch

from bauta.attacks import Comparison
from bauta.errors import UsageError
from bauta.faces import load_pairs
from bauta.pipeline import Pipeline, System
from bauta.protections import GaussianNoise
from bauta.study import presets
from bauta.study.parts import SPLIT, Measuring, check_split, parts, roll
from bauta.study.presets import Settings, public_faces
from bauta.study.records import Row
from bauta.study.run import run


def several(settings: Settings, quick: bool) -> Iterator[Row]:
    """Two systems, the second of which is looked at again."""
    recognizer = audited.recognizer("mine")
    plain = Pipeline(recognizer)
    noisy = System(Pipeline(recognizer, GaussianNoise(0.3, seed=settings.seed)), plain)
    for name, system, attacks in (
        ("bare", System(plain, plain), [Comparison()]),
        ("noise, read by a", noisy, []),
        ("noise | JPEG", noisy, [Comparison()]),
    ):
        yield from run({name: system}, attacks, None, settings.victims, settings.seed, skip=settings.done)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Those of a small study."""
    return Settings(tiny.pairs(), tmp_path, 3)


def test_the_roll_names_every_cell_in_order_and_measures_none(settings: Settings) -> None:
    measured = list(dict.fromkeys(row.cell for row in several(settings, True)))
    assert roll(several, settings, True) == measured
    assert len(measured) == 5
    assert not list(settings.out.iterdir())


@pytest.mark.mirror
@pytest.mark.parametrize("name", SPLIT)
def test_the_studies_that_are_split_measure_nothing_when_all_is_done(name: str, mirror: Path, tmp_path: Path) -> None:
    people = audited.people(tmp_path / "people", 12)
    victims = load_pairs(people, 20)
    settings = Settings(victims, tmp_path / "out", 0, public=public_faces(people, victims))
    cells = roll(presets.STUDIES[name], settings, True)
    assert len(cells) == len(set(cells)) > 5
    assert not settings.out.exists()
    found = parts(cells, frozenset())
    assert len(found) > 1
    assert sorted(cell for part in found for cell in part) == sorted(cells)


def test_what_is_about_the_same_pictures_stays_together() -> None:
    cells = ["bare / utility", "a@3 / utility", "a@3, b / utility", "bare / X / NOTHING", "a@3 | JPEG / utility"]
    cells += ["a@3 + b@4, read by a / utility", "a@3 + b@4, read by b / utility"]
    found = parts(cells, frozenset({"a@3, b / utility"}))
    assert found == [[cells[0], cells[3]], [cells[1], cells[4]], cells[5:]]


def test_a_part_measures_what_the_whole_does(settings: Settings) -> None:
    whole = list(several(settings, True))
    cells = roll(several, settings, True)
    found: list[Row] = []
    for part in reversed(parts(cells, frozenset())):
        others = frozenset(cells) - set(part)
        rows = list(several(Settings(settings.victims, settings.out, 3, done=others), True))
        assert {row.cell for row in rows} == set(part)
        found += rows
    assert sorted(found, key=cells_first) == sorted(whole, key=cells_first)


def cells_first(row: Row) -> tuple[str, str, str]:
    return row.cell, row.attack, row.metric


@pytest.mark.slow
def test_ray_measures_the_same_rows(tmp_path: Path) -> None:
    """And whoever has measured some cells goes on with the others."""
    people = audited.people(tmp_path / "people", 12)
    with rayed.started(__name__) as ray:
        settings = Settings(load_pairs(people, 20), tmp_path, 3)
        whole = list(several(settings, True))
        cells = roll(several, settings, True)
        worker = Measuring(several, True, cells, people, 20, tmp_path, 3, torch.device("cpu"))
        found = list(ray.run(worker, parts(cells, frozenset(cells[:1]))))
    assert sorted(cell for cell, _ in found) == sorted(cells[1:])
    rows = [row for _, rows in found for row in rows]
    assert sorted(rows, key=cells_first) == sorted((r for r in whole if r.cell != cells[0]), key=cells_first)


def test_what_is_measured_whatever_is_done_is_refused(settings: Settings) -> None:
    def stubborn(settings: Settings, quick: bool) -> Iterator[Row]:
        yield Row("data", "data", "attack", "", "failed", None)

    with pytest.raises(UsageError, match="data is measured whatever is done; run this study without --engine"):
        roll(stubborn, settings, True)


def test_studies_that_share_what_they_train_are_refused() -> None:
    assert set(SPLIT) < set(presets.STUDIES)
    for name in SPLIT:
        check_split(name)
    with pytest.raises(UsageError, match="advface share what they train, so it runs in one process"):
        check_split("advface")
