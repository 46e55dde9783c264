"""Channels put back in their places: against loops, by algebra, and by what the picture then shows."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch import Tensor

from bauta.attacks import (
    ForeignRecognizer,
    InverseDCT,
    Knowledge,
    Knows,
    Linkage,
    RecFace,
    Relayed,
    Unshuffled,
    Victim,
)
from bauta.attacks.reconstruction import recface
from bauta.attacks.reconstruction.placing import Placed, placed
from bauta.errors import BeyondKnowledge, UsageError
from bauta.metrics import PSNR
from bauta.ops.dct import block_dct, inverse_block_dct
from bauta.pipeline import Pipeline, System
from bauta.protections import DCTDP, PPFRFD, DuetFace, FeatureProtection, MinusFace, MinusFaceResidue, PartialFace
from bauta.protections.features.frequency import FrequencyProtection, places_of
from bauta.recognizers import Recognizer
from bauta.recognizers.frequency import BlockDCT
from bauta.study.run import run
from bauta.types import Faces


def behind_dct(channels: int) -> Recognizer:
    """A server of one layer behind a DCT."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = {"dct": BlockDCT(), "embedding": torch.nn.Conv2d(channels, 8, tiny.SIDE)}
    return Recognizer(layers, cut=1, name="dct").frozen()


def behind(protection: FrequencyProtection) -> Pipeline:
    return Pipeline(behind_dct(protection.channels), protection, twin=behind_dct(192))


def minusface() -> MinusFace:
    """MinusFace with a generator that was not trained, which the shuffle does not ask after."""
    residue = MinusFaceResidue(width=1 / 16).fit(tiny.faces(8, seed=5), behind_dct(192))
    residue.steps_.fill_(1)
    return MinusFace(residue)


@pytest.mark.parametrize("protection", [PartialFace(), PPFRFD()], ids=repr)
def test_a_scheme_says_which_channel_each_column_is(protection: FrequencyProtection) -> None:
    faces = tiny.faces(6)
    x = block_dct(faces.images)
    wire, places = protection(x, faces), protection.places(faces)
    for row, (sent, where) in enumerate(zip(wire, places.tolist(), strict=True)):
        for column, channel in zip(sent, where, strict=True):
            if isinstance(protection, PartialFace):
                assert torch.equal(column, x[row, channel])
            else:  # the mean of it and another, normalized
                assert any(channel in pair for pair in protection.pairs().tolist())


def test_minusface_and_fixed_schemes_say_it_too() -> None:
    faces = tiny.faces(4)
    x = block_dct(faces.images)
    scheme = minusface()
    residue = scheme.residue(x)
    shuffled = torch.stack([r[where] for r, where in zip(residue, scheme.places(faces), strict=True)])
    torch.testing.assert_close(scheme(x, faces), inverse_block_dct(shuffled).clamp(0, 1))
    assert DCTDP().places(faces).tolist() == [[k for k in range(192) if k % 64]] * 4
    assert DuetFace(side=tiny.SIDE).places(faces).shape == (4, 162), "its masks are no channels"
    assert places_of([], faces).tolist() == [list(range(192))] * 4


def test_placed_is_a_loop() -> None:
    g = torch.Generator().manual_seed(0)
    leak, places = torch.rand(3, 7, 4, 4, generator=g), torch.stack([torch.randperm(192)[:5] for _ in range(3)])
    whole = torch.zeros(3, 192, 4, 4)
    for b in range(3):
        for c in range(5):
            whole[b, places[b, c]] = leak[b, c]
    assert torch.equal(placed(leak, places), whole)
    with pytest.raises(UsageError, match="do not fit"):
        placed(leak[:2], places)
    with pytest.raises(UsageError, match="cut behind its DCT"):
        placed(leak[:, :4], places)


def test_a_shuffle_is_undone() -> None:
    """Of a picture whose coefficients were shuffled, all that the decoder left of them goes back to its place."""
    scheme, faces = minusface(), tiny.faces(3)
    leak, order = scheme(block_dct(faces.images), faces), scheme.places(faces)
    spectrum, back = block_dct(leak), placed(leak, order)
    for b in range(3):
        for i, channel in enumerate(order[b].tolist()):
            assert torch.equal(back[b, channel], spectrum[b, i])


def test_idct_shows_a_face_where_the_places_are_known_and_none_where_they_are_guessed() -> None:
    """PartialFace with all channels but DC: with the draw the picture's edges are back, up to brightness."""
    scheme, faces = PartialFace(pruned=[0], size=63, ranks=1, permutations=6, per_identity=1, seed=4), tiny.faces(6)
    pipeline = behind(scheme)
    leak, attack = pipeline.features(faces), InverseDCT()

    def shown(draw: Tensor) -> Tensor:
        return attack(leak, Victim(pipeline, attack.knowledge, held={"draw": draw}))

    x = block_dct(pipeline.images(faces))
    x[:, ::64] = 0
    torch.testing.assert_close(shown(scheme.places(faces)), inverse_block_dct(x).clamp(0, 1), atol=2e-6, rtol=0)
    others = shown(scheme.rekeyed(9).places(faces))
    assert PSNR(others, shown(scheme.places(faces))).mean() < 30
    with pytest.raises(UsageError, match="the draws of 6 rows, and 2 leaked"):
        attack(leak[:2], Victim(pipeline, attack.knowledge, held={"draw": scheme.places(faces)}))


