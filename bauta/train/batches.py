"""Which pictures a step sees: the order of an epoch, each process' share of it, and fresh draws.

Nothing here keeps a state. The order depends on the seed and the epoch, what is drawn in a step on the seed, the epoch,
the step and the process; so a run that goes on from step 300 draws what it would have drawn.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.ops.noise import generators
from bauta.train.examples import Examples
from bauta.types import Faces, Source

__all__ = ["Batch", "order", "read", "redrawn", "step_seed", "steps_in"]


class Batch:
    """What a loss is given. faces: with identity. rows: (B,) their places among the training examples.

    No dataclass, since Fabric looks into those and refuses the frozen ones inside.
    """

    def __init__(self, faces: Faces, rows: Tensor) -> None:
        self.faces, self.rows = faces, rows

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def identity(self) -> Tensor:
        """(B,) who they are, where the pictures are. Raises `UsageError` where nobody knows."""
        if self.faces.identity is None:
            raise UsageError("A loss over people needs to know who is who; give one folder a person.")
        return self.faces.identity.to(self.faces.images.device)


def steps_in(count: int, batch_size: int, processes: int = 1) -> int:
    """Steps of an epoch; what does not fill the last batch of all processes waits for another epoch."""
    steps = count // (batch_size * processes)
    if not steps:
        raise UsageError(
            f"{count} pictures do not fill one batch of {batch_size} in each of {processes} processes; lower --batch."
        )
    return steps


def order(count: int, seed: int, epoch: int) -> Tensor:
    """(count,) the rows in the order of this epoch."""
    (draw,) = generators(seed, [str(epoch)], "order of an epoch")
    return torch.randperm(count, generator=draw)


def step_seed(seed: int, epoch: int, step: int, process: int) -> int:
    """What a step's global draws begin with: augmentation, dropout."""
    (draw,) = generators(seed, [f"{epoch}:{step}:{process}"], "draws of a step")
    return draw.initial_seed()


def read(
    examples: Examples,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    first: int = 0,
    process: int = 0,
    processes: int = 1,
    workers: int = 0,
) -> Iterator[Batch]:
    """The batches of an epoch from step `first` on, for one of `processes`; read ahead by `workers` threads."""
    rows = order(len(examples), seed, epoch)
    whole = batch_size * processes
    starts = range(first, steps_in(len(examples), batch_size, processes))
    shares = [rows[s * whole + process * batch_size :][:batch_size].tolist() for s in starts]
    if not workers:
        yield from (one(examples, share) for share in shares)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque = deque()  # type: ignore[type-arg]
        try:
            for share in shares:
                waiting.append(pool.submit(one, examples, share))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def one(examples: Examples, rows: Sequence[int]) -> Batch:
    """The batch of these rows; pictures that cannot be read are missing from it."""
    faces, kept = examples.read(rows)
    return Batch(faces, torch.tensor(kept))


def redrawn(batch: Batch, seed: int, epoch: int, copies: int = 1) -> Batch:
    """The batch with other digests, so that whatever draws by them draws anew in each epoch, and for each copy.

    A face keeps its file's digest in use, where a protection's draw is one a picture. In training the server would else
    learn each picture's one draw by heart.
    """
    rows = torch.arange(len(batch)).repeat_interleave(copies)
    faces = batch.faces[rows] if copies > 1 else batch.faces
    sources = [
        Source(
            faces.source[i].file if faces.source else "",
            hashlib.sha256(f"{seed}:{epoch}:{i % copies}:{digest}".encode()).hexdigest(),
        )
        for i, digest in enumerate(faces.digests())
    ]
    return Batch(Faces(faces.images, faces.identity, faces.attributes, sources), batch.rows[rows])
