"""`chameleon`: who still finds a person under P3-Mask, its rivals and our variants, and who takes the mask off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial

import torch
from torch import Tensor

from bauta.attacks import FILTERS, Averaging, KnownPairs, Reconstruction, Victim
from bauta.errors import BautaError, MissingError
from bauta.faces.detect import detector
from bauta.metrics import PSNR, SSIM
from bauta.pipeline import Pipeline
from bauta.protections import (
    JPEG,
    PGD,
    TIM,
    TIPIM,
    Fawkes,
    ImageProtection,
    LowKey,
    OPOMAffine,
    OPOMCenter,
    OPOMConvex,
    P3Mask,
    Resize,
    ScatterMask,
    TransferMask,
    WhiteNoise,
)
from bauta.protections.images.personal import PersonalMask
from bauta.recognizers import Recognizer, load
from bauta.recognizers.embedding import embed
from bauta.recognizers.folding import folded
from bauta.study.judge import Ledger
from bauta.study.photographs import photographed
from bauta.study.presets.ownmasks import Attacker, borrowed, looked_for_again, next_person, trained
from bauta.study.presets.people import attacker, first_of_each, opened, taught
from bauta.study.presets.settings import Settings, stamped
from bauta.study.records import Row, complete
from bauta.study.retrieval import SIDES, Reader, Search, searched
from bauta.study.run import seed_everything
from bauta.types import Faces, Images

TEAM = ("mobilefacenet-casia", "mobilefacenet-relu6-ms1m")
JUDGES = ("mobilefacenet-y1-ms1m", "mobileface-v3")
DATA = {"celeb12": 12, "lfw": 12}  # data set -> of how many people who have at least `LEAST` photos
ALSO = {"celeb12": ("P3-Mask", "TransferMask")}  # pasted into whole photos, and met by attackers with their own masks
WHOLE, PASTED = "whole photos", "pasted into a whole photo"

SERVICES: dict[str, ImageProtection | None] = {
    "PNG": None,
    "JPEG 95": JPEG(95),
    "JPEG 75": JPEG(75),
    "resized to 84 and back": Resize(84),
}


def protections(data: str, seed: int, quick: bool) -> dict[str, ImageProtection]:
    """Name in the tables -> what is compared. quick: the method and the simplest rival, a short learning."""
    if quick:
        return {"P3-Mask": P3Mask(epochs=10, seed=seed), "white noise": WhiteNoise(0.04, seed=seed)}
    instant: dict[str, ImageProtection] = {
        "P3-Mask": P3Mask(seed=seed),
        "TransferMask": TransferMask(seed=seed),
        "OPOM, center": OPOMCenter(seed=seed),
        "white noise": WhiteNoise(0.04, seed=seed),
        "PGD": PGD(seed=seed),
    }
    if data != "celeb12":
        return instant
    return {
        **instant,
        "ScatterMask": ScatterMask(seed=seed),
        "OPOM, affine hull": OPOMAffine(seed=seed),
        "OPOM, convex hull": OPOMConvex(seed=seed),
        "TIM": TIM(seed=seed),
        "LowKey": LowKey(seed=seed),
        "Fawkes": Fawkes(seed=seed),
        "TIP-IM": TIPIM(seed=seed),
    }


def chameleon(settings: Settings, quick: bool) -> Iterator[Row]:
    """P3-Mask and its rivals: who is still found in a gallery, by side, after files, and by whom who knows the mask.

    Twelve people of the celebrity set and twelve of LFW with at least 20 photos, at most 21 of each to learn from, by
    two recognizers that are not in the team. The data are these, whatever `--data` and `--pairs` say. About three hours
    on two cores, most of it for masks and for the cloaks that are made photo by photo, which are tried on the
    celebrities alone.

    Expected: P3-Mask hides a person while one side is protected, and not at all when both are, since one mask gathers
    the photos of a person; averaging weakens it and known pairs take it off. quick: three people of the celebrity set,
    a short learning, one rival.
    """
    recognizers = {name: load(name) for name in (*JUDGES, *TEAM)}
    team = [recognizers[name] for name in TEAM]
    for data, people in ({"celeb12": 3} if quick else DATA).items():
        photos, strangers = opened(data, people, quick, settings.seed)
        read: dict[str, Reader] = {}
        for name, protection in {"none": None, **protections(data, settings.seed, quick)}.items():
            system = f"{data} / {name}"
            if {f"{system} / {part}" for part in parts(data, name)} <= settings.done:
                continue
            if not read:
                read = {judge: Reader.of(embedder(folded(recognizers[judge])), photos) for judge in (*JUDGES, *TEAM)}
            facts = {"data": data, "protection": name, "recipe": "none" if protection is None else repr(protection)}
            judges = {judge: recognizers[judge] for judge in JUDGES}
            hunt = Hunt(photos, strangers, team, judges, read, partial(attacker, data, quick, settings.seed))
            rows = one(settings, system, parts(data, name), hunt, protection)
            yield from stamped(rows, study="chameleon", quick=quick, **facts)


def embedder(recognizer: Recognizer) -> Callable[[Images], Tensor]:
    """Pictures -> templates, in batches, without gradients."""
    return lambda images: embed(recognizer, Faces(images))


@dataclass(frozen=True)
class Hunt:
    """Who is looked for, and who looks. team: whom masks are made against. judges: who is not in it. read: what all of
    them make of the clean photos. others: what an attacker has who learns masks of his own; asked for once, late."""

    photos: Search
    strangers: Faces
    team: list[Recognizer]
    judges: dict[str, Recognizer]
    read: dict[str, Reader]
    others: Callable[[], Attacker]


def parts(data: str, name: str) -> list[str]:
    """The cells of one protection; a rival has less to answer."""
    if name == "none":
        return ["retrieval", WHOLE] if data in ALSO else ["retrieval"]
    return ["retrieval", "adaptive", *((WHOLE, "own masks") if name in ALSO.get(data, ()) else ())]


def one(
    settings: Settings, system: str, wanted: list[str], hunt: Hunt, protection: ImageProtection | None
) -> Iterator[Row]:
    """Everything that is asked of one protection, but for the cells that are done."""
    cells = {part: f"{system} / {part}" for part in wanted}
    todo = [part for part, cell in cells.items() if cell not in settings.done]
    blanks = {part: Row(cell, system, "attack", "", "", None, seed=settings.seed) for part, cell in cells.items()}
    blank, photos, team = blanks[todo[0]], hunt.photos, hunt.team  # a fit that fails is a row of a cell not done
    seed_everything(settings.seed, cells["retrieval"])
    if protection is None:
        if "retrieval" in todo:
            yield from complete(unprotected(blanks["retrieval"], hunt))
        if WHOLE in todo:
            yield from complete(whole(blanks[WHOLE], hunt, None))
        return
    try:
        begun = time.perf_counter()
        fitted = protection.fit(taught(photos.learn, hunt.strangers, protection), *team)
        learning = time.perf_counter() - begun
        begun = time.perf_counter()
        probe, gallery = (masked(fitted, team[0], faces) for faces in (photos.probe, photos.gallery))
        applying = time.perf_counter() - begun
        if "retrieval" in todo:
            blank = blanks["retrieval"]
            if settings.show is not None:
                settings.show(blank.cell, probe, photos.probe)
            cost = costs(blank, photos, probe, learning, applying, len(probe) + len(gallery))
            yield from complete([*cost, *sent(blank, photos, hunt.read, probe, gallery, SERVICES)])
        if "adaptive" in todo:
            blank = blanks["adaptive"]
            yield from complete(adaptive(blank, photos, hunt.read, fitted, team[0], probe))
        if WHOLE in todo and isinstance(fitted, PersonalMask):
            blank = blanks[WHOLE]
            yield from complete(whole(blank, hunt, fitted))
        if "own masks" in todo and isinstance(fitted, PersonalMask):
            blank = blanks["own masks"]
            judging = {judge: hunt.read[judge] for judge in hunt.judges}
            taken = borrowed(blank, photos, judging, fitted, gallery)
            others = trained(blank, photos, judging, fitted, team, hunt.judges, probe, hunt.others())
            yield from complete([*taken, *others])
    except BautaError as error:
        if isinstance(error, MissingError):
            raise
        yield from complete([replace(blank, metric="failed", note=str(error))])


def unprotected(blank: Row, hunt: Hunt) -> Iterator[Row]:
    """Clean photos; a service may hide people by itself, so they go its way too."""
    for judge, reader in hunt.read.items():
        rows = searched(replace(blank, attack=judge), hunt.photos, reader, "nobody", None, None)
        yield from stamped(rows, side="nobody", file="PNG")
    services = {file: service for file, service in SERVICES.items() if service is not None}
    yield from sent(blank, hunt.photos, hunt.read, hunt.photos.probe.images, hunt.photos.gallery.images, services)


def whole(blank: Row, hunt: Hunt, fitted: PersonalMask | None) -> Iterator[Row]:
    """The mask is pasted into whole photos in which the face was found, and the face is found again."""
    finder, ways = detector(), []
    for seed, faces in enumerate((hunt.photos.probe, hunt.photos.gallery)):
        change = None if fitted is None else fitted.of(faces.images, faces)
        ways.append([photographed(faces.images, c, finder, blank.seed + seed) for c in (None, change)])
    (bare, probe), (plain, gallery) = ways
    for judge in hunt.judges:
        embed = cache(hunt.read[judge].embed)
        reader = replace(hunt.read[judge], embed=embed, probe=embed(bare), gallery=embed(plain))
        for side in SIDES:
            rows = searched(replace(blank, attack=judge), hunt.photos, reader, side, probe, gallery)
            yield from stamped(rows, side=side, file=PASTED)


def sent(
    blank: Row,
    photos: Search,
    read: dict[str, Reader],
    probe: Images,
    gallery: Images,
    services: Mapping[str, ImageProtection | None],
) -> Iterator[Row]:
    """Who is found, by side, after what services do to files; the team reads the files as they were written."""
    for file, service in services.items():
        files = [x if service is None else service(x) for x in (probe, gallery)]
        for judge, reader in read.items():
            if judge in TEAM and service is not None:
                continue
            once = replace(reader, embed=cache(reader.embed))  # each side asks for the same two sets
            for side in SIDES:
                rows = searched(replace(blank, attack=judge), photos, once, side, *files)
                yield from stamped(rows, side=side, file=file)


def masked(protection: ImageProtection, recognizer: Recognizer, faces: Faces) -> Images:
    """The protected photos, as files hold them."""
    pipeline = Pipeline(recognizer, protection)
    with torch.no_grad():
        return torch.cat([pipeline.images(batch) for batch in faces.batches(64)])


def costs(blank: Row, photos: Search, probe: Images, learning: float, applying: float, number: int) -> Iterator[Row]:
    """How visible it is on photos that it has not seen, and what it takes."""
    who, viewer = photos.probe.identity, replace(blank, attack="a viewer")
    ledger = Ledger(viewer, who)
    clean = photos.probe.images
    for metric in (SSIM, PSNR):
        yield ledger.mean(metric.name, metric(probe, clean), "high")
    yield ledger.mean("largest change, levels", (probe - clean).abs().amax((1, 2, 3)) * 255, "low")
    assert who is not None
    people = len(torch.unique(who))
    yield replace(viewer, metric="seconds to learn a person", value=learning / people, n=people, private_when="")
    yield replace(viewer, metric="seconds to apply", value=applying / number, n=number, private_when="")


def adaptive(
    blank: Row, photos: Search, read: dict[str, Reader], fitted: ImageProtection, recognizer: Recognizer, probe: Images
) -> Iterator[Row]:
    """Attackers who do something to the protected probes before they look for them among clean photos."""
    who = photos.probe.identity
    assert who is not None
    cleaned: dict[str, Callable[[], Images]] = {
        name: (lambda name=name: FILTERS[name](probe))  # type: ignore[misc]
        for name in ("blur 1", "gray + stretch", "median 5 + stretch", "downsample 56 + stretch")
    }
    held: dict[str, object] = {"accounts": who}
    attacks: list[Reconstruction] = [Averaging(), Averaging(sigma=6.0)]
    if isinstance(fitted, PersonalMask):  # a cloak is made anew for each photo: no mask to learn
        # pairs of photos that he has: the first three that the mask was learned from
        known = first_of_each(photos.learn, 3)
        after = masked(fitted, recognizer, known)
        held["reference pairs"] = {
            int(p): (known.images[known.identity == p], after[known.identity == p]) for p in torch.unique(who)
        }
        attacks.append(KnownPairs())
    for attack in attacks:
        victim = Victim(Pipeline(recognizer, fitted), attack.knowledge, held=held)
        cleaned[repr(attack)] = lambda attack=attack, victim=victim: attack(probe, victim)  # type: ignore[misc]
    if isinstance(fitted, PersonalMask):
        with_key = torch.cat([fitted.remove(x.images, x) for x in replace_images(photos.probe, probe).batches(64)])
        cleaned["the key"] = lambda: with_key
        cleaned["another person's key"] = lambda: stranger_key(fitted, photos.probe, probe)
    for name, pictures in cleaned.items():
        yield from looked_for_again(blank, photos, {judge: read[judge] for judge in JUDGES}, name, pictures())


def replace_images(faces: Faces, images: Images) -> Faces:
    """The same people, other pixels."""
    return replace(faces, images=images, source=())


def stranger_key(fitted: PersonalMask, faces: Faces, probe: Images) -> Images:
    """The pictures after each person's mask was taken for the next person's."""
    assert faces.identity is not None
    wrong = replace(faces, images=probe, identity=next_person(faces.identity), source=())
    return fitted.remove(probe, wrong)
