"""What users may import from bauta, written out, so that a change of it is seen; and that all of it is documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import bauta

PACKAGE = Path(bauta.__file__).parent

# Sorted. A name that goes or changes is a line in CHANGELOG.md.
PUBLIC = [
    "ClientHolder",
    "Comparison",
    "Faces",
    "ForeignRecognizer",
    "JPEG",
    "Knowledge",
    "Knows",
    "Move",
    "PMT",
    "Pipeline",
    "Purify",
    "Recognizer",
    "Resize",
    "Stage",
    "System",
    "Victim",
    "WhiteNoise",
    "__version__",
    "audit",
    "detector",
    "faces_in",
    "load",
    "load_dataset",
    "load_pairs",
    "protect",
    "prove",
    "read_image",
    "to_text",
    "write_image",
]


def test_the_public_names_are_these() -> None:
    assert sorted(getattr(bauta, "__all__", [])) == PUBLIC
    assert sorted(set(PUBLIC)) == PUBLIC


def test_dir_shows_them() -> None:
    assert set(PUBLIC) <= set(dir(bauta))


def test_importing_bauta_loads_no_network_library() -> None:
    code = "import sys, bauta; dir(bauta); print([m for m in ('torch', 'cv2', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout == "[]\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    missing = "no_such_name"
    with pytest.raises(AttributeError, match=missing):
        getattr(bauta, missing)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_can_be_imported_and_is_documented(name: str) -> None:
    thing = getattr(bauta, name)
    if not (inspect.isclass(thing) or inspect.isfunction(thing) or inspect.ismodule(thing)):
        return  # a fact, such as a version: nothing to document
    assert inspect.getdoc(thing), f"bauta.{name} has no docstring"
    if inspect.isclass(thing):
        silent = [
            method
            for method, function in inspect.getmembers(thing, inspect.isfunction)
            if not method.startswith("_") and function.__module__.startswith("bauta") and not inspect.getdoc(function)
        ]
        assert silent == []  # a method that overrides a documented one inherits its text


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_modules_classes_and_functions_have_docstrings(path: Path) -> None:
    tree = ast.parse(path.read_text())
    silent = [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert silent == []
    assert ast.get_docstring(tree) or not tree.body, "the module has no docstring"


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("__init__.py")), ids=lambda p: p.parent.relative_to(PACKAGE.parent).as_posix()
)
def test_what_a_package_lists_is_there(path: Path) -> None:
    package = importlib.import_module(".".join(path.parent.relative_to(PACKAGE.parent).parts))
    listed = getattr(package, "__all__", [])
    assert [name for name in listed if not hasattr(package, name)] == []
    assert len(set(listed)) == len(listed)
