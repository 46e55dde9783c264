"""Five threats, and under which of them an attack falls: by what it declares, and by nothing else."""

from __future__ import annotations

from bauta.attacks.base import Attack, Guess, Knowledge, Knows
from bauta.types import Stage

VIEWER, FOREIGN, WIRE, DATABASE, INSIDER = THREATS = (
    "a viewer",
    "a foreign recognizer",
    "the wire",
    "the database",
    "an insider",
)

WHO = {
    VIEWER: "whoever sees the uploaded picture, looks at it, cleans it, and reads off what it shows",
    FOREIGN: "somebody else's recognizer on the uploaded picture, to find the person again",
    WIRE: "whoever reads what the device sends to the provider",
    DATABASE: "whoever copies the stored templates, or may ask the matcher for scores",
    INSIDER: "whoever also holds the client's layers, the keys or a picture's own draw",
}


def threat_of(attack: Attack) -> str:
    """The threat that an attack stands for."""
    return threat(attack.knowledge, attack.guesses)


def threat(knowledge: Knowledge, guesses: Guess) -> str:
    """The threat behind a declared knowledge.

    Who has the client's layers or more of the keys than he makes himself is inside. At pictures, templates are for
    finding the person and all else is for looking. Scores are the matcher's, and so the database's.
    """
    if "client layers" in knowledge.holds or knowledge.knows >= Knows.KEYS:
        return INSIDER
    if knowledge.sees is Stage.IMAGES:
        return FOREIGN if guesses is Guess.TEMPLATES else VIEWER
    return WIRE if knowledge.sees is Stage.FEATURES else DATABASE
