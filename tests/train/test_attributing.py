"""An attribute network from labelled faces to a file: who is held out, the folder, going on after a stop."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import labelled
import pytest
import torch

from bauta.errors import UsageError
from bauta.estimators import BautaAttributes, read_attributes
from bauta.train.attributing import Attributing, attributes_recipe, divided, guesses, train_attributes
from bauta.train.checkpoints import Row
from bauta.train.plans import OneCycle
from bauta.train.presets import Recipe

SMALL = (16, 16, 16, 16)
RECIPE = Recipe(epochs=2, batch_size=32, plan=OneCycle(rate=4e-3))


class Stopped(Exception):
    """Somebody pulled the plug."""


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    root = tmp_path_factory.mktemp("labelled")
    return str(labelled.utkface(root / "utkface")), str(labelled.lfw(root / "lfw"))


Trained = tuple[BautaAttributes, list[Row], Path]


@pytest.fixture(scope="module")
def trained(sets: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    out = tmp_path_factory.mktemp("trained") / "out"
    return *train_attributes(Attributing(sets, widths=SMALL, recipe=RECIPE), out, bfloat16=False), out


def test_of_files_without_names_a_fifth_is_held_out_by_content(sets: tuple[str, str]) -> None:
    learned, held = divided(sets[0])
    assert len(learned) + len(held) == labelled.UTKFACE
    assert 0.1 < len(held) / labelled.UTKFACE < 0.3
    files = {hashlib.sha256(path.read_bytes()).hexdigest() for path in Path(sets[0]).iterdir()}
    assert set(held.digests()) == {digest for digest in files if int(digest[:8], 16) % 5 == 0}
    assert set(learned.digests()) == files - set(held.digests())


def test_of_people_those_of_the_last_folds_are_held_out(sets: tuple[str, str]) -> None:
    learned, held = divided(sets[1], folds=2)
    people = [line.split("\t") for line in (Path(sets[1]) / "pairs.txt").read_text().splitlines()[1 + 3 * 16 :]]
    last = {words[0] for words in people} | {words[2] for words in people if len(words) == 4}
    assert {Path(one.file).parent.name for one in held.source} == last
    assert len(held) == 2 * 32
    assert not {Path(one.file).parent.name for one in learned.source} & last
    assert set(held.attributes) == {"gender", "emotion"}


def test_a_folder_holds_a_network_that_knows_whom_it_learned_from(sets: tuple[str, str], trained: Trained) -> None:
    network, rows, out = trained
    with (out / "log.csv").open() as file:
        (first, last) = csv.DictReader(file)
    assert float(last["age"]) < float(first["age"])
    assert {"gender", "race", "emotion", "held age", "held gender", "held race", "held emotion"} <= set(rows[-1])
    again = read_attributes(out)
    for name in sets:
        learned, held = divided(name)
        assert again.learned(learned).all()
        assert not again.learned(held).any()
        said, also = guesses(network, held), guesses(again, held)
        assert all(torch.equal(said[attribute], also[attribute]) for attribute in said)
    assert again.taught_race.tolist() == [True, True, False, False, False]
    assert again.taught_emotion.nonzero().flatten().tolist() == [3, 6]
    with pytest.raises(UsageError, match="already"):
        train_attributes(Attributing(sets, widths=SMALL, recipe=RECIPE), out, bfloat16=False)


def test_a_training_goes_on_to_the_same_file(sets: tuple[str, str], trained: Trained, tmp_path: Path) -> None:
    asked = Attributing(sets, widths=SMALL, recipe=RECIPE)

    def told(what: str, done: int, total: int, losses: Row) -> None:
        if (what, done) == ("epoch 2", 1):
            raise Stopped

    with pytest.raises(Stopped):
        train_attributes(asked, tmp_path / "broken", bfloat16=False, told=told)
    train_attributes(asked, tmp_path / "broken", bfloat16=False, resume=True)
    ends = [(folder / "weights.safetensors").read_bytes() for folder in (trained[2], tmp_path / "broken")]
    assert ends[0] == ends[1]


def test_sets_that_do_not_know_all_four_are_refused(sets: tuple[str, str], tmp_path: Path) -> None:
    for data, lacking in ((sets[:1], "emotion"), (sets[1:], "age")):
        with pytest.raises(UsageError, match=f"do not teach {lacking}"):
            train_attributes(Attributing(data, recipe=attributes_recipe(epochs=1)), tmp_path / lacking, bfloat16=False)
