"""Networks and data sets of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bauta import zoo
from bauta.errors import BadFile, MissingData, MissingWeights, UsageError


def test_a_checkpoint_is_registered_in_one_line_and_outlives_the_process(home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.pth").write_bytes(b"weights")
    taken = zoo.Input((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), size=(112, 96), columns=(8, 104), bgr=True)
    record = zoo.register("mine", tmp_path / "mine.pth", "iresnet50", input=taken, threshold=0.3, cut=4, license="MIT")
    assert zoo.weights("mine") == record
    assert zoo.registered_weights() == (record,)
    assert record.input == taken
    assert zoo.locate(record.files[0]) == tmp_path / "mine.pth"
    assert zoo.place(record.files[0]) == "registered"
    assert json.loads((home / "registered.json").read_text())["weights"].keys() == {"mine"}


def test_a_registered_checkpoint_that_changed_or_went_is_refused(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(b"weights")
    (file,) = zoo.register("mine", path, "iresnet50").files
    path.write_bytes(b"other weights")
    with pytest.raises(BadFile, match="register it again if you changed it"):
        zoo.locate(file)
    zoo.register("mine", path, "iresnet50")
    assert zoo.locate(zoo.weights("mine").files[0]) == path
    path.unlink()
    with pytest.raises(MissingWeights, match=r"mine.pth is not here; put it back, or register it again"):
        zoo.locate(file)


def test_what_cannot_be_registered(home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.pth").write_bytes(b"weights")
    with pytest.raises(UsageError, match="published network"):
        zoo.register("mobilefacenet-casia", tmp_path / "mine.pth", "iresnet50")
    with pytest.raises(UsageError, match="published network"):
        zoo.register("yunet", tmp_path / "mine.pth", "iresnet50")
    with pytest.raises(UsageError, match="A name is letters"):
        zoo.register("../mine", tmp_path / "mine.pth", "iresnet50")
    with pytest.raises(MissingWeights, match="no weights file"):
        zoo.register("mine", tmp_path / "nothing.pth", "iresnet50")
    with pytest.raises(MissingData, match="no folder and no file"):
        zoo.register_dataset("mine", tmp_path / "nothing")
    assert not (home / "registered.json").exists()


def test_a_known_data_set_keeps_its_facts_at_its_new_place(home: Path, tmp_path: Path) -> None:
    known = zoo.dataset("celeba")
    record = zoo.register_dataset("celeba", tmp_path)
    assert zoo.dataset("celeba") == record
    assert record.path == tmp_path
    assert (record.license, record.paper, record.what) == (known.license, known.paper, known.what)
    assert record.files == ()
    assert zoo.register_dataset("family", tmp_path).path == tmp_path
    assert [r.name for r in zoo.registered_datasets()] == ["celeba", "family"]


def test_a_name_can_be_forgotten(home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.pth").write_bytes(b"weights")
    zoo.register("mine", tmp_path / "mine.pth", "iresnet50")
    zoo.register_dataset("celeba", tmp_path)
    zoo.forget("mine")
    zoo.forget("celeba")
    with pytest.raises(UsageError, match="No recognizer is called 'mine'"):
        zoo.weights("mine")
    assert zoo.dataset("celeba") in zoo.DATASETS
    assert (tmp_path / "mine.pth").exists()
    with pytest.raises(UsageError, match="Nothing is registered as 'mine'"):
        zoo.forget("mine")


@pytest.mark.parametrize("text", ["{ no json", "[1, 2]", '{"weights": {"mine": {"files": []}}}', '{"weights": 3}'])
def test_a_damaged_list_is_one_sentence(home: Path, text: str) -> None:
    home.mkdir()
    (home / "registered.json").write_text(text)
    with pytest.raises(BadFile, match=r"registered\.json .*mend"):
        zoo.registered_weights()
