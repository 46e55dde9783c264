"""Rows -> a table, as Markdown, CSV, LaTeX or plain text. Free of torch.

A row is a mapping from column to cell. A cell is a text, a number, a yes or no, None (shown as a dash), or a
measurement: anything with `value`, `low`, `high` and perhaps `n`, as attributes (`bauta.metrics.Interval`) or keys (the
same, read back from JSON), shown as ``0.94 [0.92, 0.96]``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bauta.errors import UsageError

Row = Mapping[str, object]

# what LaTeX would read as its own
LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",  # after a line's end it would be a length
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


class Measured(NamedTuple):
    """A measurement as a table needs it; n is None where nobody said."""

    value: float
    low: float
    high: float
    n: object


def measured(cell: object) -> Measured | None:
    """The cell as a measurement, or None if it is none."""
    if isinstance(cell, Mapping):
        found = [cell.get(k) for k in Measured._fields]
    else:
        found = [getattr(cell, k, None) for k in Measured._fields]
    value, low, high, n = found
    if isinstance(value, int | float) and isinstance(low, int | float) and isinstance(high, int | float):
        return Measured(float(value), float(low), float(high), n)
    return None


def to_markdown(rows: Sequence[Row], columns: Sequence[str] | None = None, *, digits: int = 2) -> str:
    """A Markdown table, numbers to the right. columns: which and in which order; all, as they first appear, if None."""
    head, body, right = _cells(rows, columns, digits)
    widths = [max(3, *(len(_escaped(line[i])) for line in (head, *body))) for i in range(len(head))]
    rule = ["-" * (w - 1) + ":" if r else "-" * w for w, r in zip(widths, right, strict=True)]
    lines = [_aligned([_escaped(c) for c in line], widths, right) for line in (head, *body)]
    return "".join(f"| {' | '.join(line)} |\n" for line in (lines[0], rule, *lines[1:]))


def to_text(rows: Sequence[Row], columns: Sequence[str] | None = None, *, digits: int = 2) -> str:
    """Aligned columns for a terminal, under a rule."""
    head, body, right = _cells(rows, columns, digits)
    widths = [max(len(line[i]) for line in (head, *body)) for i in range(len(head))]
    lines = [_aligned(line, widths, right) for line in (head, ["-" * w for w in widths], *body)]
    return "".join("  ".join(line).rstrip() + "\n" for line in lines)


def to_csv(rows: Sequence[Row], columns: Sequence[str] | None = None) -> str:
    """Comma-separated values for machines, every digit kept; a measurement fills `x`, `x_low`, `x_high` and `x_n`."""
    names = _columns(rows, columns)
    wide = {name for name in names if any(measured(row.get(name)) for row in rows)}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([f for n in names for f in ([n, f"{n}_low", f"{n}_high", f"{n}_n"] if n in wide else [n])])
    for row in rows:
        line: list[object] = []
        for name in names:
            found = measured(row.get(name))
            if found is not None:
                line += found
            else:
                line += [row.get(name)] + [None] * (3 * (name in wide))
        writer.writerow(["" if cell is None else cell for cell in line])
    return out.getvalue()


def to_latex(rows: Sequence[Row], columns: Sequence[str] | None = None, *, digits: int = 2) -> str:
    """A LaTeX tabular with booktabs' rules, numbers to the right."""
    head, body, right = _cells(rows, columns, digits)
    lines = [" & ".join(_latex(cell) for cell in line) + r" \\" for line in (head, *body)]
    form = "".join("r" if r else "l" for r in right)
    inside = "\n".join([r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"])
    return f"\\begin{{tabular}}{{{form}}}\n{inside}\n\\end{{tabular}}\n"


def _columns(rows: Sequence[Row], columns: Sequence[str] | None) -> list[str]:
    there = list(dict.fromkeys(name for row in rows for name in row))
    unknown = [name for name in columns or () if name not in there]
    if rows and unknown:
        raise UsageError(f"No row has a column {', '.join(unknown)}; there are {', '.join(there)}.")
    names = there if columns is None else list(columns)
    if not names:
        raise UsageError("A table needs at least one column, but there are no rows and none was named.")
    return names


def _cells(
    rows: Sequence[Row], columns: Sequence[str] | None, digits: int
) -> tuple[list[str], list[list[str]], list[bool]]:
    """The heading, the body, and which columns hold numbers alone."""
    names = _columns(rows, columns)
    body = [[shown(row.get(name), digits) for name in names] for row in rows]
    right = [all(_is_number(row.get(name)) for row in rows) and bool(rows) for name in names]
    return [shown(name, digits) for name in names], body, right


def _is_number(cell: object) -> bool:
    return cell is None or (isinstance(cell, int | float) and not isinstance(cell, bool)) or measured(cell) is not None


def shown(cell: object, digits: int) -> str:
    """A cell as people read it, on one line."""
    found = measured(cell)
    if found is not None:
        return f"{found.value:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:.{digits}f}"
    # a file's name may hold what would break a line or move the terminal's cursor
    return "".join(c if c.isprintable() else " " for c in str(cell))


def _escaped(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|")


def _latex(cell: str) -> str:
    return "".join(LATEX.get(character, character) for character in cell)


def _aligned(line: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    return [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True)]
