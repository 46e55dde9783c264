"""What `benchmarks/ratios.py` measures: a piece of work, and a rival or a limit that does the like in the same run.

Rivals and checks of equality are those of the benchmarks beside this file, at sizes of a moment. A limit is what the
machine could do at best, such as a copy of the output.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from scipy.stats import bootstrap as scipy_bootstrap

from bauta.faces.align import TEMPLATE
from bauta.faces.images import decode, encode_jpeg, encode_png
from bauta.faces.paste import Place, paste
from bauta.metrics import auc, bootstrap
from bauta.metrics.base import kept
from bauta.metrics.draws import aucs, means
from bauta.ops.dct import block_dct, inverse_block_dct
from bauta.protections import AdvFace
from bauta.protections.images.p3mask import face_area
from bauta.recognizers.folding import folded
from benchmarks import block_dct as dct
from benchmarks import pmt, protect_features

SEED = 0
RIVAL, LIMIT = "rival", "limit"
CUT, PAIRS = 4, 1200


@dataclass(frozen=True)
class Case:
    """ours, theirs: a piece of work, and what it is compared with. kind: `RIVAL` or `LIMIT`. share: how much of our
    work theirs does, where it would take too long to do all."""

    name: str
    against: str
    kind: str
    ours: Callable[[], object]
    theirs: Callable[[], object]
    share: float = 1.0


def cases(scale: int) -> Iterator[Case]:
    """All of them. scale: how many times the smallest work."""
    yield from transforms(scale)
    yield from optimizing(scale)
    yield from features(scale)
    yield from recognizing(scale)
    yield from photos()
    yield from intervals()


def transforms(scale: int) -> Iterator[Case]:
    """The block DCT and back."""
    images = dct.pictures(4 * scale)
    maps = block_dct(images)
    yield Case(
        "block DCT",
        "the enlarged picture, as published",
        RIVAL,
        lambda: block_dct(images),
        lambda: dct.published(images),
    )
    yield Case(
        "block DCT", "the enlarged picture, filtered", RIVAL, lambda: block_dct(images), lambda: dct.filters(images)
    )
    yield Case("block DCT", "a copy of its output", LIMIT, lambda: block_dct(images), maps.clone)
    yield Case("inverse block DCT", "a sum of its input", LIMIT, lambda: inverse_block_dct(maps), maps.sum)


def optimizing(scale: int) -> Iterator[Case]:
    """PMT at the shallow cut and at its own."""
    network, faces, steps = pmt.subject(), pmt.people(2 * scale), 5
    for name, cut, against, rival in (
        ("PMT, shallow cut", pmt.SHALLOW, "research code, one picture at a time", pmt.one_by_one),
        ("PMT, deep cut", network.cut, "a plain loop over the batch", pmt.batched),
    ):
        recognizer = network.at_cut(cut)
        protection = pmt.pmt(recognizer, steps)

        def ours(protection=protection) -> object:  # type: ignore[no-untyped-def]
            return protection(faces.images, faces)

        def theirs(recognizer=recognizer, rival=rival) -> object:  # type: ignore[no-untyped-def]
            return rival(recognizer, faces, steps)

        yield Case(name, against, RIVAL, ours, theirs)


def features(scale: int) -> Iterator[Case]:
    """AdvFace on rows of a database."""
    recognizer, faces = pmt.subject().at_cut(CUT), pmt.people(8 * scale)
    with torch.no_grad():
        rows = recognizer.features(faces.images)
    protection = AdvFace(shadow_steps=1, seed=SEED).fit(faces, recognizer)
    (network,) = protection.shadows_
    few = rows[:2].split(1)
    share = len(few) / len(rows)
    yield Case(
        "AdvFace on rows",
        "the same, one at a time",
        RIVAL,
        lambda: protection(rows),
        lambda: [protection(r) for r in few],
        share,
    )
    yield Case(
        "AdvFace on rows",
        "research code, one at a time",
        RIVAL,
        lambda: protection(rows),
        lambda: [protect_features.plain(protection, row, network) for row in few],
        share,
    )


def recognizing(scale: int) -> Iterator[Case]:
    """Templates of faces."""
    network, faces = pmt.subject(), pmt.people(4 * scale)
    quick = folded(network)

    def embedded(recognizer: torch.nn.Module) -> object:
        with torch.no_grad():
            return recognizer.embed(faces.images)  # type: ignore[operator]

    yield Case(
        "templates, folded", "the network as it was trained", RIVAL, lambda: embedded(quick), lambda: embedded(network)
    )


def photos() -> Iterator[Case]:
    """A mask on five faces of 12 megapixels, and photos as files."""
    draw = torch.Generator().manual_seed(SEED)
    photo = torch.rand(3, 3000, 4000, generator=draw)
    mask = (torch.rand(3, 112, 112, generator=draw) - 0.5) / 8 * face_area(112, 112)
    places = [Place.of(TEMPLATE * 5 + np.array([700.0 * n, 900.0])) for n in range(5)]
    yield Case("a mask on five faces", "a copy of the photo", LIMIT, lambda: paste(photo, mask, *places), photo.clone)
    coarse = torch.rand(1, 3, 20, 30, generator=draw)
    smooth = torch.nn.functional.interpolate(coarse, (1000, 1500), mode="bicubic").clamp(0, 1)[0]
    jpeg, levels = encode_jpeg(smooth), Image.fromarray((smooth * 255).byte().permute(1, 2, 0).numpy())
    yield Case("read a JPEG", "Pillow's decoder alone", LIMIT, lambda: decode(jpeg, "a photo"), lambda: decoded(jpeg))
    yield Case("write a PNG", "Pillow's encoder alone", LIMIT, lambda: encode_png(smooth), lambda: encoded(levels))


def decoded(data: bytes) -> object:
    """Pixels of a file, by Pillow."""
    return np.asarray(Image.open(io.BytesIO(data)))


def encoded(image: Image.Image) -> object:
    """The file of pixels, by Pillow."""
    return image.save(io.BytesIO(), format="PNG", compress_level=6)


def intervals() -> Iterator[Case]:
    """A thousand draws of people, all at once."""
    draw = torch.Generator().manual_seed(SEED)
    same = torch.arange(PAIRS) % 2 == 0
    scores = torch.randn(PAIRS, generator=draw) + same
    people = torch.randint(PAIRS // 2, (PAIRS, 2), generator=draw)
    right = ((scores > 0.5) == same).double()

    def anew(plain: Callable[..., float], *arrays: torch.Tensor, **how: object) -> object:
        kept.cache_clear()
        return bootstrap(plain, *arrays, **how)  # type: ignore[arg-type]

    yield Case(
        "interval of an AUC",
        "a loop over the draws",
        RIVAL,
        lambda: anew(auc, scores, same, groups=people, at_once=aucs),
        lambda: anew(auc, scores, same, groups=people),
    )
    yield Case(
        "interval of a mean",
        "scipy.stats.bootstrap, vectorized",
        RIVAL,
        lambda: anew(lambda v: float(v.mean()), right, at_once=means),
        lambda: scipy_bootstrap((right.numpy(),), np.mean, n_resamples=1000, method="percentile"),
    )
