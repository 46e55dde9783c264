"""Protecting a database: every row as if it were alone, whatever the batch, the stops and the row's place."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file

from bauta.errors import BadFile, BautaError, ShapeError, UsageError
from bauta.job.engine import Processes
from bauta.job.featuremaking import make_database
from bauta.job.featureprotecting import FeatureJob, check_cut
from bauta.job.featurestore import open_database
from bauta.protections import FeatureProtection, GaussianNoise
from bauta.recognizers import Recognizer
from bauta.types import Faces, Features

Make = Callable[..., FeatureJob]


class Failing(FeatureProtection):
    """Adds noise until its batches run out."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self.left, self.noise = batches, GaussianNoise(0.3, seed=5)

    def forward(self, x: Features, faces: Faces | None = None) -> Features:
        """Raises `KeyboardInterrupt` where none is left."""
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        noisy: Features = self.noise(x)
        return noisy


class Fixed(FeatureProtection):
    """Gives what it is told to, of a shape of its own."""

    def __init__(self, value: float, channels: int = 3) -> None:
        super().__init__()
        self.value, self.channels = value, channels

    def forward(self, x: Features, faces: Faces | None = None) -> Features:
        """(B, channels, h, w)"""
        return torch.full((len(x), self.channels, *x.shape[2:]), self.value)


