"""Whom MAP2V stands beside in `map2v`: each scheme's own paper's attacker, and others of templates, scored alike."""

from __future__ import annotations

from bauta.attacks import Attack, LatentMapping, LinearInversion, Map2VWhiteBox, Ranked, Victim
from bauta.generators import Eigenfaces
from bauta.pipeline import System
from bauta.study.presets.frequency import knowing, network
from bauta.study.presets.frequencynetworks import SCHEMES, TWIN
from bauta.study.views import Views
from bauta.types import Faces, Images

LEARNED_FROM_BARE = ("PMT", "AdvFace")  # features of unprotected pictures, in both papers


def neighbors(prior: Eigenfaces, priors: int, quick: bool) -> list[Attack]:
    """Who has the stored templates of a system that nothing protects, unfitted, with MAP2V's prior: a regressor that
    asks nothing for a victim, and MAP2V's descent by the gradient of the whole system. priors: draws that are ranked.
    """
    few = {"draws": 20, "steps": 5} if quick else {}
    rounds = 3 if quick else 100
    return [
        LatentMapping(prior, **few),
        Map2VWhiteBox(prior, Ranked(priors=priors), iterations=rounds, patience=rounds, milestones=(50,), flip=False),
    ]


def natives(name: str, quick: bool) -> list[Attack]:
    """The attackers of a scheme's paper, unfitted; none where it has none that draws a face, as P3-Mask and PEEP.

    PMT and AdvFace: a network that learned from the bare device. The frequency family: the U-Net of its papers that
    learned from the protected device with the victim's keys ("white-box"). Both smaller than the papers' and trained
    for minutes: `RecFace`'s defaults take an hour of a core on maps of 56 x 56. And `LinearInversion`, which is ours,
    because it needs no learning and sees more.
    """
    if name in LEARNED_FROM_BARE:
        return [network(quick)]
    if name not in SCHEMES or name == TWIN:
        return []
    linear = LinearInversion(steps=5, candidates=1) if quick else LinearInversion()
    return [attack.knowing(knows=knowing(name)) for attack in (network(quick), linear)]


def beside_cell(name: str, attack: Attack) -> str:
    """The key of one of them at one scheme."""
    return f"{name} / beside: {attack!r} / {attack.knowledge.knows.name}"


def drawn_by(attack: Attack, system: System, public: Faces, faces: Faces) -> Images:
    """What an attacker makes of the stored features of `faces`, after learning from `public`."""
    victim = Victim(system.exposed, attack.knowledge, asked=system.opposite)
    leak = Views(system, faces, {}).leak(attack.knowledge.sees)
    return attack.fit(public, victim)(leak, victim)
