"""Study chameleon on tiny networks and pictures: who is in the crowd, who learns from whom, who takes the mask off."""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from torch import Tensor

from bauta.errors import MissingWeights, UsageError
from bauta.metrics import PSNR
from bauta.protections import PGD, TIPIM, ImageProtection, OPOMCenter, P3Mask, ScatterMask, WhiteNoise
from bauta.protections.images.personal import colorless
from bauta.study.presets.chameleon import (
    JUDGES,
    SERVICES,
    TEAM,
    adaptive,
    chameleon,
    embedder,
    masked,
    parts,
    protections,
    stranger_key,
)
from bauta.study.presets.people import attacker, first_of_each, folders, opened, taught
from bauta.study.presets.settings import Settings
from bauta.study.records import Row
from bauta.study.retrieval import Reader, Search, searched
from bauta.types import Faces, Images, Source

preset = importlib.import_module("bauta.study.presets.chameleon")  # the package's name is the function's
photographers = importlib.import_module("bauta.study.presets.people")

CELEBRITIES = {"Ann": 20, "Ben": 24, "Cid": 20, "Dot": 3}
# Ann and Cid are in both sets, Eve and Fay have as many photos as who is looked for
EVERYBODY = {"Ann": 5, "Cid": 2, "Eve": 20, "Fay": 30, **{f"Person_{i}": 1 + i % 3 for i in range(60)}}


def people(photos: dict[str, int], seed: int) -> Faces:
    """So many photos of each: one smooth picture a person, under noise."""
    who = torch.arange(len(photos)).repeat_interleave(torch.tensor(list(photos.values())))
    base = tiny.pictures(len(photos), seed=seed)[who]
    noise = 0.1 * torch.randn(base.shape, generator=torch.Generator().manual_seed(seed))
    images = ((base + noise).clamp(0, 1) * 255).round() / 255
    names = [f"{name}/{i}.png" for name, number in photos.items() for i in range(number)]
    return Faces(images, who, source=[Source(name, f"{seed:02d}{i:062x}") for i, name in enumerate(names)])


class Broken(ImageProtection):
    """Cannot be fitted."""

    def fit(self, faces: Faces | None, *recognizers: object) -> Broken:
        raise UsageError("Broken cannot be fitted; take another.")

    def __repr__(self) -> str:
        return "Broken()"


class Unremovable(OPOMCenter):
    """A mask that cannot be taken off again."""

    def remove(self, x: Images, faces: Faces | None = None) -> Images:
        raise UsageError("Unremovable stays where it is; take another.")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> dict[str, ImageProtection]:
    """Tiny recognizers and tiny data sets under the names that the study opens, one judge, one member of the team.

    What it compares may be changed.
    """
    names = (JUDGES[0], TEAM[0])
    data = {"celeb12": people(CELEBRITIES, 1), "lfw": people(EVERYBODY, 2), "utkface": people({"anybody": 90}, 3)}
    compared: dict[str, ImageProtection] = {"OPOM": OPOMCenter(steps=3), "noise": WhiteNoise(0.1)}
    monkeypatch.setattr(preset, "JUDGES", names[:1])
    monkeypatch.setattr(preset, "TEAM", names[1:])
    monkeypatch.setattr(preset, "SERVICES", {name: SERVICES[name] for name in ("PNG", "JPEG 75")})
    monkeypatch.setattr(preset, "load", lambda name: tiny.recognizer(name, seed=names.index(name)))
    monkeypatch.setattr(preset, "ALSO", {})  # whole photos need faces of 112 pixels
    monkeypatch.setattr(photographers, "load_dataset", data.__getitem__)
    monkeypatch.setattr(preset, "protections", lambda data, seed, quick: compared)
    return compared


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tiny.pairs(), tmp_path, 0)


def test_the_crowd_and_the_strangers_are_nobody_who_is_looked_for(small: dict[str, ImageProtection]) -> None:
    photos, strangers = opened("celeb12", 3, True, 0)
    assert set(folders(photos.probe)) == set(folders(photos.gallery)) == set(folders(photos.learn))
    assert set(folders(photos.probe)) == {"Ann", "Ben", "Cid"}
    crowd, others = set(folders(photos.crowd)), set(folders(strangers))
    assert not crowd & others
    assert crowd | others == set(EVERYBODY) - {"Ann", "Cid", "Eve", "Fay"}
    assert (len(strangers), len(photos.crowd) > 30) == (40, True)
    assert photos.learn.identity is not None
    assert Counter(photos.learn.identity.tolist()) == {0: 14, 1: 17, 2: 14}


