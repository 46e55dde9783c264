"""Linkage by distillation: a student reads the leak as a public recognizer would have read the face."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Self

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bauta.attacks.base import Knowledge, Knows, Reidentification, Victim
from bauta.attacks.reidentification.foreign import ForeignRecognizer
from bauta.errors import ShapeError, UsageError
from bauta.ops.seeds import seeded
from bauta.recognizers import Recognizer
from bauta.recognizers.folding import folded
from bauta.spec import recipe
from bauta.types import Faces, Images, Stage, Templates

BATCH = 64
ASIDE = 16  # one public face in so many judges the epochs
WIDTH = 1024  # hidden units of a vector's correction
FRESH = 5  # a correction starts from nothing, so it learns so many times faster than what starts from the teacher

# The regression: neighborhoods of at most so many numbers, at about so many positions, this share of variance added.
PREDICTORS, POSITIONS, RIDGE = 1200, 300_000, 1e-4


class Linkage(Reidentification):
    """A student distilled from `teacher` turns protected data into an ordinary template; the nearest photo names it.

    The first half of FaceLinkGen (2026): the attacker runs public faces through the victim's device and trains the
    student until it answers with the public recognizer's template of the *clean* picture (loss 1 - cosine). Any leak
    will do. The student is the teacher from that layer on whose maps have the leak's size (for a picture all of it, for
    a vector its output alone) behind an adapter, which is set in closed form: ridge regression of the teacher's own
    maps on neighborhoods of the leak. Both are then trained together. Of all epochs, the closed form among them, the
    one counts that does best on public faces kept aside.

    teacher: a zoo name, or a network. epochs, learning_rate: of the training by Adam; 0 epochs leave the closed form.
    seed: which faces are kept aside, the order of training, the first weights of a vector's correction.
    `reference` is the teacher itself, on clean photos. Raises `UsageError` without public faces.

    At a MobileFaceNet's cut of 28 x 28 and 5,000 public faces an epoch takes 75 seconds of one core, the closed form
    15; the leaks of the public faces are kept in 16 bits (there 430 MB).
    """

    default_knowledge = Knowledge(sees=Stage.FEATURES, knows=Knows.SCHEME)

    def __init__(
        self,
        teacher: str | Recognizer = "mobilefacenet-y1-ms1m",
        *,
        epochs: int = 4,
        learning_rate: float = 2e-4,
        seed: int = 0,
    ) -> None:
        if epochs < 0 or learning_rate <= 0:
            raise UsageError(f"Linkage needs epochs >= 0 and learning_rate > 0; got {epochs} and {learning_rate}.")
        self._teacher = ForeignRecognizer(teacher)
        self.teacher = self._teacher.recognizer.name
        self.epochs, self.learning_rate, self.seed = epochs, learning_rate, seed
        self.student_: Student | None = None

    __repr__ = recipe

    @property
    def reference(self) -> Reidentification:
        """The teacher on clean photos."""
        return self._teacher

    def fit(self, public: Faces | None, victim: Victim) -> Self:
        if public is None or len(public) < 2:
            raise UsageError("Linkage is trained and needs public faces, some thousands of them; give public=.")
        leak = torch.cat([victim.observe(batch).bfloat16() for batch in public.batches(BATCH)])
        goals = self._teacher(public.images, victim)
        order = torch.randperm(len(leak), generator=Generator().manual_seed(self.seed))
        aside, own = order[: -(-len(leak) // ASIDE)], order[-(-len(leak) // ASIDE) :]
        with seeded(self.seed):
            student = Student(self._teacher.recognizer, leak[:1], public.images[:1])
        student.regress(leak, public.images, own)
        fitted = copy.copy(self)
        fitted.student_ = self._trained(student, leak, goals, own, aside)
        return fitted

    def __call__(self, leak: Tensor, victim: Victim) -> Templates:
        if self.student_ is None:
            raise UsageError("This Linkage has no student yet; call fit(public, victim) first.")
        return read(self.student_, leak)

    def _trained(self, student: Student, leak: Tensor, goals: Templates, own: Tensor, aside: Tensor) -> Student:
        def agreement() -> float:
            return float((read(student, leak[aside]) * goals[aside]).sum(1).mean())

        best, kept = agreement(), copy.deepcopy(student)
        if self.epochs:
            draws = Generator().manual_seed(self.seed)
            groups = student.param_groups(self.learning_rate)
            adam = torch.optim.Adam(groups)
            steps = self.epochs * math.ceil(len(own) / BATCH)
            slope = torch.optim.lr_scheduler.OneCycleLR(
                adam, [g["lr"] for g in adam.param_groups], steps, pct_start=0.1
            )
        for _ in range(self.epochs):
            for rows in torch.split(own[torch.randperm(len(own), generator=draws)], BATCH):
                with torch.enable_grad():
                    loss = 1 - (student(leak[rows].float()) * goals[rows]).sum(1).mean()
                    adam.zero_grad()
                    loss.backward()
                adam.step()
                slope.step()
            found = agreement()
            if found > best:
                best, kept = found, copy.deepcopy(student)
        return kept.requires_grad_(False)


def read(student: nn.Module, leak: Tensor) -> Templates:
    """The student's templates, batch by batch and without gradients."""
    with torch.no_grad():
        return torch.cat([student(batch.float()) for batch in torch.split(leak, BATCH)])


