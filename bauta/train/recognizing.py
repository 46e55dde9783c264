"""Train a recognizer from its settings to the file that `load` reads: what `bauta train recognizer` calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from bauta import zoo
from bauta.errors import BautaError, UsageError
from bauta.faces import Pairs
from bauta.pipeline import Pipeline
from bauta.recognizers import load
from bauta.recognizers.embedding import embed
from bauta.train.cast import ColorCast
from bauta.train.checkpoints import Row
from bauta.train.engine import engine
from bauta.train.examples import Cast, Examples, everything, held_out
from bauta.train.folders import open_folder
from bauta.train.judge import judge
from bauta.train.logs import check_tensorboard
from bauta.train.loop import fit
from bauta.train.pool import Blends, Joined, Nameless, nameless
from bauta.train.run import (
    LEARNED,
    Training,
    build,
    export,
    fitted,
    objective,
    restored,
    wanted,
    write_learned,
)
from bauta.train.teaching import lessons
from bauta.types import Templates

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["train_recognizer"]

NEAREST = 0.5  # of a picture without a name to those that judge, as a cosine
Told = Callable[[str, int, int, Row], None]


def train_recognizer(
    training: Training,
    out: str | Path,
    *,
    resume: bool = False,
    kind: str = "cpu",
    devices: int = 1,
    bfloat16: bool | None = None,
    workers: int = 0,
    every: int | None = None,
    tensorboard: bool = False,
    known: Iterable[type] = (),
    told: Told | None = None,
    given: tuple[Examples, Pairs] | None = None,
) -> tuple[Pipeline, list[Row]]:
    """Train, judge after each epoch on people who are held out, and write the folder `out`; the pipeline and its curve.

    resume: go on from the last checkpoint there, to the same curve; every: steps between checkpoints beside those of
    the epochs. kind, devices, bfloat16: see `engine`. told: what is done, how much, of how much, and the losses' means.
    given: what to learn from and what judges, without the cast, where names alone do not say it.
    Raises `BautaError`.
    """
    folder, known = Path(out), tuple(known)
    if tensorboard:
        check_tensorboard()
    fabric = engine(kind, devices=devices, bfloat16=bfloat16)
    pipeline = build(training, known)
    resumed = agreed(fabric, lambda: open_folder(folder, wanted(training, pipeline.protections), resume))
    plain, pairs = data(training) if given is None else given
    plain = more(training, plain, pairs)
    cast = ColorCast(training.cast, seed=training.seed) if training.cast else None
    with fabric.rank_zero_first():  # who then finds them on the disk
        lesson = taught(training, plain, told if fabric.is_global_zero else None)
    examples = Cast(plain, cast) if cast else plain
    if resumed and (folder / LEARNED).is_file():
        pipeline = restored(folder, pipeline.recognizer, pipeline.protections)
    else:
        pipeline = fitted(pipeline, examples)
        if fabric.is_global_zero:
            write_learned(folder, pipeline)
    minimized = objective(pipeline, training.recipe, examples, lesson, seed=training.seed)

    rows = fit(
        fabric, minimized, examples, training.recipe, seed=training.seed, folder=folder, resume=resumed, every=every,
        workers=workers, judged=lambda: judge(pipeline, pairs, view=cast), tensorboard=tensorboard,
        told=by_epoch(fabric, told),
    )  # fmt: skip
    if fabric.is_global_zero:
        export(folder, pipeline, rows[-1])
    fabric.barrier()
    made = pipeline.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # as a file gives it
    return made.eval().requires_grad_(False), rows


def by_epoch(fabric: Fabric, told: Told | None) -> Callable[[int, int, int, Row], None]:
    """What `fit` tells, under the epoch's name and by the first process alone."""

    def shown(epoch: int, step: int, steps: int, means: Row) -> None:
        if told and fabric.is_global_zero:
            told(f"epoch {epoch + 1}", step, steps, means)

    return shown


def agreed(fabric: Fabric, ask: Callable[[], bool]) -> bool:
    """What the first process answers, in all of them; its error too, since the others would wait for it."""
    answer: bool | BautaError = False
    if fabric.is_global_zero:
        try:
            answer = ask()
        except BautaError as error:
            answer = error
    answer = fabric.broadcast(answer)
    if isinstance(answer, BautaError):
        raise answer
    return answer


def data(training: Training) -> tuple[Examples, Pairs]:
    """What to learn from, and what judges."""
    if training.pairs is None:
        return held_out(training.data, training.folds, limit=training.limit)
    return everything(training.data, training.pairs, limit=training.limit)


def more(training: Training, examples: Examples, judges: Pairs) -> Examples:
    """The examples with what is learned of a teacher alone behind them. Raises `UsageError` where there is none.

    Nobody knows who is in a set without names, so a picture goes whose template, by the teacher, is nearer than
    `NEAREST` to a picture that judges.
    """
    if not training.also and not training.blends:
        return examples
    if training.teacher is None:
        raise UsageError("Further sets and blends have no names to learn; say with --teacher whom to follow on them.")
    parts = [examples]
    if training.also:
        teacher = load(training.teacher)
        judging = embed(teacher, judges.faces)
        for name in training.also:
            faces = nameless(name).faces
            near = (embed(teacher, faces) @ judging.T).amax(1) > NEAREST
            parts.append(Nameless(faces[~near]))
    found: Examples = Joined(*parts)
    return Joined(found, Blends(found, training.blends, seed=training.seed)) if training.blends else found


def taught(training: Training, examples: Examples, told: Told | None) -> Templates | None:
    """The teacher's templates of the pictures without a cast, computed once and kept in the home."""
    if training.teacher is None:
        return None
    done = 0

    def counted(more: int) -> None:
        nonlocal done
        done += more
        if told:
            told("teacher", done, len(examples), {})

    return lessons(load(training.teacher), examples, folder=zoo.home() / "lessons", told=counted)
