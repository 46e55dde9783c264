"""What bauta itself gives away: nothing of the inputs' metadata in what it writes, and no connection by itself."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import audited
import pytest
import torch
from PIL import Image, PngImagePlugin
from torch import nn

from bauta.faces.images import to_pillow

Command = Callable[..., tuple[int, str, str]]

MARKS = ("SECRETCAMERA", "SECRETPLACE", "SECRETTEXT", "SECRETXMP", "SECRETPROFILE")
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">SECRETXMP</x:xmpmeta>'
LANGUAGE = ("Exif", "EXIF", "GPS", "iCCP", "tEXt", "iTXt", "zTXt", "eXIf", "tIME", "xmp", "http")


def face(number: int) -> Image.Image:
    """An aligned picture, away from black and white, with some grain."""
    draws = torch.Generator().manual_seed(number)
    coarse = torch.rand(1, 3, 6, 6, generator=draws)
    smooth = nn.functional.interpolate(coarse, (112, 112), mode="bicubic")[0].clamp(0, 1)
    return to_pillow(0.2 + 0.6 * smooth + 0.01 * torch.randn(3, 112, 112, generator=draws))


@pytest.fixture
def marked(tmp_path: Path) -> Path:
    """One person's photos, each with all the metadata that its format can carry."""
    folder = tmp_path / "alice"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x010F], exif[0x013B] = "SECRETCAMERA", "SECRETTEXT"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (48.0, 8.0, 14.5)
    exif.get_ifd(0x8825)[27] = b"SECRETPLACE"
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "SECRETTEXT")
    text.add_itxt("XML:com.adobe.xmp", XMP.decode())
    profile = b"SECRETPROFILE" * 20
    every: dict[str, Any] = {"exif": exif, "icc_profile": profile}
    face(0).save(folder / "0.jpg", quality=95, comment=b"SECRETTEXT", xmp=XMP, **every)
    face(1).save(folder / "1.png", pnginfo=text, **every)
    face(2).save(folder / "2.webp", lossless=True, xmp=XMP, **every)
    face(3).save(folder / "3.tiff", **every)
    whole = b"".join(path.read_bytes() for path in folder.iterdir())
    assert all(mark.encode() in whole for mark in MARKS)
    return folder


def gives_away(folder: Path) -> list[str]:
    """What of the inputs' metadata, or of any, is found in the pictures and texts below a folder."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        found += [f"{path.name}: {mark}" for mark in MARKS if mark.encode() in data]
        if path.suffix == ".png":
            found += [f"{path.name}: {word}" for word in LANGUAGE if word.encode() in data]
            with Image.open(path) as picture:
                picture.load()
                found += [f"{path.name}: {key}" for key in picture.info]
                found += [f"{path.name}: EXIF"] * bool(picture.getexif())
    return found


def test_what_is_looked_for_would_be_found(marked: Path) -> None:
    said = gives_away(marked)
    assert {line.rpartition(": ")[2] for line in said} >= {*MARKS, "EXIF", "tEXt", "iCCP"}


def test_protected_and_masked_pictures_carry_no_metadata(bauta: Command, marked: Path, tmp_path: Path) -> None:
    protecting = ["protect", marked, "--for", "mine", "--aligned", "--steps", "2", "--device", "cpu"]
    assert bauta(*protecting, "--out", tmp_path / "protected")[0] in (0, 1)  # a random network may refuse a picture
    learning = ["mask", "learn", marked, "--team", "mine", "--aligned", "--epochs", "2", "--device", "cpu"]
    assert bauta(*learning, "-o", tmp_path / "alice.mask")[0] == 0
    key, masked, clean = tmp_path / "alice.mask", tmp_path / "masked", tmp_path / "clean"
    assert bauta("mask", "apply", key, marked, "--aligned", "--face", "all", "--out", masked)[0] == 0
    assert bauta("mask", "remove", key, masked, "--aligned", "--out", clean)[0] in (0, 1)
    for folder, number in (("protected", 4), ("masked", 4), ("clean", 1)):
        assert len(list((tmp_path / folder).rglob("*.png"))) >= number, folder
        assert gives_away(tmp_path / folder) == []
    for private in (key, *(tmp_path / "home").rglob("*")):
        assert private.is_dir() or not any(mark.encode() in private.read_bytes() for mark in MARKS), private


def test_a_protected_folder_names_neither_the_home_nor_the_seed(bauta: Command, marked: Path, tmp_path: Path) -> None:
    out = tmp_path / "protected"
    asked = ["protect", marked, "--for", "mine", "--aligned", "--steps", "2", "--no-proof", "--seed", "8675309"]
    code, said, errors = bauta(*asked, "--out", out)
    assert code == 0, errors
    for path in (p for p in out.rglob("*") if p.is_file()):
        assert b"8675309" not in path.read_bytes()
        assert str(tmp_path).encode() not in path.read_bytes()
    assert "8675309" not in said + errors
    (journal,) = (tmp_path / "home" / "journals").glob("*.jsonl")
    assert b"8675309" in journal.read_bytes()
    assert journal.stat().st_mode & 0o777 == 0o600


WATCHED: list[str] = []
WATCHING = threading.Event()
ASKS = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"}


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Notes whoever wants to speak to another machine, and does not let it happen."""
    if event in ASKS and WATCHING.is_set():
        WATCHED.append(f"{event} {arguments[-2:]!r}")
        raise PermissionError("this test opens no connections")


@pytest.fixture
def unconnected() -> Iterator[list[str]]:
    """What wanted a connection."""
    if not getattr(watch, "hooked", False):
        sys.addaudithook(watch)  # for as long as the process lives, so that WATCHING turns it on and off
        watch.hooked = True  # type: ignore[attr-defined]
    WATCHED.clear()
    WATCHING.set()
    yield WATCHED
    WATCHING.clear()


def test_no_command_opens_a_connection_that_nobody_asked_for(
    bauta: Command, marked: Path, tmp_path: Path, unconnected: list[str]
) -> None:
    """Commands whose networks and pictures are all here."""
    people = audited.people(tmp_path / "people", 12)
    mask, rows = tmp_path / "alice.mask", tmp_path / "audit"
    attack = "Purify(ForeignRecognizer('mine'), 'blur 1')"
    auditing = ["--recognizer", "mine", "--data", people, "--pairs", "10", "--attack", attack, "--no-faces"]
    for words in (
        ["doctor"],
        ["models", "list"],
        ["datasets", "list"],
        ["study", "list"],
        ["protect", marked, "--for", "mine", "--aligned", "--steps", "1", "--out", tmp_path / "protected"],
        ["mask", "learn", marked, "--team", "mine", "--aligned", "--epochs", "1", "-o", mask],
        ["mask", "apply", mask, marked, "--aligned", "--face", "all", "--out", tmp_path / "masked"],
        ["mask", "show", mask],
        ["features", people, "--recognizer", "mine", "--out", tmp_path / "rows.safetensors"],
        ["evaluate", "--recognizer", "mine", "--data", people, "--limit", "40"],
        ["audit", *auditing, "--protection", "JPEG(50)", "--out", rows],
        ["report", rows],
    ):
        code, said, errors = bauta(*words)
        assert code in (0, 1), (words, said, errors)
        assert unconnected == [], words


def test_a_connection_would_be_seen(bauta: Command, unconnected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, errors = bauta("models", "pull", "mobilefacenet-relu6-ms1m", "--yes")
    assert code != 0
    assert unconnected, errors