class Student(nn.Module):
    """adapter -> the teacher's layers from `place` on: leaks like `leak` (1, ...) -> unit rows.

    pictures (1, 3, H, W): of the size that the teacher is to be given. A vector has no neighborhoods and no layers
    follow it, so that a perceptron corrects its adapter.
    """

    def __init__(self, teacher: Recognizer, leak: Tensor, pictures: Images) -> None:
        super().__init__()
        self.shape = leak.shape[1:]
        x = spatial(leak)
        whole = teacher.at_cut(len(teacher.layers))
        with torch.no_grad():
            maps = [pictures, *whole.feature_maps(pictures)]
        sizes = [(m.shape[-2], m.shape[-1]) for m in maps]
        # the smallest maps that hold the leak, and of these the first: most of the teacher is then left to follow
        holding = [s for s in sizes if s[0] >= x.shape[-2] and s[1] >= x.shape[-1]]
        self.size = min(holding, default=sizes[0])
        vector = self.size == sizes[-1]
        self.place = len(sizes) - 1 if vector else sizes.index(self.size)
        reach = next(k for k in (7, 5, 3, 1) if k == 1 or (not vector and x.shape[1] * k * k <= PREDICTORS))
        self.adapter = nn.Conv2d(x.shape[1], maps[self.place].shape[1], reach, padding=reach // 2)
        self.before = folded(whole.layers[: self.place])
        self.rest = folded(whole.layers[self.place :])
        self.correction = Correction(x.shape[1], maps[-1].shape[1]) if vector else None

    def forward(self, leak: Tensor) -> Templates:
        if leak.shape[1:] != self.shape:
            raise ShapeError(
                f"This student was trained on rows of shape {tuple(self.shape)}, got {tuple(leak.shape[1:])}; "
                "fit another for that leak."
            )
        x = placed(spatial(leak), self.size)
        y: Tensor = self.rest(self.adapter(x))
        return F.normalize((y if self.correction is None else y + self.correction(x)).flatten(1))

    def param_groups(self, rate: float) -> list[dict[str, object]]:
        """What is trained, and how fast."""
        known = [*self.adapter.parameters(), *self.rest.requires_grad_(True).parameters()]
        fresh = [] if self.correction is None else [{"params": list(self.correction.parameters()), "lr": FRESH * rate}]
        return [{"params": known, "lr": rate}, *fresh]

    @torch.no_grad()
    def regress(self, leak: Tensor, pictures: Images, rows: Tensor) -> None:
        """Set the adapter by ridge regression: the leak's neighborhoods -> the teacher's maps of the clean pictures."""
        rows = rows[: max(BATCH, POSITIONS // math.prod(self.size))]
        squares = products = torch.zeros((), dtype=torch.double)
        for u, v in self._examples(leak, pictures, rows):
            squares, products = squares + (u.T @ u).double(), products + (u.T @ v).double()
        ridge = RIDGE * squares.diagonal()
        ridge = ridge.clamp_min(float(ridge.mean()) * 1e-6)  # a number that never changes from zero
        ridge[-1] = 0  # the bias
        solved = torch.linalg.solve(squares + ridge.diag(), products).to(self.adapter.weight)
        self.adapter.weight.copy_(solved[:-1].T.reshape(self.adapter.weight.shape))
        self.adapter.bias = nn.Parameter(solved[-1].clone())

    def _examples(self, leak: Tensor, pictures: Images, rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """(positions, predictors and a one), (positions, channels): few pictures at a time: unfolding is large."""
        reach = self.adapter.kernel_size[0]
        for some in torch.split(rows, 8):
            x = placed(spatial(leak[some].float()), self.size)
            u = F.unfold(x, reach, padding=reach // 2).transpose(1, 2).flatten(0, 1)
            goals = self.before(pictures[some])
            v = (goals if self.correction is None else F.normalize(goals)).flatten(2).transpose(1, 2).flatten(0, 1)
            yield torch.cat([u, torch.ones_like(u[:, :1])], 1), v


class Correction(nn.Module):
    """(B, C, 1, 1) -> (B, D, 1, 1): one hidden layer, which answers zero before it is trained."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm, self.widen, self.narrow = nn.LayerNorm(inputs), nn.Linear(inputs, WIDTH), nn.Linear(WIDTH, outputs)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.narrow(F.gelu(self.widen(self.norm(x.flatten(1)))))
        return y[..., None, None]


def spatial(leak: Tensor) -> Tensor:
    """Templates (B, D) as maps (B, D, 1, 1); everything else as it is."""
    return leak[..., None, None] if leak.ndim == 2 else leak


def placed(x: Tensor, size: tuple[int, int]) -> Tensor:
    """`x` in the middle of maps of this size, enlarged or shrunk until it touches the border; zeros beside it.

    Not stretched: a recognizer that takes narrower pictures cuts the sides off.
    """
    height, width = x.shape[-2:]
    scale = min(size[0] / height, size[1] / width)
    if scale != 1:
        fitting = (max(1, round(height * scale)), max(1, round(width * scale)))
        x = F.interpolate(x, fitting, mode="bilinear", align_corners=False, antialias=scale < 1)
    down, right = size[0] - x.shape[-2], size[1] - x.shape[-1]
    x = F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
    return x.contiguous(memory_format=torch.channels_last)
