"""MinusFace: both stages against the definition, the gradient of stage one, and the secrecy of the draw."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from safetensors.torch import save_file

from bauta.errors import MissingWeights, ShapeError, UsageError
from bauta.ops.dct import block_dct, inverse_block_dct
from bauta.ops.quantize import to_8bit
from bauta.protections import ALL
from bauta.protections.features.minusface import MinusFace, MinusFaceResidue
from bauta.recognizers import Recognizer
from bauta.recognizers.frequency import BlockDCT
from bauta.spec import parse
from bauta.types import Faces, Source

NETWORK = Recognizer({"dct": BlockDCT(), "server": torch.nn.Conv2d(192, 8, tiny.SIDE)}, cut=1)
PUBLIC = Faces(to_8bit(tiny.pictures(6, seed=5)))
FACES = tiny.faces(4)
X = block_dct(FACES.images)


def stage_one(steps: int = 1) -> MinusFaceResidue:
    """A small generator after some steps of its own loss."""
    stage = MinusFaceResidue(width=0.125).fit(PUBLIC, NETWORK).train()
    x = block_dct(PUBLIC.images)
    optimizer = torch.optim.Adam(stage.param_groups()[0]["params"], 2e-3)  # type: ignore[arg-type]
    for _ in range(steps):
        optimizer.zero_grad()
        stage.auxiliary_loss(x, stage(x)).backward()
        optimizer.step()
    return stage.eval()


STAGE_ONE = stage_one()


def test_the_residue_is_what_the_generator_does_not_make() -> None:
    with torch.no_grad():
        made = STAGE_ONE.regenerated(X)
        torch.testing.assert_close(STAGE_ONE(X, FACES), X - made, rtol=0, atol=1e-3)
    assert STAGE_ONE.channels == 192


def test_the_generator_works_on_channels_of_equal_spread() -> None:
    x = block_dct(PUBLIC.images).double()
    torch.testing.assert_close(STAGE_ONE.mean_.double(), x.mean((0, 2, 3), keepdim=True), rtol=1e-4, atol=1e-4)
    deviation = x.std((0, 2, 3), correction=0, keepdim=True)
    moving = deviation[0, :64] > 1e-4
    torch.testing.assert_close(
        STAGE_ONE.deviation_.double()[0, :64][moving], deviation[0, :64][moving], rtol=1e-3, atol=0
    )
    gray = Faces(PUBLIC.images.mean(1, keepdim=True).expand(-1, 3, -1, -1))
    still = MinusFaceResidue(width=0.1).fit(gray, NETWORK).deviation_.view(3, 64)
    torch.testing.assert_close(still[1], still[0] / 100)


def test_the_auxiliary_loss_is_five_times_the_distance_of_the_regenerated_picture() -> None:
    with torch.no_grad():
        residue = STAGE_ONE(X)
        far = (FACES.images - inverse_block_dct(STAGE_ONE.regenerated(X))).abs().mean()
        found = STAGE_ONE.auxiliary_loss(X, residue, FACES)
    assert float(found) == pytest.approx(5 * float(far), rel=0.1), "but for what decoding alone loses"


def test_training_stage_one_blanks_the_decoded_residue() -> None:
    trained = stage_one(20)
    with torch.no_grad():
        before = STAGE_ONE.auxiliary_loss(X, STAGE_ONE(X))
        after = trained.auxiliary_loss(X, trained(X))
    assert int(trained.steps_) == 20
    assert after < 0.85 * before
    (group,) = trained.param_groups()
    assert group["lr_scale"] == 0.5


def test_stage_two_shuffles_all_channels_of_each_picture_and_decodes_them() -> None:
    scheme = MinusFace(STAGE_ONE, seed=3)
    out = scheme(X, FACES)
    assert out.shape == (4, scheme.channels, tiny.SIDE, tiny.SIDE)
    residue = STAGE_ONE(X).detach()
    for row, order, expected in zip(residue, scheme.order_of(FACES), out, strict=True):
        assert sorted(order.tolist()) == list(range(192))
        shuffled = torch.empty_like(row)
        for place in range(192):
            shuffled[place] = row[order[place]]
        torch.testing.assert_close(inverse_block_dct(shuffled[None]).clamp(0, 1)[0], expected)
    assert 0 <= out.min() <= out.max() <= 1


def test_two_pictures_of_a_person_do_not_share_a_draw() -> None:
    scheme = MinusFace(STAGE_ONE)
    sources = [Source("", f"{i:064x}") for i in range(100)]
    orders = scheme.order_of(Faces(torch.zeros(100, 3, 1, 1), torch.ones(100), source=sources))
    assert len({tuple(order) for order in orders.tolist()}) == 100
    same = (orders[0::2] == orders[1::2]).double().mean()
    assert abs(same - 1 / 192) < 0.004, "places agree as by chance"
    assert torch.equal(scheme.order_of(FACES[[2]])[0], scheme.order_of(FACES)[2])
    assert not torch.equal(scheme.rekeyed(1).order_of(FACES), scheme.order_of(FACES))
    assert scheme.draws(X, FACES, scheme.copies).shape == (12, 3, tiny.SIDE, tiny.SIDE)
    assert torch.equal(scheme.draws(X, FACES, 3)[::3], scheme(X, FACES))


def test_the_generator_is_frozen_in_stage_two_and_stage_one_goes_on() -> None:
    scheme = MinusFace(STAGE_ONE).train()
    assert scheme.param_groups() == []
    before = int(scheme.residue.steps_)
    assert not scheme(X, FACES).requires_grad
    assert int(scheme.residue.steps_) == before
    assert all(p.requires_grad for p in STAGE_ONE.parameters())
    x = X.clone().requires_grad_()
    scheme(x, FACES).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0, "an attacker who has the client differentiates through it"


def test_both_fit_into_files() -> None:
    scheme = MinusFace(STAGE_ONE, seed=2)
    again = parse(repr(scheme), ALL)
    assert isinstance(again, MinusFace)
    again = again.restored(scheme.learned())
    assert torch.equal(again(X, FACES), scheme(X, FACES))
    assert not any(p.requires_grad for p in again.parameters())
    stage = MinusFaceResidue(width=0.125).restored(STAGE_ONE.learned())
    assert torch.equal(stage(X), STAGE_ONE(X))


def test_stage_two_begins_from_stage_ones_file(tmp_path: Path) -> None:
    path = tmp_path / "protections.safetensors"
    save_file({f"1.{name}": tensor for name, tensor in STAGE_ONE.learned().items()}, path)
    scheme = MinusFace(MinusFaceResidue(width=0.125, training_seed=3), stage_one=str(path)).fit(None)
    assert torch.equal(scheme(X, FACES), MinusFace(STAGE_ONE)(X, FACES))
    assert repr(parse(repr(scheme), ALL)) == repr(scheme)
    with pytest.raises(UsageError, match="other names, shapes"):
        MinusFace(MinusFaceResidue(width=0.25), stage_one=str(path)).fit(None)
    save_file({"0.rho_": torch.zeros(3)}, path)
    with pytest.raises(UsageError, match="holds 0 trained"):
        MinusFace(STAGE_ONE, stage_one=str(path)).fit(None)
    with pytest.raises(MissingWeights):
        MinusFace(STAGE_ONE, stage_one=str(tmp_path / "none")).fit(None)


def test_what_it_refuses() -> None:
    with pytest.raises(UsageError, match="has not been trained"):
        MinusFace(MinusFaceResidue(width=0.1))(X, FACES)
    with pytest.raises(UsageError, match="call fit"):
        MinusFaceResidue(width=0.1)(X)
    with pytest.raises(UsageError, match="at least one permutation"):
        MinusFace(STAGE_ONE, copies=0)
    with pytest.raises(UsageError, match="alpha"):
        MinusFaceResidue(width=0.1, alpha=0)
    with pytest.raises(ShapeError, match="cut behind its DCT"):
        MinusFace(STAGE_ONE)(FACES.images)
    with pytest.raises(UsageError, match="other names, shapes"):
        MinusFaceResidue(width=0.5).restored(STAGE_ONE.learned())
