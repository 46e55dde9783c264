"""`bauta models`, `bauta datasets` and `bauta doctor`, as a shell runs them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bauta import zoo
from bauta.cli.doctor import EXTRAS, NEEDED

BAUTA = "import sys; from bauta.cli import main\ntry: main()\nfinally: print('torch' in sys.modules, file=sys.stderr)"


@pytest.fixture
def bauta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs a command: exit code, standard output, standard error; and that torch stayed out unless `torch` is True."""
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path / "home"))

    def run(*words: str, torch: bool = False, mirror: Path | None = None) -> tuple[int, str, str]:
        environment = {**os.environ, "COLUMNS": "40"}
        environment.pop("BAUTA_MIRROR", None)
        if mirror is not None:
            environment["BAUTA_MIRROR"] = str(mirror)
        done = subprocess.run(
            [sys.executable, "-c", BAUTA, *words],
            capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        *errors, imported = done.stderr.splitlines()
        assert imported == str(torch)
        return done.returncode, done.stdout, "\n".join(errors)

    return run


def test_models_list_has_the_name_first_on_each_line(bauta) -> None:
    code, out, _ = bauta("models", "list")
    assert code == 0
    names = [line.split()[0] for line in out.splitlines()]
    assert names == [record.name for record in (*zoo.WEIGHTS, *zoo.TOOLS)]
    (casia,) = [line for line in out.splitlines() if "mobilefacenet" in line.split()[0] and "casia" in line.split()[0]]
    assert re.split(r"  +", casia)[1:4] == ["none stated", "97.87", "absent"]


def test_models_list_as_json_is_one_document(bauta) -> None:
    code, out, _ = bauta("models", "list", "--json")
    assert code == 0
    entries = {entry["name"]: entry for entry in json.loads(out)}
    assert entries["mobilefacenet-casia"]["accuracy"] == 97.87
    assert entries["mobilefacenet-casia"]["threshold"] == 0.288
    assert entries["mobilefacenet-casia"]["here"] is False
    assert entries["robfr-mobilenet"]["accuracy"] is None
    assert entries["yunet"]["kind"] == "detector"
    assert all({"license", "accuracy", "threshold", "here", "files"} <= entry.keys() for entry in entries.values())


@pytest.mark.mirror
def test_a_mirror_is_seen_and_verified(bauta, mirror: Path) -> None:
    _, out, _ = bauta("models", "list", "--json", mirror=mirror)
    here = {entry["name"] for entry in json.loads(out) if entry["here"]}
    assert {"mobilefacenet-casia", "mobilefacenet-relu6-ms1m", "mobilefacenet-y1-ms1m", "mobileface-v3"} <= here
    code, out, _ = bauta("models", "verify", mirror=mirror)
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()} == here
    assert all(line.endswith("right") for line in out.splitlines())
    code, out, _ = bauta("datasets", "pull", "photos", mirror=mirror)
    assert code == 0
    assert len(out.splitlines()) == 8


