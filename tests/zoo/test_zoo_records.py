"""The facts: complete, without contradiction, and true where the files are at hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bauta import zoo
from bauta.errors import UsageError
from bauta.zoo.registry import NAME

RECORDS = (*zoo.WEIGHTS, *zoo.TOOLS, *zoo.DATASETS)
FILES = {file.name: file for record in RECORDS for file in record.files}


@pytest.fixture(autouse=True)
def _nothing_registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path))


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.name)
def test_a_record_is_complete(record: zoo.Weights | zoo.Tool | zoo.Dataset) -> None:
    assert NAME.fullmatch(record.name)
    assert record.license
    assert record.paper
    assert record.files
    for file in record.files:
        assert file.urls or file.where, "neither an address nor a way to get it by hand"
        assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert all(re.match(r"https?://[\w.-]+/\S+$", url) for url in file.urls)
        assert isinstance(file, zoo.DataFile) == isinstance(record, zoo.Dataset)
        # what travels without encryption and without a digest is only RobFR's, whose server knows nothing better
        encrypted = all(url.startswith("https://") for url in file.urls)
        assert encrypted or record.name.startswith("robfr-")


def test_names_are_unique_and_one_file_name_is_one_file() -> None:
    networks = [record.name for record in (*zoo.WEIGHTS, *zoo.TOOLS)]
    assert len(networks) == len(set(networks))
    sets = [record.name for record in zoo.DATASETS]
    assert len(sets) == len(set(sets))
    assert all(FILES[file.name] == file for record in RECORDS for file in record.files)


def test_lookups_find_each_and_name_all_when_they_do_not() -> None:
    assert all(zoo.weights(record.name) is record for record in zoo.WEIGHTS)
    assert all(zoo.tool(record.name) is record for record in zoo.TOOLS)
    assert all(zoo.dataset(record.name) is record for record in zoo.DATASETS)
    for look_up, name in ((zoo.weights, "mobileface-v3"), (zoo.tool, "yunet"), (zoo.dataset, "utkface")):
        with pytest.raises(UsageError, match=f"'nobody'; there are .*{name}"):
            look_up("nobody")


def test_what_is_no_recognizer_says_so_when_asked_for_as_one() -> None:
    """ONNX packs and detectors have records and no graph that could be cut."""
    for record in zoo.TOOLS:
        with pytest.raises(UsageError, match=rf"^{record.name} is no recognizer .*\({record.kind}\); .*mobileface-v3"):
            zoo.weights(record.name)


def test_robfr_networks_take_what_their_code_takes() -> None:
    """From RobFR's networks: IR.py divides by 127.5, the other three by 128; all flip to BGR."""
    stated = {
        "robfr-mobileface": 128,
        "robfr-ir50-arcface": 127.5,
        "robfr-ir50-sphereface": 127.5,
        "robfr-ir50-softmax": 127.5,
        "robfr-mobilenet": 128,
        "robfr-resnet50": 128,
    }
    inputs = {r.name: r.input for r in zoo.WEIGHTS if r.name.startswith("robfr-")}
    assert inputs.keys() == stated.keys()
    for name, taken in inputs.items():
        assert taken.bgr
        assert (255 * taken.mean[0], 255 * taken.std[0]) == (127.5, stated[name])
        assert (len(taken.mean), len(taken.std), taken.size, taken.columns) == (1, 1, None, None)


def test_a_measured_network_has_all_its_measures() -> None:
    for record in zoo.WEIGHTS:
        measures = (record.accuracy, record.deviation, record.threshold)
        assert measures.count(None) in (0, 3), record.name
        if record.threshold is not None:
            assert 0 < record.threshold < 1


@pytest.mark.mirror
def test_the_mirror_holds_what_the_records_say(mirror: Path) -> None:
    """Every file of the mirror belongs to a record, and its bytes have the record's digest."""
    lying = {p.relative_to(mirror).as_posix() for p in mirror.rglob("*") if p.is_file()} - {"README.md"}
    assert lying == lying & FILES.keys()
    assert {zoo.verify(FILES[name]) for name in lying} == {mirror / name for name in lying}


@pytest.mark.mirror
def test_the_mirror_describes_itself_with_the_same_facts(mirror: Path) -> None:
    """Digests, accuracies and thresholds, read from the table that lies in the mirror."""
    text = (mirror / "README.md").read_text()
    digests = {name: digest for digest, name in re.findall(r"^ +([0-9a-f]{64})  (\S+)$", text, re.M)}
    assert digests == {name: FILES[name].sha256 for name in digests}
    rows = re.findall(r"^\| `(\S+)` .*LFW ([\d.]+) ± ([\d.]+),.*threshold ([\d.]+)", text, re.M)
    stated = {name: tuple(map(float, numbers)) for name, *numbers in rows}
    ours = {r.files[0].name: (r.accuracy, r.deviation, r.threshold) for r in zoo.WEIGHTS if r.folds == 10}
    ours = {name: measures for name, measures in ours.items() if measures[0] is not None}
    assert stated == ours
    assert len(stated) == 4
    for repository, commit in re.findall(r"([\w.-]+/[\w.-]+)@([0-9a-f]{40})", text):
        addresses = " ".join(url for file in FILES.values() for url in file.urls)
        described = " ".join([*(file.where for file in FILES.values()), *(r.where for r in zoo.DATASETS)])
        assert f"{repository}/raw/{commit}/" in addresses or f"{repository}@{commit}" in described


@pytest.mark.parametrize("record", [r for r in RECORDS if zoo.place(r.files[0]) == "package"], ids=lambda r: r.name)
def test_what_comes_with_bauta_is_right_and_small(
    record: zoo.Weights | zoo.Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BAUTA_MIRROR", raising=False)
    assert record.license == "bauta weights: non-commercial research"
    for file in record.files:
        path = zoo.verify(file)
        assert "weights" in (path.parent.name, path.parents[1].name)
        assert path.stat().st_size < 8.5e6
