"""Bauta's own attribute network: its file, whom it learned from, and how well it reads faces that were held out."""

from __future__ import annotations

import ast
import hashlib
import inspect
import tomllib
from pathlib import Path

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from bauta import zoo
from bauta.errors import BadFile, MissingWeights
from bauta.estimators import BautaAttributes, Emotion, estimator, read_attributes
from bauta.estimators.embedded import marks, owner, written_attributes
from bauta.faces.datasets.utkface import RACES
from bauta.generators.looks import genders
from bauta.ops.seeds import seeded
from bauta.types import Faces, Source

ROOT = Path(__file__).parents[2]


@pytest.fixture
def network() -> BautaAttributes:
    with seeded(0):
        made = BautaAttributes()
    for name, buffer in made.named_buffers():
        if name.endswith("running_var"):
            buffer.copy_(torch.rand(buffer.shape, generator=torch.Generator().manual_seed(1)) + 0.5)
    made.learned_ = marks(["Some_One", "a" * 64])
    return made.frozen()


def test_it_reads_four_attributes_in_the_order_of_the_labels(network: BautaAttributes) -> None:
    images = tiny.pictures(3, side=90).requires_grad_()
    found = network(images)
    assert {name: tuple(guess.shape) for name, guess in found.items()} == {
        "age": (3, 1),
        "gender": (3, 2),
        "race": (3, len(RACES)),
        "emotion": (3, 7),
    }
    assert BautaAttributes.classes["emotion"] == Emotion.classes["emotion"]
    sum(guess.sum() for guess in found.values()).backward()
    assert images.grad is not None
    assert (images.grad.abs().amax((1, 2, 3)) > 0).all()


def test_the_age_is_the_mean_of_a_distribution_over_the_years(network: BautaAttributes) -> None:
    logits = torch.full((2, 117), -100.0)
    logits[0, 33] = 0
    logits[1, 10], logits[1, 50] = 0, torch.tensor(3.0).log()
    assert network.mean_age(logits).tolist() == pytest.approx([33, 40], abs=1e-4)


def test_a_file_makes_the_same_network(network: BautaAttributes, tmp_path: Path) -> None:
    images = tiny.pictures(4, side=112)
    for half, off in ((False, 0.0), (True, 0.05)):
        path = tmp_path / f"{half}.safetensors"
        path.write_bytes(written_attributes(network, half=half))
        again = read_attributes(path)
        assert torch.equal(again.learned_, network.learned_)
        assert not again.training
        for name, guess in network(images).items():
            assert (again(images)[name] - guess).abs().max() <= off


def test_what_is_no_file_of_it_is_refused(network: BautaAttributes, tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="bauta train attributes"):
        read_attributes(tmp_path / "none")
    path = tmp_path / "weights.safetensors"
    path.write_bytes(written_attributes(network))
    whole = load_file(path)
    for spoiled in (
        {k: v for k, v in whole.items() if k != "heads.age.bias"},
        whole | {"heads.age.bias": torch.full((117,), float("nan"))},
        whole | {"heads.race.weight": torch.zeros(3, 3)},
    ):
        save_file(spoiled, path)
        with pytest.raises(BadFile, match="copy it again"):
            read_attributes(tmp_path)
    path.write_bytes(b"nothing")
    with pytest.raises(BadFile):
        read_attributes(path)


def test_it_knows_again_whom_it_learned_from(network: BautaAttributes) -> None:
    sources = [
        Source("Some_One/Some_One_0004.jpg", "0" * 64),
        Source("lfw/Some_One/1.png", "1" * 64),
        Source("Some_One_0001.jpg", "2" * 64),
        Source("Other/Other_0001.jpg", "a" * 64),
        Source("Other/Other_0002.jpg", "b" * 64),
    ]
    faces = Faces(tiny.pictures(5), source=sources)
    assert network.learned(faces).tolist() == [True, True, True, True, False]
    assert not network.learned(Faces(tiny.pictures(2))).any()
    assert int(marks(["abc"])) == int.from_bytes(hashlib.sha256(b"abc").digest()[:4], "big", signed=True)
    assert owner("top\\Name\\1.jpg") == "Name"
    assert not Emotion().learned(faces).any()


def test_the_weights_come_with_bauta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a mirror, a cache and an address."""
    monkeypatch.delenv("BAUTA_MIRROR", raising=False)
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path))
    record = zoo.tool("bauta-attributes")
    (file,) = record.files
    path = zoo.verify(file)
    assert path.parent == ROOT / "bauta" / "zoo" / "weights"
    assert path.stat().st_size <= 1.2 * 2**20
    network = estimator("bauta-attributes")
    assert isinstance(network, BautaAttributes)
    assert sum(p.numel() for p in network.parameters()) < 600_000
    assert not network.taught_emotion[[1, 2]].any()  # disgust, fear
    assert network.taught_race.all()
    assert "UTKFace" in network.seen


def test_the_weights_have_a_license_of_their_own() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "bauta/zoo/weights/LICENSE" in project["license-files"]
    text = (ROOT / "bauta" / "zoo" / "weights" / "LICENSE").read_text()
    assert "research" in text
    assert "warranty" in text
    assert zoo.tool("bauta-attributes").license == "bauta weights: non-commercial research"


def words_of(path: Path) -> set[str]:
    """Every name that a module imports, calls or reads."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found |= set((node.module or "").split("."))
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {part for alias in node.names for part in alias.name.split(".")}
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        if isinstance(node, ast.Name):
            found.add(node.id)
    return found


def test_no_command_and_no_page_reaches_an_attribute_network() -> None:
    """They serve audits and studies, which print aggregates over labelled faces; what takes a user's photo (cli, web,
    job, protections) names none of them, nor the attack that asks them. A prior's own draws are read by `looks`, which
    takes no pictures."""
    wanted = {"estimators", "estimator", "ESTIMATORS", "ForeignEstimator", "read_attributes", "BautaAttributes"}
    package = ROOT / "bauta"
    found = {path.relative_to(package).parts[0] for path in package.rglob("*.py") if words_of(path) & wanted}
    assert found == {"estimators", "attacks", "train", "study", "generators"}
    drawing = {path.name for path in (package / "generators").glob("*.py") if words_of(path) & wanted}
    assert drawing == {"looks.py"}
    assert list(inspect.signature(genders).parameters) == ["population", "name"]


@pytest.mark.mirror
def test_faces_that_were_held_out_are_read(mirror: Path) -> None:
    """The card's figures are of all of them; these are some."""
    from bauta.train.attributing import divided, guesses

    network = estimator("bauta-attributes")
    assert isinstance(network, BautaAttributes)
    learned, held = divided("utkface", limit=900)
    assert network.learned(learned).all()
    assert not network.learned(held).any()
    said, labels = guesses(network, held), held.attributes
    assert (said["age"][:, 0] - labels["age"]).abs().mean() < 10
    assert (said["gender"].argmax(1) == labels["gender"]).float().mean() > 0.78
    assert (said["race"].argmax(1) == labels["race"]).float().mean() > 0.55
