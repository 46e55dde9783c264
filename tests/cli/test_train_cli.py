"""`bauta train recognizer`, and what its folder is good for."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bauta.cli.validate import prior_of
from bauta.faces import write_image
from bauta.recognizers import load

Command = Callable[..., tuple[int, str, str]]

NETWORK = ("--arch", "mobilefacenet", "--option", "width=0.125", "--option", "embedding=16")
FAST = (*NETWORK, "--batch", "8", "--device", "cpu")


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A folder a person, of pictures that are taken for aligned."""
    g = torch.Generator().manual_seed(0)
    for person in range(24):
        base = torch.rand(3, 7, 7, generator=g)
        for i in range(2):
            noisy = (base + 0.1 * torch.rand(3, 7, 7, generator=g)).clamp(0, 1)
            place = tmp_path / "people" / f"p{person:02}" / f"{i}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            write_image(place, torch.nn.functional.interpolate(noisy[None], (112, 112), mode="bilinear")[0])
    return tmp_path / "people"


def test_a_training_makes_a_recognizer_by_its_folders_name(bauta: Command, people: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    begun = ("train", "recognizer", *FAST, "--data", people, "-o", out, "--rate", "0.002")
    assert bauta(*begun)[0] == 2  # neither a teacher nor a head: what that leaves stands in nobody's way
    words = (*begun, "--head", "CosFace(scale=16)")
    code, said, errors = bauta(*words, "--epochs", "2", "--cast", "0.3", "--protection", "GaussianNoise(0.01)")
    assert code == 0, errors
    assert "pairs of strangers, under a color cast of 0.3" in said
    assert f"{out} is a recognizer now." in said
    with (out / "log.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    assert load(str(out)).name == str(out)
    code, said, errors = bauta("evaluate", "--recognizer", out, "--data", people, "--limit", "40")
    assert code == 0, errors
    assert said.startswith(f"{out} on {people}")
    code, _, errors = bauta(*words, "--epochs", "2")
    assert (code, errors.count("\n")) == (2, 1)
    assert "say --resume to go on" in errors
    code, _, errors = bauta(*words, "--epochs", "2", "--resume")
    assert code == 2
    assert "begun with another protections, cast" in errors


def test_a_teacher_is_named_and_a_network_of_ones_own_protection(bauta: Command, people: Path, tmp_path: Path) -> None:
    """The network that the test's home knows teaches, behind a protection out of a user's file."""
    own = tmp_path / "own.py"
    own.write_text(
        "from bauta.protections import FeatureProtection\nclass Half(FeatureProtection):\n"
        "    def __init__(self, share=0.5):\n        super().__init__()\n        self.share = share\n"
        "    def forward(self, x, faces=None):\n        return self.share * x\n"
        "    def __repr__(self):\n        return f'Half({self.share})'\n"
    )
    out = tmp_path / "out"
    code, _, errors = bauta(
        "train", "recognizer", *FAST, "--data", people, "-o", out, "--teacher", "mine", "--epochs", "1",
        "--protection", f"{own}:Half(share=0.25)", "--augment", "Augment(color=0.1)",
    )  # fmt: skip
    assert code == 0, errors
    assert (out / "weights.safetensors").is_file()


@pytest.mark.parametrize(
    ("words", "says", "code"),
    [
        (("--arch", "vgg"), "there are mobilefacenet", 2),
        (("--option", "width"), "is written like width=0.5, got 'width'", 2),
        (("--option", "depth=3"), "mobilefacenet has no option depth", 2),
        (("--preset", "huge"), "there are small, published", 2),
        (("--head", "Hat"), "Nothing is called 'Hat'", 2),
        ((), "There is nothing to learn", 2),
        (("--folds", "10", "--head", "CosFace"), "can judge what learns on the others", 2),
        (("--head", "CosFace", "--batch", "1000"), "do not fill one batch of 1000", 2),
    ],
)
def test_wrong_use_is_one_sentence(
    bauta: Command, people: Path, tmp_path: Path, words: tuple[str, ...], says: str, code: int
) -> None:
    came, _, errors = bauta("train", "recognizer", *FAST, "--data", people, "-o", tmp_path / "out", *words)
    assert (came, says in errors) == (code, True), errors
    assert errors.strip().count("\n") == 0


def test_without_the_extra_it_says_what_to_install(
    bauta: Command, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    code, _, errors = bauta("train", "recognizer", *FAST, "--data", people, "-o", tmp_path / "out", "--head", "CosFace")
    assert code == 3
    assert errors == "bauta: Training needs Lightning Fabric: pip install 'bauta[train]'.\n"
    assert not (tmp_path / "out").exists()


def test_a_generator_is_a_prior_by_its_folders_name(bauta: Command, people: Path, tmp_path: Path) -> None:
    out = tmp_path / "prior"
    words = ("train", "generator", "--data", people, "--batch", "8", "--latent", "12", "--device", "cpu", "-o", out)
    code, said, errors = bauta(*words, "--epochs", "1")
    assert code == 0, errors
    assert f"{out} is a face prior now" in said
    assert (out / "samples.png").is_file()
    prior = prior_of(str(out))
    assert prior.shape == (12,)
    assert prior.render(torch.zeros(1, 12)).shape == (1, 3, 112, 112)
    code, _, errors = bauta(*words, "--epochs", "1")
    assert (code, errors.count("\n")) == (2, 1)


def test_faces_are_inverted_into_a_prior_that_is_fitted_to_them(bauta: Command, people: Path, tmp_path: Path) -> None:
    out = tmp_path / "codes.safetensors"
    words = ("generator", "invert", people, "--prior", "Eigenfaces(components=20)", "-o", out)
    code, said, errors = bauta(*words)
    assert code == 0, errors
    assert f"48 codes in {out}" in said
    assert float(said.rpartition(": ")[2].strip(".\n")) > 0.8
    code, _, errors = bauta(*words)
    assert (code, errors.count("\n")) == (2, 1)
