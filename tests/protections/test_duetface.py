"""DuetFace: what crosses the wire, against the layers walked by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch.nn import functional as F

from bauta.errors import ShapeError, UsageError
from bauta.faces import load_dataset
from bauta.faces.landmarks import PFLD, TemplateLandmarks
from bauta.ops.dct import block_dct
from bauta.pipeline import Pipeline
from bauta.protections.features.duetface import DuetFace
from bauta.recognizers import trainable
from bauta.recognizers.duet import CLIENT, SERVER, duet_client, duet_small
from bauta.recognizers.frequency import frequency_small
from bauta.types import Images

FACES = tiny.faces(4)
X = block_dct(FACES.images)


def made(**options: object) -> DuetFace:
    """A scheme whose client has seen a few pictures."""
    scheme = DuetFace(**{"landmarks": TemplateLandmarks(), "embedding": 8, "side": tiny.SIDE, **options})  # type: ignore[arg-type]
    scheme.client_.train()(tiny.pictures(4, seed=9, side=scheme.side))
    return scheme.eval()


SCHEME = made()


def test_the_servers_channels_cross_the_wire_as_they_are_with_four_masks_behind() -> None:
    out = SCHEME(X, FACES)
    assert out.shape == (4, 166, tiny.SIDE, tiny.SIDE)
    assert SCHEME.channels == 166
    assert torch.equal(out[:, :162], X[:, list(SERVER)])
    assert sorted([*SCHEME.kept, *CLIENT]) == list(range(192))


def test_a_mask_is_the_clients_attention_inside_the_face() -> None:
    """Enlarged first and convolved then, as the paper has it, with each minimum and maximum taken by hand."""
    masks = SCHEME(X, FACES)[:, 162:].detach()
    region = SCHEME.regions(FACES.images, (tiny.SIDE, tiny.SIDE))[0, 0]
    layers = SCHEME.client_.layers
    for row in range(4):
        y, stage = X[row : row + 1], 0
        for name in SCHEME.client_.layer_names()[1:-2]:
            y = layers.get_submodule(name)(y)
            if name not in ("block1", "block6", "block13", "widen"):
                continue
            large = F.interpolate(y, (tiny.SIDE, tiny.SIDE), mode="bilinear", align_corners=False)
            weight = SCHEME.attention_[stage].weight.detach().flatten()
            m = (large[0] * weight[:, None, None]).sum(0).detach().double()
            m = (m - m.min()) / (m.max() - m.min()) * region
            m = (m - m.min()) / (m.max() - m.min())
            np.testing.assert_allclose(masks[row, stage].numpy(), m.numpy(), atol=1e-3)
            stage += 1
        assert stage == 4
    assert (masks[:, :, region == 0] == 0).all()


def test_regions_follow_the_landmarks_and_the_size() -> None:
    class Triangle:
        def landmarks(self, images: Images) -> NDArray[np.float64]:
            return np.array([[[0.0, 0.0], [63.0, 0.0], [0.0, 63.0]]]).repeat(len(images), 0)

    scheme = made(landmarks=Triangle())
    region = scheme.regions(torch.rand(2, 3, 64, 64), (tiny.SIDE, tiny.SIDE))
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    assert (region[1, 0] == (x + y <= 31.5)).double().mean() > 0.96


def test_without_faces_the_pictures_are_read_off_the_coefficients() -> None:
    seen = []

    class Recording(TemplateLandmarks):
        def landmarks(self, images: Images) -> NDArray[np.float64]:
            seen.append(images)
            return super().landmarks(images)

    scheme = made(landmarks=Recording())
    assert torch.equal(scheme(X), scheme(X, FACES))
    assert (seen[0] - FACES.images).abs().mean() < 0.02


def test_the_convolutions_are_made_once_and_trained_while_the_client_is_frozen() -> None:
    scheme = made().train()
    assert not scheme.client_.training
    first = scheme(X, FACES)
    assert torch.equal(first, scheme(X, FACES)), "nothing is drawn"
    (group,) = scheme.param_groups()
    optimizer = torch.optim.SGD(group["params"], 0.1)  # type: ignore[arg-type]
    first[:, 162:].square().mean().backward()
    assert all(p.grad is None for p in scheme.client_.parameters())
    optimizer.step()
    moved = scheme(X, FACES) - first
    assert moved[:, 162:].abs().max() > 1e-6
    assert (moved[:, :162] == 0).all()


def test_what_it_learned_fits_into_a_file() -> None:
    again = DuetFace(landmarks=TemplateLandmarks(), embedding=8, side=tiny.SIDE, training_seed=4)
    again = again.restored(SCHEME.learned())
    again.eval()
    assert torch.equal(again(X, FACES), SCHEME(X, FACES))


def test_a_client_that_was_trained_elsewhere_is_taken_by_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(trainable.TRAINABLE, "duet-client", duet_client)
    options = {"embedding": 8, "side": tiny.SIDE}
    (tmp_path / trainable.RECIPE).write_text(json.dumps({"architecture": "duet-client", "options": options}))
    save_file(SCHEME.client_.state_dict(), tmp_path / trainable.WEIGHTS)
    scheme = DuetFace(client=str(tmp_path), landmarks=TemplateLandmarks(), embedding=8, side=tiny.SIDE, training_seed=5)
    scheme.fit(None).eval()
    scheme.attention_.load_state_dict(SCHEME.attention_.state_dict())
    assert torch.equal(scheme(X, FACES), SCHEME(X, FACES))
    with pytest.raises(UsageError, match="no duet_client of 16"):
        DuetFace(client=str(tmp_path), embedding=16, side=tiny.SIDE).fit(None)


def test_a_pipeline_of_both_parties() -> None:
    faces = tiny.faces(2, side=112)
    scheme = made(side=112)
    pipeline = Pipeline(duet_small(embedding=16), scheme, twin=frequency_small(embedding=16)).train()
    templates = pipeline.templates(faces)
    assert templates.shape == (2, 16)
    assert pipeline.features(faces).shape == (2, 166, 112, 112)
    assert pipeline.bare().templates(faces).shape == (2, 16)
    weights = [p for n, p in pipeline.recognizer.named_parameters() if p.ndim == 0]
    templates[:, 0].sum().backward()
    assert len(weights) == 4
    assert all(p.grad is not None for p in weights)


def test_what_it_refuses() -> None:
    untrained = DuetFace(landmarks=TemplateLandmarks(), embedding=8, side=tiny.SIDE)
    with pytest.raises(UsageError, match="has not been trained"):
        untrained(X, FACES)
    with pytest.raises(UsageError, match="pictures of 32"):
        DuetFace(side=16)
    with pytest.raises(ShapeError, match="cut behind its DCT"):
        SCHEME(FACES.images)


@pytest.mark.mirror
def test_real_faces_get_regions_of_their_own(mirror: Path) -> None:
    faces = load_dataset("celeb12", 6)
    scheme = made(landmarks=None, side=112)
    out = scheme(block_dct(faces.images), faces)
    inside = out[:, 162:] > 0
    assert isinstance(scheme._finder, PFLD)
    assert 0.25 < inside.double().mean() < 0.55
    assert (inside[0] != inside[1]).any()
