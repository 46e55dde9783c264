"""Learning a `.mask` file from one person's photos, epoch by epoch, so that a stop costs one epoch at most."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bauta import zoo
from bauta.errors import BadFile, BautaError, UsageError
from bauta.faces.images import encode_png
from bauta.job.maskfile import MOST, Made, MaskFile, Measured, packed, unpacked, write_private
from bauta.job.portraits import Portraits
from bauta.ops.noise import generators
from bauta.protections.images.p3mask import Epoch, P3Mask
from bauta.protections.images.team import Team
from bauta.recognizers.base import Recognizer

Told = Callable[[Measured], None]
GAP = 4  # pixels between the pictures of a sheet


@dataclass(frozen=True)
class MaskMaking:
    """protection: how to learn. out: the mask file. keep: a folder for the mask and a preview of every epoch, or None.
    variants: how many masks to learn, each from random draws of its own and of full strength; the first is what `fit`
    learns for person 0.

    Where learning stands lies beside `out` in a private file, until `out` is written; a run under the same settings and
    photos goes on from there, and its mask is that of a run that was never stopped (on one thread, bit for bit).
    """

    protection: P3Mask
    out: Path
    keep: Path | None = None
    variants: int = 1

    @property
    def part(self) -> Path:
        """The private file of a run that is not over."""
        return self.out.with_name(f".{self.out.name}.part")

    def run(self, portraits: Portraits, team: Team, told: Told) -> MaskFile:
        """Learn and write the masks; `told` hears of each epoch. Raises `UsageError` where another run was stopped
        there or so many variants fit into no file, `BautaError` where nothing can be written."""
        if not 1 <= self.variants <= MOST:
            raise UsageError(f"A mask file holds 1 to {MOST} variants; got {self.variants}.")
        images = portraits.images.to(next(team.parameters()).device)
        made = Made(repr(self.protection), digests(team.members), len(images), self.protection.strength)
        asked = {**asdict(made), "variants": self.variants}
        asked["pictures"] = hashlib.sha256("".join(portraits.digests).encode()).hexdigest()
        done, last, history = self._stopped(asked, images) or (images[:0], None, [])
        for variant in range(len(done) + 1, self.variants + 1):
            name = "0" if variant == 1 else f"0 variant {variant}"  # the first as `fit` draws for person 0
            (draws,) = generators(self.protection.seed, [name], "mask")
            last = last or self.protection.started(images, draws)
            for epoch in self.protection.learning(images, team, draws, last, done):
                last = epoch
                history.append(Measured(epoch.number, epoch.loss, epoch.angle, epoch.dssim, variant))
                self._keep(epoch, history, portraits, made)
                self._stop_here(asked, done, epoch, history)
                told(history[-1])
            done, last = torch.cat([done, last.mask[None]]), None
        mask = MaskFile(done.cpu(), portraits.person, _after(made, history))
        mask.save(self.out)
        self.part.unlink(missing_ok=True)
        return mask

    def _keep(self, epoch: Epoch, history: Sequence[Measured], portraits: Portraits, made: Made) -> None:
        """A file of this mask alone, so that any epoch of any variant may be chosen."""
        if self.keep is not None:
            variant = history[-1].variant
            name = f"epoch_{epoch.number:03d}" if self.variants == 1 else f"mask_{variant}_epoch_{epoch.number:03d}"
            mask, alone = epoch.mask.cpu(), [row for row in history if row.variant == variant]
            MaskFile(mask[None], portraits.person, _after(made, alone)).save(self.keep / f"{name}.mask")
            picture = sheet(portraits.images[0].cpu(), mask, [made.strength])
            write_private(self.keep / f"{name}.png", encode_png(picture))

    def _stop_here(self, asked: dict[str, Any], done: Tensor, epoch: Epoch, history: Sequence[Measured]) -> None:
        tensors = {"done": done, "mask": epoch.mask, "memory": epoch.memory, "draws": epoch.draws}
        about = {"asked": asked, "weight": epoch.weight, "history": [asdict(row) for row in history]}
        write_private(self.part, packed(tensors, about))

    def _stopped(self, asked: dict[str, Any], images: Tensor) -> tuple[Tensor, Epoch, list[Measured]] | None:
        """Where a run before was stopped: the masks that were done, the epoch of the next, and all that was measured;
        None where there was none."""
        if not self.part.exists():
            return None
        try:
            tensors, about = unpacked(self.part)
            if about["asked"] != {**asked, "history": []}:
                raise UsageError(
                    f"A mask with other settings or photos was begun for {self.out}; run it again as it was, or delete "
                    f"{self.part}."
                )
            history = [Measured(**row) for row in about["history"]]
            last, face = history[-1], tuple(images.shape[1:])
            shapes = [tuple(tensors[name].shape) for name in ("done", "mask", "memory")]
            if shapes != [(last.variant - 1, *face), face, face]:
                raise ValueError
            torch.Generator().set_state(tensors["draws"])
            mask, memory = tensors["mask"].to(images), tensors["memory"].to(images)
            weight = float(about["weight"])
            epoch = Epoch(last.epoch, mask, weight, memory, tensors["draws"], last.loss, last.angle, last.dssim)
            return tensors["done"].to(images), epoch, history
        except (BadFile, LookupError, TypeError, ValueError, RuntimeError) as error:
            if isinstance(error, UsageError):
                raise
            raise BadFile(f"{self.part} cannot be gone on from; delete it to begin anew.") from error


def _after(made: Made, history: Sequence[Measured]) -> Made:
    return Made(made.protection, made.team, made.photos, made.strength, tuple(history))


def digests(recognizers: Sequence[Recognizer]) -> dict[str, str]:
    """The recognizers' names and the SHA-256 of their weights' files, empty where nobody knows it."""
    known = {record.name: record.files[0].sha256 or "" for record in (*zoo.WEIGHTS, *zoo.registered_weights())}
    return {recognizer.name: known.get(recognizer.name, "") for recognizer in recognizers}


def sheet(face: Tensor, mask: Tensor, strengths: Sequence[float]) -> Tensor:
    """(3, H, W) to be looked at, a row a strength: the face, what is added to it magnified around gray, the result.

    face, mask: (3, 112, 112). The magnification is the same in all rows.
    """
    largest = float(mask.abs().max()) or 1.0
    rows = []
    for strength in strengths:
        added = 0.5 + strength * mask / (2 * largest)
        row = [face, added, (face + strength * mask).clamp(0, 1)]
        between = torch.ones(3, face.shape[1], GAP)
        rows.append(torch.cat([row[0], between, row[1], between, row[2]], 2))
    under = torch.ones(3, GAP, rows[0].shape[2])
    return torch.cat([piece for row in rows for piece in (row, under)][:-1], 1)


def same_recognizer(mask: MaskFile, recognizer: Recognizer) -> None:
    """Raise `BautaError` where the recognizer's weights are not those that made the mask's template."""
    recorded, now = mask.made.team[mask.made.recognizer], digests([recognizer])[recognizer.name]
    if recorded != now:
        raise BautaError(
            f"The weights of {recognizer.name} are not those that the mask was learned with; register those, or choose "
            "the largest face of the photo instead (--face largest)."
        )