def test_whose_draws_he_knows() -> None:
    scheme, own = PartialFace(seed=4), tiny.faces(4, seed=8)
    pipeline = behind(scheme)
    bare = Faces(own.images, own.identity)  # the file is not his to choose: draws follow the pixels
    for knows, key in ((Knows.SCHEME, 1), (Knows.KEYS, 4), (Knows.DRAW, 4)):
        victim = Victim(pipeline, Knowledge(sees=RecFace().knowledge.sees, knows=knows))
        assert torch.equal(victim.drawn(own), scheme.rekeyed(key).places(bare))
        assert torch.equal(Relayed(victim, torch.neg).drawn(own), victim.drawn(own))
        x, inside = victim.observe(own), Placed(victim).observe(own)
        torch.testing.assert_close(inside, placed(x, victim.drawn(own)))
    unaware = Victim(pipeline, RecFace.default_knowledge)
    assert unaware.drawn(own.images).tolist() == [list(range(192))] * 4
    with pytest.raises(BeyondKnowledge, match="draw"):
        unaware.held("draw")


def test_who_knows_the_draw_brings_back_more() -> None:
    """Keys without the draw leave 36 readings of a row; sorted channels leave one."""
    public, victims = tiny.faces(64, seed=3), tiny.faces(8, seed=4)
    pipeline = behind(PartialFace(pruned=[0], size=10, permutations=6, seed=4))
    leak, truth = pipeline.features(victims), victims.images
    options = {"steps": 60, "batch_size": 8, "width": 0.25}

    def reached(attack: RecFace | Unshuffled) -> float:
        held = {"draw": places_of(pipeline.protections, victims)}
        victim = Victim(pipeline, attack.knowledge, held=held)
        return float(PSNR(attack.fit(public, victim)(leak, victim), truth).mean())

    assert reached(Unshuffled(RecFace(**options))) > reached(RecFace(**options).knowing(knows=Knows.KEYS)) + 0.3


def test_the_study_hands_the_draw_to_those_who_declare_it() -> None:
    pipeline, victims = behind(PartialFace(seed=4)), tiny.faces(4, seed=4)
    rows = list(run({"p": System(pipeline, pipeline.bare())}, [InverseDCT()], None, victims, 0, skip={"p / utility"}))
    assert {row.knows for row in rows} == {"DRAW"}
    assert not [row.note for row in rows if row.value is None]


def test_large_leaks_are_made_anew_and_give_the_same_network(monkeypatch: pytest.MonkeyPatch) -> None:
    public, victims = tiny.faces(70, seed=3), tiny.faces(2, seed=4)
    pipeline = behind(PartialFace())
    leak = pipeline.features(victims)
    attack = RecFace(steps=3, batch_size=4, width=0.25).knowing(knows=Knows.KEYS)
    victim = Victim(pipeline, attack.knowledge)
    kept = attack.fit(public[:60], victim)(leak, victim)
    assert victim.queries == 60
    monkeypatch.setattr(recface, "LARGEST", 1e5)
    anew = attack.fit(public[:60], victim)(leak, victim)
    torch.testing.assert_close(anew, kept, atol=1e-5, rtol=1e-4)
    assert victim.queries == 60 + 60 + 60 + 3 * 4, "asked for their size, for their spread, and in each step"


@pytest.mark.parametrize("channels", [3, 27, 54, 162, 189, 192])
def test_linkage_takes_whatever_number_of_channels(channels: int) -> None:
    """A scheme's features have the picture's size; three of them are a picture itself."""

    class First(FeatureProtection):
        changes_channels = True

        def forward(self, x: Tensor, faces: Faces | None = None) -> Tensor:
            return x[:, :channels]

    pairs, teacher = tiny.pairs(), tiny.recognizer("teacher", seed=6)
    pipeline = Pipeline(behind_dct(channels), First(), twin=behind_dct(192))
    attack = Linkage(teacher, epochs=0).knowing(knows=Knows.KEYS)
    victim = Victim(pipeline, attack.knowledge)
    linked = attack.fit(tiny.faces(64, seed=9), victim)(pipeline.features(pairs.faces), victim)
    truth = ForeignRecognizer(teacher)(pairs.faces.images, victim)
    near = linked @ truth.T
    assert linked.shape == truth.shape
    own = near.diagonal().mean()
    assert own > near[~torch.eye(len(near), dtype=torch.bool)].mean() + 0.02
