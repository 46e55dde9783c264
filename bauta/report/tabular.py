"""Rows -> a table as HTML: in a box of its own that scrolls, with every cell's number where a script can sort by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bauta.report.markup import Markup, join, tag
from bauta.report.table import Row, measured, shown

LONG = 14  # lines; of more, a box is as high as the screen at most


def tabular(rows: Sequence[Row], caption: str, *, digits: int = 2, sortable: bool = True) -> Markup:
    """A table of rows, as `bauta.report.to_markdown` has it; empty without rows. caption: read by screen readers."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        return join()
    right = {name for name in names if all(number(row.get(name)) is not None or row.get(name) is None for row in rows)}
    head = tag("tr", *(tag("th", name, scope="col", class_="n" if name in right else None) for name in names))
    body = (tag("tr", *(cell(row.get(name), name in right, digits) for name in names)) for row in rows)
    table = tag(
        "table",
        tag("caption", caption, class_="unseen"),
        tag("thead", head),
        tag("tbody", *body),
        class_="sortable" if sortable and len(rows) > 1 else None,
    )
    long = " long" if len(rows) > LONG else ""
    return boxed(table, caption, long)


def boxed(table: Markup, caption: str, look: str = "") -> Markup:
    """A table in a box that scrolls by itself, also by keyboard."""
    return tag("div", table, class_=f"scroll{look}", tabindex="0", role="region", aria_label=caption)


def cell(value: object, right: bool, digits: int) -> Markup:
    """One cell. A number that is written short keeps all its digits for sorting."""
    found = number(value)
    return tag(
        "td",
        shown(value, digits),
        class_="n" if right else None,
        data_value=None if found is None else f"{found!r}",
    )


def number(value: object) -> float | None:
    """What a cell is sorted by, None where it is words."""
    found = measured(value)
    if found is not None:
        return found.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def facts(rows: Sequence[tuple[str, object]], caption: str) -> Markup:
    """Names and what they stand for, one a line."""
    lines = (tag("tr", tag("th", name, scope="row"), tag("td", shown(value, 4))) for name, value in rows)
    table = tag("table", tag("caption", caption, class_="unseen"), tag("tbody", *lines), class_="facts")
    return boxed(table, caption)


def flat(settings: Mapping[str, object], *above: str) -> list[tuple[tuple[str, ...], object]]:
    """Settings within settings as one list, each under the names that lead to it; lists with commas."""
    found: list[tuple[tuple[str, ...], object]] = []
    for name, value in settings.items():
        path = (*above, str(name))
        if isinstance(value, Mapping):
            found += flat(value, *path)
        elif isinstance(value, list | tuple | set | frozenset):
            found.append((path, ", ".join(map(str, value)) or None))
        else:
            found.append((path, value))
    return found