def test_of_one_set_those_with_many_photos_are_looked_for_among_the_others(small: dict[str, ImageProtection]) -> None:
    photos, strangers = opened("lfw", 2, False, 0)
    assert set(folders(photos.probe)) == {"Eve", "Fay"}
    assert not {"Eve", "Fay"} & {*folders(photos.crowd), *folders(strangers)}
    again, _ = opened("lfw", 2, False, 1)
    assert folders(again.crowd) != folders(photos.crowd)
    assert max(Counter(folders(photos.learn)).values()) == 21


def test_an_attacker_has_other_people_with_many_photos_and_none_of_them_gray(
    small: dict[str, ImageProtection], monkeypatch: pytest.MonkeyPatch
) -> None:
    gray = people({"Ann": 30, "Eve": 20, "Fay": 30, "Gil": 19}, 5)
    gray = replace(gray, images=gray.images.mean(1, keepdim=True).expand(-1, 3, -1, -1))
    data = {"celeb12": people(CELEBRITIES, 1), "lfw": gray, "utkface": people({"anybody": 90}, 3)}
    monkeypatch.setattr(photographers, "load_dataset", data.__getitem__)
    has = attacker("celeb12", True, 0)
    assert has.people.identity is not None
    assert sorted(Counter(has.people.identity.tolist()).items()) == [(1, 20), (2, 21)]  # Eve, Fay; Ann is looked for
    assert not colorless(has.people.images).any()
    levels = has.people.images * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)
    warm = has.people.images.mean((0, 2, 3))
    assert warm[0] > warm[1] > warm[2]
    assert (len(has.faces), has.faces.identity) == (64, None)


def test_only_the_masks_that_matter_meet_attackers_with_masks_of_their_own() -> None:
    assert parts("celeb12", "none") == ["retrieval", "whole photos"]
    assert parts("lfw", "none") == ["retrieval"]
    assert parts("celeb12", "TransferMask") == ["retrieval", "adaptive", "whole photos", "own masks"]
    assert parts("celeb12", "PGD") == parts("lfw", "P3-Mask") == ["retrieval", "adaptive"]


def test_masks_learn_from_persons_and_cloaks_from_strangers_too() -> None:
    learn, strangers = people({"Ann": 5, "Ben": 5}, 1), people({"Eve": 2, "Fay": 1}, 2)
    assert taught(learn, strangers, P3Mask()) is learn
    assert taught(learn, strangers, OPOMCenter()) is learn
    for protection in (ScatterMask(), TIPIM(), PGD()):
        both = taught(learn, strangers, protection)
        assert both.identity is not None
        assert both.identity.tolist() == [0] * 5 + [1] * 5 + [2, 2, 3]  # Eve is not Ann, though both are their set's 0
        assert torch.equal(both.images, torch.cat([learn.images, strangers.images]))
    fitted = ScatterMask(steps=1, epochs=1, boxed=tiny.SIDE).fit(
        taught(learn, strangers, ScatterMask()), tiny.recognizer()
    )
    assert fitted.people() == [0, 1]
    assert fitted.pool_.people == [2, 3]


def test_the_first_photos_of_each_person() -> None:
    few = first_of_each(people({"Ann": 5, "Ben": 2, "Cid": 4}, 1), 3)
    assert [source.file for source in few.source] == [
        *(f"Ann/{i}.png" for i in range(3)),
        *(f"Ben/{i}.png" for i in range(2)),
        *(f"Cid/{i}.png" for i in range(3)),
    ]


def test_templates_are_made_in_batches_without_gradients() -> None:
    network, pictures = tiny.recognizer(), tiny.pictures(70).requires_grad_()
    found = embedder(network)(pictures)
    assert not found.requires_grad
    torch.testing.assert_close(found, network.embed(pictures).detach())


class Additive(P3Mask):
    """Masks that are given and not learned, mid-sized, so that nothing is clipped on mid-gray pictures."""

    def learn(self, images: Images, team: object, draws: torch.Generator) -> Tensor:
        return torch.randint(-20, 21, images.shape[1:], generator=draws) / 255


@pytest.fixture
def scene() -> tuple[Search, dict[str, Reader], Additive, Images]:
    """Three people's photos within 40..215 of 255 levels, and their masks on the probes."""
    faces = people({"Ann": 6, "Ben": 6, "Cid": 6}, 3)
    faces = replace(faces, images=((faces.images * 175 + 40).round() / 255))
    order = torch.arange(18).view(3, 6)
    learn, probe, gallery = (faces[order[:, i : i + 2].flatten()] for i in (0, 2, 4))
    photos = Search(learn, probe, gallery, people({f"Person_{i}": 1 for i in range(20)}, 4))
    read = {name: Reader.of(embedder(tiny.recognizer(name, seed=i)), photos) for i, name in enumerate(JUDGES)}
    fitted = Additive().fit(learn, tiny.recognizer())
    return photos, read, fitted, masked(fitted, tiny.recognizer(), probe)


