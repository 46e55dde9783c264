"""A two-alternative forced-choice sheet: does a person see whose face this is? One HTML file that needs no network."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from bauta.errors import ShapeError
from bauta.faces.images import encode_png

if TYPE_CHECKING:
    from bauta.types import Images

PAGE = Path(__file__).with_name("ab_sheet.html")
LEFT, RIGHT = "LR"


@dataclass(frozen=True)
class Sheet:
    """A sheet and its key: page, the HTML; order, which target each question is about; key, the right side of each."""

    page: str
    order: tuple[int, ...]
    key: str


def ab_sheet(reconstructed: Images, same: Images, other: Images, *, seed: int, title: str = "Whose face?") -> Sheet:
    """Questions for people: a reconstruction, and two photos of which one shows the same person.

    reconstructed, same, other: (T, 3, H, W) in [0, 1]; for each target what an attack found, another picture of that
    person, and one of a stranger. seed: of the order of the questions and of the sides. Whoever guesses is right half
    of the time. The page shows how many are right, with Wilson's 95 % interval, when all are answered.

    The key is in the page, masked with a keystream, so that nobody reads it by accident in the page or its source; who
    wants to cheat can. It holds real faces: keep it to yourself. Raises `ShapeError`.
    """
    if not (len(reconstructed) == len(same) == len(other)) or not len(reconstructed):
        raise ShapeError(
            "A sheet needs a reconstruction, a photo of the person and one of a stranger for each target; got "
            f"{len(reconstructed)}, {len(same)} and {len(other)}."
        )
    draw = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(reconstructed), generator=draw).tolist()
    key = "".join(LEFT if side else RIGHT for side in torch.randint(2, (len(order),), generator=draw).tolist())
    start = int(torch.randint(1, 2**31, (), generator=draw))
    questions = "".join(
        question(number, [reconstructed[row], *((same[row], other[row]) if side == LEFT else (other[row], same[row]))])
        for number, (row, side) in enumerate(zip(order, key, strict=True))
    )
    page = PAGE.read_text(encoding="utf-8")
    filled = {"TITLE": html.escape(title), "QUESTIONS": questions, "KEY": masked(key, start), "START": str(start)}
    for name, text in filled.items():
        page = page.replace("{{" + name + "}}", text)
    return Sheet(page, tuple(order), key)


def question(number: int, pictures: Sequence[torch.Tensor]) -> str:
    """One question: the reconstruction above, a photo on each side."""
    found, left, right = (base64.b64encode(encode_png(picture)).decode() for picture in pictures)

    def choice(side: str, word: str, data: str) -> str:
        return (
            f'<label><input type="radio" name="q{number}" value="{side}">'
            f'<img alt="photo on the {word}" src="data:image/png;base64,{data}"></label>'
        )

    shown = f'<img alt="reconstruction {number + 1}" src="data:image/png;base64,{found}">'
    return (
        f"<fieldset><legend>{number + 1}</legend><div>{shown}</div>"
        f"<div>{choice(LEFT, 'left', left)}{choice(RIGHT, 'right', right)}</div></fieldset>\n"
    )


def masked(key: str, start: int) -> str:
    """Sides as hexadecimal numbers, each under the next byte of a keystream (Park and Miller's generator, 1988)."""
    found, state = [], start
    for side in key:
        state = state * 48271 % 0x7FFFFFFF
        found.append(f"{(state & 255) ^ ord(side):02x}")
    return "".join(found)
