"""Rows to tables and pictures. Nothing here computes a number: what a report shows, a study has measured."""

from __future__ import annotations

from bauta.report.gallery import gallery
from bauta.report.plot import depth_curve, lines, noise_curve, save_figure
from bauta.report.table import to_csv, to_latex, to_markdown, to_text

__all__ = [
    "depth_curve",
    "gallery",
    "lines",
    "noise_curve",
    "save_figure",
    "to_csv",
    "to_latex",
    "to_markdown",
    "to_text",
]
