"""What every attack promises, whoever wrote it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import ClassVar

import pytest
import tiny
import torch
from torch import Tensor

from bauta.attacks import (
    ALL,
    Access,
    Attack,
    AveragedSearch,
    Averaging,
    ClientHolder,
    CNNProbe,
    Comparison,
    Denoiser,
    EvolutionStrategy,
    ForeignEstimator,
    ForeignRecognizer,
    GaussianBlobs,
    Guess,
    InverseDCT,
    Inversion,
    Knowledge,
    KnownPairs,
    Knows,
    LatentMapping,
    LinearInversion,
    Linkage,
    LogisticProbe,
    Map2V,
    Map2VFast,
    Map2VWhiteBox,
    MLPProbe,
    NbNet,
    PlainFace,
    Purify,
    Ranked,
    RecFace,
    Reconstruction,
    TransferProbe,
    Unshuffled,
    UnSplit,
    Via,
    Victim,
)
from bauta.errors import BeyondKnowledge
from bauta.estimators import Estimator
from bauta.generators import Canvas, Eigenfaces
from bauta.pipeline import Pipeline
from bauta.protections import PMT, PartialFace, WhiteNoise
from bauta.protections.features.frequency import places_of
from bauta.recognizers import Recognizer
from bauta.recognizers.frequency import BlockDCT
from bauta.types import Faces, Images, Stage

READER = tiny.recognizer("somebody else's", seed=4)


class Means(Reconstruction):
    """A picture of one brightness: the mean of the leak."""

    default_knowledge = Knowledge(sees=Stage.FEATURES)

    def __repr__(self) -> str:
        return "Means()"

    def __call__(self, leak: Tensor, victim: Victim) -> Images:
        return leak.flatten(1).mean(1).sigmoid()[:, None, None, None].expand(-1, 3, tiny.SIDE, tiny.SIDE)


class Brightness(Estimator):
    """Bright faces are of one class."""

    name = "brightness"
    paper = "none"
    classes: ClassVar[Mapping[str, tuple[str, ...]]] = {"gender": ("male", "female")}

    def forward(self, images: Images) -> dict[str, Tensor]:
        bright = images.mean((1, 2, 3))
        return {"gender": torch.stack([1 - bright, bright], 1)}


# How to make one of each, where it needs something or its defaults take long.
MADE: dict[str, Callable[[], Attack]] = {
    "ForeignRecognizer": lambda: ForeignRecognizer(READER),
    "ClientHolder": ClientHolder,
    "Comparison": Comparison,
    "Purify": lambda: Purify(ForeignRecognizer(READER), "blur 1"),
    "Via": lambda: Via(Means(), ForeignRecognizer(READER)),
    "Linkage": lambda: Linkage(READER, epochs=1),
    "RecFace": lambda: RecFace(steps=2, batch_size=4, width=0.25),
    "Unshuffled": lambda: Unshuffled(RecFace(steps=2, batch_size=4, width=0.25)),
    "InverseDCT": InverseDCT,
    "PlainFace": lambda: PlainFace(steps=2, batch_size=4, width=0.25),
    "Denoiser": lambda: Denoiser(steps=2, batch_size=4, width=0.25),
    "Inversion": lambda: Inversion(steps=2, side=tiny.SIDE),
    "LinearInversion": lambda: LinearInversion(steps=5),
    "UnSplit": lambda: UnSplit(rounds=1, steps=1, side=tiny.SIDE),
    "Averaging": Averaging,
    "KnownPairs": KnownPairs,
    "Map2V": lambda: Map2V(Eigenfaces(components=5), Ranked(priors=4, top=2), iterations=2),
    "Map2VFast": lambda: Map2VFast(Eigenfaces(components=5), rounds=2, priors=4),
    "Map2VWhiteBox": lambda: Map2VWhiteBox(Eigenfaces(components=5), Ranked(priors=4, top=2), iterations=2),
    "AveragedSearch": lambda: AveragedSearch(
        Eigenfaces(components=5), READER, latents=3, iterations=2, window=1, finalists=2
    ),
    "EvolutionStrategy": lambda: EvolutionStrategy(Eigenfaces(components=5), rounds=2),
    "GaussianBlobs": lambda: GaussianBlobs(Canvas(side=tiny.SIDE), rounds=2, blobs=3),
    "LatentMapping": lambda: LatentMapping(Eigenfaces(components=5), draws=10, steps=2, width=4),
    "NbNet": lambda: NbNet(steps=2, batch_size=4, width=0.25),
    "ForeignEstimator": lambda: ForeignEstimator("gender", Brightness()),
    "LogisticProbe": lambda: LogisticProbe("gender", components=4),
    "MLPProbe": lambda: MLPProbe("gender", components=4, width=4, epochs=1),
    "CNNProbe": lambda: CNNProbe("gender", width=4, epochs=1),
    "TransferProbe": lambda: TransferProbe("gender", READER, cut=2, components=4, width=4, epochs=1),
}
BEHIND_DCT = ("Unshuffled", "InverseDCT")
EACH = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)


@pytest.fixture
def pipeline(kind: type[Attack]) -> Pipeline:
    if kind is LinearInversion:  # which, unaware, takes all channels for sent
        return Pipeline(behind_dct(192), WhiteNoise(0.01))
    if kind.__name__ in BEHIND_DCT:
        return Pipeline(behind_dct(27), PartialFace(), twin=behind_dct(192))
    network = tiny.recognizer()
    return Pipeline(network, PMT(steps=3).fit(None, network))


def behind_dct(channels: int) -> Recognizer:
    """A server of one layer behind a DCT."""
    layers = {"dct": BlockDCT(), "embedding": torch.nn.Conv2d(channels, 8, tiny.SIDE)}
    return Recognizer(layers, cut=1, name="dct").frozen()


def people(number: int, seed: int) -> Faces:
    """Faces whose attributes are known."""
    faces = tiny.faces(number, seed=seed)
    return Faces(faces.images, faces.identity, {"gender": torch.arange(number) % 2}, faces.source)


def leaked(attack: Attack, pipeline: Pipeline, faces: Faces) -> Tensor:
    """What the attack is given: of scores, the numbers of the enrolled."""
    sees = attack.knowledge.sees
    return torch.arange(len(faces)) if sees is Stage.SCORES else pipeline.at(sees, faces)


def uploaded(faces: Faces, pipeline: Pipeline) -> dict[str, object]:
    """What attackers of personal masks may hold, and those who know the draws."""
    pair = tiny.pictures(2, seed=5)
    drawn = places_of(pipeline.protections, faces)
    return {"accounts": faces.identity, "reference pairs": {0: (pair, pair.flip(0))}, "draw": drawn}


@EACH
def test_it_declares_its_knowledge_and_has_words(kind: type[Attack]) -> None:
    assert kind.__doc__
    assert isinstance(kind.default_knowledge, Knowledge)
    attack = MADE[kind.__name__]()
    assert isinstance(attack.knowledge, Knowledge)
    assert attack.guesses in Guess
    assert repr(attack).startswith(f"{kind.__name__}(")
    for knows in Knows:
        changed = attack.knowing(knows=knows)
        assert type(changed) is kind
        assert changed.knowledge.knows is knows
        assert repr(changed) == repr(attack)
    assert attack.knowledge == MADE[kind.__name__]().knowledge, "the original is unchanged"
    assert len(inspect.getsource(inspect.getmodule(kind) or kind).splitlines()) <= 300, "what else is in that file?"


@EACH
@pytest.mark.parametrize("knows", [Knows.NOTHING, Knows.SCHEME, Knows.KEYS])
def test_it_guesses_from_a_leak_of_its_stage(kind: type[Attack], knows: Knows, pipeline: Pipeline) -> None:
    attack, faces = MADE[kind.__name__]().knowing(knows=knows), tiny.faces(4)
    if attack.knowledge.access is Access.GRADIENT:  # which PMT does not pass
        pipeline = Pipeline(pipeline.recognizer, WhiteNoise(0.01))
    victim = Victim(pipeline, attack.knowledge, held=uploaded(faces, pipeline), enrolled=pipeline.templates(faces))
    leak = leaked(attack, pipeline, faces)
    before, state = leak.clone(), torch.random.get_rng_state()
    fitted = attack.fit(people(16, seed=3), victim)
    guess = fitted(leak, victim)
    assert torch.equal(torch.random.get_rng_state(), state), "draw from an explicit generator, not from the global one"
    assert torch.equal(leak, before)
    assert guess.shape[0] == 4
    assert guess.isfinite().all()
    if attack.guesses is Guess.TEMPLATES:
        assert torch.allclose(guess.norm(dim=1), torch.ones(4), atol=1e-5)
    elif attack.guesses is Guess.IMAGES:
        assert guess.shape == faces.images.shape
        assert 0 <= guess.min() <= guess.max() <= 1
    else:
        assert guess.ndim == 2
    again = attack.fit(people(16, seed=3), victim)(leak, victim)
    assert torch.allclose(again, guess, atol=1e-5), "fitting leaves the attack as it was, and draws from its own seed"


@EACH
def test_it_needs_no_more_than_it_declares(kind: type[Attack], pipeline: Pipeline) -> None:
    """A victim that hands out and answers nothing stops those that hold or ask something, and no other."""
    attack = MADE[kind.__name__]()
    leak = leaked(attack, pipeline, tiny.faces(2))
    fitted = attack.fit(people(16, seed=3), Victim(pipeline, attack.knowledge))
    victim = Victim(pipeline, Knowledge(sees=attack.knowledge.sees))
    if attack.knowledge.holds or attack.knowledge.access is not Access.NONE:
        with pytest.raises(BeyondKnowledge):
            fitted(leak, victim)
    else:
        fitted(leak, victim)
