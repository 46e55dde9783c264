"""What an attribute network minimizes, against loops by hand."""

from __future__ import annotations

import math

import pytest
import tiny
import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.estimators import BautaAttributes
from bauta.ops.seeds import seeded
from bauta.train.batches import Batch
from bauta.train.reading import Reading, varied
from bauta.types import Faces


def labels() -> list[dict[str, Tensor]]:
    """A set of 300 that knows age, gender and race, and one of 200 that knows gender and emotion."""
    draw = torch.Generator().manual_seed(3)
    race = torch.randint(0, 3, (300,), generator=draw)
    race[:20] = 4  # too few
    gender = (torch.rand(200, generator=draw) < 0.25).long()
    gender[::3] = -1
    return [
        {
            "age": torch.randint(0, 90, (300,), generator=draw),
            "gender": torch.randint(0, 2, (300,), generator=draw),
            "race": race,
        },
        {"gender": gender, "emotion": torch.tensor([3, 6]).repeat(100)},
    ]


def test_each_loss_is_over_its_labels_by_the_shares_of_the_rows_own_set() -> None:
    with seeded(0):
        network = BautaAttributes(dropout=0.0)
    reading = Reading(network, labels()).eval()
    rows = torch.tensor([0, 30, 299, 300, 301, 302, 499])
    faces = Faces(tiny.pictures(len(rows)))
    with seeded(4):
        losses = reading(Batch(faces, rows))
    with seeded(4), torch.no_grad():
        said = network.read(varied(faces.images))
    columns: dict[str, list[list[int]]] = {name: [[], []] for name in network.classes}
    for part, one in enumerate(labels()):
        for name in columns:
            columns[name][part] = one[name].tolist() if name in one else [-1] * len(next(iter(one.values())))
    columns["race"][0] = [-1 if race == 4 else race for race in columns["race"][0]]
    for name in ("gender", "race", "emotion"):
        found = []
        for place, row in enumerate(rows.tolist()):
            column = columns[name][0 if row < 300 else 1]
            label = column[row if row < 300 else row - 300]
            if label < 0:
                continue
            known = [one for one in column if one >= 0]
            weights = {
                k: math.exp(float(said[name][place, k])) * known.count(k) / len(known) for k in sorted(set(known))
            }
            found.append(-math.log(weights[label] / sum(weights.values())))
        assert float(losses[name].detach()) == pytest.approx(sum(found) / len(found), abs=1e-4)
    ages = []
    for place, row in enumerate(rows.tolist()[:3]):
        age = columns["age"][0][row]
        shares = said["age"][place].double().softmax(0).tolist()
        wanted = [math.exp(-((year - age) ** 2) / 8) for year in range(117)]
        entropy = -sum(w / sum(wanted) * math.log(s) for w, s in zip(wanted, shares, strict=True))
        ages.append(entropy + abs(sum(year * share for year, share in enumerate(shares)) - age))
    assert float(losses["age"].detach()) == pytest.approx(0.1 * sum(ages) / 3, abs=1e-3)


def test_a_class_of_few_faces_is_not_taught_and_never_said() -> None:
    network = BautaAttributes().eval()
    reading = Reading(network, labels())
    assert network.taught_race.tolist() == [True, True, True, False, False]
    assert network.taught_emotion.nonzero().flatten().tolist() == [3, 6]
    for name in ("race", "emotion"):
        network.heads[name].bias.data[~getattr(network, f"taught_{name}")] = 100.0
    with torch.no_grad():
        said = network(tiny.pictures(5))
    assert set(said["race"].argmax(1).tolist()) <= {0, 1, 2}
    assert set(said["emotion"].argmax(1).tolist()) <= {3, 6}
    assert (reading.labels["race"] >= 0).sum() == 280


def test_a_batch_without_a_label_costs_nothing_for_it() -> None:
    reading = Reading(BautaAttributes(), labels())
    losses = reading(Batch(Faces(tiny.pictures(4)), torch.tensor([300, 301, 302, 303])))
    assert (float(losses["age"].detach()), float(losses["race"].detach())) == (0, 0)
    assert float(losses["emotion"].detach()) > 0
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in reading.parameters())


def test_half_of_the_color_pictures_turn_gray_and_all_change_their_light() -> None:
    images = 0.3 + 0.4 * tiny.pictures(400)
    with seeded(1):
        seen = varied(images)
    gray = (seen.amax(1) - seen.amin(1)).flatten(1).amax(1) < 1e-6
    assert 0.4 < float(gray.float().mean()) < 0.6
    ratio = seen.mean((1, 2, 3)) / images.mean((1, 2, 3))
    assert float(ratio.min()) > 0.79
    assert float(ratio.max()) < 1.21
    assert float(ratio.std()) > 0.05
    # a picture that is gray already stays what it is but for its light
    plain = images[:50].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    with seeded(1):
        again = varied(plain)
    assert float((again.amax(1) - again.amin(1)).max()) < 1e-6


def test_sets_that_lack_an_attribute_are_refused() -> None:
    with pytest.raises(UsageError, match="do not teach emotion"):
        Reading(BautaAttributes(), labels()[:1])
