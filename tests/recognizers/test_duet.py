"""DuetFace's networks: what a server with interactive blocks computes, against a plain walk through its layers."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.errors import UsageError
from bauta.ops.dct import block_dct
from bauta.recognizers import Recognizer
from bauta.recognizers.duet import CLIENT, CRUCIAL, SERVER, Interactive, duet, duet_client, duet_irse, duet_small
from bauta.recognizers.frequency import BlockDCT

ENDS = ("a", "b", "c", "d")


def plain() -> Recognizer:
    """Six small layers behind the DCT, on 32 x 32."""
    layers = {
        "dct": BlockDCT(),
        "stem": tiny.block(162, 6, 3, 2, torch.nn.PReLU(6)),
        "a": tiny.block(6, 6, 3, 1, torch.nn.ReLU()),
        "b": tiny.block(6, 8, 3, 2, torch.nn.ReLU()),
        "c": tiny.block(8, 8, 3, 2, torch.nn.ReLU()),
        "d": tiny.block(8, 8, 3, 2, torch.nn.ReLU()),
    }
    layers["embedding"] = torch.nn.Conv2d(8, 5, 2)
    made = Recognizer(layers, cut=1)
    tiny.filled(made)
    return made.eval()


def zero_to_one(mask: Tensor) -> Tensor:
    return (mask - mask.min()) / (mask.max() - mask.min())


def test_channels_are_divided_as_published() -> None:
    assert len(CRUCIAL) == 10
    assert len(CLIENT) == 30
    assert len(SERVER) == 162
    assert sorted(CLIENT + SERVER) == list(range(192))
    assert [k for k in CLIENT if 64 <= k < 128] == [64 + k for k in CRUCIAL]


def test_each_stage_is_weighed_by_its_own_mask() -> None:
    server = plain()
    made = duet(server, ENDS)
    weights = (0.5, -0.3, 2.0, 0.1)
    for name, weight in zip(ENDS, weights, strict=True):
        made.layers.get_submodule(name).weight.data.fill_(weight)
    x = torch.randn(3, 162, 32, 32, generator=torch.Generator().manual_seed(0))
    masks = torch.rand(3, 4, 32, 32, generator=torch.Generator().manual_seed(1))
    found = made.embedding(torch.cat([x, masks], 1))
    for row in range(3):
        y = server.layers.stem(x[row : row + 1])
        for stage, (name, weight) in enumerate(zip(ENDS, weights, strict=True)):
            y = server.layers.get_submodule(name)(y).sigmoid()
            side = y.shape[-1]
            mask = masks[row, stage].reshape(side, 32 // side, side, 32 // side).mean((1, 3))
            y = y + weight * (y * zero_to_one(mask))
        torch.testing.assert_close(found[row], server.layers.embedding(y).flatten(), atol=1e-4, rtol=1e-4)


def test_at_first_the_masks_do_nothing_and_the_weights_learn() -> None:
    made = duet(plain(), ENDS)
    x, masks = torch.randn(2, 162, 32, 32), torch.rand(2, 4, 32, 32)
    first = made.embedding(torch.cat([x, masks], 1))
    assert torch.equal(first, made.embedding(torch.cat([x, 1 - masks], 1)))
    first.square().sum().backward()
    blocks = [m for m in made.modules() if isinstance(m, Interactive)]
    assert len(blocks) == 4
    for block in blocks:
        assert float(block.weight.detach()) == 0
        assert block.weight.grad is not None
        assert block.weight.grad != 0


def test_it_is_cut_anywhere_as_any_other() -> None:
    made = duet(plain(), ENDS)
    x = torch.cat([torch.randn(2, 162, 32, 32), torch.rand(2, 4, 32, 32)], 1)
    whole = made.embedding(x)
    for cut in range(2, 7):
        part = x
        for layer in list(made.layers)[1:cut]:
            part = layer(part)
        torch.testing.assert_close(made.at_cut(cut).embedding(part), whole)


@pytest.mark.parametrize("build", [duet_small, duet_irse], ids=["small", "irse"])
def test_the_servers_end_their_stages_at_four_sizes(build: type) -> None:
    made: Recognizer = build(embedding=64).eval()
    x = torch.rand(1, 166, 112, 112)
    sides = []
    for layer in list(made.layers)[1:]:
        x = layer(x)
        if isinstance(layer, Interactive):
            sides.append(x.shape[-1])
    assert sides == [56, 28, 14, 7]
    assert x.shape == (1, 64, 1, 1)


def test_the_client_is_a_recognizer_that_sees_thirty_channels() -> None:
    client = duet_client(embedding=16, side=32).eval()
    images = tiny.pictures(2)
    x = block_dct(images)
    torch.testing.assert_close(client.embedding(x), client.embedding(client.features(images)))
    other = x.clone()
    other[:, list(SERVER)] = 7
    torch.testing.assert_close(client.embedding(other), client.embedding(x))
    assert F.cosine_similarity(client.embed(images), client.embed(images.flip(3))).max() < 1 - 1e-6


def test_stages_must_be_the_servers() -> None:
    for ends in (("a", "b", "c"), ("b", "a", "c", "d"), ("a", "b", "c", "x"), ("dct", "a", "b", "c")):
        with pytest.raises(UsageError, match="stages in order"):
            duet(plain(), ends)
    with pytest.raises(UsageError, match="162 channels and 4 masks"):
        duet_small(162)
