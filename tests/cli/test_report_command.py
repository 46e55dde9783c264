"""`bauta report`: one file out of a study's folder, with its faces or without."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import tiny

from bauta.cli import main
from bauta.study import records
from bauta.study.gallery import Gallery
from bauta.study.records import Row


@pytest.fixture
def study(tmp_path: Path) -> Path:
    faces = tiny.faces(2)
    Gallery(tmp_path / "study")("s / RecFace() / NOTHING", 1 - faces.images, faces)
    rows = [
        Row("s / utility", "s", "utility", "the authorized recognizer", "accuracy (Eq. 10)", 0.953, 0.9, 0.99, 200),
        Row("s / RecFace() / NOTHING", "s", "attack", "RecFace()", "SSIM", 0.7, 0.6, 0.8, 200, knows="NOTHING"),
    ]
    records.append(tmp_path / "study" / "rows.jsonl", rows)
    return tmp_path / "study"


def bauta(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["bauta", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_the_report_lies_where_it_says(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bauta(monkeypatch, "report", str(study)) == 0
    assert capsys.readouterr().out.strip() == str(study / "report.html")
    text = (study / "report.html").read_text()
    assert text.count("data:image/png") == 4
    assert "0.91 [0.80, 0.98]" in text, "Eq. 10 of 0.953 above the 0.5 of one that accepts everybody"


def test_without_faces_no_picture_is_in_it_or_beside_it(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = study.parent / "plain.html"
    assert bauta(monkeypatch, "report", str(study), "--no-faces", "--out", str(out)) == 0
    assert "data:image" not in out.read_text()
    assert {path.name for path in study.iterdir()} == {"rows.jsonl", "shown"}
    assert capsys.readouterr().err == ""


def test_an_empty_folder_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bauta(monkeypatch, "report", str(tmp_path)) == 3
    assert "run the study first" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()
