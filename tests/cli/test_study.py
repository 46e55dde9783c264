"""`bauta study`: a small study of made people as a whole, and the beginning of the real one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from recognizers import published
from torch import Tensor

from bauta import zoo
from bauta.attacks import ForeignRecognizer, Reidentification
from bauta.attacks.base import Knowledge, Victim
from bauta.cli import main
from bauta.faces import Pairs, load_dataset
from bauta.pipeline import Pipeline, System
from bauta.recognizers import load
from bauta.study import presets
from bauta.study.records import Row, read
from bauta.study.run import run
from bauta.types import Stage


class Greedy(Reidentification):
    """Reaches for what it did not declare."""

    default_knowledge = Knowledge(sees=Stage.IMAGES)

    def __repr__(self) -> str:
        return "Greedy()"

    def __call__(self, leak: Tensor, victim: Victim) -> Tensor:
        return victim.differentiable(leak)


def reading(settings: presets.Settings, quick: bool) -> Iterator[Row]:
    """How a network of one's own reads clean pictures.

    quick: without an attacker.
    """
    plain = Pipeline(load("mine"))
    attacks = [] if quick else [ForeignRecognizer("mine")]
    yield from run({"bare": System(plain, plain)}, attacks, None, settings.victims, settings.seed, skip=settings.done)


def greedy(settings: presets.Settings, quick: bool) -> Iterator[Row]:
    """An attack that fails."""
    plain = Pipeline(load("mine"))
    yield from run({"bare": System(plain, plain)}, [Greedy()], None, settings.victims, settings.seed)


@pytest.fixture
def bauta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs a command in this process, with two small studies and without a mirror: exit code, output, errors."""
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BAUTA_MIRROR", raising=False)
    monkeypatch.setitem(presets.STUDIES, "reading", reading)
    monkeypatch.setitem(presets.STUDIES, "greedy", greedy)
    path = tmp_path / "mine.pth"
    torch.save(published.filled(published.Xiaoccer((7, 7), 512)).state_dict(), path)
    zoo.register("mine", path, "robfr-mobileface")

    def run_words(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bauta", *words])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return end.value.code or 0, said.out, said.err

    return run_words


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Eight made people with three noisy pictures each, and one stranger to learn from."""
    draw = np.random.default_rng(0)
    for number in range(8):
        pattern = draw.integers(0, 256, (1, 1, 3)) * np.linspace(0, 1, 112)[:, None, None]
        for picture in range(3):
            path = tmp_path / "people" / f"person {number}" / f"{picture}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noisy = (pattern + draw.normal(0, 40, (112, 112, 3))).clip(0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(path)
    return tmp_path / "people"


def test_list(bauta) -> None:
    code, out, _ = bauta("study", "list")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert {"pmt-abuse", "pmt-parameters", "pmt-scalability", "pmt-ablation", "reading", "greedy"} <= set(lines)
    assert "Table VII" in lines["pmt-abuse"]
    code, out, _ = bauta("study", "list", "--json")
    assert [entry["name"] for entry in json.loads(out)] == list(lines)


def test_a_study_runs_and_goes_on_where_it_was(bauta, people: Path, tmp_path: Path) -> None:
    words = ("study", "run", "reading", "--data", str(people), "--pairs", "16", "--out", str(tmp_path / "r"), "--json")
    code, out, err = bauta(*words)
    assert code == 0, err
    found = json.loads(out)
    rows = tmp_path / "r" / "rows.jsonl"
    assert found["rows"] == [json.loads(line) for line in rows.read_text().splitlines()]
    assert {row["cell"].split(" / ")[1] for row in found["rows"]} == {"utility", "ForeignRecognizer('mine')"}
    assert found["settings"] == json.loads((tmp_path / "r" / "settings.json").read_text())
    stated = {"study": "reading", "pairs": 16, "seed": 0, "quick": False, "data": str(people)}
    assert stated.items() <= found["settings"].items()
    (line,) = found["tables"]["leak"]["rows"]
    (area,) = [row for row in found["rows"] if row["metric"] == "AUC" and "Foreign" in row["cell"]]
    assert (line["reader"], line["picture"]) == ("mine", "clean")
    assert (line["AUC"]["value"], line["AUC"]["low"], line["AUC"]["n"]) == (area["value"], area["low"], 16)
    assert all(Path(file).is_file() for file in found["files"])
    assert {"table.md", "table.csv"} <= {Path(file).name for file in found["files"]}

    whole = rows.read_bytes()
    assert bauta(*words)[0] == 0
    assert rows.read_bytes() == whole

    # as a crash leaves it: the last line cut off
    rows.write_bytes(whole[:-40])
    code, out, err = bauta(*words)
    assert code == 0
    again = list(read(rows))
    assert {(row.cell, row.metric, row.value) for row in again} == {
        (row["cell"], row["metric"], row["value"]) for row in found["rows"]
    }
    assert json.loads(out)["tables"] == found["tables"]


def test_other_settings_are_not_mixed_in(bauta, people: Path, tmp_path: Path) -> None:
    out = tmp_path / "r"
    words = ("study", "run", "reading", "--quick", "--data", str(people), "--out", str(out), "--pairs")
    assert bauta(*words, "16")[0] == 0
    before = (out / "rows.jsonl").read_bytes()
    code, _, err = bauta(*words, "16", "--seed", "4")
    assert (code, "seed 0 and not 4" in err) == (2, True)
    code, _, err = bauta(*words, "8")
    assert (code, "pairs 16 and not 8" in err) == (2, True)
    (out / "settings.json").unlink()
    code, _, err = bauta(*words, "16")
    assert (code, "holds rows, but no settings.json" in err) == (2, True)
    assert (out / "rows.jsonl").read_bytes() == before


def test_a_cell_that_fails_is_a_row_and_ends_with_1(bauta, people: Path, tmp_path: Path) -> None:
    code, out, err = bauta(
        "study", "run", "greedy", "--data", str(people), "--pairs", "16", "--out", str(tmp_path / "r"), "--json"
    )
    assert code == 1
    assert "1 cells could not be measured" in err
    (row,) = json.loads(out)["tables"]["failed"]["rows"]
    assert row["attack"] == "Greedy()"
    assert "gradients need GRADIENT" in row["why"]


def test_what_is_missing_and_what_is_wrong(bauta, tmp_path: Path) -> None:
    code, out, err = bauta("study", "run", "no-such-study")
    assert (code, out) == (2, "")
    assert "there are pmt-abuse" in err
    words = ("study", "run", "pmt-abuse", "--data", "agedb-30", "--out", str(tmp_path / "r"))
    code, out, err = bauta(*words, "--json")
    assert code == 3
    assert "agedb-30 is not here" in err
    (row,) = json.loads(out)["rows"]
    assert (row["metric"], row["value"]) == ("failed", None)
    assert "agedb-30 is not here" in row["note"]
    assert not (tmp_path / "r").exists()
    assert bauta("study", "tables", str(tmp_path / "r"))[0] == 3


def test_public_faces_are_of_other_people(people: Path) -> None:
    everybody = load_dataset(people)
    row = torch.tensor([0])
    victims = Pairs(everybody[:6], row, row + 1, torch.tensor([True]), row)
    public = presets.public_faces(people, victims)
    assert public is not None
    assert public.identity.tolist() == [who for who in range(2, 8) for _ in range(3)]
    assert public.digests() == everybody[6:].digests()
    assert presets.public_faces(people, victims, 2).digests() == everybody[6:8].digests()
    everyone = Pairs(everybody, row, row + 1, torch.tensor([True]), row)
    assert presets.public_faces(people, everyone) is None


@pytest.mark.slow
@pytest.mark.mirror
def test_the_real_study_stopped_in_the_middle(bauta, mirror: Path, tmp_path: Path) -> None:
    """Killed once the first foreign recognizer has read the first protected pictures."""
    out = tmp_path / "r"
    command = f"import os; os.environ['BAUTA_MIRROR'] = {str(mirror)!r}; from bauta.cli import main; main()"
    words = ["study", "run", "pmt-abuse", "--quick", "--out", str(out)]
    with subprocess.Popen([sys.executable, "-c", command, *words], stderr=subprocess.PIPE) as job:
        late = time.monotonic() + 400
        while job.poll() is None and time.monotonic() < late:
            if any("@20 / Purify" in row.cell for row in read(out / "rows.jsonl")):
                break
            time.sleep(1)
        assert job.poll() is None
        job.kill()
    code, shown, _ = bauta("study", "tables", str(out), "--json")
    assert code == 0
    tables = json.loads(shown)["tables"]
    (utility,) = tables["utility"]["rows"]
    assert utility["authorized"] == "mobilefacenet-casia"
    assert utility["Eq. 10"]["value"] >= utility["clean"]["value"] - 5
    assert utility["SSIM"]["value"] < 0.05
    (survival,) = tables["survival"]["rows"]
    assert survival["JPEG 75"]["value"] >= utility["clean"]["value"] - 10
    (line,) = tables["acceptance"]["rows"]
    assert line["clean"]["value"] > 80
    assert line["raw"]["value"] <= 20
    pictures = list((out / "pictures").glob("*/*.png"))
    assert 10 <= len(pictures) <= 20
    assert {Image.open(path).size for path in pictures} == {(112, 112)}
