"""Pages that the site makes of the code: one for each protection and attack, with what it declares and measured."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

PACKAGES = ("types", "pipeline", "recognizers", "protections", "attacks", "metrics", "faces", "generators", "job")
MEASURED = 3  # rows of a results page that a method's page repeats


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages; a page that lies there already is left alone."""
    from bauta import attacks, protections

    pages = {
        "methods/protections.md": overview("Protections", protections.ALL, "protections"),
        "methods/attacks.md": overview("Attacks", attacks.ALL, "attacks"),
        "reference.md": reference(),
    }
    for kind, classes in (("protections", protections.ALL), ("attacks", attacks.ALL)):
        pages |= {f"methods/{kind}/{one.__name__}.md": method(one) for one in classes}
    there = {file.src_uri for file in files}
    for name, text in pages.items():
        if name not in there:
            files.append(File.generated(config, name, content=text))
    return files


def overview(title: str, classes: Sequence[type], folder: str) -> str:
    """A list of all, each with the first line of its docstring."""
    lines = [f"- [`{one.__name__}`]({folder}/{one.__name__}.md): {linked(first(one))}" for one in classes]
    return f"# {title}\n\n" + "\n".join(lines) + "\n"


def method(one: type) -> str:
    """What a method is, how it is called, what it declares, and what it measured."""
    declared = inspect.cleandoc(one.__doc__ or "")
    made = str(inspect.signature(one)).replace("'", "")
    parts = [f"# {one.__name__}", linked(declared), f"```python\n{one.__name__}{made}\n```", declaration(one)]
    found = measured(one.__name__)
    if found:
        parts.append("## Measured\n\n" + found)
    return "\n\n".join(parts) + "\n"


def declaration(one: type) -> str:
    """Where a protection stands, or what an attack knows."""
    known = getattr(one, "default_knowledge", None)
    if known is None:
        needs = ", ".join(getattr(one, "needs", ())) or "nothing"
        trains = getattr(one, "trains", "") or "nothing"
        return f"Rewrites: **{one.stage.value}**. Must be given: {needs}. Trains: {trains}."  # type: ignore[attr-defined]
    holds = ", ".join(sorted(known.holds)) or "nothing"
    return (
        f"Sees: **{known.sees.value}**. Access: {known.access.name.lower()}. Knows of the protection, unless told "
        f"otherwise: {known.knows.name.lower()}. Holds: {holds}."
    )


def measured(name: str) -> str:
    """The first rows about a method in the first table of a results page that has any, and a link to the page."""
    for page in sorted((ROOT / "docs" / "results").glob("*.md")):
        title, header = "", []
        rows: list[str] = []
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith("## "):
                if rows:
                    break
                title, header = line[3:], []
            elif line.startswith("|") and len(header) < 2:
                header.append(line)
            elif line.startswith("|") and about(name, line):
                rows.append(line)
        if rows:
            table = "\n".join([*header, *rows[:MEASURED]])
            link = f"[all of it](../../results/{page.name})"
            return f"From *{title}*, {link}: how it was measured stands there.\n\n{table}"
    return ""


def about(name: str, line: str) -> bool:
    """Whether a table's row is of a method: one of its first cells begins with the name."""
    return any(re.match(rf"{re.escape(name)}\b", cell.strip()) for cell in line.split("|")[1:4])


def reference() -> str:
    """The packages and their public classes and functions, for mkdocstrings."""
    return "# Reference\n\n" + "\n\n".join(f"::: bauta.{package}" for package in PACKAGES) + "\n"


def first(one: type) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join(inspect.cleandoc(one.__doc__ or "").partition("\n\n")[0].split())


def linked(text: str) -> str:
    """Docstrings as Markdown: what is indented after a line of code stays, and angle brackets are no tags."""
    return re.sub(r"<(?=[A-Za-z/])", "&lt;", text)
