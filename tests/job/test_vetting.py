"""Who is nobody: the threshold counted by hand, and refusals of those who come near."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from torch.nn import functional as F

from bauta.errors import UsageError
from bauta.generators import AutoencoderPrior
from bauta.generators.population import Population, read_population
from bauta.job.vetting import VIEWS, Lookalike, judged, recognized, stranger_threshold, vet, write_vetted
from bauta.recognizers import Recognizer
from bauta.recognizers.trainable import new


@pytest.fixture(scope="module")
def network() -> Recognizer:
    torch.manual_seed(5)
    return new("compact_plain", {"widths": (8, 8), "units": (1, 1), "embedding": 16}).frozen()


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Population:
    path = tmp_path_factory.mktemp("prior") / "weights.safetensors"
    return Population(AutoencoderPrior(tiny.write_prior(path, spread=0.1)), 0, (), 0.5)


def test_the_threshold_of_strangers_by_hand() -> None:
    draw = torch.Generator().manual_seed(1)
    templates = F.normalize(torch.randn(150, 4, generator=draw))
    identity = torch.arange(150) // 3
    scores = [
        float(templates[i] @ templates[j]) for i in range(150) for j in range(i) if int(identity[i]) != int(identity[j])
    ]
    for far in (0.1, 1e-3):
        found = stranger_threshold(templates, identity, far)
        above = sum(score > found for score in scores)
        assert above <= far * len(scores) < sum(score > found - 3e-6 for score in scores) + 1
    with pytest.raises(UsageError, match="give more faces"):
        stranger_threshold(templates[:10], identity[:10])


def test_who_is_near_to_somebody_known_under_all_is_refused(
    population: Population, network: Recognizer, tmp_path: Path
) -> None:
    """One picture of the third person and one of the fourth are known; under the second lookalike the third's alone."""
    known = network.embed(population.pictures([2, 3], [1, 0]))
    one = Lookalike(network, known, 0.99999)
    two = Lookalike(network, known * torch.tensor([[1.0], [-1.0]]), 0.99999)
    found = vet(population, {"one": one, "two": two}, 4)
    assert found.population.people == (0, 1, 3, 4)
    assert (found.drawn, found.refused) == (5, {"near to a known face": 1})
    assert found.nearest["one"][2] == pytest.approx(1, abs=1e-5)  # one alone is no reason
    assert len(found.population.gender) == 4
    for place, person in enumerate(found.population.people):
        templates = network.embed(population.pictures([person] * VIEWS, [*range(VIEWS)]))
        assert float((templates @ known.T).max()) == pytest.approx(found.nearest["one"][place], abs=1e-4)
    assert vet(population, {"one": one}, 3).population.people == (0, 1, 4)
    write_vetted(tmp_path / "people.json", found, {"one": one})
    again = read_population(population.prior.weights, tmp_path / "people.json")
    assert again.people == found.population.people
    assert json.loads((tmp_path / "people.json").read_text())["drawn"] == found.drawn


def test_who_comes_near_to_somebody_taken_is_refused(population: Population, network: Recognizer) -> None:
    """At a threshold that any two people pass, the first one stays alone."""
    strict = Lookalike(network, -network.embed(population.pictures([0], [0])), 0.0)
    with pytest.raises(UsageError, match="Of 32 draws 1 were nobody"):
        vet(population, {"strict": strict}, 2, most=32)


def test_pictures_of_one_person_are_judged(population: Population, network: Recognizer) -> None:
    faces = replace(population, people=(1, 2, 3, 4)).faces(4, 3)
    genuine, error = judged(faces, network)
    templates = network.embed(faces.images)
    by_hand = [float(templates[i] @ templates[j]) for i in range(12) for j in range(i) if i // 3 == j // 3]
    assert sorted(genuine.tolist()) == pytest.approx(sorted(by_hand), abs=1e-4)
    assert error.n == 66
    assert 0 <= error.low <= error.value <= error.high <= 1


def test_who_is_known_is_recognized(population: Population, network: Recognizer) -> None:
    """Two faces are known to both; the third looks like one of them to the first alone."""
    faces = replace(population, people=(1, 2, 3)).faces(3, 1)
    templates = network.embed(faces.images)
    one = Lookalike(network, templates, 0.9999)
    two = Lookalike(network, templates * torch.tensor([[1.0], [1.0], [-1.0]]), 0.9999)
    nearest, share = recognized(faces, {"one": one, "two": two})
    assert nearest["one"].tolist() == pytest.approx([1, 1, 1], abs=1e-4)
    assert share == pytest.approx(2 / 3)
