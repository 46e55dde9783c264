"""The loop on a tiny network: it learns, goes on after a stop to the very same curve, and leaves the world alone."""

from __future__ import annotations

import csv
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bauta.errors import BadCheckpoint, BautaError, UsageError
from bauta.pipeline import Pipeline
from bauta.protections.base import FeatureProtection
from bauta.train import Batch, Objective, engine, fit
from bauta.train.augment import Augment
from bauta.train.checkpoints import Row
from bauta.train.plans import Steps
from bauta.types import Faces, Features

from . import made


class Stopped(Exception):
    """Somebody pulled the plug."""


class Learned(FeatureProtection):
    """Noise by each face's digest, of a strength per channel that is trained with the server."""

    def __init__(self) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.full((1, 12, 1, 1), 0.1))
        self.fixed = nn.PReLU(2)
        self.seen: list[list[str]] = []

    def forward(self, x: Features, faces: Faces | None = None) -> Features:
        assert faces is not None
        self.seen.append(list(faces.digests()))
        draws = [torch.Generator().manual_seed(int(d[:12], 16)) for d in faces.digests()]
        noise = torch.stack([torch.randn(x.shape[1:], generator=g) for g in draws])
        return x + self.strength * noise

    def param_groups(self) -> list[dict[str, object]]:
        return [{"params": [self.strength], "optimizer": "Adam", "lr": 0.01}]


def run(
    folder: Path | None = None, *, stop: tuple[int, int] | None = None, **options: object
) -> tuple[Objective, list[Row]]:
    """A training of three epochs; it breaks off once it reached `stop`, an epoch and a step."""
    objective = made.objective(Pipeline(made.student(), Learned()))
    recipe = dataclasses.replace(made.RECIPE, augment=Augment(color=0.2, turn=5, blur=0.5))

    def told(epoch: int, step: int, steps: int, means: Row) -> None:
        if (epoch, step) == stop:
            raise Stopped

    fabric = engine("cpu", bfloat16=False)
    return objective, fit(fabric, objective, made.examples(), recipe, folder=folder, told=told, **options)  # type: ignore[arg-type]


def bits(rows: list[Row]) -> list[Row]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def test_the_loss_falls_and_the_network_tells_people_apart() -> None:
    objective, rows = run()
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[2]["identity"] < 0.8 * rows[0]["identity"]
    with torch.no_grad():
        templates = objective.pipeline.eval().templates(made.faces())
    same = made.faces().identity[:, None] == made.faces().identity[None]
    cosine = templates @ templates.T
    assert cosine[same].mean() > cosine[~same].mean() + 0.3


