"""Trained reconstructions, on small networks with real training."""

from __future__ import annotations

import pytest
import tiny
import torch

from bauta.attacks import Denoiser, Knows, PlainFace, RecFace, Victim
from bauta.errors import UsageError
from bauta.generators import PlainDecoder, UNet
from bauta.metrics import PSNR
from bauta.pipeline import Pipeline
from bauta.protections import WhiteNoise
from bauta.types import Stage

QUICK = {"steps": 120, "batch_size": 8, "width": 0.5}


def test_features_of_a_shallow_cut_give_the_face_back_and_noise_takes_it() -> None:
    network, public, victims = tiny.recognizer(cut=1), tiny.faces(64, seed=3), tiny.faces(8, seed=4)
    plain, noisy = Pipeline(network), Pipeline(network, WhiteNoise(0.3))
    attack = RecFace(**QUICK)
    victim = Victim(noisy, attack.knowledge)
    fitted = attack.fit(public, victim)
    assert victim.queries == 64
    clean = PSNR(fitted(plain.features(victims), victim), victims.images).mean()
    blind = PSNR(public.images.mean(0).expand_as(victims.images), victims.images).mean()
    assert clean > blind + 4, "better than the mean face"
    unaware = PSNR(fitted(noisy.features(victims), victim), victims.images).mean()
    aware = attack.knowing(knows=Knows.SCHEME)
    told = Victim(noisy, aware.knowledge)
    adapted = PSNR(aware.fit(public, told)(noisy.features(victims), told), victims.images).mean()
    assert adapted > unaware + 1, "who trains on protected pairs reads more"


def test_another_network_learns_from_the_same_pairs() -> None:
    """It reads a shallow cut too, by itself: its pictures are its own."""
    pipeline, public, victims = Pipeline(tiny.recognizer(cut=1)), tiny.faces(64, seed=3), tiny.faces(8, seed=4)
    victim, leak = Victim(pipeline, PlainFace.default_knowledge), pipeline.features(victims)
    plain, known = PlainFace(**QUICK).fit(public, victim), RecFace(**QUICK).fit(public, victim)
    assert isinstance(plain.network_, PlainDecoder)
    assert isinstance(known.network_, UNet)
    blind = PSNR(public.images.mean(0).expand_as(victims.images), victims.images).mean()
    assert PSNR(plain(leak, victim), victims.images).mean() > blind + 4
    assert not torch.allclose(plain(leak, victim), known(leak, victim), atol=0.01)


def test_a_denoiser_undoes_what_it_was_trained_on() -> None:
    public, victims = tiny.faces(64, seed=3), tiny.faces(8, seed=4)
    pipeline = Pipeline(tiny.recognizer(), WhiteNoise(0.3))
    attack = Denoiser(**QUICK)
    victim = Victim(pipeline, attack.knowledge)
    leak = pipeline.images(victims)
    restored = attack.fit(public, victim)(leak, victim)
    assert PSNR(restored, victims.images).mean() > PSNR(leak, victims.images).mean() + 5


def test_a_further_term_enters_the_loss() -> None:
    public = tiny.faces(8, seed=3)
    attack = RecFace(steps=5, batch_size=4, width=0.25, perceptual=lambda guess, truth: 10 * guess.square().mean())
    plain = RecFace(steps=5, batch_size=4, width=0.25)
    pipeline = Pipeline(tiny.recognizer())
    victim = Victim(pipeline, plain.knowledge)
    leak = pipeline.features(tiny.faces(2))
    assert not torch.equal(attack.fit(public, victim)(leak, victim), plain.fit(public, victim)(leak, victim))


def test_templates_will_do() -> None:
    pipeline = Pipeline(tiny.recognizer())
    attack = RecFace(steps=3, batch_size=4, width=0.25).knowing(sees=Stage.TEMPLATES)
    victim = Victim(pipeline, attack.knowledge)
    guess = attack.fit(tiny.faces(8), victim)(pipeline.templates(tiny.faces(2)), victim)
    assert guess.shape == (2, 3, 32, 32)


def test_it_says_what_it_misses() -> None:
    victim = Victim(Pipeline(tiny.recognizer()), RecFace.default_knowledge)
    with pytest.raises(UsageError, match="learns from public faces"):
        RecFace().fit(None, victim)
    with pytest.raises(UsageError, match="has not been trained"):
        RecFace()(torch.zeros(1, 12, 16, 16), victim)
    with pytest.raises(UsageError, match="l1, l2"):
        RecFace(loss="l3")
    with pytest.raises(UsageError, match="at least one step"):
        Denoiser(steps=0)
