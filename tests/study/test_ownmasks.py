"""An attacker's own masks on tiny networks: whose they are, what he learns from them, who borrows one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch
from torch import Generator, Tensor

from bauta.protections import P3Mask
from bauta.study.presets.chameleon import embedder, masked
from bauta.study.presets.ownmasks import ATTACKER_SEED, Attacker, borrowed, prepared, tinted, trained
from bauta.study.records import Row
from bauta.study.retrieval import Reader, Search, searched
from bauta.types import Faces, Images

BLANK = Row("celeb12 / x / own masks", "celeb12 / x", "attack", "", "", None)
NETWORKS = {name: tiny.recognizer(name, seed=i) for i, name in enumerate(("judge a", "judge b"))}


class Given(P3Mask):
    """Masks that are drawn and not learned, mid-sized."""

    def learn(self, images: Images, team: object, draws: Generator) -> Tensor:
        return torch.randint(-20, 21, images.shape[1:], generator=draws) / 255


def people(number: int, photos: int, seed: int) -> Faces:
    who = torch.arange(number).repeat_interleave(photos)
    noise = 0.05 * torch.randn((len(who), 3, tiny.SIDE, tiny.SIDE), generator=Generator().manual_seed(seed))
    images = ((tiny.pictures(number, seed=seed)[who] + noise).clamp(0, 1) * 175 + 40).round() / 255
    return Faces(images, who)


@pytest.fixture
def photos() -> Search:
    faces = people(3, 6, 3)
    order = torch.arange(18).view(3, 6)
    learn, probe, gallery = (faces[order[:, i : i + 2].flatten()] for i in (0, 2, 4))
    return Search(learn, probe, gallery, people(20, 1, 4))


@pytest.fixture
def attacker() -> Attacker:
    return Attacker(people(2, 5, 6), Faces(people(80, 1, 7).images), steps=2, epochs=0)


def read(photos: Search) -> dict[str, Reader]:
    return {name: Reader.of(embedder(network), photos) for name, network in NETWORKS.items()}


def test_his_masks_are_of_his_people_and_lie_on_everybodys_faces(photos: Search, attacker: Attacker) -> None:
    fitted = Given().fit(photos.learn, tiny.recognizer())
    mine, faces = prepared(fitted, attacker, [tiny.recognizer()], 0)
    assert (mine.people(), fitted.people()) == ([0, 1], [0, 1, 2])
    assert (mine.seed, fitted.seed) == (ATTACKER_SEED, 0)
    assert not torch.equal(mine.masks_[0], fitted.masks_[0])
    assert faces.identity is not None
    assert set(faces.identity.tolist()) == {0, 1}
    made = masked(mine, tiny.recognizer(), faces)
    expected = faces.images + torch.stack([mine.masks_[i] for i in faces.identity.tolist()])
    torch.testing.assert_close(made, expected.clamp(0, 1), atol=1e-5, rtol=0)


def test_light_gives_gray_photos_color_and_leaves_them_files() -> None:
    gray = replace(people(3, 2, 1), images=people(3, 2, 1).images.mean(1, keepdim=True).expand(-1, 3, -1, -1))
    colored = tinted(gray, 0).images
    torch.testing.assert_close(colored * 255, (colored * 255).round(), atol=1e-3, rtol=0)
    red = colored.mean((2, 3))
    assert (red[:, 0] > red[:, 1] + 0.02).all()
    assert (red[:, 1] > red[:, 2] + 0.02).all()
    assert (colored <= gray.images + 0.05).all()


def test_what_is_trained_is_named_and_the_gallery_is_the_untouched_judges(photos: Search, attacker: Attacker) -> None:
    fitted = Given(strength=0).fit(photos.learn, tiny.recognizer())  # nothing is added: what he learns is to copy
    probe = masked(fitted, tiny.recognizer(), photos.probe)
    readers = read(photos)
    rows = list(trained(BLANK, photos, readers, fitted, [tiny.recognizer()], NETWORKS, probe, attacker))
    names = ["Denoiser, masks of his own", "a new head, masks of his own", "trained anew, masks of his own"]
    assert set(names) == {str(row.settings["cleaned"]) for row in rows}
    for judge, reader in readers.items():
        clean = {r.metric: r.value for r in searched(BLANK, photos, reader, "nobody", None, None)}
        for name in names[1:]:
            found = {r.metric: r.value for r in rows if (r.settings["cleaned"], r.attack) == (name, judge)}
            assert found.keys() == clean.keys()
            assert found["rank-1"] == pytest.approx(clean["rank-1"], abs=0.34)  # one of six probes may fall otherwise
    (ssim,) = [row for row in rows if row.attack == "a viewer"]
    assert (ssim.metric, ssim.settings["cleaned"], ssim.n) == ("SSIM", names[0], 6)


def test_a_new_head_is_trained_on_his_masks_and_not_the_victims(photos: Search, attacker: Attacker) -> None:
    asked: list[Tensor] = []

    class Watched(Given):
        def forward(self, x: Images, faces: Faces | None = None) -> Images:
            assert faces is not None
            assert faces.identity is not None
            asked.append(faces.identity if self.seed == ATTACKER_SEED else faces.identity + 100)
            return super().forward(x, faces)

    fitted = Watched().fit(photos.learn, tiny.recognizer())
    probe = masked(fitted, tiny.recognizer(), photos.probe)
    asked.clear()
    list(trained(BLANK, photos, read(photos), fitted, [tiny.recognizer()], NETWORKS, probe, attacker))
    assert asked
    assert set(torch.cat(asked).tolist()) == {0, 1}


def test_who_borrows_a_mask_is_looked_for_where_its_owner_wears_it(photos: Search) -> None:
    fitted = Given().fit(photos.learn, tiny.recognizer())
    gallery = masked(fitted, tiny.recognizer(), photos.gallery)
    readers = {"judge": Reader.of(lambda images: torch.nn.functional.normalize(images.flatten(1) - 0.5), photos)}
    rows = {row.metric: row for row in borrowed(BLANK, photos, readers, fitted, gallery)}
    who, theirs = photos.probe.identity, photos.gallery.identity
    assert who is not None
    assert theirs is not None
    taken = own = 0
    for i, person in enumerate(who.tolist()):  # by hand, one probe at a time
        owner = (person + 1) % 3
        look = (photos.probe.images[i] + fitted.masks_[owner]).clamp(0, 1).flatten() - 0.5
        there = [
            ((gallery if t == owner else photos.gallery.images)[j].flatten() - 0.5, t)
            for j, t in enumerate(theirs.tolist())
        ] + [(image.flatten() - 0.5, -1) for image in photos.crowd.images]
        best = max(there, key=lambda x: float(torch.cosine_similarity(look, x[0], dim=0)))[1]
        taken, own = taken + (best == owner), own + (best == person)
    assert rows["taken for the mask's owner in a crowd"].value == pytest.approx(taken / 6)
    assert rows["found as himself in a crowd"].value == pytest.approx(own / 6)
    assert {row.settings["side"] for row in rows.values()} == {"another's mask"}