@pytest.mark.parametrize("stop", [(1, 1), (2, 3), (1, 4)])
def test_an_interrupted_training_goes_on_to_the_same_curve(tmp_path: Path, stop: tuple[int, int]) -> None:
    """Bit for bit, with augmentation, dropout and draws by digest, in the middle of an epoch and between two."""
    whole, expected = run(tmp_path / "whole")
    with pytest.raises(Stopped):
        run(tmp_path / "broken", stop=stop, every=2)
    resumed, rows = run(tmp_path / "broken", resume=True, every=2)
    assert bits(rows) == bits(expected)
    for (name, ours), theirs in zip(resumed.state_dict().items(), whole.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name
    with (tmp_path / "broken" / "log.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [float(row["identity"]) for row in written] == [row["identity"] for row in expected]
    assert [p.name for p in (tmp_path / "broken").iterdir() if "checkpoint" in p.name] == ["checkpoint-00003-00000000"]


def test_another_seed_is_another_curve_and_workers_change_nothing() -> None:
    _, one = run(seed=1)
    _, other = run(seed=2)
    _, threads = run(seed=1, workers=3)
    assert bits(one) != bits(other)
    assert bits(one) == bits(threads)


def test_draws_are_one_a_picture_and_new_in_each_epoch_and_copy() -> None:
    protection = Learned()
    objective = made.objective(Pipeline(made.student(), protection))
    recipe = dataclasses.replace(made.RECIPE, epochs=2, copies=2)
    fit(engine("cpu", bfloat16=False), objective, made.examples(), recipe)
    seen = [digest for batch in protection.seen for digest in batch]
    assert len(seen) == len(set(seen)) == 2 * 2 * made.PEOPLE * made.EACH


def test_protections_train_what_they_name_and_nothing_else() -> None:
    objective, _ = run()
    (protection,) = objective.pipeline.protections
    assert isinstance(protection, Learned)
    assert not torch.equal(protection.strength, torch.full_like(protection.strength, 0.1))
    assert protection.strength.requires_grad
    assert not protection.fixed.weight.requires_grad
    assert torch.equal(protection.fixed.weight, Learned().fixed.weight)
    assert objective.train().pipeline.protections[0].training


def test_the_world_outside_does_not_notice() -> None:
    objective = made.objective(Pipeline(made.student()))
    before = torch.random.get_rng_state()
    recipe = dataclasses.replace(made.RECIPE, epochs=1, augment=Augment(color=0.2, blur=0.5))
    fit(engine("cpu", bfloat16=False), objective, made.examples(), recipe)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_rates_fall_at_milestones_and_protections_keep_their_own() -> None:
    objective = made.objective(Pipeline(made.student(), Learned()))
    plan = Steps(rate=0.05, milestones=(1, 2))
    recipe = dataclasses.replace(made.RECIPE, plan=plan)
    rows = fit(engine("cpu", bfloat16=False), objective, made.examples(), recipe)
    assert [row["rate"] for row in rows] == pytest.approx([0.005, 0.0005, 0.0005])
    network, noise = plan.steppers(objective, 3, 4)
    decayed, spared = network.optimizer.param_groups
    assert (decayed["weight_decay"], spared["weight_decay"], spared["momentum"]) == (5e-4, 0.0, 0.9)
    norms = [m for m in objective.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {id(p) for p in spared["params"]} == {id(p) for m in norms for p in m.parameters()}
    assert isinstance(noise.optimizer, torch.optim.Adam)
    assert noise.optimizer.param_groups[0]["lr"] == 0.01
    every = [p for s in (network, noise) for g in s.optimizer.param_groups for p in g["params"]]
    assert {id(p) for p in every} == {id(p) for p in objective.parameters() if p.requires_grad}
    assert len(every) == len({id(p) for p in every})


class Exploding(nn.Module):
    """A loss that is no number."""

    def forward(self, embeddings: Tensor, batch: Batch) -> Tensor:
        return embeddings.sum() * torch.inf


def test_a_loss_that_is_no_number_ends_the_training(tmp_path: Path) -> None:
    objective = Objective(Pipeline(made.student()), {"wild": Exploding()})
    with pytest.raises(BautaError, match=r"The loss 'wild' is (inf|-inf|nan) at step 1 of epoch 1"):
        fit(engine("cpu", bfloat16=False), objective, made.examples(), made.RECIPE, folder=tmp_path)
    assert not list(tmp_path.glob("*"))


def test_too_few_pictures_and_a_damaged_checkpoint_are_one_sentence(tmp_path: Path) -> None:
    wide = dataclasses.replace(made.RECIPE, batch_size=100)
    objective = made.objective(Pipeline(made.student()))
    with pytest.raises(UsageError, match="48 pictures do not fill one batch of 100"):
        fit(engine("cpu", bfloat16=False), objective, made.examples(), wide)
    run(tmp_path)
    (last,) = tmp_path.glob("checkpoint-*")
    (last / "state.pt").write_bytes(b"no state")
    with pytest.raises(BadCheckpoint, match="cannot be gone on from"):
        run(tmp_path, resume=True)


TWO = """
import sys
import torch
sys.path[:0] = ["tests", "."]
import dataclasses
from bauta.pipeline import Pipeline
from bauta.train import engine, fit
from tests.train import made

fabric = engine("cpu", devices=int(sys.argv[1]), bfloat16=False)
network = made.student().eval()
network.layers.middle.dropout.p = 0.0
objective = made.objective(Pipeline(network))
objective.train = lambda mode=True: objective  # batch norms as they are: their statistics are each process' own
from bauta.train.plans import Steps
size = made.BATCH * 2 // fabric.world_size
recipe = dataclasses.replace(made.RECIPE, batch_size=size, epochs=2, plan=Steps(rate=0.01))
recipe.augment._steps = torch.nn.Identity()
rows = fit(fabric, objective, made.examples(), recipe)
if fabric.is_global_zero:
    torch.save([rows[-1]["identity"], objective.pipeline.recognizer.state_dict()], sys.argv[2])
"""


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_from_batches_twice_as_large(tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(TWO)
    found = []
    for devices in (1, 2):
        out = tmp_path / f"{devices}.pt"
        done = subprocess.run(
            [sys.executable, str(script), str(devices), str(out)],
            capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": "."}, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found.append(torch.load(out, weights_only=True))
    (one, ours), (two, theirs) = found
    assert one == pytest.approx(two, rel=1e-4)
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], rtol=1e-3, atol=1e-5)
