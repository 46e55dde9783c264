"""What every protection keeps, whoever wrote it: these tests run over `bauta.protections.ALL`."""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bauta.protections import ALL, Protection
from bauta.protections.features.duetface import DuetFace
from bauta.protections.features.frequency import FrequencyProtection
from bauta.protections.features.minusface import MinusFace
from bauta.recognizers import Preprocess, Recognizer
from bauta.recognizers.frequency import BlockDCT
from bauta.recognizers.mobileface import MobileFaceV3
from bauta.spec import load_class, parse
from bauta.types import Faces, Source, Stage

# How to make one that is quick to test, where its defaults are not: a spec, as a user would write it.
QUICK = {
    "PMT": "PMT(steps=3, seed=5)",
    "MatchedNoise": "MatchedNoise(PMT(steps=3), seed=5)",
    "NormMatchedNoise": "NormMatchedNoise(GaussianNoise(0.3), seed=5)",
    "AdvFace": "AdvFace(steps=3, shadow_steps=3, width=0.25, seed=5)",
    "RefreshedAdvFace": "RefreshedAdvFace(steps=2, rounds=1, shadow_steps=3, width=0.25, seed=5)",
    "DeepObfuscator": "DeepObfuscator(steps=3, warmup=1, batch_size=2, width=0.25)",
    "MinusFaceResidue": "MinusFaceResidue(width=0.1)",
    "MinusFace": "MinusFace(MinusFaceResidue(width=0.1), seed=5)",
    "PEEP": "PEEP(components=3, seed=5)",
    "PGD": "PGD(steps=3, seed=5)",
    "MIFGSM": "MIFGSM(steps=3, seed=5)",
    "DIM": "DIM(steps=3, seed=5)",
    "TIM": "TIM(steps=3, seed=5)",
    "LowKey": "LowKey(steps=3, seed=5)",
    "OPOMCenter": "OPOMCenter(steps=3, seed=5)",
    "OPOMAffine": "OPOMAffine(steps=3, seed=5)",
    "OPOMConvex": "OPOMConvex(steps=3, warmup=1, seed=5)",
    "Fawkes": "Fawkes(steps=3, budget=0.05, seed=5)",
    "TIPIM": "TIPIM(steps=3, seed=5)",
    "P3Mask": "P3Mask(epochs=2, step_size=0.01, seed=5)",
    "TransferMask": "TransferMask(epochs=2, step_size=0.01, seed=5)",
    "ScatterMask": "ScatterMask(steps=2, least=1, epochs=2, step_size=0.01, seed=5)",
}
EACH = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)


@pytest.fixture(scope="module")
def network() -> Recognizer:
    """A small recognizer with fixed random weights: a contract needs no good one."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MobileFaceV3(Preprocess(), cut=3).frozen()


@pytest.fixture(scope="module")
def faces() -> Faces:
    """Four smooth pictures of two people, with a file's digest each."""
    g = torch.Generator().manual_seed(1)
    coarse = torch.rand(4, 3, 7, 7, generator=g)
    images = torch.nn.functional.interpolate(coarse, (112, 112), mode="bilinear")
    return Faces(images, torch.tensor([0, 0, 1, 1]), source=[Source(f"{i}.png", f"{i:064x}") for i in range(4)])


def at_its_place(kind: type[Protection], network: Recognizer) -> Recognizer:
    """The recognizer that a protection is made for: the frequency family stands behind a block DCT."""
    if not issubclass(kind, FrequencyProtection):
        return network
    return Recognizer({"dct": BlockDCT(), "embedding": torch.nn.Conv2d(192, 8, 112)}, cut=1).frozen()


def make(kind: type[Protection], faces: Faces, network: Recognizer) -> Protection:
    network = at_its_place(kind, network)
    protection = parse(QUICK.get(kind.__name__, kind.__name__), ALL)
    assert isinstance(protection, kind)
    fitted = protection.fit(faces, network)
    assert fitted is protection
    if isinstance(fitted, DuetFace):  # whose client's network has been trained alone, here for one step
        fitted.client_.train()(faces.images)
        fitted.eval()
    if isinstance(fitted, MinusFace):  # which needs a stage one that has been trained, here for one step
        fitted.residue.fit(faces, network).train()(network.features(faces.images))
        fitted.residue.eval()
    return fitted


