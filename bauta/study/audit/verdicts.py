"""Rows of an audit -> a verdict on each protection for each threat: a word, and a sentence that says why.

The leak of the strongest attacker lies in [0, 1]: 0 is what anybody reaches by guessing, 1 is all that there is to know
(`bauta.study.tradeoff`). The words, and what they claim:

==================  ====================================================================================================
open                the strongest attacker has at least half of it (the value is `HALF` or more)
leaks               he has something: the lower end of the interval is above `SOME`
holds               of all attacks that were run, none got far: the upper end is at most `LITTLE`, and each kind of
                    leak that was tried had an attacker who did succeed where nothing is protected
unclear             the interval allows both
not shown           nothing was measured that could tell: no attack was run, or none beat chance where nothing is
                    protected, so that its failure says nothing. That a picture is far from the original says nothing
                    either: somebody must have tried to clean it
does not arise      nothing of this kind leaves the device
==================  ====================================================================================================

"holds" speaks of the attacks that were run. It is no proof that there is no better one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bauta.metrics.base import Interval
from bauta.study.audit.document import Verdict
from bauta.study.audit.threats import DATABASE, FOREIGN, INSIDER, THREATS, VIEWER, WIRE
from bauta.study.found import VIEWER as LOOKS
from bauta.study.found import interval
from bauta.study.records import KNOWS, Row
from bauta.study.sanity import is_bare
from bauta.study.tradeoff import ATTRIBUTES, IDENTITY, INFRINGING, MEAN_FACE, PICTURE, Worst, scaled, worst_case

HALF, SOME, LITTLE = 0.5, 0.1, 0.25
OPEN, LEAKS, HOLDS, UNCLEAR, NOT_SHOWN, NOT_THERE = WORDS = (
    "open",
    "leaks",
    "holds",
    "unclear",
    "not shown",
    "does not arise",
)
WHAT = {IDENTITY: "who the person is", PICTURE: "what the face looks like", ATTRIBUTES: "attributes of the person"}
SUBJECT = {
    VIEWER: "A viewer",
    FOREIGN: "A foreign recognizer",
    WIRE: "Whoever reads the wire",
    DATABASE: "Whoever copies the database",
    INSIDER: "An insider",
}
GETS = {
    OPEN: "learns {what}",
    LEAKS: "learns something of {what}",
    HOLDS: "learned next to nothing, most of it of {what}",
    UNCLEAR: "may learn something of {what}, and there are too few faces to say",
}


def verdicts(rows: Iterable[Row]) -> list[Verdict]:
    """One verdict a protected system and threat, in the order of the systems and of `THREATS`.

    Rows say their threat, and the cut that they belong to, in their settings; a system is compared with the bare one of
    the same cut.
    """
    rows = [row for row in rows if row.value is not None]
    bare: dict[object, list[Row]] = {}
    systems: dict[str, list[Row]] = {}
    for row in rows:
        if is_bare(row):
            bare.setdefault(row.settings.get("cut"), []).append(row)
        else:
            systems.setdefault(row.system, []).append(row)
    return [
        verdict(system, threat, own, bare.get(own[0].settings.get("cut"), []))
        for system, own in systems.items()
        for threat in THREATS
    ]


def verdict(system: str, threat: str, rows: Sequence[Row], bare: Sequence[Row]) -> Verdict:
    """What follows of one system's rows, beside those of the bare system, for one threat."""
    exposed = str(rows[0].settings.get("exposed", "")).split(", ")
    if threat not in exposed:
        why = "pictures do not leave the device" if threat in (VIEWER, FOREIGN) else "nothing of this kind is exposed"
        return Verdict(threat, system, NOT_THERE, f"{SUBJECT[threat]} gets nothing to look at: {why}.")
    tried, before = leaks(rows, threat), leaks(bare, threat)
    reached, start = dict(tried), before
    if threat == VIEWER:
        reached, start = looking(rows, tried), looking(bare, before)
    if not reached:
        return Verdict(threat, system, NOT_SHOWN, f"{SUBJECT[threat]}: no attack was measured, so nothing is shown.")
    kind = max(sorted(reached), key=lambda name: reached[name].leak.value)
    worst = reached[kind]
    word = word_of([found.leak for found in reached.values()])
    unable = [name for name in tried if name not in before or before[name].leak.low <= 0]
    why = unshown([name for name in reached if name not in tried], unable)
    if word in (HOLDS, UNCLEAR) and why:
        word = NOT_SHOWN
    knows = KNOWS.get(worst.row.knows, "")
    unprotected = start[kind].leak if kind in start else None
    sentence = said(threat, word, kind, worst, unprotected, why, knows)
    return Verdict(threat, system, word, sentence, worst.row.attack, knows, kind, worst.leak, unprotected)


def word_of(reached: Sequence[Interval]) -> str:
    """The word for the leaks of all kinds."""
    if max(leak.value for leak in reached) >= HALF:
        return OPEN
    if max(leak.low for leak in reached) > SOME:
        return LEAKS
    return HOLDS if max(leak.high for leak in reached) <= LITTLE else UNCLEAR


def leaks(rows: Iterable[Row], threat: str) -> dict[str, Worst]:
    """Kind of leak -> the strongest attacker under one threat."""
    found: dict[str, Worst] = {}
    for kinds in worst_case(row for row in rows if row.settings.get("threat") == threat).values():
        found |= {name: worst for name, worst in kinds.items() if name in INFRINGING}
    return found


def looking(rows: Iterable[Row], tried: dict[str, Worst]) -> dict[str, Worst]:
    """The same, where somebody sees the uploaded picture itself: how near it is to the original counts too.

    A picture that is far from the original has not been shown to hide the face: only who tried to clean it can tell.
    """
    found = dict(tried)
    for row in rows:
        seen = looked(row)
        if seen is not None and (PICTURE not in found or seen.leak.value > found[PICTURE].leak.value):
            found[PICTURE] = seen
    return found


def looked(row: Row) -> Worst | None:
    """What the uploaded picture itself shows, by its SSIM over the mean face's; None of another row."""
    seen = interval(row)
    if row.attack != LOOKS or row.metric != "SSIM" or seen is None:
        return None
    return Worst(row, scaled(seen, MEAN_FACE["SSIM"], 1.0), 1)


def unshown(untried: Sequence[str], unable: Sequence[str]) -> str:
    """Why attacks that fail say nothing, "" where they do say something."""
    found = [f"nobody was run who would bring back {WHAT[name]}" for name in untried]
    found += [f"no attack on {WHAT[name]} is known to succeed where nothing is protected" for name in unable]
    return " and ".join(found)


def said(threat: str, word: str, kind: str, worst: Worst, start: Interval | None, why: str, knows: str) -> str:
    """The verdict in a sentence or two."""
    row, leak = worst.row, worst.leak
    number = interval(row)
    assert number is not None
    who = "looking at the picture" if row.attack == LOOKS else f"{row.attack}{f' ({knows})' if knows else ''}"
    measured = (
        f"{who} reaches {row.metric} {shown(number)}, a leak of {shown(leak)} where 0 is chance and 1 is everything"
    )
    if start is not None:
        measured += f"; without protection {start.value:.2f}"
    if word == NOT_SHOWN:
        return f"{SUBJECT[threat]}: protection is not shown, because {why}. {measured[0].upper()}{measured[1:]}."
    return f"{SUBJECT[threat]} {GETS[word].format(what=WHAT[kind])}: {measured}."


def shown(number: Interval) -> str:
    """``0.83 [0.78, 0.88]``."""
    return f"{number.value:.2f} [{number.low:.2f}, {number.high:.2f}]"
