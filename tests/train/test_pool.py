"""What is learned beside known people: sets without names, and faces between two faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from torch import nn
from torch.nn import functional as F

from bauta.errors import UsageError
from bauta.faces import write_image
from bauta.recognizers import Recognizer, load
from bauta.recognizers.heads import CosFace
from bauta.train import Held, Recipe, Training, train_recognizer
from bauta.train import Identity as PeopleLoss
from bauta.train.batches import Batch
from bauta.train.plans import OneCycle
from bauta.train.pool import NOBODY, Blends, Joined, Nameless, blend
from bauta.train.recognizing import data, more
from bauta.types import Faces

from . import made


class Gaps:
    """Examples of which every third picture cannot be read."""

    def __init__(self, whole: Held) -> None:
        self.whole, self.identity = whole, whole.identity

    def __len__(self) -> int:
        return len(self.whole)

    def read(self, rows: Sequence[int]) -> tuple[Faces, list[int]]:
        return self.whole.read([row for row in rows if row % 3])


def test_joined_examples_lie_one_behind_the_other() -> None:
    first, second = made.examples(), Nameless(made.faces(4, 5, seed=9))
    joined = Joined(first, second)
    assert joined.identity.tolist() == first.identity.tolist() + [NOBODY] * 20
    rows = [60, 3, 3, 48, 0, 67, 60]
    faces, kept = joined.read(rows)
    assert kept == rows
    for row, image, digest in zip(rows, faces.images, faces.digests(), strict=True):
        source, place = (first.faces, row) if row < 48 else (second.faces, row - 48)
        assert torch.equal(image, source.images[place])
        assert digest == source.source[place].digest


def test_joined_examples_leave_out_what_cannot_be_read() -> None:
    joined = Joined(Gaps(made.examples()), Nameless(made.faces(2, 2, seed=9)))
    faces, kept = joined.read([3, 50, 4, 3, 6, 7, 7, 48])
    assert kept == [50, 4, 7, 7, 48]
    assert torch.equal(faces.images[1], made.faces().images[4])
    assert torch.equal(faces.images[2], faces.images[3])


def test_a_blend_is_one_face_on_one_side_and_the_other_beyond() -> None:
    white, black = torch.ones(3, 112, 112), torch.zeros(3, 112, 112)
    for number in range(20):
        share = blend(white, black, torch.Generator().manual_seed(number))
        assert bool(((share >= 0) & (share <= 1)).all())
        assert torch.allclose(share[0], share[2])
        # both are there: the line runs near the middle of the picture
        assert 0.2 < float(share.mean()) < 0.8
        # across the line it rises, and by the same in any direction: a plane through a sigmoid
        plane = share[0].double().clamp(1e-6, 1 - 1e-6).logit()
        middle = plane[30:80, 30:80]
        steps = middle.diff(dim=0)[plane[31:80, 30:80].abs() < 8]
        assert float(steps.max() - steps.min()) < 0.05 * max(0.02, float(steps.abs().max()))


def test_blends_are_the_same_whenever_they_are_read() -> None:
    whole = made.examples()
    blends = Blends(whole, 30, seed=3)
    faces, kept = blends.read([7, 2, 29])
    assert kept == [7, 2, 29]
    alone, _ = Blends(whole, 8, seed=3).read([7])
    assert torch.equal(alone.images[0], faces.images[0])
    assert alone.digests() == faces.digests()[:1]
    others, _ = Blends(whole, 30, seed=4).read([7, 2, 29])
    assert not torch.equal(others.images, faces.images)
    assert len(set(blends.read(range(30))[0].digests())) == 30
    assert faces.identity is not None
    assert faces.identity.tolist() == [NOBODY] * 3


def test_a_loss_over_people_passes_nobody_over() -> None:
    head = CosFace(scale=16).sized(8, 3, torch.Generator().manual_seed(1))
    loss = PeopleLoss(head)
    rows = F.normalize(torch.randn(5, 8, generator=torch.Generator().manual_seed(2))).requires_grad_()
    images = torch.zeros(5, 3, 4, 4)
    who = torch.tensor([2, NOBODY, 0, NOBODY, 1])
    found = loss(rows, Batch(Faces(images, who), torch.arange(5)))
    expected = F.cross_entropy(head(rows[[0, 2, 4]], who[[0, 2, 4]]), torch.tensor([2, 0, 1]))
    assert torch.allclose(found, expected)
    nobody = loss(rows, Batch(Faces(images, torch.full((5,), NOBODY)), torch.arange(5)))
    nobody.backward()
    assert float(nobody.detach()) == 0
    assert rows.grad is not None
    assert not rows.grad.any()


@pytest.fixture
def taught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Training:
    """A training on made-up people, with a teacher of random weights."""
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path / "home"))
    folder = made.folder(tmp_path / "people")
    teacher = tmp_path / "teacher"
    start = Recipe(epochs=1, batch_size=16, plan=OneCycle(), head=CosFace(scale=16))
    small: dict[str, object] = {"widths": (8, 8), "units": (1, 1), "embedding": 16}
    train_recognizer(Training("compact_ir", small, data=str(folder), recipe=start), teacher, bfloat16=False)
    recipe = Recipe(epochs=1, batch_size=16, plan=OneCycle(), head=CosFace(scale=16))
    return Training("compact_residual", small, data=str(folder), teacher=str(teacher), recipe=recipe, blends=40)


def test_a_picture_that_judges_is_not_learned_from_under_another_name(taught: Training, tmp_path: Path) -> None:
    """A further set that holds the judges' own pictures loses them all; of strangers' it keeps some."""
    examples, judges = data(taught)
    photos = tmp_path / "photos"
    photos.mkdir()
    for i, image in enumerate(judges.faces.images[:5]):
        write_image(photos / f"{i}.png", image)
    made_up = tiny.pictures(3, seed=77)
    for i, image in enumerate(nn.functional.interpolate(made_up, (112, 112), mode="bilinear")):
        write_image(photos / f"other{i}.png", image)
    wider = more(replace(taught, also=[str(photos)], blends=0), examples, judges)
    network = load(str(taught.teacher))
    near = nearest(network, nn.functional.interpolate(made_up, (112, 112), mode="bilinear"), judges.faces)
    assert len(wider) == len(examples) + int((near <= 0.5).sum())


def nearest(network: Recognizer, images: torch.Tensor, faces: Faces) -> torch.Tensor:
    with torch.no_grad():
        return (network.embed((images * 255).round() / 255) @ network.embed(faces.images).T).amax(1)


def test_blends_are_trained_on_with_the_teacher(taught: Training, tmp_path: Path) -> None:
    examples, judges = data(taught)
    wider = more(taught, examples, judges)
    assert len(wider) == len(examples) + 40
    _, rows = train_recognizer(taught, tmp_path / "out", bfloat16=False)
    assert {"teacher", "identity"} <= set(rows[-1])
    with pytest.raises(UsageError, match="teacher"):
        more(replace(taught, teacher=None), examples, judges)
