"""Which settings the studies of PMT's options run, and how their rows say what they are of."""

from __future__ import annotations

import inspect
from itertools import islice
from pathlib import Path

import pytest
import tiny
import torch

from bauta.faces import Pairs, load_pairs
from bauta.protections import PMT
from bauta.protections.images.pmt import AUGMENTATIONS, KERNELS, STARTS
from bauta.study import presets
from bauta.study.presets.parameters import BASES, CHOICES, choices_of, variants
from bauta.study.presets.settings import Settings, stamped
from bauta.study.records import Row


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    row = torch.arange(4)
    victims = Pairs(tiny.faces(8), row, row + 4, torch.tensor([True, False, True, False]), torch.zeros(4).long())
    return Settings(victims, tmp_path, 7, public=tiny.faces(6, seed=2))


def options(pmt: PMT) -> dict[str, object]:
    return {key: getattr(pmt, key) for key in inspect.signature(PMT).parameters}


@pytest.mark.parametrize("base", BASES)
def test_options_vary_one_at_a_time_and_every_choice_is_tried(settings: Settings, base: str) -> None:
    (_, first), *others = variants(settings, base, quick=False)
    for option, pmt in others:
        changed = {key for key, value in options(pmt).items() if value != options(first)[key]}
        assert changed == {key for keywords in CHOICES[option].values() for key in keywords}
        assert pmt.seed == 7
    for option, named in CHOICES.items():
        tried = [choices_of(first)[option], *(choices_of(pmt)[option] for varied, pmt in others if varied == option)]
        assert sorted(tried) == sorted(named)
    assert (set(CHOICES["start"]), set(CHOICES["augment"])) == (set(STARTS), set(AUGMENTATIONS))
    assert set(CHOICES["kernel"]) == set(KERNELS)
    quick = list(variants(settings, base, quick=True))
    assert [varied for varied, _ in quick] == ["", *CHOICES]
    assert all(pmt.steps < first.steps for _, pmt in quick)


def test_the_bases_are_pmts_defaults_and_the_papers_choice() -> None:
    assert repr(PMT(**BASES["ours"])) == "PMT()"
    assert choices_of(PMT(**BASES["the paper's"])) == {
        "start": "noise",
        "augment": "noise",
        "aggregate": "yes",
        "kernel": "gaussian",
        "length": "1",
        "stop": "never",
    }


def test_a_part_of_the_settings(settings: Settings, tmp_path: Path) -> None:
    assert settings.pictures == tmp_path / "pictures"
    assert Settings(settings.victims, tmp_path, 0, store=tmp_path / "all").pictures == tmp_path / "all"
    part = settings.few(2, 3)
    assert (len(part.victims), part.public and len(part.public)) == (2, 3)
    assert len(settings.few(100).victims) == 4
    assert settings.few(100).public is settings.public


def test_rows_say_what_they_are_of() -> None:
    row = Row("c", "s", "attack", "a", "AUC", 0.5, settings={"noise": 0.1})
    (stamp,) = stamped([row], study="pmt-x", quick=True)
    assert stamp.settings == {"noise": 0.1, "study": "pmt-x", "quick": True}
    assert row.settings == {"noise": 0.1}


@pytest.mark.mirror
def test_a_study_of_options_goes_on_where_it_was(mirror: Path, tmp_path: Path) -> None:
    """The cells that were done are left out, the pictures that were made are read, and the rows that follow agree."""
    victims = load_pairs("lfw", 20)
    made: list[int] = []
    first = Settings(victims, tmp_path, 0, progress=made.append)
    study = presets.STUDIES["pmt-ablation"]
    rows = list(islice(study(first, True), 24))
    cells = list(dict.fromkeys(row.cell for row in rows))
    assert len(cells) >= 3
    assert sum(made) == len(torch.unique(victims.first))
    assert all(row.settings["quick"] and row.settings["study"] == "pmt-ablation" for row in rows)
    assert all(row.settings["on"] == [False, False, False] for row in rows)
    second = Settings(victims, tmp_path, 0, progress=made.append, done=frozenset(cells[:2]))
    later = [row for row in rows if row.cell == cells[2]]
    assert list(islice(study(second, True), len(later))) == later
    assert sum(made) == len(torch.unique(victims.first))
