"""The README's Python runs as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def python_blocks(text: str) -> list[str]:
    """The fenced blocks marked as Python, in order."""
    return re.findall(r"^```(?:python|py)[ \t]*\n(.*?)^```[ \t]*$", text, re.DOTALL | re.MULTILINE)


def test_blocks_are_found_and_others_are_not() -> None:
    text = "```python\na = 1\n```\ntext\n```\nnot this\n```\n```console\n$ no\n```\n```py\nb = '```'\n```\n"
    assert python_blocks(text) == ["a = 1\n", "b = '```'\n"]


@pytest.fixture(scope="module")
def readme() -> str:
    """The README's text."""
    if not README.exists():
        pytest.skip("there is no README.md beside the tests")
    return README.read_text()


def test_there_is_python_on_the_first_screen(readme: str) -> None:
    assert python_blocks(readme), "README.md shows no ```python block"
    for block in python_blocks(readme):
        compile(block, "README.md", "exec")


@pytest.mark.mirror
@pytest.mark.slow
def test_the_python_runs(readme: str, mirror: Path, tmp_path: Path) -> None:
    """All blocks in order, in one interpreter, in an empty folder but for the photos that the text names."""
    (tmp_path / "photos").symlink_to(mirror / "photos")
    script = tmp_path / "readme.py"
    script.write_text("\n\n".join(python_blocks(readme)))
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
