"""What the schemes' own papers validate them with, in `map2v`: attackers who see features, scored as MAP2V is."""

from __future__ import annotations

from bauta.attacks import Attack, LinearInversion, RecFace, Victim
from bauta.pipeline import System
from bauta.study.presets.frequency import knowing, network
from bauta.study.presets.frequencynetworks import SCHEMES, TWIN
from bauta.study.views import Views
from bauta.types import Faces, Images

LEARNED_FROM_BARE = ("PMT", "AdvFace")  # features of unprotected pictures, in both papers


def natives(name: str, quick: bool) -> list[Attack]:
    """The attackers of a scheme's paper, unfitted; none where it has none that draws a face, as P3-Mask and PEEP.

    PMT and AdvFace: a network that learned from the bare device. The frequency family: the U-Net of its papers that
    learned from the protected device with the victim's keys ("white-box"), smaller and trained for minutes; and
    `LinearInversion`, which is ours, because it needs no learning and sees more.
    """
    if name in LEARNED_FROM_BARE:
        return [network(quick) if quick else RecFace()]
    if name not in SCHEMES or name == TWIN:
        return []
    linear = LinearInversion(steps=5, candidates=1) if quick else LinearInversion()
    return [attack.knowing(knows=knowing(name)) for attack in (network(quick), linear)]


def native_cell(name: str, attack: Attack) -> str:
    """The key of one of them at one scheme."""
    return f"{name} / own: {attack!r} / {attack.knowledge.knows.name}"


def drawn_by(attack: Attack, system: System, public: Faces, faces: Faces) -> Images:
    """What an attacker makes of the stored features of `faces`, after learning from `public`."""
    victim = Victim(system.exposed, attack.knowledge, asked=system.opposite)
    leak = Views(system, faces, {}).leak(attack.knowledge.sees)
    return attack.fit(public, victim)(leak, victim)
