"""Folder jobs: photos in, protected pictures out, and the proof."""

from __future__ import annotations

from bauta.job.journal import Journal
from bauta.job.proof import Proof, foreign_recognizers, proof_table, prove
from bauta.job.protect import Progress, ProtectJob, Result

__all__ = [
    "Journal",
    "Progress",
    "Proof",
    "ProtectJob",
    "Result",
    "foreign_recognizers",
    "proof_table",
    "prove",
]
