"""`bauta mask`, as a person at a terminal meets it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from bauta import zoo
from bauta.faces import load_dataset, read_image, write_image
from bauta.job.maskfile import MaskFile

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bauta_mask(bauta: Command) -> Command:
    """Runs `bauta mask ...`."""
    return partial(bauta, "mask")


@pytest.fixture
def alice(tmp_path: Path) -> Path:
    """Four aligned pictures, away from black and white, with some grain."""
    for number in range(4):
        draws = torch.Generator().manual_seed(number)
        coarse = torch.rand(1, 3, 6, 6, generator=draws)
        smooth = nn.functional.interpolate(coarse, (112, 112), mode="bicubic")[0].clamp(0, 1)
        grain = 0.01 * torch.randn(3, 112, 112, generator=draws)
        write_image(tmp_path / "alice" / f"{number}.png", 0.2 + 0.6 * smooth + grain)
    return tmp_path / "alice"


def learning(alice: Path, epochs: int = 8) -> list[str]:
    """The words that learn `alice.mask` beside the photos."""
    out = alice.parent / "alice.mask"
    return ["learn", str(alice), "-o", str(out), "--team", "mine", "--aligned", "--epochs", str(epochs)]


def test_learn_show_apply_and_remove(bauta_mask: Command, alice: Path, tmp_path: Path) -> None:
    code, out, errors = bauta_mask(*learning(alice, 12), "--keep-epochs", tmp_path / "epochs", "--device", "cpu")
    assert code == 0
    assert errors == "Only 4 photos: the mask will serve new photos worse than one of 20.\n"
    lines = out.splitlines()
    assert lines[0] == "4 photos, against mine"
    assert lines[1].split() == ["epoch", "loss", "angle", "DSSIM", "SSIM", "seconds"]
    assert [line.split()[0] for line in lines[2:14]] == [str(i + 1) for i in range(12)]
    mask = tmp_path / "alice.mask"
    assert lines[14].startswith(f"{mask} is written. Keep it to yourself")
    assert mask.stat().st_mode & 0o777 == 0o600
    assert len(list((tmp_path / "epochs").iterdir())) == 24

    code, shown, _ = bauta_mask("show", mask, "--photo", alice / "0.png", "--out", tmp_path / "sheet.png", "--aligned")
    assert code == 0
    assert shown.splitlines()[0] == "TransferMask(epochs=12)"
    assert [line.split() for line in shown.splitlines() if line.lstrip()[:1].isdigit()] == [
        line.split()[:-1] for line in lines[2:14]
    ]
    assert read_image(tmp_path / "sheet.png").shape == (3, 4 * 112 + 3 * 4, 3 * 112 + 2 * 4)

    code, out, errors = bauta_mask("apply", mask, alice, "--out", tmp_path / "on", "--aligned")
    assert (code, errors) == (0, "")
    assert out.count("ms to add the mask to 1 faces (reading ") == 4
    assert out.splitlines()[-1].startswith("4 of 4 photos written, ")
    code, out, errors = bauta_mask("remove", mask, tmp_path / "on", "--out", tmp_path / "off", "--aligned")
    assert (code, errors) == (0, "")
    assert out.count(": z = ") == 4
    for number in range(4):
        original = read_image(alice / f"{number}.png")
        assert torch.equal(read_image(tmp_path / "off" / f"{number}.png"), original)
        assert not torch.equal(read_image(tmp_path / "on" / f"{number}.png"), original)

    (alice / "note.jpg").write_text("dear diary")
    code, out, errors = bauta_mask("remove", mask, alice, "--out", tmp_path / "none", "--aligned")
    assert code == 1
    assert out.startswith("0 of 5 photos written")
    assert errors.count("This photo does not carry this mask (z = ") == 4
    assert "not written: note.jpg: " in errors
    assert not (tmp_path / "none").exists()


def test_several_masks_of_the_published_method(bauta_mask: Command, alice: Path, tmp_path: Path) -> None:
    code, out, _ = bauta_mask(*learning(alice, 12), "--method", "P3Mask", "--variants", "2")
    assert code == 0
    lines = out.splitlines()
    assert (lines[2], lines[15]) == ("mask 1 of 2", "mask 2 of 2")
    assert lines[28].startswith("2 masks, cosine of the two most alike ")
    mask = tmp_path / "alice.mask"
    assert MaskFile.load(mask).masks.shape == (2, 3, 112, 112)
    shown = bauta_mask("show", mask)[1].splitlines()
    assert shown[0] == "P3Mask(epochs=12)"
    assert lines[28] in shown
    assert {"mask 1 of 2", "mask 2 of 2"} < set(shown)
    out = bauta_mask("apply", mask, alice, "--out", tmp_path / "on", "--aligned")[1]
    back = bauta_mask("remove", mask, tmp_path / "on", "--out", tmp_path / "off", "--aligned")[1]
    drawn = [re.findall(r"mask (\d) of 2", said) for said in (out, back)]
    assert len(drawn[0]) == 4
    assert drawn[0] == drawn[1]
    for photo in alice.iterdir():
        assert torch.equal(read_image(tmp_path / "off" / photo.name), read_image(photo))


def test_wrong_use_is_one_sentence(bauta_mask: Command, alice: Path, tmp_path: Path) -> None:
    mask = tmp_path / "alice.mask"
    assert bauta_mask(*learning(alice, 1))[0] == 0
    (tmp_path / "bad.mask").write_bytes(b"\x80\x04K\x01.")
    (tmp_path / "empty").mkdir()
    apply = ["apply", mask, alice, "--out", tmp_path / "on", "--aligned"]
    for words, code, says in (
        (learning(alice), 2, "is there already, and a mask whose file is lost cannot be taken off"),
        ([*learning(alice), "--overwrite", "--epsilon", "0"], 2, "epsilon lies in (0, 1]"),
        ([*learning(alice), "--overwrite", "--method", "PMT"], 2, "there are TransferMask and P3Mask"),
        (["learn", tmp_path / "empty", "-o", tmp_path / "b.mask", "--team", "mine", "--aligned"], 3, "no pictures"),
        (["learn", alice, "-o", tmp_path / "b.mask", "--team", "nobody"], 2, "No recognizer is called 'nobody'"),
        ([*apply, "--face", "nose"], 2, "--face nose says nothing; there are match, largest and all."),
        (["apply", tmp_path / "bad.mask", *apply[2:]], 1, "is no mask file that can be read"),
        (["apply", tmp_path / "no.mask", *apply[2:]], 3, "is not there"),
        (["remove", tmp_path / "bad.mask", *apply[2:]], 1, "is no mask file that can be read"),
        (["show", mask, "--out", tmp_path / "sheet.png"], 2, "needs both --photo and --out"),
    ):
        came, out, errors = bauta_mask(*words)
        assert (came, out) == (code, ""), words
        assert says in errors
        assert len(errors.splitlines()) == 1
        assert errors.startswith("bauta: ")
    assert not (tmp_path / "on").exists()
    zoo.register("mine", tmp_path / "mine.safetensors", "mobileface-v3", embedding=256, cut=3)
    assert "Nobody recorded a threshold for mine" in bauta_mask(*apply)[2]


def test_after_kill_9_the_mask_is_that_of_a_whole_run(bauta_mask: Command, alice: Path, tmp_path: Path) -> None:
    epochs, mask = 40, tmp_path / "alice.mask"
    part, said = tmp_path / ".alice.mask.part", tmp_path / "said"
    words = ["-c", "from bauta.cli import main; main()", "mask", *learning(alice, epochs)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with said.open("wb") as file, subprocess.Popen([sys.executable, *words], stdout=file, env=environment) as process:
        try:
            deadline = time.monotonic() + 60
            while said.read_bytes().count(b"\n") < 5:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.002)
        finally:
            os.kill(process.pid, signal.SIGKILL)
    assert not mask.exists()
    assert part.stat().st_mode & 0o777 == 0o600
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        code, _, errors = bauta_mask(*learning(alice, epochs + 1))
        assert code == 2
        assert "other settings or photos was begun" in errors
        code, out, errors = bauta_mask(*learning(alice, epochs))
        assert code == 0
        assert "Going on" in errors
        assert 3 < len(out.splitlines()) < epochs + 3
        resumed = mask.read_bytes()
        mask.unlink()
        assert bauta_mask(*learning(alice, epochs))[0] == 0
    finally:
        torch.set_num_threads(threads)
    assert mask.read_bytes() == resumed
    assert not part.exists()


@pytest.mark.mirror
@pytest.mark.slow
def test_a_real_person(bauta_mask: Command, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask of few epochs turns new photos of a person away from a recognizer of the team, and comes off again."""
    from bauta.job.portraits import embedded
    from bauta.recognizers import load

    monkeypatch.setenv("BAUTA_MIRROR", str(mirror))
    known = load_dataset("celeb12")
    assert known.identity is not None
    rows = (known.identity == known.identity[0]).nonzero().flatten()[:18].tolist()
    for number, row in enumerate(rows):
        write_image(tmp_path / ("new" if number >= 12 else "alice") / f"{row:03d}.png", known.images[row])
    mask, name = tmp_path / "a.mask", "mobilefacenet-casia"
    learn = ["learn", tmp_path / "alice", "-o", mask, "--team", name, "--aligned", "--epochs", "25"]
    assert bauta_mask(*learn)[0] == 0
    assert bauta_mask("apply", mask, tmp_path / "new", "--out", tmp_path / "on", "--aligned")[0] == 0
    assert bauta_mask("remove", mask, tmp_path / "on", "--out", tmp_path / "off", "--aligned")[0] == 0
    person, recognizer = MaskFile.load(mask).person, load(name)
    names = sorted(p.name for p in (tmp_path / "new").iterdir())
    clean, on, off = (
        embedded(recognizer, [read_image(tmp_path / folder / n) for n in names]) @ person
        for folder in ("new", "on", "off")
    )
    assert float(on.mean()) < float(clean.mean()) - 0.2
    assert float((off - clean).abs().max()) < 0.03