def quiet(what: str, done: int, total: int) -> None:
    """Hears nothing."""


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Jobs over eleven rows."""
    features = np.random.default_rng(0).normal(size=(11, 3, 4, 2)).astype(np.float32)
    np.save(tmp_path / "db.npy", features)

    def made(out: str = "out.npy", **changes: Any) -> FeatureJob:
        facts: dict[str, Any] = {
            "source": open_database(tmp_path / "db.npy"),
            "out": tmp_path / out,
            "protection": GaussianNoise(0.3, seed=5),
            "settings": {"protection": "noise"},
            "batch": 4,
        }
        return FeatureJob(**{**facts, **changes})

    return made


def test_every_row_is_protected_as_if_it_were_alone(make: Make) -> None:
    job, told = make(), []
    assert job.run(lambda *words: told.append(words)) == 11
    steps = [(4, 11), (8, 11), (11, 11)]
    assert told == [("checking", *s) for s in steps] + [("protecting", *s) for s in steps]
    found = torch.from_numpy(np.load(job.out))
    clean = torch.from_numpy(np.load(job.source.path))
    noise = GaussianNoise(0.3, seed=5)
    assert torch.equal(found, torch.cat([noise(clean[i : i + 1]) for i in range(11)]))
    assert sorted(p.name for p in job.out.parent.iterdir()) == ["db.npy", "out.npy"]


@pytest.mark.parametrize("batch", [1, 3, 11, 64])
def test_the_batch_does_not_matter(make: Make, batch: int) -> None:
    one, other = make("one.npy"), make("other.npy", batch=batch)
    one.run(quiet)
    other.run(quiet)
    assert one.out.read_bytes() == other.out.read_bytes()


@pytest.mark.parametrize("batches", [0, 1, 2])
def test_a_stopped_job_goes_on_and_gives_the_same_file(make: Make, batches: int) -> None:
    whole, stopped = make("whole.npy"), make(protection=Failing(batches))
    whole.run(quiet)
    with pytest.raises(KeyboardInterrupt):
        stopped.run(quiet)
    assert stopped.part.exists()
    assert not stopped.out.exists()
    assert make().run(quiet) == 11 - 4 * batches
    assert stopped.out.read_bytes() == whole.out.read_bytes()
    assert not stopped.part.exists()
    assert not stopped.journal.exists()


def test_processes_write_the_same_file(make: Make) -> None:
    one, several = make("one.npy"), make("several.npy", engine=Processes(2, threads=1))
    one.run(quiet)
    told: list[tuple[str, int, int]] = []
    assert several.run(lambda *words: told.append(words)) == 11
    assert several.out.read_bytes() == one.out.read_bytes()
    assert [done for what, done, _ in told if what == "protecting"][-1] == 11


class Backwards:
    """Does the last piece first, and stops after some."""

    def __init__(self, most: int) -> None:
        self.most = most

    def run(self, worker: Callable[[Any], Iterator[Any]], pieces: Sequence[Any]) -> Iterator[Any]:
        """As an engine whose first worker is the slowest."""
        for piece in list(reversed(pieces))[: self.most]:
            yield from worker(piece)
        if self.most < len(pieces):
            raise KeyboardInterrupt


@pytest.mark.parametrize("most", [1, 2])
def test_batches_that_were_done_ahead_are_not_done_again(make: Make, most: int) -> None:
    whole, stopped = make("whole.npy"), make(engine=Backwards(most))
    whole.run(quiet)
    with pytest.raises(KeyboardInterrupt):
        stopped.run(quiet)
    noted = json.loads(stopped.journal.read_bytes())
    assert (noted["rows"], noted["ahead"]) == (0, [4, 8][2 - most :])
    stopped.journal.write_text(json.dumps({**noted, "ahead": [3]}))
    with pytest.raises(BadFile, match="is not what"):
        make().run(quiet)
    stopped.journal.write_text(json.dumps(noted))
    assert make(protection=Failing(3 - most)).run(quiet) == 12 - 4 * most
    assert stopped.out.read_bytes() == whole.out.read_bytes()


def test_a_job_that_was_stopped_at_the_very_end_is_over(make: Make) -> None:
    job = make()
    with pytest.raises(KeyboardInterrupt):
        make(protection=Failing(2)).run(quiet)
    noted = job.journal.read_bytes()
    job.run(quiet)
    job.journal.write_bytes(noted.replace(b'"rows": 8', b'"rows": 11'))
    assert job.run(quiet) == 0
    assert job.out.exists()
    assert not job.journal.exists()


def test_it_goes_on_under_the_same_settings_alone(make: Make, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(protection=Failing(1)).run(quiet)
    with pytest.raises(UsageError, match="begun with another batch; run it again as it was, or delete"):
        make(batch=5).run(quiet)
    with pytest.raises(UsageError, match="another protection"):
        make(settings={"protection": "other noise"}).run(quiet)
    np.save(tmp_path / "db.npy", np.ones((11, 3, 4, 2), np.float32))
    with pytest.raises(UsageError, match="another database"):
        make().run(quiet)
    make().journal.write_text("{}")
    with pytest.raises(BadFile, match="cannot be read; delete"):
        make().run(quiet)
    make().journal.unlink()
    assert make().run(quiet) == 11


def test_a_part_that_is_gone_is_said(make: Make) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(protection=Failing(1)).run(quiet)
    make().part.unlink()
    with pytest.raises(BadFile, match="is not what"):
        make().run(quiet)


def test_bad_rows_are_named_before_anything_is_written(make: Make, tmp_path: Path) -> None:
    features = np.zeros((30, 2), np.float32)
    features[7, 1], features[29, 0] = np.nan, np.inf
    np.save(tmp_path / "bad.npy", features)
    job = make(source=open_database(tmp_path / "bad.npy"))
    with pytest.raises(BadFile, match=r"2 of 30 rows .* \(from 0: 7, 29\)"):
        job.run(quiet)
    assert not job.part.exists()
    assert not job.journal.exists()


def test_a_protection_must_keep_the_shape_and_the_range(make: Make, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Fixed turns features \(3, 4, 2\) into \(5, 4, 2\)"):
        make(protection=Fixed(0, 5)).run(quiet)
    np.save(tmp_path / "half.npy", np.load(tmp_path / "db.npy").astype(np.float16))
    half = open_database(tmp_path / "half.npy")
    with pytest.raises(BautaError, match=r"for row 0 of .* float16 cannot hold"):
        make("half_out.npy", source=half, protection=Fixed(1e5)).run(quiet)
    assert make("fine.npy", source=half).run(quiet) == 11
    assert np.load(tmp_path / "fine.npy").dtype == np.float16


def test_places_it_cannot_write_to(make: Make, tmp_path: Path) -> None:
    make().run(quiet)
    before = make().out.read_bytes()
    with pytest.raises(UsageError, match="there already; choose another --out, or say --overwrite"):
        make(settings={"protection": "other"}, protection=GaussianNoise(1.0)).run(quiet)
    assert make().out.read_bytes() == before
    make(protection=GaussianNoise(1.0), overwrite=True).run(quiet)
    assert make().out.read_bytes() != before
    for out, says in (("db.npy", "the database itself"), ("out.safetensors", r"call it something\.npy")):
        with pytest.raises(UsageError, match=says):
            make(out).run(quiet)
    (tmp_path / "file").write_text("")
    with pytest.raises(BautaError, match="make room or choose another place"):
        make("file/out.npy").run(quiet)


def test_the_cut_must_fit(network: Recognizer, tmp_path: Path) -> None:
    faces = tiny.faces(3, side=112)
    make_database(faces, network, tmp_path / "db.safetensors", quiet)
    database = open_database(tmp_path / "db.safetensors")
    check_cut(database, network)
    with pytest.raises(
        ShapeError, match=r"holds features \(\d+, \d+, \d+\), but mine at cut 5 gives .*--cut (\d or )*3"
    ):
        check_cut(database, network.at_cut(5))
    np.save(tmp_path / "odd.npy", np.zeros((2, 3, 5, 5), np.float32))
    with pytest.raises(ShapeError, match="no cut of it does"):
        check_cut(open_database(tmp_path / "odd.npy"), network)


def test_a_database_of_features_is_what_the_recognizer_gives(network: Recognizer, tmp_path: Path) -> None:
    faces = tiny.faces(5, side=112)
    quantized = Faces((faces.images * 255).round() / 255, faces.identity, source=faces.source)
    out = tmp_path / "new" / "db.safetensors"
    shape = make_database(quantized, network, out, quiet, batch=2)
    found = load_file(out)
    with torch.no_grad():
        expected = network.features(quantized.images)
    assert shape == tuple(expected.shape)
    assert torch.allclose(found["features"], expected, atol=1e-5)
    assert found["identity"].tolist() == [0, 0, 1, 1, 2]
    assert [p.name for p in out.parent.iterdir()] == ["db.safetensors"]
    with pytest.raises(UsageError, match=r"call it something\.safetensors"):
        make_database(faces, network, tmp_path / "db.npy", quiet)


MEASURED = """
import sys
from pathlib import Path
from bauta.job.featureprotecting import FeatureJob
from bauta.job.featurestore import open_database
from bauta.protections import GaussianNoise
folder, rows = Path(sys.argv[1]), sys.argv[2]
job = FeatureJob(open_database(folder / f"{rows}.npy"), folder / f"{rows}_out.npy", GaussianNoise(), {})
job.run(lambda *_: None)
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads its peak as Linux tells it")
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """VmHWM and not ru_maxrss, which begins with what the process that started this one held."""
    peaks = []
    for rows in (100, 1000):
        made = np.lib.format.open_memmap(tmp_path / f"{rows}.npy", "w+", np.float32, (rows, 32, 28, 24))
        made[:, 0] = 1
        made.flush()
        command = [sys.executable, "-c", MEASURED, str(tmp_path), str(rows)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) * 1024)
    whole = (tmp_path / "1000.npy").stat().st_size
    assert abs(peaks[1] - peaks[0]) < 0.2 * whole
