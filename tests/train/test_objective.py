"""What is minimized: embeddings through every protection, a teacher's lessons, a protection's own loss."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import tiny
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bauta.errors import BadFile, UsageError
from bauta.pipeline import Pipeline
from bauta.protections.base import FeatureProtection
from bauta.train import Batch, Held, Objective, Teaching, engine, fit, lessons
from bauta.train.examples import Examples
from bauta.train.objective import embeddings
from bauta.types import Faces, Features

from . import made


class Doubling(FeatureProtection):
    """Twice the features, with a loss of its own and a strength that is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: Features, faces: Faces | None = None) -> Features:
        return self.factor * x

    def auxiliary_loss(self, x: Tensor, made: Tensor, faces: Faces | None = None) -> Tensor:
        return (made - x).abs().mean()

    def param_groups(self) -> list[dict[str, object]]:
        return [{"params": [self.factor], "lr_scale": 0.5}]


def batch(number: int = 5) -> Batch:
    rows = torch.arange(number)
    return Batch(made.faces()[rows], rows)


def test_embeddings_are_templates_before_they_are_unit_rows() -> None:
    pipeline = Pipeline(tiny.recognizer(), Doubling())
    found = embeddings(pipeline, batch())
    torch.testing.assert_close(F.normalize(found), pipeline.templates(batch().faces))
    assert not torch.allclose(found.norm(dim=1), torch.ones(5))


def test_a_client_without_weights_is_exact_under_autocast() -> None:
    """What crosses the wire stays in 32 bits behind a DCT, and is rounded only behind layers with weights."""
    seen: list[Tensor] = []

    class Watching(FeatureProtection):
        def forward(self, x: Features, faces: Faces | None = None) -> Features:
            seen.append(x @ torch.eye(x.shape[-1]))  # a product that autocast would round
            return x

    network = tiny.recognizer()
    with torch.autocast("cpu", torch.bfloat16):
        embeddings(Pipeline(network, Watching()), batch())
    assert seen[0].dtype == torch.bfloat16
    plain = copy.deepcopy(network)
    plain.layers = nn.Sequential()
    plain.layers.add_module("pixels", nn.Upsample(scale_factor=1))
    for name, layer in network.layers.named_children():
        plain.layers.add_module(name, layer)
    plain.cut = 1
    with torch.autocast("cpu", torch.bfloat16):
        made_ = embeddings(Pipeline(plain, Watching()), batch())
    assert seen[1].dtype == torch.float32
    assert made_.dtype == torch.bfloat16


def test_a_protections_own_loss_is_one_of_the_terms() -> None:
    protection = Doubling()
    objective = made.objective(Pipeline(made.student(), protection)).eval()
    losses = objective(batch())
    with torch.no_grad():
        x = objective.pipeline.recognizer.features(objective.pipeline.images(batch().faces))
    assert set(losses) == {"identity", "Doubling"}
    torch.testing.assert_close(losses["Doubling"], x.abs().mean())
    losses["Doubling"].backward()
    assert protection.factor.grad is not None
    assert not protection._forward_hooks


def test_only_what_is_trained_is_moved_and_in_training_mode() -> None:
    class Fixed(FeatureProtection):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.BatchNorm2d(12)

        def forward(self, x: Features, faces: Faces | None = None) -> Features:
            return self.layer(x)  # type: ignore[no-any-return]

    fixed, trained, twin = Fixed(), Doubling(), made.student()
    objective = made.objective(Pipeline(made.student(), fixed, trained, twin=twin)).train()
    assert (fixed.training, trained.training, twin.training) == (False, True, False)
    assert objective.pipeline.recognizer.training
    assert not any(p.requires_grad for p in [*fixed.parameters(), *twin.parameters()])
    before = {k: v.clone() for k, v in [*fixed.state_dict().items(), *twin.state_dict().items()]}
    fit(engine("cpu", bfloat16=False), objective, made.examples(), made.RECIPE)
    after = dict([*fixed.state_dict().items(), *twin.state_dict().items()])
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert trained.factor != 2
    (stepper,) = made.RECIPE.plan.steppers(objective, 3, 4)
    top = {len(g["params"]): g["max_lr"] for g in stepper.optimizer.param_groups}
    assert top[1] == pytest.approx(made.RECIPE.plan.rate / 2)


@pytest.mark.parametrize("size", [16, 24])
def test_teaching_against_a_loop(size: int) -> None:
    g = torch.Generator().manual_seed(0)
    table = F.normalize(torch.randn(9, size, generator=g))
    term = Teaching(table, 16, pairs=3.0)
    found, rows = torch.randn(4, 16, generator=g), torch.tensor([7, 0, 3, 3])
    loss = term(found, Batch(made.faces()[:4], rows))
    assert isinstance(term.map, nn.Linear) == (size != 16)
    cosines, gaps = [], []
    x = found.double()
    mapped = x @ term.map.weight.detach().double().T if size != 16 else x
    for i in range(4):
        lesson = table[rows[i]].double()
        cosines.append(float(mapped[i] @ lesson / mapped[i].norm()))
        for j in range(4):
            if i != j:
                own = float(x[i] @ x[j] / x[i].norm() / x[j].norm())
                gaps.append((own - float(lesson @ table[rows[j]].double())) ** 2)
    assert float(loss.detach()) == pytest.approx(1 - sum(cosines) / 4 + 3 * sum(gaps) / 12, rel=1e-5)
    assert not any("lessons" in name for name in term.state_dict())


def test_lessons_are_of_a_picture_and_its_mirror_and_are_kept(tmp_path: Path) -> None:
    teacher, examples = tiny.recognizer(), made.examples()
    told: list[int] = []
    found = lessons(teacher, examples, folder=tmp_path, batch_size=20, told=told.append)
    assert sum(told) == len(examples)
    images = examples.faces.images
    for i in (0, 21, 47):
        both = teacher.embed(images[i : i + 1]) + teacher.embed(images[i : i + 1].flip(3))
        torch.testing.assert_close(found[i], (both / both.norm())[0])
    again = lessons(teacher, examples, folder=tmp_path, told=lambda _: pytest.fail("computed again"))
    assert torch.equal(again, found)
    assert not torch.equal(lessons(tiny.recognizer(seed=1), examples, folder=tmp_path), found)
    assert len(list(tmp_path.iterdir())) == 2
    for path in tmp_path.iterdir():
        path.write_bytes(b"nothing")
    with pytest.raises(BadFile, match="delete it"):
        lessons(teacher, examples, folder=tmp_path)


def test_a_student_comes_near_its_teacher() -> None:
    teacher, examples = tiny.recognizer(seed=3, embedding=24), made.examples()
    table = lessons(teacher, examples)
    objective = Objective(Pipeline(made.student()), {"teacher": Teaching(table, 16)})
    rows = fit(engine("cpu", bfloat16=False), objective, examples, made.RECIPE)
    assert rows[-1]["teacher"] < 0.8 * rows[0]["teacher"]
    assert objective.terms["teacher"].map.weight.grad is None or objective.terms["teacher"].map.weight.requires_grad


def test_a_head_needs_people() -> None:
    faces = Faces(tiny.pictures(4))
    with pytest.raises(UsageError, match="needs to know who is who"):
        made.objective(Pipeline(made.student()))(Batch(faces, torch.arange(4)))
    _: Examples = Held(made.faces())
