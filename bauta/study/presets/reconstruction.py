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
from bauta.recognizers.folding import folded
from bauta.study.presets.settings import Settings, stamped
from bauta.study.presets.variants import SHALLOW, minimizer, network, protected
from bauta.study.records import Row
from bauta.study.run import run
from bauta.study.up import privacy_models
from bauta.types import Faces, Stage

# Reads reconstructions and takes no part: neither authorized nor anybody's teacher.
JUDGE = "mobilefacenet-relu6-ms1m"
FEW = 40  # pairs for attacks that optimize every face by itself


def pmt_reconstruction(settings: Settings, quick: bool) -> Iterator[Row]:
    """PMT's Table VI and Figure 6: reconstructions from features and pictures, and linkage, naive and adaptive.

    The CASIA network at the paper's shallow cut and at the embedding: bare, PMT, and features with PMT's own
    perturbation in random order ("random noise with the same amplitude"). Attackers: RecFace and Linkage on features,
    unaware (trained on clean pairs) and aware (trained on pictures that they protect themselves); Inversion and UnSplit
    with the client's layers or their architecture alone; a Denoiser and a Linkage on the protected pictures. Whoever
    holds the client's layers computes from a picture the very features that the wire carries, so the columns at
    features are his too. A foreign recognizer judges whom the reconstructions show.

    Expected: the bare device at the shallow cut is an open book; PMT there fools the unaware RecFace alone, and the
    aware one, the denoiser and the linkage read it; at the embedding the pictures are lost and the identity is not, to
    whoever holds the client's layers. 200 pairs (40 for the optimizers); about an hour on two cores, a third of it for
    the attacker's own protected pictures. quick: short trainings on 200 public faces.
    """
    few = settings.few(200)
    tiny = settings.few(12 if quick else FEW)
    for cut in (SHALLOW,) if quick else (SHALLOW, None):
        recognizer = network(cut)
        for protection, system in systems_at(few, recognizer, quick).items():
            name = f"{protection} {recognizer.name}@{recognizer.cut}"
            facts = {"cut": recognizer.cut, "protection": protection, "study": "pmt-reconstruction", "quick": quick}
            for part, public, attacks in (
                (few, few.public, trained(Knows.NOTHING, quick)),
                (few, some(few, quick), [] if protection == "bare" else trained(Knows.SCHEME, quick)),
                (few, some(few, quick), on_pictures(quick) if protection == "PMT" else []),
                (tiny, tiny.public, optimizers(quick)),
            ):
                yield from stamped(seen(replace(part, public=public), name, system, attacks), **facts)


def systems_at(settings: Settings, recognizer: Recognizer, quick: bool) -> dict[str, System]:
    """Nothing, PMT, and PMT's perturbation shuffled, at one cut."""
    plain = Pipeline(folded(recognizer))
    pmt = protected(settings, recognizer, minimizer(settings, quick))
    (store,) = pmt.probe.protections
    shuffled = MatchedNoise(store, seed=settings.seed).fit(None, recognizer)  # type: ignore[arg-type]
    return {
        "bare": System(plain, plain),
        "PMT": pmt,
        "matched noise": System(Pipeline(pmt.probe.recognizer, shuffled), plain),
    }


def some(settings: Settings, quick: bool) -> Faces | None:
    """As many public faces as the attacker protects himself."""
    return None if settings.public is None else settings.public[: 100 if quick else 600]


def trained(knows: Knows, quick: bool) -> list[Attack]:
    """Attacks on features that learn from public faces."""
    attacks = [RecFace(steps=60), Linkage(epochs=0)] if quick else [RecFace(), Linkage()]
    return [*(attack.knowing(knows=knows) for attack in attacks), Comparison().knowing(knows=knows)]


def on_pictures(quick: bool) -> list[Attack]:
    """Attacks on protected pictures by somebody who makes such pictures himself."""
    denoiser = Denoiser(steps=30) if quick else Denoiser()
    linkage = Linkage(epochs=0) if quick else Linkage()
    return [denoiser, linkage.knowing(sees=Stage.IMAGES, knows=Knows.SCHEME)]


def optimizers(quick: bool) -> list[Attack]:
    """Attacks that optimize every face by itself, in possession of the client's layers or of their architecture."""
    return [Inversion(steps=20), UnSplit(rounds=2, steps=5)] if quick else [Inversion(), UnSplit()]


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
