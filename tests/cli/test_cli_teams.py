"""`bauta models teams`, on made people with networks of one's own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from recognizers import published

from bauta import zoo
from bauta.cli import main
from bauta.cli.teams import cautions
from bauta.faces import load_pairs
from bauta.metrics import DIVERSITY
from bauta.recognizers import load
from bauta.study.teams import Failures, crowd, pair_failures, rank1_failures, rank_teams
from bauta.zoo import cache

NAMES = ("mine-0", "mine-1", "mine-2")


@pytest.fixture
def bauta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs a command in this process, with three networks of one's own, none of bauta's and no mirror: exit code,
    output, errors."""
    monkeypatch.setattr(cache, "PACKAGE", tmp_path / "nothing")
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BAUTA_MIRROR", raising=False)
    for seed, name in enumerate(NAMES):
        torch.save(published.filled(published.Xiaoccer((7, 7), 512), seed).state_dict(), tmp_path / f"{name}.pth")
        zoo.register(name, tmp_path / f"{name}.pth", "robfr-mobileface", license="MIT")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bauta", "models", "teams", "--device", "cpu", *words])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return end.value.code or 0, said.out, said.err

    return run


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Twelve made people with three very noisy pictures each, as a registered data set."""
    folder, draw = tmp_path / "people", np.random.default_rng(0)
    for number in range(12):
        coarse = Image.fromarray(draw.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        pattern = np.asarray(coarse.resize((112, 112), Image.Resampling.BICUBIC)).astype(float)
        (folder / f"person {number}").mkdir(parents=True)
        for picture in range(3):
            noisy = (pattern + draw.normal(0, 110, pattern.shape)).clip(0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / f"person {number}" / f"{picture}.png")
    zoo.register_dataset("made", folder)
    return folder


def test_the_teams_of_ones_own_networks(bauta, people: Path) -> None:
    code, out, err = bauta("--data", "made", "--pictures", "24", "--json")
    assert code == 0, err
    found = json.loads(out)
    networks = [load(name) for name in NAMES]
    failures = rank1_failures(networks, crowd(people, 24))
    assert (found["data"], found["samples"], found["task"]) == ("made", 12, failures.task)
    for entry in found["networks"]:
        assert (entry["license"], entry["place"], entry["public"]) == ("MIT", "registered", False)
        assert entry["failures"] == failures.counts[entry["name"]]
        assert entry["share"] == pytest.approx(entry["failures"] / 12, abs=1e-6)
    assert any(entry["failures"] > 0 for entry in found["networks"])
    expected = rank_teams(failures)
    assert [tuple(t["members"]) for t in found["teams"]] == [t.members for t in expected]
    for entry, team in zip(found["teams"], expected, strict=True):
        assert entry["value"] == pytest.approx(team.score, abs=1e-6, nan_ok=True)
        assert entry["size"] == len(team.members)
        assert entry["best"] == team.best
        assert entry["whole"].keys() == {d.name for d in DIVERSITY}
        if team.interval is not None:
            assert entry["interval"] == pytest.approx([team.interval.low, team.interval.high], abs=1e-6)
    assert found["cautions"][0].startswith("Fewer than 30 failures say little: mine-0 (")

    code, out, _ = bauta("--data", "made", "--pictures", "24", "--size", "2", "--score", "kappa")
    assert code == 0
    rows = [line for line in out.splitlines() if " + " in line]
    by_kappa = rank_teams(failures, next(d for d in DIVERSITY if d.name == "kappa"), size=2, draws=10)
    assert [line.split("  ")[-1] for line in rows] == [" + ".join(team.members) for team in by_kappa]
    assert [line.split()[1] for line in rows] == ["yes", "no", "no"]
    assert "low kappa is diverse" in out
    assert found["cautions"][0] in out


def test_what_wants_caution_is_said() -> None:
    """Members whose failures are 200, 40, 20 and none, of which the 20 are all among the 40's."""
    samples = torch.arange(400)
    matrix = torch.stack([samples < 200, (samples >= 180) & (samples < 220), (samples >= 200) & (samples < 220)])
    failures = Failures(("weak", "good", "better", "never"), torch.cat([matrix, matrix[:1] & False]), None, "made")
    said = cautions(failures, rank_teams(failures, draws=50))
    assert said[0].startswith("Fewer than 30 failures say little: better (20), never (0).")
    assert said[1] == "Without any failure, and so in no focal mean as its focus: never."
    assert any(s.startswith("In the best team of 2, weak fails 200 times and better 20:") for s in said)
    assert any(s.startswith("The best team of 2 is not told from the next: its lead is 0.000 [") for s in said)
    alike = Failures(("one", "other"), matrix[:1].expand(2, -1), None, "made")
    assert cautions(alike, rank_teams(alike, draws=50)) == []


def test_a_judge_is_in_no_team_and_pairs_may_be_asked(bauta, people: Path) -> None:
    words = ("--data", str(people), "--without", "mine-1", "--pairs", "40")
    code, out, err = bauta(*words, "--json")
    assert code == 0, err
    found = json.loads(out)
    (team,) = found["teams"]
    assert team["members"] == ["mine-0", "mine-2"]
    assert team["lead"] is None
    protocol = load_pairs(people, 40)
    failures = pair_failures([load("mine-0"), load("mine-2")], protocol)
    assert found["samples"] == len(protocol)
    assert {n["name"]: n["failures"] for n in found["networks"]} == failures.counts
    assert "mine-1" not in bauta(*words)[1]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--without", "mine-0", "--without", "mine-1"), 2, "whose weights are here, got 1 (mine-2)"),
        (("--without", "mine-7"), 2, "Nothing is called 'mine-7'"),
        (("--size", "4"), 2, "A team of 4 needs as many networks, and there are 3: mine-0, mine-1, mine-2"),
        (("--score", "beauty"), 2, "No score is called 'beauty'; there are gd, disagreement"),
        (("--pictures", "30", "--pairs", "40"), 2, "give one of them"),
        (("--device", "abacus"), 2, "abacus is not on this machine"),
        ((), 3, "The data set lfw is not here"),
    ],
)  # fmt: skip
def test_what_is_missing_and_what_is_wrong(bauta, words: tuple[str, ...], code: int, says: str) -> None:
    ended, out, err = bauta(*words, "--json")
    assert (ended, out) == (code, "")
    assert says in err


def test_one_network_is_no_team(bauta) -> None:
    for name in NAMES[1:]:
        zoo.forget(name)
    code, out, err = bauta()
    assert (code, out) == (3, "")
    assert "A team needs at least two networks whose weights are here, got 1 (mine-0); get others with" in err
