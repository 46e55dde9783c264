"""NbNet on templates of faces that have few degrees of freedom."""

from __future__ import annotations

import tiny
import torch
from torch import Generator

from bauta.attacks import NbNet, Victim
from bauta.generators import Eigenfaces, NbNetDecoder
from bauta.metrics import PSNR
from bauta.pipeline import Pipeline
from bauta.types import Faces, Stage


def people(number: int, seed: int) -> Faces:
    """Faces of six degrees of freedom, so that a template can tell them."""
    prior = Eigenfaces(components=6).fit(tiny.faces(20, seed=4))
    return Faces(prior.render(prior.sample(number, Generator().manual_seed(seed))))


def test_stored_templates_give_faces_back() -> None:
    pipeline, public, victims = Pipeline(tiny.recognizer()), people(128, 1), people(8, 2)
    attack = NbNet(steps=80, batch_size=16, width=0.25)
    assert attack.knowledge.sees is Stage.TEMPLATES
    victim = Victim(pipeline, attack.knowledge)
    fitted = attack.fit(public, victim)
    assert victim.queries == 128
    assert isinstance(fitted.network_, NbNetDecoder)
    found = fitted(pipeline.templates(victims), victim)
    blind = PSNR(public.images.mean(0).expand_as(victims.images), victims.images).mean()
    assert PSNR(found, victims.images).mean() > blind + 3
    swapped = PSNR(found.flip(0), victims.images).mean()
    assert PSNR(found, victims.images).mean() > swapped + 3, "each template its own face"
    assert torch.equal(found, fitted(pipeline.templates(victims), victim))
