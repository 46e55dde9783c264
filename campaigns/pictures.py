"""Damaged pictures of every format that bauta reads, and bombs."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from bauta.faces.images import read_picture, register_heif
from campaigns.arena import GIB, Kind
from campaigns.damage import HUGE, damaged

SECRET = "SECRETCAMERA"
SIDES = (1, 2, 3, 8, 100, 4096, 65535, 65536, 10**6, 2**31 - 1, 2**32 - 1)


def scene(width: int = 24, height: int = 18, seed: int = 0) -> Image.Image:
    """A small picture of colors."""
    values = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


def exif(orientation: int = 6) -> Image.Exif:
    """A camera, a place on earth, and a turn."""
    made = Image.Exif()
    made[0x010F], made[0x0112] = SECRET, orientation
    made.get_ifd(0x8825)[1] = "N"
    made.get_ifd(0x8825)[2] = (48.0, 8.0, 14.5)
    made.get_ifd(0x8769)[0x9003] = "2024:01:01 00:00:00"
    return made


def saved(picture: Image.Image, form: str, **options: Any) -> bytes:
    """As a file."""
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


class Pictures(Kind):
    """A format: valid files of it, which are damaged, and files that were never valid."""

    bound = 4 * GIB  # 150 million pixels, the most that are read, are 1.8 GB, beside the bytes that they come from

    def __init__(self, name: str) -> None:
        self.name = name  # type: ignore[misc]  # a kind a format

    def prepare(self, folder: Path) -> None:
        make, crooked = FORMATS[self.name]
        self.samples, self.crooked = make(), crooked

    def damaged(self, draw: Random, folder: Path) -> Path:
        path = folder / f"photo.{self.name}"
        data = self.crooked(draw) if draw.random() < 0.1 else damaged(draw, draw.choice(self.samples), self.samples)
        if self.name == "png" and draw.random() < 0.5:
            data = summed(data)
        path.write_bytes(data)
        return path

    def read(self, thing: Path) -> None:
        image = read_picture(thing).image
        if image.shape[0] != 3 or not image.numel() or not 0 <= float(image.amin()) <= float(image.amax()) <= 1:
            raise AssertionError(f"a picture of {tuple(image.shape)} from {image.amin()} to {image.amax()}")


def jpegs() -> list[bytes]:
    """Baseline and progressive, gray, CMYK, with EXIF, with two pictures."""
    photo = scene()
    return [
        saved(photo, "JPEG"),
        saved(photo, "JPEG", progressive=True, exif=exif()),
        saved(photo.convert("L"), "JPEG", exif=exif(3)),
        saved(photo.convert("CMYK"), "JPEG", quality=90, subsampling=0),
        saved(photo, "JPEG", comment=b"x" * 300, icc_profile=b"p" * 500, restart_marker_blocks=1),
        saved(photo, "MPO", save_all=True, append_images=[scene(seed=1)], exif=exif()),
    ]


@cache
def large() -> bytes:
    """36 million black pixels in ten scans."""
    return saved(Image.new("RGB", (6000, 6000)), "JPEG", progressive=True)


def crooked_jpeg(draw: Random) -> bytes:
    """Segments without end, sizes that lie, EXIF that points into itself."""
    data = jpegs()[0]
    kind = draw.randrange(4)
    if kind == 0:
        at = data.index(b"\xff\xc0") + 5
        return data[:at] + struct.pack(">HH", *(draw.choice(SIDES) % 65536 for _ in range(2))) + data[at + 4 :]
    if kind == 1:
        return data[:2] + b"\xff\xe1\xff\xffExif\0\0" * draw.choice((1, 1000)) + data[2:]
    if kind == 2:  # a directory that is its own next one
        loop = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHII", 0x8769, 4, 1, 8) + b"\x08\0\0\0"
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(loop) + 2) + loop + data[2:]
    if draw.random() < 0.5:  # a large one whose every scan passes over all of it
        data = large()
    scans = data.index(b"\xff\xda")
    return data[:scans] + data[scans:-2] * draw.choice((2, 200)) + data[-2:]


def pngs() -> list[bytes]:
    """Colors, palettes, alpha, 16 and 1 bits, text, several frames."""
    photo, deep = scene(), Image.fromarray(np.arange(432, dtype=np.uint16).reshape(18, 24) * 150)
    return [
        saved(photo, "PNG", exif=exif()),
        saved(photo.convert("RGBA"), "PNG"),
        saved(photo.convert("P"), "PNG", transparency=3),
        saved(photo.convert("L"), "PNG", transparency=9),
        saved(photo.convert("1"), "PNG"),
        saved(deep, "PNG"),
        saved(photo, "PNG", save_all=True, append_images=[scene(seed=1)]),
    ]


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def summed(data: bytes) -> bytes:
    """A PNG whose chunks have the right checksums, so that the damage is found behind them."""
    made, at = bytearray(data), 8
    while at + 12 <= len(made):
        (size,) = struct.unpack_from(">I", made, at)
        if at + 12 + size > len(made):
            break
        made[at + 8 + size : at + 12 + size] = struct.pack(">I", zlib.crc32(made[at + 4 : at + 8 + size]))
        at += 12 + size
    return bytes(made)


@cache
def zeros(size: int) -> bytes:
    """So many zeros, packed."""
    packer, parts, piece = zlib.compressobj(9), [], bytes(1 << 20)
    for _ in range(size >> 20):
        parts.append(packer.compress(piece))
    return b"".join([*parts, packer.compress(bytes(size & 0xFFFFF)), packer.flush()])


BOMB = 12_000  # 144 million pixels: just within what is read


def crooked_png(draw: Random) -> bytes:
    """Bombs within the limit and beyond it, texts that unpack to much, sizes that lie."""
    width, height = draw.choice(SIDES), draw.choice(SIDES)
    depth, color = draw.choice((1, 2, 4, 8, 16)), draw.choice((0, 2, 3, 4, 6))
    body, more = zlib.compress(bytes(200)), b""
    kind = draw.randrange(24)
    if kind < 3:
        width, height, depth, color = BOMB, BOMB, *((8, 0), (8, 6), (16, 0))[kind]
        size = BOMB * (BOMB * (1, 4, 2)[kind] + 1)
        body = zeros(size)
    elif kind < 6:
        packed = zlib.compress(bytes(draw.choice((10**3, 10**7, 10**8))), 9)
        label = draw.choice((b"zTXt", b"iTXt", b"iCCP"))
        more = chunk(label, b"k\0" + (b"\1\0\0\0" if label == b"iTXt" else b"\0") + packed) * draw.choice((1, 1, 60))
    elif kind < 8:
        more = chunk(b"acTL", struct.pack(">II", draw.choice(HUGE) % 2**32, 0))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, draw.choice((0, 0, 1))))
    return b"\x89PNG\r\n\x1a\n" + head + more + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def webps() -> list[bytes]:
    """With loss and without, with alpha and EXIF, moving."""
    photo = scene()
    return [
        saved(photo, "WEBP", exif=exif()),
        saved(photo, "WEBP", lossless=True),
        saved(photo.convert("RGBA"), "WEBP"),
        saved(photo, "WEBP", save_all=True, append_images=[scene(seed=1)]),
    ]


def crooked_webp(draw: Random) -> bytes:
    """A canvas or a picture of another size."""
    data = draw.choice(webps())
    at = data.find(b"VP8") + draw.choice((12, 14, 9))
    return data[:at] + draw.randbytes(4) + data[at + 4 :]


def bmps() -> list[bytes]:
    """24, 8 and 1 bits, with alpha."""
    photo = scene()
    return [saved(photo.convert(mode), "BMP") for mode in ("RGB", "L", "P", "1", "RGBA")]


def crooked_bmp(draw: Random) -> bytes:
    """Sizes that lie, negative ones, runs in place of pixels."""
    data = bytearray(draw.choice(bmps()))
    struct.pack_into("<II", data, 18, draw.choice(SIDES), draw.choice((*SIDES, 2**32 - 18)))
    if draw.random() < 0.6:
        struct.pack_into("<HI", data, 28, draw.choice((1, 4, 8, 16, 24, 32)), draw.choice((0, 1, 2, 3, 4, 6)))
    return bytes(data)


def tiffs() -> list[bytes]:
    """Every packing, tiles, 16 bits, two pages."""
    photo = scene()
    packings = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    made = [saved(photo, "TIFF", compression=packing) for packing in packings]
    deep = Image.fromarray(np.arange(432, dtype=np.uint16).reshape(18, 24) * 150)
    more = [saved(photo.convert("1"), "TIFF", compression=packing) for packing in ("group3", "group4")]
    paged = saved(photo, "TIFF", save_all=True, append_images=[scene(seed=1)])
    return [*made, *more, saved(deep, "TIFF"), saved(photo.convert("RGBA"), "TIFF", exif=exif()), paged]


def crooked_tiff(draw: Random) -> bytes:
    """Directories in a circle or without end, strips that lie anywhere, sizes that lie."""
    kind = draw.randrange(3)
    if kind == 0:  # pages and pages
        pages, step = draw.choice((10, 100_000)), 2 + 12 * 4 + 4
        parts = [b"II*\0\x08\0\0\0"]
        for page in range(pages):
            least = ((256, 4, 1, 1), (257, 4, 1, 1), (258, 3, 1, 8), (273, 4, 1, 8))
            following = 8 + step * (page + 1) if page + 1 < pages else draw.choice((0, 8))
            parts.append(struct.pack("<H", 4) + b"".join(struct.pack("<HHII", *e) for e in least))
            parts.append(struct.pack("<I", following))
        return b"".join(parts)
    tags = [256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339, 347, 34665, 34853]
    entries = sorted((tag, draw.choice((1, 2, 3, 4, 5, 12, 16)), draw.choice(HUGE) % 2**32, draw.choice(HUGE) % 2**32)
                     for tag in draw.sample(tags, draw.randrange(3, 15)))  # fmt: skip
    fixed = {256: (256, 4, 1, draw.choice(SIDES)), 257: (257, 4, 1, draw.choice(SIDES))}
    if kind == 1:
        entries = sorted({**{e[0]: e for e in entries}, **fixed}.values())
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + b"\x08\0\0\0" + draw.randbytes(600)


def gifs() -> list[bytes]:
    """Still and moving, with something transparent."""
    photo = scene()
    return [
        saved(photo, "GIF"),
        saved(photo, "GIF", transparency=3, comment=b"x" * 300),
        saved(photo, "GIF", save_all=True, append_images=[scene(seed=1), scene(seed=2)]),
    ]


def crooked_gif(draw: Random) -> bytes:
    """Frames and frames, or a canvas that lies."""
    data = gifs()[0]
    if draw.random() < 0.5:
        return data[:6] + struct.pack("<HH", *(draw.choice(SIDES) % 65536 for _ in range(2))) + data[10:]
    frame = b",\0\0\0\0\1\0\1\0\0\x02\x02D\1\0"
    return data[:6] + b"\1\0\1\0" + data[10 : data.index(b",")] + frame * draw.choice((10, 1000, 1_000_000)) + b";"


def heifs() -> list[bytes]:
    """With EXIF, with two pictures, with alpha."""
    photo = scene(64, 64)
    return [
        saved(photo, "HEIF", quality=50, exif=exif().tobytes()),
        saved(photo.convert("RGBA"), "HEIF", quality=50),
        saved(photo, "HEIF", quality=50, save_all=True, append_images=[scene(64, 64, seed=1)]),
    ]


def crooked_heif(draw: Random) -> bytes:
    """A box of another length, or a picture of another size."""
    data = draw.choice(heifs())
    at = data.find(draw.choice((b"ispe", b"meta", b"iloc", b"iprp", b"ipma", b"mdat", b"hvcC", b"iinf")))
    at += draw.choice((-4, 8, 12))
    return data[:at] + struct.pack(">I", draw.choice(SIDES)) + data[at + 4 :]


FORMATS = {
    "jpeg": (jpegs, crooked_jpeg),
    "png": (pngs, crooked_png),
    "webp": (webps, crooked_webp),
    "tiff": (tiffs, crooked_tiff),
    "bmp": (bmps, crooked_bmp),
    "gif": (gifs, crooked_gif),
    **({"heif": (heifs, crooked_heif)} if register_heif() else {}),
}


def kinds() -> list[Kind]:
    """A kind a format."""
    return [Pictures(name) for name in FORMATS]