BLANK = Row("celeb12 / x / adaptive", "celeb12 / x", "attack", "", "", None)


def of(rows: list[Row], cleaned: str, metric: str, attack: str = "a viewer") -> float:
    (found,) = [r for r in rows if (r.settings["cleaned"], r.metric, r.attack) == (cleaned, metric, attack)]
    assert found.value is not None
    return found.value


def test_pairs_and_the_key_bring_photos_back_and_another_key_does_not(
    scene: tuple[Search, dict[str, Reader], Additive, Images],
) -> None:
    photos, read, fitted, probe = scene
    rows = list(adaptive(BLANK, photos, read, fitted, tiny.recognizer(), probe))
    assert list(dict.fromkeys(row.settings["cleaned"] for row in rows)) == [
        "blur 1",
        "gray + stretch",
        "median 5 + stretch",
        "downsample 56 + stretch",
        "Averaging()",
        "Averaging(sigma=6.0)",
        "KnownPairs()",
        "the key",
        "another person's key",
    ]
    for cleaned in ("KnownPairs()", "the key"):
        assert of(rows, cleaned, "SSIM") == pytest.approx(1, abs=1e-5)
    assert of(rows, "another person's key", "SSIM") < of(rows, "the key", "SSIM") - 0.05
    # what is found then is what is found of photos that nobody protected
    for judge in JUDGES:
        clean = {r.metric: r.value for r in searched(BLANK, photos, read[judge], "nobody", None, None)}
        assert {m: of(rows, "the key", m, judge) for m in clean} == pytest.approx(clean)
        assert {m: of(rows, "KnownPairs()", m, judge) for m in clean} == pytest.approx(clean)
    # only probes are protected, and only what is outside of the team looks
    assert {row.settings.get("side") for row in rows if row.attack in JUDGES} == {"probe"}
    assert {row.attack for row in rows} == {*JUDGES, "a viewer"}
    assert {row.cell for row in rows} == {BLANK.cell}


def test_another_persons_key_is_the_next_persons(scene: tuple[Search, dict[str, Reader], Additive, Images]) -> None:
    photos, _, fitted, probe = scene
    assert photos.probe.identity is not None
    wrong = stranger_key(fitted, photos.probe, probe)
    for i, person in enumerate(photos.probe.identity.tolist()):
        expected = (probe[i] - fitted.masks_[(person + 1) % 3]).clamp(0, 1)
        torch.testing.assert_close(wrong[i], expected)
    assert (PSNR(wrong, photos.probe.images) < PSNR(probe, photos.probe.images)).all()


def test_who_has_no_mask_is_not_asked_for_pairs_or_keys(
    scene: tuple[Search, dict[str, Reader], Additive, Images],
) -> None:
    photos, read, _, _ = scene
    noise = WhiteNoise(0.1).fit(None)
    rows = list(adaptive(BLANK, photos, read, noise, tiny.recognizer(), masked(noise, tiny.recognizer(), photos.probe)))
    tried = {row.settings["cleaned"] for row in rows}
    assert not tried & {"KnownPairs()", "the key", "another person's key"}
    assert {"Averaging()", "blur 1"} < tried


def test_protected_photos_are_files(scene: tuple[Search, dict[str, Reader], Additive, Images]) -> None:
    photos, _, fitted, probe = scene
    levels = probe * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)
    assert photos.probe.identity is not None
    masks = torch.stack([fitted.masks_[person] for person in photos.probe.identity.tolist()])
    torch.testing.assert_close(probe - photos.probe.images, masks)


def test_what_is_compared_is_fixed_and_seeded() -> None:
    assert list(protections("lfw", 3, False)) == ["P3-Mask", "TransferMask", "OPOM, center", "white noise", "PGD"]
    every = protections("celeb12", 3, False)
    assert len(every) == 12
    assert {protection.seed for protection in every.values()} == {3}
    assert all("seed=3" in repr(protection) for protection in every.values())
    assert list(protections("celeb12", 0, True)) == ["P3-Mask", "white noise"]
    assert not set(JUDGES) & set(TEAM)


def cells(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(row.cell for row in rows))


ALL = [
    "celeb12 / none / retrieval",
    *(f"celeb12 / {name} / {part}" for name in ("OPOM", "noise") for part in ("retrieval", "adaptive")),
]


