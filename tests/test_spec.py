"""Specs: text to object and back, and no way to run code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bauta.errors import UsageError
from bauta.protections.images.pmt import PMT
from bauta.spec import load_class, parse, recipe


class Blur:
    """Positional, defaulted and keyword-only options."""

    def __init__(self, sigma: float, width: int = 3, *, tags: object = None, limits: object = (0.0, 1.0)) -> None:
        if sigma < 0:
            raise UsageError(f"sigma must be at least 0, got {sigma}.")
        self.sigma, self.width, self.tags, self.limits = sigma, width, tags, limits

    __repr__ = recipe

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Blur) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class Chain:
    """Any number of parts."""

    def __init__(self, first: object = 1, *parts: object, name: str = "chain") -> None:
        self.first, self.parts, self.name = first, parts, name

    __repr__ = recipe

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Chain) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class Bare:
    """Nothing to set."""

    __repr__ = recipe


KNOWN = (Blur, Chain, Bare)

literals = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary()
    | st.sets(st.integers()),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
blurs = st.builds(Blur, st.floats(0, 9), st.integers(), tags=literals, limits=literals)
chains = st.builds(
    lambda first, parts, name: Chain(first, *parts, name=name),
    literals | blurs,
    st.lists(blurs | literals, max_size=3),
    st.text(),
)


@given(blurs | chains)
def test_round_trip(thing: object) -> None:
    assert parse(recipe(thing), KNOWN) == thing


def test_only_what_differs_is_shown() -> None:
    assert repr(Blur(1.5)) == "Blur(1.5)"
    assert repr(Blur(1.5, 3, limits=(0.0, 1.0))) == "Blur(1.5)"
    assert repr(Blur(1.5, 5, tags=["a"])) == "Blur(1.5, width=5, tags=['a'])"
    assert repr(Chain()) == "Chain()"
    assert repr(Chain(2)) == "Chain(first=2)"
    assert repr(Chain(1, Blur(2.0), name="x")) == "Chain(1, Blur(2.0), name='x')"
    assert repr(Bare()) == "Bare()"
    assert repr(Blur(1.0, tags={"b", "a", "c"})) == "Blur(1.0, tags={'a', 'b', 'c'})"


def test_what_is_not_stored_shows() -> None:
    blur = Blur(1.0)
    del blur.tags
    assert repr(blur) == "Blur(1.0, tags=<not stored>)"
    with pytest.raises(UsageError):
        parse(repr(blur), KNOWN)


def test_a_real_protection() -> None:
    pmt = parse("PMT(steps=100, rule='sign', target_cosine=0.875)", (PMT,))
    assert isinstance(pmt, PMT)
    assert (pmt.steps, pmt.rule, pmt.target_cosine, pmt.start) == (100, "sign", 0.875, "noise")
    assert recipe(pmt) == "PMT(steps=100, rule='sign', target_cosine=0.875)"
    assert recipe(parse("PMT", (PMT,))) == "PMT()"
    with pytest.raises(UsageError, match="must be at least 1; got 0"):
        parse("PMT(steps=0)", (PMT,))
    with pytest.raises(UsageError, match="wrong type"):
        parse("PMT(steps='many')", (PMT,))


def test_nested_names_and_containers() -> None:
    thing = parse("Chain([Blur(1.0), Bare], {'k': (Blur(2.0),)})", KNOWN)
    assert isinstance(thing, Chain)
    assert isinstance(thing.first, list)
    assert thing.first[0] == Blur(1.0)
    assert isinstance(thing.first[1], Bare)
    assert thing.parts == ({"k": (Blur(2.0),)},)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Blurr(1)", "Nothing is called 'Blurr'; there are Bare, Blur, Chain"),
        ("Chain(Blurr(1))", "Nothing is called 'Blurr'"),
        ("Blur(1, widht=2)", r"widht.*Blur\(sigma, width=3, \*, tags=None, limits=\(0.0, 1.0\)\)"),
        ("Blur()", "sigma"),
        ("Blur(1, 2, 3)", "too many positional"),
        ("Blur(-1)", "sigma must be at least 0"),
        ("Blur('x')", "wrong type"),
        ("Blur(1, **{'width': 2})", "written out"),
        ("Blur(*[1])", "plain numbers"),
        ("Blur(width)", "plain numbers"),
        ("Blur(1 if True else 2)", "plain numbers"),
        ("Blur(9**9**9)", "plain numbers"),
        ("Blur({[]: 1})", "is not a spec"),
        ("", "is not a spec"),
        ("Blur(", "is not a spec"),
        ("Blur(1)\x00", "is not a spec"),
        ("Blur(1); Blur(2)", "is not a spec"),
        ("3", "begins with a name"),
        ("[Blur(1)]", "begins with a name"),
        ("Blur.__init__(1)", "begins with a name"),
        ("(" * 5000 + ")" * 5000, "is not a spec"),
        ("Chain(" * 300 + ")" * 300, "is not a spec"),
    ],
)
def test_a_sentence_for_everything_else(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse(text, KNOWN)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch {}')",
        "Chain(__import__('pathlib').Path('{}').touch())",
        "Chain(open('{}', 'w'))",
        "Chain((lambda: open('{}', 'w'))())",
        "Chain([open('{}', 'w') for _ in 'a'])",
        "Chain(f\"{{open('{}', 'w')}}\")",
        "Chain(Bare().__class__)",
        "set(open('{}', 'w'))",
        "Chain(set(open('{}', 'w')))",
    ],
)
def test_no_code_runs(text: str, tmp_path: Path) -> None:
    target = tmp_path / "touched"
    with pytest.raises(UsageError):
        parse(text.format(target), KNOWN)
    assert not target.exists()


@given(st.text())
def test_any_text_gives_an_object_or_a_sentence(text: str) -> None:
    for spec in (text, f"Chain({text})"):
        try:
            made: object = parse(spec, KNOWN)
        except UsageError as error:
            made = str(error)
        assert isinstance(made, KNOWN) or (isinstance(made, str) and made.endswith("."))


def test_load_class_from_a_module_and_a_file(tmp_path: Path) -> None:
    assert load_class("bauta.protections.images.pmt:PMT") is PMT
    path = tmp_path / "mine.py"
    path.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Mine:\n    size: int = 3\n\nvalue = 4\n"
    )
    mine = load_class(f"{path}:Mine")
    assert parse("Mine(size=5)", (mine,)) == mine(5)


@dataclass(frozen=True)
class Wrong:
    """A text, and what the sentence must say."""

    text: str
    says: str


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong("PMT", "package.module:Class"),
        Wrong("bauta.spec:", "package.module:Class"),
        Wrong("bauta.spec:Nope", "has no class Nope; it has none"),
        Wrong("bauta.errors:Nope", "BadCheckpoint"),
        Wrong("bauta.nothing:PMT", "could not be imported"),
        Wrong("nowhere/file.py:PMT", "There is no file"),
    ],
)
def test_load_class_says_what_is_wrong(wrong: Wrong) -> None:
    with pytest.raises(UsageError, match=wrong.says):
        load_class(wrong.text)


def test_a_file_that_fails_leaves_no_module(tmp_path: Path) -> None:
    import sys

    path = tmp_path / "failing_part.py"
    path.write_text("1 / 0\n")
    with pytest.raises(UsageError, match="ZeroDivisionError"):
        load_class(f"{path}:Mine")
    assert "_bauta_failing_part" not in sys.modules
