"""Specs and parts -> what is to be audited and who attacks it. By literals alone: no code is run for a text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import nn

from bauta.attacks import ALL as ATTACKS
from bauta.attacks import Attack
from bauta.errors import UsageError
from bauta.protections import ALL as PROTECTIONS
from bauta.protections import Protection
from bauta.recognizers.trainable import training_folder
from bauta.spec import parse
from bauta.study.audit.subjects import Asked, separated
from bauta.train.run import load_pipeline


def asked(what: str | Protection, known: Iterable[type] = ()) -> Asked:
    """A protection to be audited: an object, a spec, ``"PMT(steps=80) @ 5"`` at another cut than the recognizer's own,
    a folder of `bauta train` with a network behind protections of its own, or "bauta-partialface", which comes along.

    known: classes beside bauta's own that a spec may name. Raises `UsageError`.
    """
    if isinstance(what, Protection):
        return Asked(titled(what), what)
    text, cut = separated(what)
    if (folder := training_folder(text)) is not None:
        trained = load_pipeline(folder, known=known)
        if not trained.protections:
            raise UsageError(f"{text} is a network without protections: give it as --recognizer.")
        inside = " + ".join(titled(part) for part in trained.protections)
        return Asked(f"{inside} of {folder.name}", None, cut, trained, folder)
    made = parse(text, (*PROTECTIONS, *known))
    if not isinstance(made, Protection):
        raise UsageError(f"{text} is no protection.")
    name = titled(made, " ".join(text.split()))
    return Asked(name if cut is None else f"{name}, cut {cut}", made, cut)


def titled(part: Protection, otherwise: str = "") -> str:
    """A part's recipe where it has one; what torch prints of a module is none."""
    recipe = type(part).__repr__ is not nn.Module.__repr__
    return repr(part) if recipe else otherwise or f"{type(part).__name__}()"


def attacking(specs: Sequence[str | Attack], known: Iterable[type] = ()) -> list[Attack]:
    """Attacks that are run instead of a level's. Raises `UsageError`."""
    made = []
    for spec in specs:
        attack = spec if isinstance(spec, Attack) else parse(spec, (*ATTACKS, *known))
        if not isinstance(attack, Attack):
            raise UsageError(f"{spec} is no attack.")
        made.append(attack)
    return made
