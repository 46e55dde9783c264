"""Pictures side by side: a row for each way in which they were made, a column for each face (Figures 6 and 7 of PMT).

Numbers hide what an eye sees at once, so every table of reconstructions has a gallery beside it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bauta.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bauta.types import Images

# in pixels; fonts in points
DPI = 150
GAP, LABEL, HEAD = 6, 230, 30
FONT, LETTERS = 6.5, 26  # so many letters fit into a label's width


def gallery(rows: Mapping[str, Images], columns: Sequence[str] = (), *, title: str = "") -> Figure:
    """A grid of pictures, pixel for pixel as they are: `bauta.report.save_figure` writes it.

    rows: label -> (B, 3, H, W) in [0, 1], of one shape for all; a picture of NaN is left open. columns: a name for each
    of the B faces, or none. Raises `UsageError` without a picture, or where the shapes differ.
    """
    from matplotlib.figure import Figure

    shapes = {label: tuple(images.shape) for label, images in rows.items()}
    number, channels, tall, wide = next(iter(shapes.values()), (0, 3, 0, 0))
    if not number or channels != 3 or len(set(shapes.values())) > 1:
        raise UsageError(
            f"A gallery needs pictures (B, 3, H, W), of one shape for all rows; got {shapes or 'no rows'}."
        )
    if columns and len(columns) != number:
        raise UsageError(f"A gallery of {number} faces needs as many names of columns, got {len(columns)}.")
    above = (HEAD if title else 0) + (HEAD if columns else 0)
    width = LABEL + number * (wide + GAP)
    height = above + len(rows) * (tall + GAP) + GAP
    # a hundredth of a pixel more, else rounding may cost a whole one
    figure = Figure(figsize=((width + 0.01) / DPI, (height + 0.01) / DPI), dpi=DPI, facecolor="white")

    def write(words: str, x: float, y: float, **options: Any) -> None:
        figure.text(x / width, 1 - y / height, words, fontsize=FONT, va="center", parse_math=False, **options)

    if title:
        write(title, GAP, HEAD / 2, fontweight="bold")
    for column, name in enumerate(columns):
        write(name, LABEL + column * (wide + GAP) + wide / 2, above - HEAD / 2, ha="center")
    for row, (label, images) in enumerate(rows.items()):
        top = above + GAP + row * (tall + GAP)
        write(textwrap.fill(label, LETTERS), GAP, top + tall / 2)
        for column, image in enumerate(images.detach().cpu()):
            if bool(image.isfinite().all()):
                pixels = image.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
                figure.figimage(pixels, LABEL + column * (wide + GAP), height - top - tall, origin="upper")
    return figure
