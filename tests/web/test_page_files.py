"""The private folder, and names that are text."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from bauta.cli.mask import TEAM
from bauta.job.maskfile import LONGEST
from bauta.protections import PMT
from bauta.web import options, shelf
from bauta.web.files import LOCK, PREFIX, Private, distinct, file_stem, shown_name


def test_a_private_folder_and_its_end(tmp_path: Path) -> None:
    private = Private(tmp_path)
    assert private.folder.stat().st_mode & 0o777 == 0o700
    (private.folder / "photo").write_text("x")
    private.wipe()
    private.wipe()
    assert list(tmp_path.iterdir()) == []


def test_orphans_are_wiped_and_nobody_else(tmp_path: Path) -> None:
    """A process that is killed leaves its folder; one that lives keeps it, and so do strangers and young folders."""
    script = (
        "import sys, time; from pathlib import Path; from bauta.web.files import Private\n"
        "print(Private(Path(sys.argv[1])).folder, flush=True); time.sleep(60)"
    )
    dead, alive = (
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    )
    folders = []
    for process in (dead, alive):
        assert process.stdout is not None
        folders.append(Path(process.stdout.readline().strip()))
    dead.kill()
    dead.wait()
    young, old, link = (tmp_path / f"{PREFIX}{name}" for name in ("young", "old", "link"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / LOCK).touch()
    young.mkdir()
    old.mkdir()
    os.utime(old, (time.time() - 600,) * 2)
    link.symlink_to(tmp_path / "other")
    try:
        private = Private(tmp_path)
        assert private.orphans == 2
        assert set(tmp_path.iterdir()) == {folders[1], young, link, tmp_path / "other", private.folder}
        private.wipe()
    finally:
        alive.kill()
        alive.wait()


def test_names() -> None:
    assert shown_name("a/b\\c.png") == "c.png"
    assert shown_name("\r\n\x00") == "photo"
    for name in ("con.png", "..", ".hidden", "a/b", "<b>&'\".jpg", "x:y|z?.jpeg", "\u202egnp.exe", " ", "é ü.JPG"):
        stem = file_stem(shown_name(name))
        assert re.fullmatch(r"[\w ()+,-]+", stem), name
        assert stem == stem.strip()
    assert file_stem("é ü.JPG") == "é ü"
    assert distinct(["a.png", "A.png", "a.png", "a-2.png"]) == ["a.png", "A-2.png", "a-3.png", "a-2-2.png"]


def test_what_the_page_offers_first_is_what_the_command_line_does() -> None:
    assert options.Protect.model_fields["steps"].default == PMT().steps
    assert options.TEAM == TEAM
    assert shelf.MASK_BYTES == LONGEST


def test_the_server_loads_no_torch() -> None:
    """It holds the token and the files; pictures are decoded elsewhere."""
    code = "import sys, bauta.web.server; print({'torch', 'PIL', 'cv2', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
