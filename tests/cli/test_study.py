"""`bauta study`: a small study of made people as a whole, and the beginning of the real one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from cli import small_study
from killing import killed
from PIL import Image
from recognizers import published
from torch import Tensor

from bauta import zoo
from bauta.attacks import ForeignRecognizer, Reidentification
from bauta.attacks.base import Knowledge, Victim
from bauta.cli import main
from bauta.errors import MissingData
from bauta.faces import Pairs, load_dataset
from bauta.job.engine import processors
from bauta.pipeline import Pipeline, System
from bauta.protections import JPEG
from bauta.recognizers import load
from bauta.report.gallery import GAP, LABEL
from bauta.study import parts, presets
from bauta.study.gallery import Gallery
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


class Waiting(ForeignRecognizer):
    """Needs a file that comes later."""

    file = Path()

    def __repr__(self) -> str:
        return "Waiting()"

    def __call__(self, leak: Tensor, victim: Victim) -> Tensor:
        if not self.file.exists():
            raise MissingData("The file is not here yet.")
        return super().__call__(leak, victim)


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


def waiting(settings: presets.Settings, quick: bool) -> Iterator[Row]:
    """A cell that can be measured later, between two that can be measured now."""
    plain = Pipeline(load("mine"))
    attacks = [Waiting("mine"), ForeignRecognizer("mine")]
    yield from run({"bare": System(plain, plain)}, attacks, None, settings.victims, settings.seed, skip=settings.done)


def several(settings: presets.Settings, quick: bool) -> Iterator[Row]:
    """A network of one's own on clean pictures, and on noisy ones."""
    network = load("mine")
    plain = Pipeline(network)
    noisy = Pipeline(network, JPEG(20))
    systems = {"bare": System(plain, plain), "noisy": System(noisy, plain)}
    attacks = [ForeignRecognizer("mine")]
    yield from run(systems, attacks, None, settings.victims, settings.seed, skip=settings.done, show=settings.show)


def stopped(settings: presets.Settings, quick: bool) -> Iterator[Row]:
    """A stop while the second cell is measured."""
    plain = Pipeline(load("mine"))
    yield from run({"bare": System(plain, plain)}, [], None, settings.victims, settings.seed, skip=settings.done)
    raise KeyboardInterrupt


