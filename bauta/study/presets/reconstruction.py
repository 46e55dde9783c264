"""`pmt-reconstruction`: pictures out of features and protected pictures (Table VI, Figure 6), and who they show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bauta.attacks import (
    Attack,
    Comparison,
    Denoiser,
    ForeignRecognizer,
    Inversion,
    Knows,
    Linkage,
    RecFace,
    UnSplit,
)
from bauta.metrics import PSNR, SSIM
from bauta.pipeline import Pipeline, System
from bauta.protections import MatchedNoise
from bauta.recognizers import Recognizer
from bauta.study.infringing import privacy_models
from bauta.study.presets.settings import Settings, stamped
from bauta.study.presets.variants import QUICK_FACES, SHALLOW, UNAUTHORIZED, minimizer, network, protected
from bauta.study.records import Row
from bauta.study.run import run
from bauta.types import Stage

# Reads reconstructions and takes no part: neither authorized nor anybody's teacher.
JUDGE = "mobilefacenet-relu6-ms1m"
# Pairs for attacks that optimize every face by itself, and for the one that also optimizes a network.
FEW, FEWEST = 60, 20
AWARE = 600  # faces that the aware attacker protects himself
AWARE_STEPS = 300  # of training on so few
QUICK_STEPS = 10


def pmt_reconstruction(settings: Settings, quick: bool) -> Iterator[Row]:
    """PMT's Table VI and Figure 6: reconstructions from features and pictures, and linkage, naive and adaptive.

    The CASIA network at the paper's shallow cut and at the embedding: bare, PMT, and features with PMT's own
    perturbation in random order ("random noise with the same amplitude"). Attackers: RecFace and Linkage on features,
    unaware (trained on clean pairs) and aware (trained on pictures that they protect themselves); Inversion and UnSplit
    with the client's layers or their architecture alone; a Denoiser and a Linkage on the protected pictures. Whoever
    holds the client's layers computes from a picture the very features that the wire carries, so the columns at
    features are his too. A foreign recognizer judges whom the reconstructions show. Then PMT on both sides, probe and
    gallery, under one key and under two.

    Expected: the bare device at the shallow cut is an open book; PMT there fools the unaware RecFace alone, and the
    aware one, the denoiser and the linkage read it; at the embedding the pictures are lost and the identity is not, to
    whoever holds the client's layers. 200 pairs (60 and 20 for the optimizers); about an hour on two cores, a third of
    it for the attacker's own protected pictures. quick: short trainings on 100 public faces, the shallow cut alone.
    """
    few = settings.few(200, 2 * QUICK_FACES if quick else None)
    for cut in (SHALLOW,) if quick else (SHALLOW, None):
        recognizer = network(cut)
        for protection, system in systems_at(few, recognizer, quick).items():
            name = f"{protection} {recognizer.name}@{recognizer.cut}"
            facts = {"cut": recognizer.cut, "protection": protection, "study": "pmt-reconstruction", "quick": quick}
            measured = few.done
            for part, attacks in parts(few, protection, cut, quick):
                rows = seen(replace(part, done=measured), name, system, attacks)
                yield from stamped(rows, **facts)
                measured |= {f"{name} / utility"}  # on all pairs; the fewer of the next would only repeat it
        for keys, system in both_sides(few, recognizer, quick).items():
            name = f"PMT on both sides, {keys} {recognizer.name}@{recognizer.cut}"
            facts = {"cut": recognizer.cut, "protection": f"PMT on both sides, {keys}"}
            rows = seen(few.few(FEW), name, system, [ForeignRecognizer(UNAUTHORIZED), Comparison()])
            yield from stamped(rows, study="pmt-reconstruction", quick=quick, **facts)


def parts(settings: Settings, protection: str, cut: int | None, quick: bool) -> Iterator[tuple[Settings, list[Attack]]]:
    """Who attacks a protection, with how many public faces and on how many pairs.

    UnSplit, which guesses the network too, is left to the shallow cut: twenty layers are beyond it.
    """
    own = settings.few(public=QUICK_FACES if quick else AWARE)
    yield settings, trained(Knows.NOTHING, quick)
    if protection != "bare":
        yield own, trained(Knows.SCHEME, quick)
    if protection == "PMT":
        yield own, on_pictures(quick)
    if protection != "matched noise":
        yield settings.few(FEW), [Inversion(steps=20) if quick else Inversion()]
    if protection != "matched noise" and cut == SHALLOW:
        yield settings.few(FEWEST), [UnSplit(rounds=2, steps=5) if quick else UnSplit()]


def both_sides(settings: Settings, recognizer: Recognizer, quick: bool) -> dict[str, System]:
    """PMT on probe and gallery: the same key, and another."""
    pmt = protected(settings, recognizer, minimizer(settings, quick)).probe
    return {"one key": System(pmt, pmt), "two keys": System(pmt, pmt.rekeyed(settings.seed + 2))}


def systems_at(settings: Settings, recognizer: Recognizer, quick: bool) -> dict[str, System]:
    """Nothing, PMT, and PMT's perturbation shuffled, at one cut."""
    pmt = protected(settings, recognizer, minimizer(settings, quick))
    plain = pmt.gallery  # one device for all, so that an unaware attacker is fitted once
    (store,) = pmt.probe.protections
    shuffled = MatchedNoise(store, seed=settings.seed).fit(None, recognizer)  # type: ignore[arg-type]
    return {
        "bare": System(plain, plain),
        "PMT": pmt,
        "matched noise": System(Pipeline(pmt.probe.recognizer, shuffled), plain),
    }


def trained(knows: Knows, quick: bool) -> list[Attack]:
    """Attacks on features that learn from public faces."""
    drawn = RecFace() if knows is Knows.NOTHING else RecFace(steps=AWARE_STEPS)
    attacks = [RecFace(steps=QUICK_STEPS), Linkage(epochs=0)] if quick else [drawn, Linkage()]
    return [*(attack.knowing(knows=knows) for attack in attacks), Comparison().knowing(knows=knows)]


def on_pictures(quick: bool) -> list[Attack]:
    """Attacks on protected pictures by somebody who makes such pictures himself."""
    linkage = Linkage(epochs=0) if quick else Linkage()
    denoiser = Denoiser(steps=QUICK_STEPS if quick else AWARE_STEPS)
    return [denoiser, linkage.knowing(sees=Stage.IMAGES, knows=Knows.SCHEME)]


def seen(settings: Settings, name: str, system: System, attacks: Sequence[Attack]) -> Iterator[Row]:
    """One system under some attacks, without the cells that are done."""
    yield from run(
        {name: system},
        attacks,
        settings.public,
        settings.victims,
        settings.seed,
        skip=settings.done,
        judge=ForeignRecognizer(JUDGE),
        measures=(SSIM, PSNR, *privacy_models(JUDGE)),
        fits=settings.fits,
        show=settings.show,
    )
