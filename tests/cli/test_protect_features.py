"""`bauta features` and `bauta protect-features`, as a provider's script relies on them; also when it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from bauta.faces import load_dataset
from bauta.job import fittedfile
from bauta.pipeline import Pipeline
from bauta.recognizers import load

Command = Callable[..., tuple[int, str, str]]

SLOW = """
import time
from bauta.protections import GaussianNoise

class Slow(GaussianNoise):
    def forward(self, x, faces=None):
        time.sleep(0.02)
        return super().forward(x, faces)
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two people with three aligned faces each."""
    for number in range(6):
        path = tmp_path / "photos" / f"person{number // 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((112, 112), Image.Resampling.BICUBIC).save(path)
    return tmp_path / "photos"


@pytest.fixture
def database(bauta: Command, photos: Path, tmp_path: Path) -> Path:
    """What `bauta features` writes."""
    code, out, _ = bauta("features", photos, "-o", tmp_path / "db.safetensors", "--recognizer", "mine", "--cut", "4")
    assert code == 0
    assert "(cut 4), not protected" in out
    return tmp_path / "db.safetensors"


@pytest.fixture
def words(database: Path, tmp_path: Path) -> list[str | Path]:
    """A whole command."""
    noise = ("--protection", "GaussianNoise(0.5)", "--recognizer", "mine", "--cut", "4")
    return ["protect-features", database, "-o", tmp_path / "out.safetensors", "--learned", tmp_path / "key", *noise]


def test_features_are_those_of_the_photos(bauta: Command, database: Path, photos: Path) -> None:
    assert database.stat().st_mode & 0o777 == 0o600
    found, faces = load_file(database), load_dataset(photos)
    expected = Pipeline(load("mine", cut=4)).features(faces)
    assert torch.allclose(found["features"], expected, atol=1e-5)
    assert found["identity"].tolist() == [0, 0, 0, 1, 1, 1]
    with safe_open(database, "pt") as file:
        about = file.metadata()
    assert (about["recognizer"], about["cut"]) == ("mine", "4")
    assert json.loads(about["files"]) == [source.file for source in faces.source]
    code, _, errors = bauta("features", photos, "-o", database, "--recognizer", "mine")
    assert code == 2
    assert "there already" in errors


def test_the_service_makes_the_same_of_a_live_request(
    bauta: Command, words: list[str | Path], database: Path, tmp_path: Path
) -> None:
    code, out, _ = bauta(*words)
    assert code == 0
    assert out.startswith("6 of 6 rows protected in ")
    clean, found = load_file(database), load_file(tmp_path / "out.safetensors")
    assert torch.equal(found["identity"], clean["identity"])
    size = (found["features"] - clean["features"]).std() / clean["features"].std()
    assert float(size) == pytest.approx(0.5, rel=0.2)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    service = fittedfile.load(tmp_path / "key", load("mine", cut=4))
    assert torch.equal(service(clean["features"][[2]]), found["features"][[2]])


def test_the_learned_file_is_enough_and_says_what_it_is_not(
    bauta: Command, words: list[str | Path], database: Path, tmp_path: Path
) -> None:
    assert bauta(*words)[0] == 0
    again = ["protect-features", database, "--learned", tmp_path / "key", "-o"]
    assert bauta(*again, tmp_path / "b.safetensors", "--batch", "1")[0] == 0
    assert (tmp_path / "b.safetensors").read_bytes() == (tmp_path / "out.safetensors").read_bytes()
    for change, says in (
        (("--protection", "GaussianNoise"), "another protection ("),
        (("--cut", "5", "--seed", "1"), "another cut, seed ("),
        (("--recognizer", "other", "--public", "lfw"), "another recognizer, public ("),
    ):
        code, out, errors = bauta(*again, tmp_path / "c.safetensors", *change)
        assert (code, out) == (2, "")
        assert says in errors
        assert str(fittedfile.settings(tmp_path / "key").seed) not in errors
    assert not (tmp_path / "c.safetensors").exists()


def test_two_keys_differ_and_the_same_seed_does_not(bauta: Command, words: list[str | Path], tmp_path: Path) -> None:
    outs = []
    for number, seed in enumerate(([], [], ["--seed", "3"], ["--seed", "3"])):
        words[3], words[5] = tmp_path / f"{number}.safetensors", tmp_path / f"key{number}"
        assert bauta(*words, *seed)[0] == 0
        outs.append((tmp_path / f"{number}.safetensors").read_bytes())
    assert len(set(outs)) == 3
    assert outs[2] == outs[3]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("--protection", "PMT"), "there are GaussianNoise"),
        (("--protection", "GaussianNoise(seed=3)"), "give it as --seed"),
        (("--protection", "Gauss"), "Nothing is called"),
        (("--protection", "nothing.here:Thing"), "could not be imported"),
        (("--cut", "3"), "; --cut 4 "),
        (("--key", "wrong"), "no tensor called wrong; name one of features, identity"),
        (("-o", "here.npy"), "call it something.safetensors"),
    ],
)
def test_wrong_use_ends_with_2_and_writes_nothing(
    bauta: Command, words: list[str | Path], tmp_path: Path, change: tuple[str, str], says: str
) -> None:
    code, out, errors = bauta(*words, *change)
    assert (code, out) == (2, "")
    assert says in errors
    assert not (tmp_path / "key").exists()
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.slow
def test_workers_write_the_same_file(bauta: Command, words: list[str | Path], tmp_path: Path) -> None:
    assert bauta(*words, "--seed", "4", "--batch", "2")[0] == 0
    again = [*words[:3], tmp_path / "again.safetensors", *words[4:6], "--batch", "2", "--workers", "2"]
    code, out, errors = bauta(*again)
    assert (code, "6 of 6 rows protected" in out) == (0, True), errors
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "out.safetensors").read_bytes()


def test_a_class_out_of_a_file_stays_in_this_process(bauta: Command, words: list[str | Path], tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(SLOW)
    noise = ("--protection", f"{tmp_path}/own.py:Slow(0.5)")
    code, _, errors = bauta(*words, *noise, "--workers", "2")
    assert (code, "Slow comes out of a file" in errors) == (2, True)
    assert bauta(*words, *noise)[0] == 0


def test_without_a_learned_file_it_asks_what_to_learn(bauta: Command, words: list[str | Path]) -> None:
    code, _, errors = bauta(*words[:6])
    assert code == 2
    assert "--protection and --recognizer must say what to learn" in errors
    assert bauta("protect-features", "nowhere.npy", *words[2:])[0] == 3


@pytest.mark.slow
def test_killed_at_any_time_it_goes_on_to_the_same_file(bauta: Command, tmp_path: Path, database: Path) -> None:
    """By SIGKILL, twice, in the midst of a run of a class of the provider's own."""
    row = load_file(database)["features"][:1].shape[1:]
    many = np.random.default_rng(0).normal(size=(120, *row)).astype(np.float16)
    source, out, whole = (tmp_path / f"{name}.safetensors" for name in ("many", "out", "whole"))
    save_file({"features": torch.from_numpy(many), "ids": torch.arange(120)}, source, {"note": "kept"})
    (tmp_path / "own.py").write_text(SLOW)
    noise = ["--protection", f"{tmp_path / 'own.py'}:Slow(0.5)", "--recognizer", "mine", "--cut", "4", "--batch", "2"]
    words = ["protect-features", str(source), "-o", str(out), "--learned", str(tmp_path / "key"), *noise]
    journal, rows = tmp_path / ".out.safetensors.json", 0
    for _ in range(2):
        command = [sys.executable, "-c", "from bauta.cli import main; main()", *words]
        running = subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ends, before = time.monotonic() + 60, rows
        while rows < before + 20:
            assert running.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.005)
            rows = json.loads(journal.read_bytes())["rows"] if journal.exists() else 0
        running.send_signal(signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL
        rows = json.loads(journal.read_bytes())["rows"]
        assert not out.exists()
    code, said, errors = bauta(*words)
    assert (code, errors) == (0, "")
    assert said.startswith(f"{120 - rows} of 120 rows protected")
    words[3] = str(whole)
    assert bauta(*words)[0] == 0
    assert out.read_bytes() == whole.read_bytes()
    found = load_file(out)
    assert found["ids"].tolist() == list(range(120))
    assert found["features"].dtype == torch.float16
    assert float((found["features"].float() - torch.from_numpy(many)).std()) == pytest.approx(0.5, rel=0.05)
