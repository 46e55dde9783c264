"""People who do not exist: the same ones for the same numbers, as many as were vetted, and what a photo changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny
import torch
from torch.nn import functional as F

from bauta.errors import BadFile, UsageError
from bauta.generators.population import Population, photographed, read_population
from bauta.ops.noise import generators


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("population")
    weights = tiny.write_prior(folder / "weights.safetensors", spread=1.0)
    said = {"people": [2, 3, 5, 7, 11], "seed": 4, "amount": 0.5, "drawn": 12, "gender": [0, 1, 1, -1, 0]}
    (folder / "people.json").write_text(json.dumps(said))
    return weights, folder / "people.json"


@pytest.fixture(scope="module")
def population(files: tuple[Path, Path]) -> Population:
    return read_population(*files)


def test_the_same_numbers_give_the_same_faces(population: Population) -> None:
    faces, again = population.faces(4, 3, seed=1), population.faces(4, 3, seed=1)
    assert torch.equal(faces.images, again.images)
    assert faces.images.shape == (12, 3, 112, 112)
    assert 0 <= float(faces.images.min()) <= float(faces.images.max()) <= 1
    assert faces.identity is not None
    assert faces.identity.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    read = dict(zip(population.people, population.gender, strict=True))
    labels = faces.attributes["gender"].tolist()
    assert labels == [read[int(one.file.split("/")[0].removeprefix("nobody-"))] for one in faces.source]
    names = [one.file for one in faces.source]
    assert len(set(names)) == 12
    assert {int(name.split("/")[0].removeprefix("nobody-")) for name in names} < set(population.people)
    other = population.faces(5, 3, seed=2)
    assert not set(other.digests()) & set(faces.digests())


def test_a_picture_depends_on_its_person_and_view_alone(population: Population) -> None:
    both = population.pictures([7, 3], [0, 9])
    assert torch.allclose(population.pictures([3], [9]), both[1:], atol=1e-5)
    assert not torch.allclose(population.pictures([7], [1]), both[:1], atol=0.01)


def test_who_asks_for_too_many_is_told(population: Population) -> None:
    with pytest.raises(UsageError, match="5 people who were found to be nobody, got a wish for 6"):
        population.faces(6, 1)
    with pytest.raises(UsageError, match="at least one picture"):
        population.faces(1, 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"people": [1]}',
        '{"people": [1, 2], "seed": 0, "amount": 1, "gender": [1]}',
        '{"people": ["a"], "seed": 0, "amount": 1}',
    ],
)
def test_what_is_no_list_is_refused(files: tuple[Path, Path], tmp_path: Path, text: str) -> None:
    (tmp_path / "people.json").write_text(text)
    with pytest.raises(BadFile, match="no list of people"):
        read_population(files[0], tmp_path / "people.json")


def test_another_photo_keeps_the_picture_in_place() -> None:
    """A smooth picture, mirrored or not, stays correlated with what becomes of it: nothing jumps."""
    smooth = F.interpolate(
        torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(0)), (112, 112), mode="bicubic"
    )
    images = smooth.clamp(0, 1).expand(40, -1, -1, -1)
    made = photographed(images, generators(0, [str(n) for n in range(40)], "views"))
    assert len({image.numpy().tobytes() for image in made}) == 40

    def alike(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return F.cosine_similarity(*(x.flatten(1) - x.flatten(1).mean(1, keepdim=True) for x in (one, other)))

    best = torch.maximum(alike(made, images), alike(made, images.flip(3)))
    assert float(best.min()) > 0.6
    mirrored = alike(made, images.flip(3)) > alike(made, images)
    assert 8 <= int(mirrored.sum()) <= 32
