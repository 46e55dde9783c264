"""`advface`: a provider's database of adversarial features, and who still draws faces out of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bauta.attacks import Attack, ForeignRecognizer, Inversion, Knows, Linkage, MLPProbe, PlainFace, RecFace
from bauta.pipeline import Pipeline, System
from bauta.protections import AdvFace, FeatureProtection, NormMatchedNoise, RefreshedAdvFace
from bauta.recognizers import Recognizer
from bauta.study.presets.reconstruction import AWARE, AWARE_STEPS, FEWEST, JUDGE, QUICK_STEPS
from bauta.study.presets.settings import Settings, stamped
from bauta.study.presets.variants import QUICK_FACES, SHALLOW, network
from bauta.study.records import Row, complete
from bauta.study.run import cell_of, run, seed_everything
from bauta.study.verification import verified
from bauta.types import Faces

DEEPER = (10, 16)  # further cuts: each with a quarter of the places of the one before, and more layers to be undone
OTHERS = (0.1, 1.0)  # epsilons beside the default
OPTIONS: dict[str, dict[str, object]] = {
    "l2": {"bound": "l2"},
    "1 step": {"steps": 1},
    "20 steps": {"steps": 20},
    "U-Net": {"shadow": "unet"},
    "bfloat16": {"precision": "bfloat16"},
}
ROUNDS = (0, 1, 2)  # of the game
QUICK_PAIRS = 60
ATTACKED = 200  # pairs whose first pictures are attacked; recognition is measured on all


@dataclass(frozen=True)
class Setting:
    """One protected database.

    epsilon, rounds: of AdvFace, None where it has none. whole: whether all attacks run. aware: whether one
    trains on it.
    """

    protection: FeatureProtection | None
    epsilon: float | None = None
    rounds: int | None = None
    whole: bool = True
    aware: bool = True


def advface(settings: Settings, quick: bool) -> Iterator[Row]:
    """AdvFace's database under the paper's attacker and those that it leaves out, by epsilon, cut and round of a game.

    The enrolled side is adversarial and the live one clean. At the shallow cut: nothing, AdvFace at its default and at
    two other epsilons, each beside Gaussian noise of its very norms, AdvFace with one option changed, and AdvFace
    against shadow models that are refreshed for one round and for two, beside what this game starts from; at deeper
    cuts the first, the default and its noise. Attackers: RecFace and another decoder trained on clean pairs, and but
    for single options RecFace trained on pairs that the attacker protects himself; where that is worth its time,
    inversion with the client's layers, linkage, a probe for gender. Replay is in what the authorized recognizer and a
    foreign one accept of the reconstructions. The provider's shadow models learn from one half of the public faces, the
    attackers from the other. Recognition on all pairs, attacks on the first pictures of 200; about two hours on two
    cores.

    Expected: features that spoil the decoder they were made against far more than noise of their norm, another decoder
    less, and one that was trained on them hardly; linkage stays, since recognition does. quick: the shallow cut, 60
    pairs, short trainings on 100 public faces.
    """
    settings = settings.few(QUICK_PAIRS, 2 * QUICK_FACES) if quick else settings
    assert settings.public is not None
    half = len(settings.public) // 2
    learned, held = settings.public[:half], replace(settings, public=settings.public[half:])
    for cut in (SHALLOW,) if quick else (SHALLOW, *DEEPER):
        recognizer = network(cut)
        plain = Pipeline(recognizer)
        shadows: dict[tuple[type[AdvFace], str], AdvFace] = {}
        for name, setting in databases(cut, settings.seed, quick).items():
            system = f"{name} {recognizer.name}@{cut}"
            if cells(held, system, setting, quick) <= settings.done:
                continue
            stored = plain
            if setting.protection is not None:
                stored = Pipeline(recognizer, taught(setting.protection, shadows, learned, recognizer))
            facts = {"cut": cut, "protection": name, "epsilon": setting.epsilon, "rounds": setting.rounds}
            facts |= {"recipe": repr(setting.protection), "study": "advface", "quick": quick}
            yield from stamped(database(held, system, System(plain, stored), setting, quick), **facts)
            if setting.protection is not None:
                rows = recognition(held, f"{system}, both sides", System(stored, stored))
                yield from stamped(rows, **(facts | {"protection": f"{name}, both sides"}))


def databases(cut: int, seed: int, quick: bool) -> dict[str, Setting]:
    """Name in the tables -> what is stored."""
    default = AdvFace(shadow_steps=QUICK_STEPS, seed=seed) if quick else AdvFace(seed=seed)
    epsilon = default.epsilon
    made = {
        "none": Setting(None),
        "AdvFace": Setting(default, epsilon),
        "noise of its norm": Setting(NormMatchedNoise(default, seed=seed), epsilon),
    }
    if quick or cut != SHALLOW:
        deepest = {name: replace(setting, whole=False) for name, setting in made.items()}
        return deepest if cut == DEEPER[-1] else made
    for other in OTHERS:
        made[f"AdvFace, {other:g}"] = Setting(AdvFace(other, seed=seed), other, whole=False)
        noise = NormMatchedNoise(AdvFace(other, seed=seed), seed=seed)
        made[f"noise of its norm, {other:g}"] = Setting(noise, other, whole=False)
    for name, option in OPTIONS.items():
        changed = AdvFace(seed=seed, **option)  # type: ignore[arg-type]
        made[f"AdvFace, {name}"] = Setting(changed, changed.epsilon, whole=False, aware=False)
    for rounds in ROUNDS:
        made[f"refreshed, {rounds}"] = Setting(RefreshedAdvFace(rounds=rounds, seed=seed), epsilon, rounds, whole=False)
    return made


def taught(
    protection: FeatureProtection,
    known: dict[tuple[type[AdvFace], str], AdvFace],
    faces: Faces,
    recognizer: Recognizer,
) -> FeatureProtection:
    """The protection, fitted; shadow models, in which the noise has no part, are trained once for all that use them."""
    if isinstance(protection, RefreshedAdvFace):
        kind = RefreshedAdvFace, protection.shadow
        game = known.get(kind)
        if not isinstance(game, RefreshedAdvFace):
            game = RefreshedAdvFace(rounds=max(ROUNDS), seed=protection.seed).fit(faces, recognizer)
            known[kind] = game
        return game.at_round(protection.rounds)
    inner = protection.protection if isinstance(protection, NormMatchedNoise) else protection
    if not isinstance(inner, AdvFace):
        return protection.fit(faces, recognizer)
    if (AdvFace, inner.shadow) not in known:
        known[AdvFace, inner.shadow] = inner.fit(faces, recognizer)
    return protection.restored(known[AdvFace, inner.shadow].learned(), recognizer)


def database(settings: Settings, name: str, system: System, setting: Setting, quick: bool) -> Iterator[Row]:
    """What one database costs and leaks, without the cells that are done."""
    yield from recognition(settings, name, system)
    done = settings.done
    for part, attacks in parts(settings, setting, quick):
        yield from run(
            {name: system},
            attacks,
            part.public,
            part.victims,
            settings.seed,
            skip=done,
            judge=ForeignRecognizer(JUDGE),
            fits=settings.fits,
            show=settings.show,
        )
        done |= {f"{name} / utility"}  # on all pairs; the fewer of the next would only repeat it


def parts(settings: Settings, setting: Setting, quick: bool) -> Iterator[tuple[Settings, list[Attack]]]:
    """Who attacks a database, with how many public faces and on how many pairs."""
    few = settings.few(ATTACKED)
    drawing: list[Attack] = [RecFace(steps=QUICK_STEPS)] if quick else [RecFace(), PlainFace()]
    linking: list[Attack] = [Linkage(epochs=0) if quick else Linkage()]
    probing: list[Attack] = [MLPProbe("gender", epochs=2) if quick else MLPProbe("gender")]
    rest = [*linking, *probing] if setting.whole else []
    yield few, [attack.knowing(knows=Knows.NOTHING) for attack in (*drawing, *rest)]
    if setting.protection is not None and setting.aware:
        own: list[Attack] = [RecFace(steps=QUICK_STEPS if quick else AWARE_STEPS), *rest]
        yield few.few(public=QUICK_FACES if quick else AWARE), [attack.knowing(knows=Knows.SCHEME) for attack in own]
    if setting.whole:
        yield settings.few(FEWEST), [Inversion(steps=20) if quick else Inversion()]


def recognition(settings: Settings, name: str, system: System) -> Iterator[Row]:
    """Accuracy on all pairs, and what is lost, unless it is done."""
    cell = f"{name} / recognition"
    if cell not in settings.done:
        seed_everything(settings.seed, cell)
        blank = Row(cell, name, "utility", "the authorized recognizer", "", None, seed=settings.seed)
        yield from complete(verified(blank, system, settings.victims))


def cells(settings: Settings, name: str, setting: Setting, quick: bool) -> set[str]:
    """Everything that is asked of one database."""
    attacks = [cell_of(name, attack) for _, attacks in parts(settings, setting, quick) for attack in attacks]
    both = [] if setting.protection is None else [f"{name}, both sides / recognition"]
    return {f"{name} / recognition", f"{name} / utility", *both, *attacks}