@pytest.mark.mirror
def test_verify_finds_a_flipped_bit_and_goes_on(bauta, mirror: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    yunet, pfld = (zoo.tool(name).files[0].name for name in ("yunet", "pfld68"))
    shutil.copy(mirror / pfld, tmp_path / "home" / pfld)
    content = bytearray((mirror / yunet).read_bytes())
    content[1000] ^= 1
    (tmp_path / "home" / yunet).write_bytes(content)
    code, out, errors = bauta("models", "verify", "yunet", "pfld68", "mtcnn")
    assert code == 1
    assert out.split()[0] == "pfld68"
    assert [line.split()[1].rsplit("/", 1)[-1] for line in errors.splitlines()] == [
        "yunet_2026may.onnx", "mtcnn_pnet.pt", "mtcnn_rnet.pt", "mtcnn_onet.pt",
    ]  # fmt: skip
    assert "delete it and run `bauta models pull` again" in errors


def test_exit_codes_of_wrong_use_and_of_missing_files(bauta) -> None:
    assert bauta("models", "verify", "yunet")[0] == 3
    code, out, _ = bauta("models", "verify")  # nothing but what comes with bauta
    assert (code, {line.split()[0].partition("-")[0] for line in out.splitlines()}) == (0, {"bauta"})
    for words in (
        ("pull",),
        ("pull", "yunet", "--all"),
        ("pull", "nobody"),
        ("verify", "nobody"),
        ("remove", "nobody"),
    ):
        for command in ("models", "datasets"):
            code, out, errors = bauta(command, *words)
            assert (code, out) == (2, "")
            assert errors.startswith("bauta: ")
    code, _, errors = bauta("datasets", "pull", "agedb-30")
    assert code == 3
    assert "https://ibug.doc.ic.ac.uk/resources/agedb/" in errors
    code, _, errors = bauta("models", "pull", "robfr-mobilenet")
    assert code == 3
    assert "needs a yes" in errors


def test_pull_yes_pins_what_was_put_here(bauta, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "robfr_mobilenet.pth").write_bytes(b"weights")
    assert bauta("models", "pull", "robfr-mobilenet")[0] == 3
    code, out, errors = bauta("models", "pull", "robfr-mobilenet", "--yes")
    assert code == 0
    assert "license: Apache-2.0" in out
    assert "Yes, by --yes." in errors
    assert bauta("models", "verify")[1].split()[0] == "robfr-mobilenet"
    (tmp_path / "home" / "robfr_mobilenet.pth").write_bytes(b"changed")
    assert bauta("models", "pull", "robfr-mobilenet", "--yes")[0] == 1


@pytest.mark.mirror
def test_a_checkpoint_of_ones_own_is_added_used_and_removed(bauta, mirror: Path, tmp_path: Path) -> None:
    casia = zoo.weights("mobilefacenet-casia")
    weights = shutil.copy(mirror / casia.files[0].name, tmp_path / "mine.ckpt")
    words = ("--weights", weights, "--architecture", casia.architecture, "--embedding", "128", "--cut", "3")
    options = ("--mean", "0.5,0.5,0.5", "--std", "0.5", "--columns", "8,104", "--threshold", "0.3", "--license", "MIT")
    code, _, errors = bauta("models", "add", "mine", *words, *options, torch=True)
    assert (code, errors) == (0, "")
    (entry,) = [e for e in json.loads(bauta("models", "list", "--json")[1]) if e["name"] == "mine"]
    assert (entry["place"], entry["cut"], entry["threshold"], entry["license"]) == ("registered", 3, 0.3, "MIT")
    assert entry["input"] == {"mean": [0.5] * 3, "std": [0.5], "size": None, "columns": [8, 104], "bgr": False}
    assert bauta("models", "verify", "mine")[0] == 0
    assert bauta("models", "remove", "mine")[0] == 0
    assert bauta("models", "verify", "mine")[0] == 2

    # one that does not fit its architecture is not kept
    code, _, errors = bauta("models", "add", "mine", *words, "--columns", "8,104", "--embedding", "64", torch=True)
    assert code != 0
    assert bauta("models", "verify", "mine")[0] == 2
    code, _, errors = bauta("models", "add", "mine", *words[:2], "--architecture", "nonsense", torch=True)
    assert code == 2
    assert casia.architecture in errors
    assert bauta("models", "add", "mine", *words, "--columns", "8", torch=True)[0] == 2


def test_a_data_set_of_ones_own(bauta, tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    assert bauta("datasets", "add", "celeba", str(tmp_path / "faces"))[0] == 0
    assert bauta("datasets", "add", "family", str(tmp_path / "faces"))[0] == 0
    assert bauta("datasets", "add", "family", str(tmp_path / "nothing"))[0] == 3
    entries = {e["name"]: e for e in json.loads(bauta("datasets", "list", "--json")[1])}
    assert entries["celeba"]["path"] == entries["family"]["path"] == str(tmp_path / "faces")
    assert entries["celeba"]["license"] == "non-commercial research"
    assert [n for n in entries if entries[n]["here"]] == ["celeba", "family"]
    code, out, _ = bauta("datasets", "verify")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["celeba", "family"]
    (tmp_path / "faces").rmdir()
    assert bauta("datasets", "verify", "family")[0] == 3
    assert bauta("datasets", "remove", "family")[0] == 0
    code, out, _ = bauta("datasets", "list")
    assert [line.split()[0] for line in out.splitlines()] == [record.name for record in zoo.DATASETS]


def test_doctor_says_what_is_here_and_what_to_do(bauta, tmp_path: Path) -> None:
    code, out, _ = bauta("doctor")
    assert code == 0
    assert f"python       {'.'.join(map(str, sys.version_info[:3]))}" in out
    assert "BAUTA_MIRROR is not set" in out
    assert str(tmp_path / "home") in out
    assert "network      yunet absent" in out
    assert "to do        for photos of your own: bauta models pull mobilefacenet-casia yunet" in out
    code, out, _ = bauta("doctor", mirror=tmp_path / "nothing")
    assert code == 0
    assert "which is no folder" in out


@pytest.mark.mirror
def test_doctor_has_nothing_to_say_where_all_is_well(bauta, mirror: Path) -> None:
    code, out, _ = bauta("doctor", mirror=mirror)
    assert code == 0
    assert out.splitlines()[-1] == "to do        nothing"


def test_doctor_names_a_file_that_was_found_to_be_another(bauta, tmp_path: Path) -> None:
    path = tmp_path / "yunet_2026may.onnx"
    path.write_bytes(b"something else")
    code, out, _ = bauta("doctor", mirror=tmp_path)
    assert "is not what" not in out  # nobody has read it yet
    assert bauta("models", "pull", "yunet", mirror=tmp_path)[0] == 1
    code, out, _ = bauta("doctor", mirror=tmp_path)
    assert code == 0
    assert f"to do        {path} is not what the record of yunet names" in out


def test_doctor_imports_torch_only_when_asked(bauta) -> None:
    code, out, _ = bauta("doctor", "--torch", torch=True)
    assert code == 0
    assert re.search(r"^device +cpu", out, re.MULTILINE)
    code, out, _ = bauta("doctor")
    assert re.search(r"^memory +\d+\.\d GiB", out, re.MULTILINE)
    assert not re.search(r"^device ", out, re.MULTILINE)


def test_doctor_knows_the_packages_that_bauta_needs() -> None:
    """As pyproject.toml states them."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    stated = [re.match(r"[\w-]+", line)[0] for line in project["dependencies"]]  # type: ignore[index]
    assert sorted(stated) == sorted(NEEDED)
    for extra, names in EXTRAS.items():
        lines = " ".join(project["optional-dependencies"][extra])
        assert all(re.search(rf"(^| ){name}\b", lines) for name in names)


@pytest.mark.parametrize("words", [[], ["models"], ["models", "pull"], ["models", "add"], ["datasets"], ["doctor"]])
def test_help_is_quick(bauta, words: list[str]) -> None:
    code, out, _ = bauta(*words, "--help")
    assert code == 0
    assert "Usage" in out