@pytest.fixture
def bauta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs a command in this process, with two small studies and without a mirror: exit code, output, errors."""
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BAUTA_MIRROR", raising=False)
    monkeypatch.setitem(presets.STUDIES, "reading", reading)
    monkeypatch.setitem(presets.STUDIES, "greedy", greedy)
    monkeypatch.setitem(presets.STUDIES, "waiting", waiting)
    monkeypatch.setitem(presets.STUDIES, "stopped", stopped)
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


def test_a_stop_leaves_the_cells_that_were_complete(bauta, people: Path, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    code, _, _ = bauta("study", "run", "stopped", "--data", str(people), "--pairs", "16", "--out", str(folder))
    assert code not in (0, 1)
    assert {json.loads(line)["cell"] for line in (folder / "rows.jsonl").read_text().splitlines()} == {"bare / utility"}


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
    assert rows.read_bytes() == whole
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


def test_what_failed_is_tried_again(bauta, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Waiting, "file", tmp_path / "weights")
    words = ("study", "run", "waiting", "--data", str(people), "--pairs", "16", "--out", str(tmp_path / "r"))
    for _ in range(2):
        code, _, err = bauta(*words)
        assert (code, "1 cells could not be measured, the first because: The file is not" in err) == (1, True)
    early = list(read(tmp_path / "r" / "rows.jsonl"))
    assert [row.attack for row in early if row.value is None] == ["Waiting()"]
    (tmp_path / "weights").touch()
    code, _, err = bauta(*words)
    assert (code, err.count(" cells: ")) == (0, 1), "the other cells are not measured again"
    rows = list(read(tmp_path / "r" / "rows.jsonl"))
    late = [row for row in rows if row.attack == "Waiting()"]
    assert rows == [row for row in early if row.value is not None] + late
    assert "AUC" in {row.metric for row in late}


@pytest.mark.slow
def test_workers_measure_the_same_rows_and_go_on(
    bauta, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(presets.STUDIES, "several", several)
    monkeypatch.setattr(parts, "SPLIT", ("several",))
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, processors() // 2))  # as many as a worker has
    try:
        words = ("study", "run", "several", "--data", str(people), "--pairs", "16", "--out")
        assert bauta(*words, str(tmp_path / "one"))[0] == 0
        code, _, err = bauta(*words, str(tmp_path / "two"), "--workers", "2")
        assert (code, err.count(" cells: ")) == (0, 4), err
        one, two = (tmp_path / name / "rows.jsonl" for name in ("one", "two"))
        assert two.read_bytes() == one.read_bytes()
        two.write_text("".join(line for line in one.read_text().splitlines(True) if '"noisy / util' not in line))
        code, _, err = bauta(*words, str(tmp_path / "two"), "--workers", "2")
        assert (code, err.count(" cells: ")) == (0, 1), err
        assert two.read_bytes() == one.read_bytes()
    finally:
        torch.set_num_threads(before)


def test_a_study_that_is_not_split_says_so(bauta, people: Path, tmp_path: Path) -> None:
    words = ("study", "run", "reading", "--data", str(people), "--out", str(tmp_path / "r"), "--workers", "2")
    code, _, err = bauta(*words)
    assert (code, "The cells of reading share what they train" in err) == (2, True)
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
def test_a_killed_study_goes_on_to_the_very_rows_of_one_that_ran_through(
    bauta, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed twice, and the last line torn: rows, tables, kept pictures and galleries are those of a whole run."""
    script = [sys.executable, str(Path(__file__).with_name("small_study.py")), "mine", "study", "run", "small"]
    words = [*script, "--data", str(people), "--pairs", "4", "--device", "cpu", "--out"]
    monkeypatch.setattr(small_study, "NETWORK", "mine")
    monkeypatch.setitem(presets.STUDIES, "small", small_study.small)
    root = Path(presets.__file__).parents[3]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (root, root / "tests"))))
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    rows = broken / "rows.jsonl"
    killed([*words, str(broken)], rows, 0, seconds=60)
    first = len(list(read(rows)))
    killed([*words, str(broken)], rows, first, seconds=60)
    second = len(list(read(rows)))
    rows.write_bytes(rows.read_bytes()[:-40])  # as if the disk had been slower than the end
    for out in (broken, whole):
        assert bauta(*words[3:], str(out))[0] == 0
        assert bauta("study", "gallery", str(out))[0] == 0
    assert 0 < first < second < len(list(read(rows)))
    assert rows.read_bytes() == (whole / "rows.jsonl").read_bytes()
    assert all(row.value is not None for row in read(rows))
    made = {path.relative_to(whole) for path in whole.rglob("*") if path.is_file()}
    assert made == {path.relative_to(broken) for path in broken.rglob("*") if path.is_file()}
    folders = {path.parts[0] for path in made}
    assert {"pictures", "shown", "galleries", "rows.jsonl", "settings.json", "table.md", "table.csv"} == folders
    for path in made:
        assert (whole / path).read_bytes() == (broken / path).read_bytes(), path


def test_galleries(bauta, people: Path, tmp_path: Path) -> None:
    out = tmp_path / "r"
    code, _, err = bauta("study", "gallery", str(out))
    assert (code, "No pictures were kept" in err) == (3, True)
    victims = load_dataset(people)[:4]
    for cell in ("bare / utility", "PMT a@5 / utility", "PMT a@5 / RecFace() / SCHEME"):
        Gallery(out)(cell, victims.images if cell.startswith("bare") else 1 - victims.images, victims)
    code, said, _ = bauta("study", "gallery", str(out), "--faces", "3")
    assert code == 0
    files = [Path(line) for line in said.splitlines()]
    assert sorted(files) == sorted((out / "galleries").iterdir())
    sizes = {path.name.split("-")[0]: Image.open(path).size for path in files}
    assert set(sizes) == {"bare", "PMT_a@5"}
    assert sizes["bare"][0] == sizes["PMT_a@5"][0] < LABEL + 4 * 112
    assert sizes["PMT_a@5"][1] - sizes["bare"][1] == 2 * (112 + GAP)


def test_a_device_that_is_not_here_is_named(bauta, people: Path, tmp_path: Path) -> None:
    words = ("study", "run", "reading", "--data", str(people), "--pairs", "16", "--out", str(tmp_path / "r"))
    code, _, err = bauta(*words, "--device", "abacus")
    assert (code, "--device abacus is not on this machine" in err) == (2, True)
    assert not (tmp_path / "r").exists()
    assert bauta(*words, "--device", "cpu")[0] == 0
    assert json.loads((tmp_path / "r" / "settings.json").read_text())["machine"]["device"] == "cpu"


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