def test_a_fit_that_fails_is_a_row_of_a_cell_that_is_not_done(
    small: dict[str, ImageProtection], settings: Settings
) -> None:
    small["OPOM"] = Broken()
    rows = [row for row in chameleon(settings, True) if row.value is None]
    assert [(row.cell, row.note[:6]) for row in rows] == [(ALL[1], "Broken")]
    rest = [row for row in chameleon(replace(settings, done=frozenset(ALL[:2])), True) if row.value is None]
    assert [row.cell for row in rest] == [ALL[2]]


def test_every_row_says_what_it_is_of(small: dict[str, ImageProtection], settings: Settings) -> None:
    shown: list[tuple[str, int]] = []
    settings = replace(settings, show=lambda cell, pictures, faces: shown.append((cell, len(pictures))))
    rows = list(chameleon(settings, True))
    assert cells(rows) == ALL
    assert all(row.value is not None and row.n and row.role == "attack" and row.seed == 0 for row in rows)
    # six probes: two of each person and a tenth of 24 photos is two as well
    assert shown == [("celeb12 / OPOM / retrieval", 6), ("celeb12 / noise / retrieval", 6)]
    for row in rows:
        _, name, part = row.cell.split(" / ")
        assert row.settings["study"] == "chameleon"
        assert row.settings["quick"] is True
        assert (row.settings["data"], row.settings["protection"]) == ("celeb12", name)
        assert row.settings["recipe"] == ("none" if name == "none" else repr(small[name]))
        if row.attack != "a viewer":
            assert ("cleaned" in row.settings, "file" in row.settings) == (part == "adaptive", part == "retrieval")
            assert "side" in row.settings
    keys = [(r.cell, r.attack, r.metric, *(r.settings.get(k) for k in ("side", "file", "cleaned"))) for r in rows]
    assert len(set(keys)) == len(keys)
    # everybody reads files as they were written; who is of the team reads no others
    by_file = {(str(r.settings["file"]), r.attack) for r in rows if "file" in r.settings and "OPOM" in r.cell}
    assert by_file == {("PNG", JUDGES[0]), ("PNG", TEAM[0]), ("JPEG 75", JUDGES[0])}
    clean = {(str(r.settings["file"]), r.settings["side"]) for r in rows if r.settings["protection"] == "none"}
    assert clean == {("PNG", "nobody"), *(("JPEG 75", side) for side in ("probe", "gallery", "both"))}
    # a study that was stopped before the last cell measures that one alone, and the same in it
    torch.manual_seed(5)
    rest = list(chameleon(replace(settings, done=frozenset(ALL[:4])), True))
    assert rest == [row for row in rows if row.cell == ALL[4]]


def test_what_is_done_is_not_fitted_again(
    small: dict[str, ImageProtection], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    small["OPOM"] = Broken()
    rows = list(chameleon(replace(settings, done=frozenset(ALL[:3])), True))
    assert cells(rows) == ALL[3:]
    assert not [row for row in rows if row.value is None]

    def asked(*parts: object) -> None:
        raise AssertionError("Nothing is left to read.")

    monkeypatch.setattr(Reader, "of", asked)
    small["noise"] = Broken()
    assert list(chameleon(replace(settings, done=frozenset(ALL)), True)) == []


def test_what_fails_is_a_row_and_the_rest_goes_on(small: dict[str, ImageProtection], settings: Settings) -> None:
    small.clear()
    small.update({"broken": Broken(), "stays": Unremovable(steps=1), "noise": WhiteNoise(0.1)})
    settings = replace(settings, done=frozenset({ALL[0], "celeb12 / noise / retrieval"}))
    rows = list(chameleon(settings, True))
    failed = [row for row in rows if row.value is None]
    assert [(row.cell, row.metric, row.note) for row in failed] == [
        ("celeb12 / broken / retrieval", "failed", "Broken cannot be fitted; take another."),
        ("celeb12 / stays / adaptive", "failed", "Unremovable stays where it is; take another."),
    ]
    assert failed[0].settings == {
        "study": "chameleon",
        "quick": True,
        "data": "celeb12",
        "protection": "broken",
        "recipe": "Broken()",
    }
    assert cells(rows) == [
        "celeb12 / broken / retrieval",
        "celeb12 / stays / retrieval",
        "celeb12 / stays / adaptive",
        "celeb12 / noise / adaptive",
    ]


class Absent(ImageProtection):
    """Needs weights that are not here."""

    def fit(self, faces: Faces | None, *recognizers: object) -> Absent:
        raise MissingWeights("There are no weights here; fetch them.")


def test_missing_weights_end_the_study(small: dict[str, ImageProtection], settings: Settings) -> None:
    small["OPOM"] = Absent()
    with pytest.raises(MissingWeights):
        list(chameleon(replace(settings, done=frozenset(ALL[:1])), True))
