"""The wheel is the same twice, and the lock holds every dependency by its digest."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from campaigns import release

HERE = Path(__file__).parents[2]


def test_the_wheel_is_the_same_twice(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    if subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, check=False).returncode:
        pytest.skip("this tree is no clone, and a wheel is made from a commit")
    wheel = release.same_twice("HEAD", tmp_path)
    assert re.fullmatch(r"bauta-[\d.]+-py3-none-any\.whl", wheel.name)


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The SBOM of this environment, which must have what makes one."""
    pytest.importorskip("cyclonedx_py", reason="needs the extra trust")
    path = tmp_path_factory.mktemp("release") / release.SBOM
    release.bill(path)
    return path.read_text()


def test_the_sbom_is_what_its_schema_asks_for(bill: str) -> None:
    """By the library's own validator, which holds the official schema; and that this is able to refuse."""
    validation = pytest.importorskip("cyclonedx.validation.json", reason="needs the extra trust")
    schema = pytest.importorskip("cyclonedx.schema")
    about = json.loads(bill)
    strict = validation.JsonStrictValidator(schema.SchemaVersion.from_version(about["specVersion"]))
    assert strict.validate_str(bill) is None
    assert strict.validate_str(json.dumps({**about, "components": [{"name": "of no type"}]})) is not None
    assert strict.validate_str(json.dumps({**about, "more": 1})) is not None


def test_the_sbom_names_bauta_and_all_that_it_needs(bill: str) -> None:
    about = json.loads(bill)
    assert about["metadata"]["component"]["name"] == "bauta"
    there = {re.sub(r"[-_.]+", "-", one["name"]).lower() for one in about["components"]}
    needed = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.split(r"[\[>=<]", one)[0].lower() for one in needed} <= there
    references = [one["bom-ref"] for one in about["components"]]
    assert len(set(references)) == len(references)


def locked() -> dict[str, list[str]]:
    """Names -> versions in the lock."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", (HERE / "requirements.lock").read_text(), re.M):
        found.setdefault(name, []).append(version)
    return found


def test_the_lock_holds_what_is_asked_for_by_its_digest() -> None:
    text = (HERE / "requirements.lock").read_text()
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.M)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
    about = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    extras = about["optional-dependencies"]
    asked = [*about["dependencies"], *extras["test"], *extras["trust"], *extras["web"], *extras["train"]]
    names = {re.split(r"[\[>=<]", one)[0].lower() for one in asked} - {"bauta"}
    assert names <= set(locked()), "run make lock"


def test_the_lock_agrees_with_the_constraints() -> None:
    for line in (HERE / "constraints.txt").read_text().splitlines():
        if "==" in line and not line.startswith("#"):
            name, _, version = line.partition("==")
            assert locked()[name] == [version], "run make lock"
