"""Damaged texts: specs of parts, and the lists and tables of data sets."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from random import Random

from bauta.attacks import ALL as ATTACKS
from bauta.attacks import Attack
from bauta.errors import UsageError
from bauta.faces.datasets import lfw, utkface
from bauta.protections import ALL as PROTECTIONS
from bauta.protections import Protection
from bauta.spec import parse
from bauta.study.audit.asking import asked, attacking
from campaigns.arena import MIB, Kind
from campaigns.damage import damaged

LITERALS = (
    *(
        "0",
        "-1",
        "1",
        "3",
        "0.5",
        "1e400",
        "-1e400",
        "1000000000000",
        "100000000",
        "9" * 4000,
        "1e-300",
        "None",
        "True",
    ),
    *("''", "'x'", "'../../etc/passwd'", "[]", "()", "{}", "[1, 'a', None]", "{'a': [1]}", "set()", "{1, 2}", "b'x'"),
    *("1j", "(1, 2)", "(0, 0)", "(112, 112)", "...", "(0.5,)", "[0.1, 0.2]", "'none/such'", "'cpu'", "'l2'"),
)
CODE = (
    *("10**9", "[0.1] * 10", "lambda: 0", "__import__('os').system('touch witness')", "x.y", "open('witness', 'w')"),
    *("-'a'", "f'{1}'", "[i for i in ()]", "*[1]", "**{}", "1 if 1 else 2", "eval('1')", "9" * 5000),
)


def spec(draw: Random, known: Sequence[type], depth: int = 0) -> str:
    """A spec of a known class with some of its options, or with others, or with other parts in them."""
    made = draw.choice(known)
    names = [name for name in inspect.signature(made).parameters if name not in ("args", "kwargs")]
    words = []
    for _ in range(draw.choice((0, 1, 1, 2, 4))):
        inner = (
            spec(draw, known, depth + 1)
            if depth < 3 and draw.random() < 0.25
            else draw.choice(LITERALS if draw.random() < 0.95 else CODE)
        )
        name = draw.choice([*names, "seed", "x"]) if names else "x"
        words.append(inner if draw.random() < 0.2 else f"{name}={inner}")
    return f"{made.__name__}({', '.join(words)})"


def strange(draw: Random) -> str:
    """Text that is no spec: too deep, too long, code."""
    return draw.choice(
        (
            *("", " ", "\n", "(", "PMT(", "PMT()()", "PMT().fit", "PMT;PMT", "1", "PMT @ 5", "PMT() @ x", "PMT() @ -1"),
            *("PMT() @ 99999999999999999999", "lambda: PMT()", "import os", "PMT(\0)", "PMT('\ud800')", "\u202ePMT()"),
            *(f"PMT({'[' * n}{']' * n})" for n in (50, 250, 100_000)),
            *(f"PMT({c * 100_000}1)" for c in ("-", "(", "not ", "a.", "a(", "1+", "[0,")),
            *("PMT(" * 5000 + ")" * 5000, "a" * 1_000_000, "PMT(steps=" + "9" * 100_000 + ")", "x" + ".a" * 20_000),
            *("(" * 90 + "PMT()" + ")" * 90, "{" + "1:" * 5000, "PMT(**{'steps': 3})", "PMT(steps=steps)", "PMT(x:=3)"),
        )
    )


class Specs(Kind):
    """Protections and attacks in words, as a command line, a recipe or a file gives them."""

    name = "spec"

    def damaged(self, draw: Random, folder: Path) -> tuple[str, bool]:
        attack = draw.random() < 0.4
        text = strange(draw) if draw.random() < 0.15 else spec(draw, ATTACKS if attack else PROTECTIONS)
        if draw.random() < 0.15:
            text = damaged(draw, text.encode("utf-8", "surrogatepass")).decode("latin-1")
        return text.replace("witness", str(folder / "witness")), attack

    def read(self, thing: tuple[str, bool]) -> None:
        text, attack = thing
        made = parse(text, ATTACKS if attack else PROTECTIONS)
        if not isinstance(made, Protection | Attack):
            raise UsageError("That is neither.")
        repr(made)
        if attack:
            attacking([text])
        else:
            asked(text)


class Lists(Kind):
    """pairs.txt, and the tables beside LFW and UTKFace."""

    name = "lists"
    bound = 256 * MIB

    def prepare(self, folder: Path) -> None:
        marks = ",".join(f"{axis}{i}" for i in range(1, 6) for axis in "xy")
        numbers = ",".join(str(10 * i) for i in range(10))
        self.pairs = b"2\t1\nA B\t1\t2\nA\t1\tC\t1\nD\t1\t2\nE\t1\tF\t3\n".replace(b"A B", b"A_B")
        self.lfw = f"file,gender,emotion,{marks}\nA_0001.jpg,M,happiness,{numbers}\n".encode()
        self.utk = f"file,balanced2000,{marks}\n1_0_0_1.jpg,3,{numbers}\n".encode()

    def damaged(self, draw: Random, folder: Path) -> tuple[int, str]:
        which = draw.randrange(3)
        data = (self.pairs, self.lfw, self.utk)[which]
        if draw.random() < 0.3:
            old = draw.choice((b"1", b"2", b"\t", b",", b"A", b"\n"))
            new = draw.choice(
                (b"0", b"-1", b"1e9", b"9" * 5000, b"1000000000", b"nan", b"inf", b"\0", b'"', b"\xc2\xa0", b"")
            )
            data = data.replace(old, new, draw.choice((1, 2, 100)))
        else:
            data = damaged(draw, data)
        return which, data.decode("utf-8", "replace")

    def read(self, thing: tuple[int, str]) -> None:
        which, text = thing
        (lfw.parse_pairs, lfw.parse_index, utkface.parse_index)[which](text)


def kinds() -> list[Kind]:
    """All kinds of texts."""
    return [Specs(), Lists()]
