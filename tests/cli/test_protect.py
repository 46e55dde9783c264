"""`bauta protect` and `bauta demo`, as a script relies on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bauta import zoo

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two aligned faces, one below a further folder."""
    for number, name in enumerate(("a.png", "deep/b.png")):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((112, 112), Image.Resampling.BICUBIC).save(path)
    return tmp_path / "photos"


@pytest.fixture
def words(photos: Path, tmp_path: Path) -> list[str | Path]:
    """A command that is quick."""
    return ["protect", photos, "--for", "mine", "--out", tmp_path / "out", "--aligned", "--steps", "2"]


def test_a_folder_and_its_proof(bauta: Command, words: list[str | Path], tmp_path: Path) -> None:
    code, out, _ = bauta(*words, "--seed", "5", "--device", "cpu")
    assert code == 0
    assert out.startswith(f"2 pictures written to {tmp_path / 'out'}, 0 were there, 0 files failed.\n")
    (row,) = [line for line in out.splitlines() if line.startswith("mine")]
    assert "authorized" in row
    assert "Faces: 2." in out
    assert sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.*")) == [
        *("a.png", "bauta.json", "deep/b.png", "manifest.jsonl"),
    ]
    (journal,) = (tmp_path / "home" / "journals").iterdir()
    assert journal.stat().st_mode & 0o777 == 0o600
    code, out, _ = bauta(*words)
    assert code == 0
    assert out.startswith(f"0 pictures written to {tmp_path / 'out'}, 2 were there, 0 files failed.\n")


def test_where_the_work_is_done(bauta: Command, words: list[str | Path], tmp_path: Path) -> None:
    for said, why in (
        (["--engine", "dask"], "--engine dask says nothing; there are local and ray"),
        (["--address", "auto"], "are for --engine ray; leave them out"),
        (["--workers", "2", "--out", "memory://out"], "memory:// lies in this process alone"),
        (["--out", "ftp://host/out"], "ftp:// is no kind of address that is opened here"),
    ):
        code, _, errors = bauta(*words, "--no-proof", *said)
        assert code == 2
        assert why in errors
        assert len(errors.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_no_proof_prints_no_table(bauta: Command, words: list[str | Path]) -> None:
    code, out, _ = bauta(*words, "--no-proof")
    assert code == 0
    assert len(out.splitlines()) == 1


def test_a_bad_file_is_said_and_ends_with_1(bauta: Command, words: list[str | Path], photos: Path) -> None:
    (photos / "note.jpg").write_text("dear diary")
    code, out, errors = bauta(*words)
    assert code == 1
    assert "2 pictures written" in out
    assert "1 files failed" in out
    assert "failed: " in errors
    assert "note.jpg is not a picture" in errors


def test_an_authorized_recognizer_that_refuses_ends_with_1(
    bauta: Command, words: list[str | Path], tmp_path: Path
) -> None:
    zoo.register("mine", tmp_path / "mine.safetensors", "mobileface-v3", embedding=256, threshold=0.99999, cut=10)
    code, out, _ = bauta(*words)
    assert code == 1
    assert "mine refuses 2 of 2 pictures" in out


def test_wrong_use_ends_with_2(bauta: Command, words: list[str | Path], tmp_path: Path) -> None:
    for change, says in (
        (("--for", "nobody"), r"No recognizer is called 'nobody'; there are mobilefacenet-casia"),
        (("--for", "yunet"), "yunet is no recognizer"),
        (("--cut", "99"), "a cut must lie in 1..10; got 99"),
        (("--device", "quantum"), "--device quantum is not on this machine; there is cpu"),
        (("--steps", "0"), "Invalid value for '--steps'"),
    ):
        code, out, errors = bauta(*words, *change)
        assert (code, out) == (2, "")
        assert says in " ".join(errors.replace("\n", " ").split())
    assert not (tmp_path / "out").exists()
    assert bauta("protect", tmp_path)[0] == 2


def test_another_seed_or_other_steps_for_the_same_pictures_end_with_2(
    bauta: Command, words: list[str | Path], tmp_path: Path
) -> None:
    assert bauta(*words, "--seed", "5")[0] == 0
    before = (tmp_path / "out" / "a.png").read_bytes()
    for change in (("--seed", "6"), ("--steps", "3"), ("--cut", "4")):
        code, out, errors = bauta(*words, *change)
        assert (code, out) == (2, "")
        (line,) = errors.splitlines()
        assert line.startswith("bauta: The pictures there were begun with another ")
    assert (tmp_path / "out" / "a.png").read_bytes() == before
    assert bauta(*words, "--seed", "5")[0] == 0


def test_what_is_missing_ends_with_3(bauta: Command, words: list[str | Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "nowhere"):
        code, _, errors = bauta("protect", tmp_path / folder, *words[2:])
        assert code == 3
        assert errors.startswith("bauta: ")
    code, _, errors = bauta(*words, "--for", "insightface-r18-ms1mv3")
    assert code == 3
    assert "OneDrive" in errors
    assert not (tmp_path / "out").exists()


def test_ctrl_c_is_one_sentence_and_130(
    bauta: Command, words: list[str | Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bauta(*words[:5], tmp_path / "whole", *words[6:], "--seed", "5")
    assert whole[0] == 0
    write = Path.write_bytes

    def half(path: Path, data: bytes) -> int:
        if "a.png" in path.name:
            write(path, data[:100])
            raise KeyboardInterrupt
        return write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", half)
        code, out, errors = bauta(*words, "--seed", "5")
    assert (code, out) == (130, "")
    assert errors.splitlines()[-1] == "bauta: stopped; run it again to go on."
    assert "Traceback" not in errors
    assert [p.name for p in (tmp_path / "out").rglob("*") if p.is_file()] == ["bauta.json"]
    assert bauta(*words, "--seed", "5")[0] == 0
    for name in ("a.png", "deep/b.png"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_demo_on_real_photos_says_what_to_set(bauta: Command) -> None:
    code, out, errors = bauta("demo", "--real")
    assert (code, out) == (3, "")
    assert errors == "bauta: Real photos and weights are missing: set BAUTA_MIRROR to a folder that holds them.\n"


@pytest.mark.mirror
@pytest.mark.slow
def test_the_demo_on_real_photos(bauta: Command, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A photo of one person and one of a couple: who is authorized accepts, and everybody else is in the table."""
    small = tmp_path / "mirror"
    (small / "photos").mkdir(parents=True)
    files = [file for record in zoo.WEIGHTS[:4] for file in record.files]
    names = [file.name for file in (*files, *zoo.tool("yunet").files)]
    for name in (*names, "photos/deepface_img4.jpg", "photos/deepface_couple.jpg"):
        (small / name).symlink_to(mirror / name)
    monkeypatch.setenv("BAUTA_MIRROR", str(small))
    code, out, errors = bauta("demo", "--real", "--out", tmp_path / "out")
    assert (code, errors) == (0, "")
    assert sorted(p.name for p in (tmp_path / "out").glob("*.png")) == [
        *("deepface_couple_face1.png", "deepface_couple_face2.png", "deepface_img4_face1.png"),
    ]
    rows = {line.split()[0]: line for line in out.splitlines() if line.startswith("mobileface")}
    assert list(rows) == [record.name for record in zoo.WEIGHTS[:4]]
    assert "refuses" not in out
    assert " authorized " in rows["mobilefacenet-casia"]
    assert "1.00 [0.44, 1.00]" in rows["mobilefacenet-casia"]  # Wilson's interval of 3 of 3
    assert all(" foreign " in rows[name] for name in list(rows)[1:])
