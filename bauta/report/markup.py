"""Elements of HTML and SVG, in which every text is escaped: what a row says can never become markup."""

from __future__ import annotations

from html import escape

VOID = frozenset({"br", "col", "hr", "img", "input", "meta"})


class Markup(str):
    """Text that is markup already. Only `tag` and `join` make it; all other text is escaped on its way in."""

    __slots__ = ()


def tag(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """One element. ``class_`` gives ``class``, ``data_value`` gives ``data-value``; an attribute of None is left out.

    Numbers are written with two digits after the point at most, which is a hundredth of a pixel in a drawing.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(written(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{given}>" if name in VOID else f"<{name}{given}>{join(*children)}</{name}>")


def join(*children: str) -> Markup:
    """Children one after the other."""
    return Markup("".join(child if isinstance(child, Markup) else escape(child) for child in children))


def written(value: str | float) -> str:
    """An attribute's value as text."""
    return value if isinstance(value, str) else f"{round(value, 2):g}"
