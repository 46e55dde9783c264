"""A face prior from pictures to a file: what is minimized, the folder, going on after a stop."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from torch.nn import functional as F

from bauta.errors import UsageError
from bauta.generators.autoencoder import AutoencoderPrior, LatentDecoder
from bauta.recognizers.compact import compact_residual
from bauta.train.batches import Batch
from bauta.train.checkpoints import Row
from bauta.train.drawing import Critic, Drawing, between, gray
from bauta.train.generating import Generating, around, divided, train_generator
from bauta.train.plans import OneCycle
from bauta.train.presets import Recipe
from bauta.types import Faces

RECIPE = Recipe(epochs=2, batch_size=8, plan=OneCycle(rate=1e-3))
SMALL = Generating(data=("made up",), latent=8, widths=(8, 8, 8, 8), recipe=RECIPE)


class Stopped(Exception):
    """Somebody pulled the plug."""


@pytest.fixture(scope="module")
def faces() -> Faces:
    return Faces(F.interpolate(tiny.pictures(30, seed=4), (112, 112), mode="bilinear"))


def test_combinations_have_the_batch_s_mean_and_covariance() -> None:
    draw = torch.Generator().manual_seed(2)
    rows = torch.randn(10, 3, generator=draw) @ torch.randn(3, 3, generator=draw) + 5
    apart = torch.tensor([True] * 4 + [False] * 6)
    found = torch.stack([between(rows, apart, generator=draw) for _ in range(20_000)])
    for group in (apart, ~apart):
        drawn = found[:, group].flatten(0, 1)
        assert torch.allclose(drawn.mean(0), rows[group].mean(0), atol=0.05)
        assert torch.allclose(drawn.T.cov(), rows[group].T.cov(), rtol=0.05, atol=0.02)


def test_gray_pictures_are_known() -> None:
    images = torch.rand(3, 3, 8, 8)
    images[1] = images[1, :1]
    assert gray(images).tolist() == [False, True, False]


def test_the_critic_learns_to_tell_and_the_decoder_to_be_taken(faces: Faces) -> None:
    """Gradients: the critic's own are those of the hinge loss alone, the decoder's never pass through it."""
    torch.manual_seed(0)
    drawing = Drawing(compact_residual(embedding=8), LatentDecoder(latent=8, widths=(8, 8, 8, 8)), noise=0.0).train()
    batch = Batch(faces[:8], torch.arange(8))
    losses = drawing(batch)
    assert set(losses) == {"pixels", "drawn", "critic"}
    critic = torch.autograd.grad(losses["critic"], list(drawing.critic.parameters()), retain_graph=True)
    assert any(bool(g.abs().sum()) for g in critic)
    untouched = torch.autograd.grad(
        losses["critic"], list(drawing.decoder.parameters()), retain_graph=True, allow_unused=True
    )
    assert all(g is None for g in untouched)
    frozen = torch.autograd.grad(
        losses["drawn"], list(drawing.critic.parameters()), retain_graph=True, allow_unused=True
    )
    assert all(g is None for g in frozen)
    moved = torch.autograd.grad(losses["drawn"], list(drawing.decoder.parameters()))
    assert any(bool(g.abs().sum()) for g in moved)


def test_the_critic_tells_photos_from_noise_after_a_few_steps(faces: Faces) -> None:
    torch.manual_seed(0)
    critic = Critic((8, 8, 8, 8))
    optimizer = torch.optim.Adam(critic.parameters(), 1e-2)
    noise = torch.rand(30, 3, 112, 112)
    for _ in range(20):
        optimizer.zero_grad()
        loss = F.relu(1 - critic(faces.images)).mean() + F.relu(1 + critic(noise)).mean()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        assert float(critic(faces.images).mean()) > float(critic(noise).mean()) + 0.2


def test_a_folder_is_a_prior(faces: Faces, tmp_path: Path) -> None:
    prior, rows = train_generator(SMALL, tmp_path / "out", bfloat16=False, given=[faces])
    assert len(rows) == 2
    assert {"pixels", "critic", "drawn", "rate", "seconds"} <= set(rows[-1])
    again = AutoencoderPrior(tmp_path / "out")
    z = torch.randn(2, *again.z_shape)
    assert torch.equal(again.render(z), prior.render(z))
    with pytest.raises(UsageError, match="already"):
        train_generator(SMALL, tmp_path / "out", bfloat16=False, given=[faces])


def test_a_training_goes_on_to_the_same_file(faces: Faces, tmp_path: Path) -> None:
    train_generator(SMALL, tmp_path / "whole", bfloat16=False, given=[faces])

    def told(what: str, done: int, total: int, losses: Row) -> None:
        if (what, done) == ("epoch 2", 1):
            raise Stopped

    with pytest.raises(Stopped):
        train_generator(SMALL, tmp_path / "broken", bfloat16=False, given=[faces], told=told)
    train_generator(SMALL, tmp_path / "broken", bfloat16=False, given=[faces], resume=True)
    ends = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "broken")]
    assert ends[0] == ends[1]


def test_who_judges_is_not_learned_from(faces: Faces) -> None:
    parts, held = divided([faces, faces[:3]])
    assert len(held) == 7
    assert len(parts[0]) == 23
    assert not set(held.digests()) & set(parts[0].digests())
    assert len(parts[1]) == 3


def test_how_a_person_s_pictures_lie_is_estimated_without_bias() -> None:
    """Many people of two pictures each: the mean of two takes half of the spread away, and it is put back."""
    draw = torch.Generator().manual_seed(6)
    shape = torch.randn(3, 3, generator=draw)
    people = torch.randn(20_000, 1, 3, generator=draw) * 10 + torch.randn(20_000, 2, 3, generator=draw) @ shape
    alone = torch.randn(50, 3, generator=draw)
    who = torch.cat([torch.arange(20_000).repeat_interleave(2), torch.arange(50) + 20_000])
    found = around(torch.cat([people.flatten(0, 1), alone]), who)
    assert len(found) == 40_000
    assert torch.allclose(found.T @ found / len(found), shape.T @ shape, rtol=0.05, atol=0.05)


def test_a_prior_knows_how_people_move(faces: Faces, tmp_path: Path) -> None:
    named = Faces(faces.images, torch.arange(30) // 3)
    prior, _ = train_generator(SMALL, tmp_path / "named", bfloat16=False, given=[named])
    assert prior.moves_.shape == (8, 8)
    nameless, _ = train_generator(SMALL, tmp_path / "nameless", bfloat16=False, given=[faces])
    assert nameless.moves_.shape == (0, 8)
