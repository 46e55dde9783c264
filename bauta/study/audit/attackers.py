"""Who attacks which system: the attacks that fit its stage, unaware and aware, by how much time there is for them."""

from __future__ import annotations

from collections.abc import Iterator

from bauta.attacks import (
    FILTERS,
    Attack,
    ClientHolder,
    CNNProbe,
    Comparison,
    Denoiser,
    ForeignEstimator,
    ForeignRecognizer,
    Inversion,
    Knows,
    LinearInversion,
    Linkage,
    LogisticProbe,
    Map2VFast,
    Map2VWhiteBox,
    MLPProbe,
    PlainFace,
    Purify,
    RecFace,
    TransferProbe,
    UnSplit,
)
from bauta.study.audit.cast import (
    ALL,
    BATCH,
    DENOISER_STEP,
    EMBEDDED,
    JUDGED,
    LEAST,
    MOST_AWARE,
    OPTIMIZED,
    PLAIN_STEP,
    PROTECTED,
    READ,
    STANDARD,
    STRONG,
    UNET_STEP,
    Cast,
    Job,
    Knobs,
    enough,
)
from bauta.study.audit.subjects import Subject
from bauta.study.audit.threats import DATABASE, FOREIGN, INSIDER, VIEWER, WIRE
from bauta.types import Stage

# the purifiers that helped a reader most, where not all of them are tried
USUAL = ("blur 1", "blur 1.5 + stretch", "gray + blur 1 + stretch", "gray + blur 2 + stretch")
UNSPLIT = (10, 10)  # rounds and steps: it gives up early


def jobs(subject: Subject, cast: Cast, unaware: Knobs, aware: Knobs) -> list[Job]:
    """Everything that is run on a system, what counts most first."""
    made = asked(subject, cast, unaware, aware) if cast.own else [*fitting(subject, cast, unaware, aware)]
    there = [job for job in made if job.threat in subject.exposed and seen(subject, job.attack)]
    return sorted(there, key=lambda job: job.order)


def seen(subject: Subject, attack: Attack) -> bool:
    """Whether what an attack sees leaves the device: pictures do not where features are sent."""
    return attack.knowledge.sees is not Stage.IMAGES or subject.stage is Stage.IMAGES


def asked(subject: Subject, cast: Cast, unaware: Knobs, aware: Knobs) -> list[Job]:
    """The attacks that were asked for, as they are; one that prepares itself, unaware and aware."""
    made = []
    for place, attack in enumerate(cast.own):
        learns = type(attack).fit is not Attack.fit
        knows = attack.knowledge.knows
        several = [Knows.NOTHING, Knows.SCHEME] if learns and knows <= Knows.SCHEME else [knows]
        for known in several[:1] if subject.bare else several:
            known = Knows.NOTHING if subject.bare else known
            few = isinstance(attack, Inversion | UnSplit)
            faces = unaware.faces if known is Knows.NOTHING else aware.faces
            takes = {JUDGED: 2.0, EMBEDDED: float(faces), PROTECTED: faces * float(known is not Knows.NOTHING)}
            made.append(Job(attack.knowing(knows=known), known is not Knows.NOTHING, faces, 1 + place, takes, few))
    return made


def fitting(subject: Subject, cast: Cast, unaware: Knobs, aware: Knobs) -> Iterator[Job]:
    """The attacks of a level that fit a system."""
    strong = cast.level in (STRONG, ALL)
    yield from on_pictures(subject, cast, unaware, aware, strong)
    yield from on_vectors(subject, cast, unaware, aware, strong)
    yield from attributes(subject, cast, unaware, aware)
    if strong:
        yield from optimizers(subject, cast, unaware, aware)


