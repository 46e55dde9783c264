"""Distillation: a recognizer learns the templates that a better one gives."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional as F

from bauta.errors import BadFile
from bauta.recognizers import Recognizer
from bauta.recognizers.folding import folded
from bauta.train.batches import Batch
from bauta.train.examples import Examples, fingerprint
from bauta.types import Templates
from bauta.zoo.cache import write_whole

__all__ = ["Teaching", "lessons"]


class Teaching(nn.Module):
    """1 - cosine to the teacher's template, plus `pairs` times the squared error of the similarities inside a batch
    (Tung and Mori, Similarity-preserving knowledge distillation, ICCV 2019, on unit rows).

    lessons: (N, T) the teacher's templates of all training examples, which stay where they are. embedding: D of the
    student; where it is not T, a linear layer maps to the teacher's space while it is trained, and is not exported. The
    similarities are those of the student's own space.
    """

    def __init__(self, lessons: Templates, embedding: int, *, pairs: float = 10.0) -> None:
        super().__init__()
        self.lessons, self.pairs = lessons, pairs
        size = lessons.shape[1]
        self.map = nn.Identity() if size == embedding else nn.Linear(embedding, size, bias=False)

    def forward(self, embeddings: Tensor, batch: Batch) -> Tensor:
        lesson = self.lessons[batch.rows].to(embeddings)
        with torch.autocast(embeddings.device.type, enabled=False):
            near = F.cosine_similarity(self.map(embeddings), lesson).mean()
            own = F.normalize(embeddings)
            others = ~torch.eye(len(own), dtype=torch.bool, device=own.device)
            apart = (own @ own.T - lesson @ lesson.T)[others].square().mean()
        return 1 - near + self.pairs * apart


def lessons(
    teacher: Recognizer,
    examples: Examples,
    *,
    folder: Path | None = None,
    batch_size: int = 64,
    told: Callable[[int], None] | None = None,
) -> Templates:
    """(N, T) a teacher's templates of all examples: of each picture and its mirror image, the mean, as a unit row.

    folder: where they are kept for the next training with this teacher and these pictures. A picture that cannot be
    read has a row of zeros, which is never asked for. told: how many pictures were just embedded.
    """
    path = folder and folder / f"{_key(teacher, examples)}.safetensors"
    if path and path.is_file():
        try:
            return load(path.read_bytes())["templates"]
        except Exception as error:
            raise BadFile(f"{path} cannot be read ({error}); delete it, and it is made again.") from error
    device = next(teacher.parameters()).device
    quick, found = folded(teacher), torch.zeros(0, 0)
    quick.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # quicker on a CPU
    for start in range(0, len(examples), batch_size):
        faces, rows = examples.read(range(start, min(start + batch_size, len(examples))))
        images = faces.images.to(device).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            templates = F.normalize(quick.embed(images) + quick.embed(images.flip(3))).cpu()
        if not found.numel():
            found = torch.zeros(len(examples), templates.shape[1])
        found[rows] = templates
        if told is not None:
            told(len(rows))
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, save({"templates": found}))
    return found


def _key(teacher: Recognizer, examples: Examples) -> str:
    """What the lessons depend on: the teacher's weights and the pictures."""
    digest = hashlib.sha256(fingerprint(examples).encode())
    for name, tensor in teacher.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]
