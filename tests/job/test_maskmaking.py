"""Learning a mask file: what `fit` learns, kept epoch by epoch, and the same after any stop."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from tiny import pictures

from bauta.errors import BadFile, BautaError, UsageError
from bauta.job.maskfile import MaskFile, Measured
from bauta.job.maskmaking import MaskMaking, digests, same_recognizer, sheet
from bauta.job.portraits import Portraits
from bauta.protections.images.p3mask import P3Mask
from bauta.protections.images.team import Team
from bauta.recognizers import Recognizer
from bauta.types import Faces


class Stop(Exception):
    """The power fails."""


def stop_at(epoch: int) -> object:
    """Hears of epochs, and stops in one."""

    def told(row: Measured) -> None:
        if row.epoch == epoch:
            raise Stop

    return told


def hear(row: Measured) -> None:
    """Hears of epochs."""


@pytest.fixture(scope="module")
def mine() -> Portraits:
    """Five photos."""
    person = torch.nn.functional.normalize(torch.ones(8), dim=0)
    return Portraits(pictures(5, side=112), [f"{i:064x}" for i in range(5)], person, {})


@pytest.fixture(scope="module")
def team(network: Recognizer) -> Team:
    """One recognizer."""
    return Team(network)


@pytest.fixture(scope="module")
def p3() -> P3Mask:
    """Three epochs in large steps."""
    return P3Mask(epochs=3, step_size=0.01, batch_size=2, strength=0.8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, mine: Portraits, team: Team, p3: P3Mask) -> MaskFile:
    """What a run without a stop learns."""
    return MaskMaking(p3, tmp_path_factory.mktemp("whole") / "a.mask").run(mine, team, hear)


def test_it_is_what_fit_learns(
    tmp_path: Path, mine: Portraits, team: Team, p3: P3Mask, whole: MaskFile, network: Recognizer
) -> None:
    heard: list[Measured] = []
    made = MaskMaking(p3, tmp_path / "a.mask", tmp_path / "epochs").run(mine, team, heard.append)
    fitted = p3.fit(Faces(mine.images, torch.zeros(5, dtype=torch.long)), network)
    assert torch.equal(made.masks[0], fitted.masks_[0])
    assert torch.equal(made.masks, whole.masks)
    loaded = MaskFile.load(tmp_path / "a.mask")
    assert torch.equal(loaded.masks, made.masks)
    assert loaded.made.history == heard
    assert [row.epoch for row in heard] == [1, 2, 3]
    assert heard[-1].angle > heard[0].angle
    assert (loaded.made.protection, loaded.made.photos, loaded.made.strength) == (repr(p3), 5, 0.8)
    assert loaded.made.team == {"mine": ""}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mask", "epochs"]
    kept = sorted((tmp_path / "epochs").iterdir())
    assert [p.name for p in kept] == [f"epoch_00{i}.{end}" for i in (1, 2, 3) for end in ("mask", "png")]
    assert {p.stat().st_mode & 0o777 for p in [*kept, tmp_path / "a.mask"]} == {0o600}
    assert torch.equal(MaskFile.load(kept[-2]).masks, made.masks)
    first = MaskFile.load(kept[0])
    assert len(first.made.history) == 1
    assert not torch.equal(first.masks, made.masks)


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_after_a_stop_it_is_that_of_a_whole_run_bit_for_bit(
    tmp_path: Path, mine: Portraits, team: Team, p3: P3Mask, whole: MaskFile, epoch: int
) -> None:
    making = MaskMaking(p3, tmp_path / "a.mask")
    umask = os.umask(0)
    try:
        with pytest.raises(Stop):
            making.run(mine, team, stop_at(epoch))  # type: ignore[arg-type]
    finally:
        os.umask(umask)
    assert [p.name for p in tmp_path.iterdir()] == [".a.mask.part"]
    assert making.part.stat().st_mode & 0o777 == 0o600
    heard: list[Measured] = []
    made = making.run(mine, team, heard.append)
    assert torch.equal(made.masks, whole.masks)
    assert made.made == whole.made
    assert [row.epoch for row in heard] == list(range(epoch + 1, 4))
    assert [p.name for p in tmp_path.iterdir()] == ["a.mask"]


@pytest.mark.parametrize(("variant", "epoch"), [(1, 2), (1, 3), (2, 1), (2, 3)])
def test_several_masks_and_a_stop_in_any_of_them(
    tmp_path: Path, mine: Portraits, team: Team, p3: P3Mask, whole: MaskFile, variant: int, epoch: int
) -> None:
    """The first is that of a file of one; the second is another, as strong; a stop changes nothing of either."""
    heard: list[Measured] = []
    (tmp_path / "unstopped").mkdir()
    both = MaskMaking(p3, tmp_path / "unstopped" / "a.mask", tmp_path / "epochs", 2).run(mine, team, heard.append)
    assert torch.equal(both.masks[:1], whole.masks)
    assert [(row.variant, row.epoch) for row in heard] == [(v, e) for v in (1, 2) for e in (1, 2, 3)]
    assert MaskFile.load(tmp_path / "unstopped" / "a.mask").made.history == heard
    assert both.alike < 0.9
    assert heard[-1].angle > 0.7 * heard[2].angle
    kept = MaskFile.load(tmp_path / "epochs" / "mask_2_epoch_003.mask")
    assert torch.equal(kept.masks, both.masks[1:])
    assert kept.made.history == heard[3:]

    def stop(row: Measured) -> None:
        if (row.variant, row.epoch) == (variant, epoch):
            raise Stop

    making = MaskMaking(p3, tmp_path / "a.mask", variants=2)
    with pytest.raises(Stop):
        making.run(mine, team, stop)
    with pytest.raises(UsageError, match="other settings or photos was begun"):
        MaskMaking(p3, making.out, variants=3).run(mine, team, hear)
    again = making.run(mine, team, hear)
    assert torch.equal(again.masks, both.masks)
    assert again.made == both.made
    assert making.out.read_bytes() == (tmp_path / "unstopped" / "a.mask").read_bytes()


def test_more_masks_than_a_file_holds(tmp_path: Path, mine: Portraits, team: Team, p3: P3Mask) -> None:
    for variants in (0, 17):
        with pytest.raises(UsageError, match=f"holds 1 to 16 variants; got {variants}"):
            MaskMaking(p3, tmp_path / "a.mask", variants=variants).run(mine, team, hear)


def test_another_run_does_not_go_on_there(tmp_path: Path, mine: Portraits, team: Team, p3: P3Mask) -> None:
    making = MaskMaking(p3, tmp_path / "a.mask")
    with pytest.raises(Stop):
        making.run(mine, team, stop_at(1))  # type: ignore[arg-type]
    other = Portraits(mine.images[:4], mine.digests[:4], mine.person, {})
    before = making.part.read_bytes()
    for again, photos in ((P3Mask(epochs=4, batch_size=2), mine), (p3, other)):
        with pytest.raises(UsageError, match="other settings or photos was begun") as error:
            MaskMaking(again, making.out).run(photos, team, hear)
        assert "\n" not in str(error.value)
    assert making.part.read_bytes() == before
    making.part.write_bytes(before[:-3])
    with pytest.raises(BadFile, match="delete it to begin anew"):
        making.run(mine, team, hear)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, mine: Portraits, team: Team, p3: P3Mask) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BautaError, match="cannot be written"):
        MaskMaking(p3, tmp_path / "file" / "a.mask").run(mine, team, hear)


def test_a_sheet_shows_the_face_what_is_added_and_both(tmp_path: Path, whole: MaskFile) -> None:
    face = pictures(1, side=112)[0]
    shown = sheet(face, whole.masks[0], [0.5, 1.0])
    assert shown.shape == (3, 2 * 112 + 4, 3 * 112 + 2 * 4)
    assert torch.equal(shown[:, :112, :112], face)
    assert torch.equal(shown[:, 116:, 232:], (face + whole.masks[0]).clamp(0, 1))
    assert torch.equal(shown[:, :112, 232:], (face + 0.5 * whole.masks[0]).clamp(0, 1))
    added = shown[:, 116:, 116:228] - 0.5
    assert float(added.abs().max()) == pytest.approx(0.5)
    assert torch.allclose(added / added.abs().max(), whole.masks[0] / whole.masks.abs().max(), atol=1e-6)
    assert torch.allclose(shown[:, :112, 116:228] - 0.5, added / 2, atol=1e-6)


def test_other_weights_under_the_same_name_are_said(whole: MaskFile, network: Recognizer) -> None:
    same_recognizer(whole, network)
    team = {**digests([network]), "mine": "ab" * 32}
    other = MaskFile(whole.masks, whole.person, type(whole.made)("P3Mask()", team, 2, 1.0))
    with pytest.raises(BautaError, match="not those that the mask was learned with"):
        same_recognizer(other, network)


@pytest.mark.mirror
def test_the_digests_of_published_weights_are_their_records(mirror: Path) -> None:
    from bauta import zoo
    from bauta.recognizers import load

    name = "mobilefacenet-casia"
    assert digests([load(name)]) == {name: zoo.weights(name).files[0].sha256}
