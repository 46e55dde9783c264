"""Photos in, pictures out for authorized recognizers alone: a folder or one photo, from Python, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bauta import zoo
from bauta.job.asked import protect_job
from bauta.job.protect import Result


def protect(
    source: str | Path,
    out: str | Path,
    *,
    recognizers: str | Sequence[str],
    cut: int | None = None,
    steps: int | None = None,
    aligned: bool = False,
    proof: bool = True,
    seed: int | None = None,
) -> Result:
    """Write a picture for each face that only the authorized recognizers can use (PMT), as `bauta protect` does.

    ::

        done = bauta.protect("photos", "protected", recognizers="mobilefacenet-casia")
        print(done.written, done.failed)

    source: a folder of photos or shards, one of them, or its fsspec URL. out: where the pictures go. recognizers: names
    of who is authorized. cut, steps: the network's and the method's own if None. aligned: whether the files are aligned
    faces already. proof: whether is measured who accepts the pictures (`Result.proof`). seed: 128 random bits if None,
    kept in a private journal outside of `out`. Raises `MissingData`, `MissingWeights`, `UsageError`.
    """
    names = [recognizers] if isinstance(recognizers, str) else list(recognizers)
    job = protect_job(source, out, zoo.home() / "journals", names, cut=cut, steps=steps, aligned=aligned, prove=proof)
    return job.run(seed)