def stage_input(kind: type[Protection], faces: Faces, network: Recognizer) -> Tensor:
    """What lies at the stage that `kind` rewrites."""
    if kind.stage is Stage.IMAGES:
        return faces.images
    network = at_its_place(kind, network)
    features = network.features(faces.images)
    return features if kind.stage is Stage.FEATURES else network.templates(features)


@EACH
def test_its_text_makes_it_again(kind: type[Protection]) -> None:
    protection = parse(QUICK.get(kind.__name__, kind.__name__), ALL)
    assert repr(parse(repr(protection), ALL)) == repr(protection)


@EACH
def test_it_has_defaults_a_stage_and_words(kind: type[Protection]) -> None:
    parse(kind.__name__, ALL)
    assert kind.stage in (Stage.IMAGES, Stage.FEATURES, Stage.TEMPLATES)
    assert kind.__doc__
    assert len(inspect.getsource(inspect.getmodule(kind) or kind).splitlines()) <= 300, "what else is in that file?"


@EACH
def test_what_comes_out_fits_the_stage(kind: type[Protection], faces: Faces, network: Recognizer) -> None:
    x = stage_input(kind, faces, network)
    out = make(kind, faces, network)(x, faces)
    assert len(out) == len(x)
    assert out.isfinite().all()
    if kind.stage is Stage.IMAGES:
        assert out.shape == x.shape
        assert out.dtype == x.dtype
        assert 0 <= out.min() <= out.max() <= 1


@EACH
def test_it_leaves_its_input_and_the_world_as_they_were(
    kind: type[Protection], faces: Faces, network: Recognizer
) -> None:
    x = stage_input(kind, faces, network)
    protection = make(kind, faces, network)
    before, state = x.clone(), torch.random.get_rng_state()
    protection(x, faces)
    assert torch.equal(x, before)
    assert torch.equal(torch.random.get_rng_state(), state), "draw from an explicit generator, not from the global one"


@EACH
def test_same_data_same_answer(kind: type[Protection], faces: Faces, network: Recognizer) -> None:
    x = stage_input(kind, faces, network)
    torch.manual_seed(1)
    first = make(kind, faces, network)(x, faces)
    torch.manual_seed(2)
    assert torch.equal(first, make(kind, faces, network)(x, faces))


@EACH
def test_a_face_is_treated_alike_wherever_it_stands(kind: type[Protection], faces: Faces, network: Recognizer) -> None:
    """Draws follow the file's content, not the row. Rounding may move single values of an optimized picture."""
    x = stage_input(kind, faces, network)
    protection = make(kind, faces, network)
    order = torch.tensor([2, 0, 3, 1])
    moved = protection(x[order], faces[order])
    renamed = replace(faces, source=[Source(f"other{i}", s.digest) for i, s in enumerate(faces.source)])
    for other, expected in ((moved, protection(x, faces)[order]), (protection(x, renamed), protection(x, faces))):
        assert ((other - expected).abs() > 1.5 / 255).double().mean() < 0.005


@EACH
def test_other_keys_give_another_answer_and_leave_the_original_alone(
    kind: type[Protection], faces: Faces, network: Recognizer
) -> None:
    """An attacker who knows the scheme runs it with keys of his own."""
    x = stage_input(kind, faces, network)
    protection = make(kind, faces, network)
    first = protection(x, faces)
    other = protection.rekeyed(12345)
    assert type(other) is kind
    assert torch.equal(other(x, faces), first) is not hasattr(protection, "seed")
    assert torch.equal(protection(x, faces), first)


def test_the_example_of_the_contributors_guide_keeps_the_contract(faces: Faces, tmp_path: Path) -> None:
    guide = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
    (block,) = re.findall(r"^   ```python\n(.*?)^   ```$", guide, re.DOTALL | re.MULTILINE)
    path = tmp_path / "pixelate.py"
    path.write_text(textwrap.dedent(block))
    pixelate = parse("Pixelate(size=12)", [load_class(f"{path}:Pixelate")])
    assert isinstance(pixelate, Protection)
    assert repr(pixelate) == "Pixelate(size=12)"
    out = pixelate(faces.images, faces)
    assert out.shape == faces.images.shape
    assert torch.allclose(out[:, :, 0, 0], faces.images[:, :, :12, :12].mean((2, 3)), atol=1e-6)
