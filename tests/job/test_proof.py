"""The proof: every number again by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bauta import zoo
from bauta.attacks.purify import FILTERS
from bauta.faces.images import through_jpeg
from bauta.job import Proof, foreign_recognizers, proof_table, prove
from bauta.metrics import wilson
from bauta.protections import PMT
from bauta.recognizers import Recognizer
from bauta.report import to_text
from bauta.types import Faces
from bauta.zoo.ours import OURS

from .conftest import picture, random_network

Entry = dict[str, object]


@pytest.fixture(scope="module")
def faces() -> Faces:
    """Three made faces."""
    pixels = np.stack([np.asarray(picture(n)) for n in range(3)])
    return Faces(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255)


@pytest.fixture(scope="module")
def protected(faces: Faces, network: Recognizer) -> Tensor:
    """Their pictures, on 8-bit levels."""
    made: Tensor = PMT(steps=2).fit(None, network)(faces.images, faces)
    return made


@pytest.fixture(scope="module")
def foreign() -> Recognizer:
    """A network that took no part."""
    return random_network("theirs", 9)


def cosine(network: Recognizer, one: Tensor, other: Tensor) -> float:
    """Of two pictures, layer by layer and by the formula."""
    a, b = one[None], other[None]
    for layer in network.layers:
        a, b = layer(a), layer(b)
    a, b = a.flatten().double(), b.flatten().double()
    return float((a * b).sum() / (a.norm() * b.norm()))


@torch.no_grad()
def test_each_cosine_is_the_one_computed_by_hand(
    faces: Faces, protected: Tensor, network: Recognizer, foreign: Recognizer
) -> None:
    entries = Proof([network], [foreign]).measure(faces, protected)
    assert [list(e["cosines"]) for e in entries] == [["mine", "theirs"]] * 3
    row = 1
    found = entries[row]["cosines"]
    original, written = faces.images[row], protected[row]
    for name, who in (("mine", network), ("theirs", foreign)):
        assert found[name]["as written"] == pytest.approx(cosine(who, written, original), abs=1e-5)
        jpeg = through_jpeg(written[None], 75)[0]
        assert found[name]["JPEG 75"] == pytest.approx(cosine(who, jpeg, original), abs=1e-5)
        assert set(found[name]) - {"best cleaned"} == {"as written", "JPEG 95", "JPEG 75", "noise 0.1", "resized"}
    cleaned = [cosine(foreign, clean(protected)[row], original) for clean in FILTERS.values()]
    assert found["theirs"]["best cleaned"] == pytest.approx(max(cleaned), abs=1e-5)
    assert "best cleaned" not in found["mine"]
    assert len({round(c, 4) for c in found["theirs"].values()}) > 3


def entry(mine: float, theirs: float) -> Entry:
    """Made cosines."""
    return {
        "ssim": 0.1,
        "cosines": {
            "mobilefacenet-casia": {"as written": mine, "JPEG 75": mine - 0.3},
            "mobileface-v3": {"as written": theirs, "JPEG 75": theirs, "best cleaned": theirs + 0.2},
            "nobody": {"as written": 0.5},
        },
    }


def test_the_table_counts_acceptance_at_each_ones_threshold() -> None:
    """0.288 for CASIA's, 0.234 for MobileFace V3, none for a stranger."""
    assert (zoo.threshold("mobilefacenet-casia"), zoo.threshold("mobileface-v3")) == (0.288, 0.234)
    entries = [entry(0.9, 0.1), entry(0.289, 0.24), entry(0.288, 0.0), entry(0.7, -0.2)]
    casia, plain, nobody = proof_table(entries, ["mobilefacenet-casia"])
    assert (casia["role"], plain["role"], casia["n"]) == ("authorized", "foreign", 4)
    assert casia["accepted"] == wilson(3, 4)  # 0.288 does not exceed 0.288
    assert casia["accepted"].value == 0.75
    assert casia["JPEG 75"] == 0.5
    assert plain["accepted"] == wilson(1, 4)
    assert plain["best cleaned"] == 0.5  # 0.1 + 0.2 and 0.24 + 0.2 exceed 0.234; 0.2 and 0 do not
    assert casia["cosine"].value == pytest.approx((0.9 + 0.289 + 0.288 + 0.7) / 4)  # type: ignore[attr-defined]
    assert (nobody["accepted"], nobody["cosine"].value) == (None, 0.5)  # type: ignore[attr-defined]
    assert "75" in to_text([casia, plain, nobody])


def test_one_face_has_no_interval_of_its_mean() -> None:
    (casia, *_) = proof_table([entry(0.9, 0.1)], ["mobilefacenet-casia"])
    assert casia["cosine"] == pytest.approx(0.9)
    assert casia["accepted"] == wilson(1, 1)


def test_no_entries_make_no_rows() -> None:
    assert proof_table([], ["mobilefacenet-casia"]) == []


def test_pictures_in_memory_against_who_is_here(
    faces: Faces, protected: Tensor, network: Recognizer, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path))
    monkeypatch.delenv("BAUTA_MIRROR", raising=False)
    row, *others = prove(faces, protected, [network])
    same, *_ = prove(faces, faces.images, [network])
    assert [other["recognizer"] for other in others] == [record.name for record in OURS]  # they come with bauta
    assert (row["recognizer"], row["n"], row["accepted"]) == ("mine", 3, None)
    expected = F.cosine_similarity(network.embed(faces.images), network.embed(protected)).mean()
    assert row["cosine"].value == pytest.approx(float(expected), abs=1e-5)  # type: ignore[attr-defined]
    assert same["cosine"].value == pytest.approx(1)  # type: ignore[attr-defined]


@pytest.mark.mirror
@pytest.mark.usefixtures("mirror")
def test_the_foreign_ones_are_all_published_ones_with_a_threshold_that_are_here() -> None:
    names = [r.name for r in foreign_recognizers(["mobilefacenet-casia"])]
    assert names == ["mobilefacenet-relu6-ms1m", "mobilefacenet-y1-ms1m", "mobileface-v3", *(r.name for r in OURS)]