def on_pictures(subject: Subject, cast: Cast, unaware: Knobs, aware: Knobs, strong: bool) -> Iterator[Job]:
    """Those who have the uploaded picture."""
    n = cast.probes
    for place, reader in enumerate(cast.readers if strong else cast.readers[:2]):
        yield Job(reader, False, None, 1 + place, {JUDGED: 1, READ: 2 * n})
        for name in () if subject.bare else FILTERS if strong else USUAL:
            order = 3 + place if name in USUAL else 14
            yield Job(Purify(reader, name), False, None, order, {JUDGED: 1, READ: n})
    if not subject.authorizes:
        own = cast.once(ForeignRecognizer, subject.plain.recognizer)
        yield Job(own, False, None, 2, {JUDGED: 1, READ: 2 * n})
    yield Job(ClientHolder(), False, min(500, unaware.faces), 2, {JUDGED: 1, EMBEDDED: 2 * n + min(500, unaware.faces)})
    if not enough(cast):
        return
    knobs, is_aware, knows = chosen(subject, unaware, aware)
    yield Job(
        Denoiser(steps=max(1, knobs.steps // 2), batch_size=BATCH, width=0.5).knowing(knows=knows),
        is_aware,
        knobs.faces,
        3,  # nobody else says what eyes would see
        {JUDGED: 1.5, DENOISER_STEP: knobs.steps / 2, PROTECTED: knobs.faces * is_aware, EMBEDDED: 2 * n},
    )
    if cast.teacher is not None and is_aware:
        student = cast.once(Linkage, cast.teacher, epochs=knobs.epochs).knowing(sees=Stage.IMAGES, knows=knows)
        yield linked(student, is_aware, knobs, n, 3)
    if strong and is_aware and subject.keyed:
        stolen = Denoiser(steps=max(1, knobs.steps // 2), batch_size=BATCH, width=0.5).knowing(knows=Knows.KEYS)
        takes = {JUDGED: 1.5, DENOISER_STEP: knobs.steps / 2, PROTECTED: float(knobs.faces), EMBEDDED: 2.0 * n}
        yield Job(stolen, True, knobs.faces, 12, takes)


def on_vectors(subject: Subject, cast: Cast, unaware: Knobs, aware: Knobs, strong: bool) -> Iterator[Job]:
    """Those who have features or templates: compared, linked by a student, and drawn out of by a decoder."""
    n, knobs = cast.probes, unaware
    plain = {JUDGED: 1, EMBEDDED: 2 * n + min(500, knobs.faces)}
    if not subject.pipeline.widened:
        yield Job(Comparison(), False, min(500, knobs.faces), 2, plain)
    yield Job(Comparison().knowing(sees=Stage.TEMPLATES), False, min(500, knobs.faces), 2, plain)
    if not enough(cast):
        return
    wires = [(Knows.NOTHING, unaware, False)] if subject.bare or not subject.pipeline.widened else []
    if not subject.bare:
        wires.append((Knows.SCHEME, aware, True))
        if subject.keyed and (strong or subject.stage is not Stage.IMAGES):
            wires.append((Knows.KEYS, aware, True))
    for knows, given, is_aware in wires:
        order = 4 if knows is not Knows.KEYS else 9
        yield drawn(PlainFace(steps=given.steps, batch_size=BATCH).knowing(knows=knows), is_aware, given, n, order)
        if strong:
            wide = RecFace(steps=given.steps, batch_size=BATCH, width=0.5).knowing(knows=knows)
            yield drawn(wide, is_aware, given, n, 11, UNET_STEP)
    yield drawn(PlainFace(steps=unaware.steps, batch_size=BATCH).knowing(sees=Stage.TEMPLATES), False, unaware, n, 6)
    if strong and not subject.bare:
        stored = PlainFace(steps=aware.steps, batch_size=BATCH).knowing(sees=Stage.TEMPLATES, knows=Knows.SCHEME)
        yield drawn(stored, True, aware, n, 10)
    given, is_aware, knows = chosen(subject, unaware, aware)
    if cast.teacher is not None:
        few = Knobs(min(given.faces, MOST_AWARE.faces), given.steps, given.epochs)
        student = cast.once(Linkage, cast.teacher, epochs=given.epochs).knowing(knows=knows)
        yield linked(student, is_aware, few, n, 3)
    if subject.behind_dct:
        solved = {JUDGED: 1.5, EMBEDDED: 60.0 * n}
        yield Job(LinearInversion(), True, min(256, max(aware.faces, 1)), 3, solved)


def attributes(subject: Subject, cast: Cast, unaware: Knobs, aware: Knobs) -> Iterator[Job]:
    """Those who infer what is labelled: others' estimators and probes of their own."""
    n = cast.probes
    given, is_aware, knows = chosen(subject, unaware, aware)
    cost = {JUDGED: 0.7, EMBEDDED: given.faces + 2.0 * n, PROTECTED: float(given.faces * is_aware)}
    for name in cast.attributes if cast.level != STANDARD else cast.attributes[:1]:
        if name in cast.estimators:
            yield Job(
                cast.once(ForeignEstimator, name, cast.estimators[name]), False, None, 5, {JUDGED: 0.7, READ: 2.0 * n}
            )
        if not enough(cast):
            continue
        made: list[tuple[Attack, int]] = [(MLPProbe(name, epochs=10).knowing(knows=knows), 7)]
        if cast.teacher is not None:
            depth = min(12, len(cast.teacher.layers))
            probe = cast.once(TransferProbe, name, cast.teacher, cut=depth, epochs=10)
            made.append((probe.knowing(knows=knows), 8))
        if cast.level == ALL:
            made.append((LogisticProbe(name).knowing(knows=knows), 15))
            made.append((CNNProbe(name, epochs=5).knowing(knows=knows), 16))
        for attack, order in made:
            yield Job(attack, is_aware, given.faces, order, cost)


def optimizers(subject: Subject, cast: Cast, unaware: Knobs, aware: Knobs) -> Iterator[Job]:
    """Those who optimize, and those who ask the system: a few faces are enough to see what they reach."""
    n = min(cast.probes, OPTIMIZED // 2)
    own = {JUDGED: 1.0, EMBEDDED: 3.0 * 100 * n}
    if not subject.pipeline.widened:
        yield Job(Inversion(steps=100), False, 64, 10, own, few=True)
    if subject.stage is Stage.IMAGES and enough(cast):
        held = ClientHolder(PlainFace(steps=unaware.steps, batch_size=BATCH))
        yield drawn(held, False, unaware, cast.probes, 10)
    if cast.level != ALL:
        return
    rounds, steps = UNSPLIT
    if not subject.pipeline.widened:
        guessed = {JUDGED: 1.0, EMBEDDED: 6.0 * rounds * steps * n}
        yield Job(UnSplit(rounds=rounds, steps=steps), False, 8, 17, guessed, few=True)
    if enough(cast):
        asks = {JUDGED: 1.0, EMBEDDED: 500.0 * n, PROTECTED: 500.0 * n * (not subject.bare)}
        yield Job(Map2VFast(rounds=10), False, min(1000, cast.public), 18, asks, few=True)
        if subject.bare:
            glass = Map2VWhiteBox().knowing(knows=Knows.KEYS)
            yield Job(glass, False, min(1000, cast.public), 19, {JUDGED: 1.0, EMBEDDED: 6000.0 * n}, few=True)


def chosen(subject: Subject, unaware: Knobs, aware: Knobs) -> tuple[Knobs, bool, Knows]:
    """The attacker who knows most of what is public: of the scheme, where there is one."""
    return (unaware, False, Knows.NOTHING) if subject.bare else (aware, True, Knows.SCHEME)


def drawn(attack: Attack, aware: bool, given: Knobs, probes: int, order: int, unit: str = PLAIN_STEP) -> Job:
    """A decoder that is trained."""
    takes = {JUDGED: 1.5, unit: float(given.steps), EMBEDDED: given.faces + 3.0 * probes}
    return Job(attack, aware, given.faces, order, takes | {PROTECTED: float(given.faces * aware)})


def linked(attack: Attack, aware: bool, given: Knobs, probes: int, order: int) -> Job:
    """A student that is trained: a pass forth and back is three passes, the closed form about as many."""
    passes = 3.0 * given.faces * (1 + given.epochs) + 2.0 * probes
    takes = {JUDGED: 1.0, READ: passes, EMBEDDED: float(given.faces), PROTECTED: float(given.faces * aware)}
    return Job(attack, aware, given.faces, order, takes)


def left_out(subject: Subject, cast: Cast) -> list[tuple[str, str]]:
    """Threats for which nobody is run at all, and why."""
    found = []
    if not cast.readers and FOREIGN in subject.exposed:
        found.append((f"{subject.name}: {FOREIGN}", "no other recognizer is here; `bauta models list` names some"))
    if not enough(cast):
        who = ", ".join(name for name in (VIEWER, WIRE, DATABASE, INSIDER) if name in subject.exposed)
        why = f"attackers who train need {LEAST.faces} public faces of other people, and there are {cast.public}"
        found.append((f"{subject.name}: trained attackers ({who})", why))
    if not cast.attributes:
        found.append((f"{subject.name}: attributes", "no attribute is labelled on victims and public faces"))
    return found
