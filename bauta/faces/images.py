"""Picture files to tensors and back: the one file that knows 0..255, EXIF and Pillow.

Inside bauta a picture is RGB float32 in [0, 1], upright. Only formats that decode without outside programs are opened,
so that a hostile file reaches as little code as possible. A color profile in a file is ignored, as it is by the
libraries that recognizers were trained with.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import struct
import warnings
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from bauta.errors import BadImage, ShapeError, UsageError, check_shape
from bauta.ops.quantize import to_8bit
from bauta.types import Images, Source

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "SUFFIXES",
    "Picture",
    "decode",
    "encode_jpeg",
    "encode_png",
    "read_bytes",
    "read_image",
    "read_picture",
    "through_jpeg",
    "write_bytes",
    "write_image",
]

MAX_PIXELS = 150_000_000
"""Larger pictures are refused: 150 million pixels are 1.8 GB as floats, and more than any phone writes by default."""
MAX_BYTES = 1 << 30
"""Larger files are refused before they are read."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif")
"""Names that are taken for pictures when a folder is searched."""

STRIP = 1 << 20  # pixels that are turned into floats at a time, so that a large picture is in memory once

MAX_SCANS = 100  # of a progressive JPEG; programs write about ten
MARKER = re.compile(rb"\xff+([^\x00\xff])")

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
# These hold further pictures (a preview, a depth map, a burst) beside the photo, which comes first: no animation.
ALBUMS = ("MPO", "HEIF")

# EXIF orientation -> what turns the stored picture upright
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ORIENTATION = 0x0112

# what Pillow and its plug-ins may raise for a damaged file
DAMAGE = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError),
    *(RuntimeError, MemoryError, struct.error, zlib.error),
)


@dataclass(frozen=True)
class Picture:
    """A picture that was read. image: (3, H, W) RGB float32 in [0, 1], upright. gray: all three channels are equal."""

    image: Tensor
    source: Source
    gray: bool


def read_image(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Tensor:
    """The picture in a file, upright: (3, H, W) RGB float32 in [0, 1]. Raises `BadImage`."""
    return read_picture(path, max_pixels=max_pixels).image


def read_picture(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """The picture in a file with its `Source` (name and SHA-256 of the content). Raises `BadImage`."""
    return decode(read_bytes(Path(path)), str(path), max_pixels=max_pixels)


def read_bytes(path: Path) -> bytes:
    """The content of a file, at most `MAX_BYTES`. Raises `BadImage`."""
    if not path.is_file():
        raise BadImage(f"{path} is no file; give the path of a picture.")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise BadImage(f"{path} has {size:,} bytes, more than the {MAX_BYTES:,} that are read; make it smaller.")
        return path.read_bytes()
    except OSError as error:
        raise BadImage(f"{path} cannot be read: {error.strerror or error}.") from error


def decode(data: bytes, name: str, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """The picture in `data`; `name` is what errors and the `Source` call it. Raises `BadImage`.

    Alpha is laid over white. 16-bit gray keeps its depth; 16-bit color is read at 8 bits, since Pillow has no more.
    """
    image = to_tensor(load(data, name, max_pixels), name)
    gray = bool((image[0] == image[1]).all() and (image[0] == image[2]).all())
    return Picture(image, Source(name, hashlib.sha256(data).hexdigest()), gray)


def load(data: bytes, name: str, max_pixels: int) -> Image.Image:
    """Decode whole and turn upright, or say in one sentence why not."""
    formats = (*FORMATS, "HEIF") if register_heif() else FORMATS
    try:
        with warnings.catch_warnings():
            # max_pixels takes the place of Pillow's warning about size, and broken tags do not matter here
            warnings.simplefilter("ignore")
            return upright(data, name, max_pixels, formats)
    except Image.DecompressionBombError as error:
        raise BadImage(
            f"{name} unpacks to more pixels than Pillow allows; make it smaller, or raise both "
            "PIL.Image.MAX_IMAGE_PIXELS and max_pixels if you trust it."
        ) from error
    except UnidentifiedImageError as error:
        heic = "" if "HEIF" in formats else " (HEIC needs the package pillow-heif)"
        raise BadImage(
            f"{name} is not a picture that can be read; give JPEG, PNG, WebP, BMP, TIFF, GIF or HEIC{heic}."
        ) from error
    except DAMAGE as error:
        reason = " ".join(str(error).split())
        raise BadImage(f"{name} is damaged or cut short ({reason}); copy it again from where it came.") from error


def upright(data: bytes, name: str, max_pixels: int, formats: tuple[str, ...]) -> Image.Image:
    """The one picture in `data`, as it is meant to be seen. Raises what Pillow raises, and `BadImage`."""
    picture: Image.Image = Image.open(io.BytesIO(data), formats=formats)
    if picture.width * picture.height > max_pixels:
        raise BadImage(
            f"{name} unpacks to {picture.width} x {picture.height} pixels, more than the limit of {max_pixels:,}; "
            "make it smaller or raise max_pixels if you trust it."
        )
    # not how many: Pillow counts the frames of a GIF and the pages of a TIFF by reading each
    if picture.format not in ALBUMS and getattr(picture, "is_animated", False):
        raise BadImage(f"{name} holds several pictures (an animation or pages); save the one you want as PNG.")
    if picture.format in ("JPEG", "MPO") and scans(data) > MAX_SCANS:
        raise BadImage(f"{name} is cut into more than {MAX_SCANS} scans, as no camera does; save it anew as PNG.")
    picture.load()
    # after load: the TIFF reader turns the picture itself then, and takes the tag away
    turn = UPRIGHT.get(orientation(picture))
    return picture if turn is None else picture.transpose(turn)


def scans(data: bytes) -> int:
    """How often the decoder of a JPEG passes over all of its pixels: some bytes a scan, and a tenth of a second."""
    at, found = 0, 0
    while marker := MARKER.search(data, at):
        kind, at = marker[1][0], marker.end()
        if kind == 0xD9:  # the end
            break
        if kind != 0x01 and not 0xD0 <= kind <= 0xD8:  # those have no content
            at += int.from_bytes(data[at : at + 2], "big")
            found += kind == 0xDA
    return found


def orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where the tags are absent or broken, since the pixels are good all the same."""
    try:
        value = picture.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow's EXIF reader raises whatever a broken tag makes of it
        return 1
    return value if isinstance(value, int) else 1


def to_tensor(picture: Image.Image, name: str) -> Tensor:
    """Any Pillow mode -> (3, H, W) in [0, 1]."""
    if picture.mode in ("I;16", "I;16L", "I;16B", "I;16N"):
        gray = np.asarray(picture).astype(np.float32) / 65535
        return torch.from_numpy(gray).expand(3, -1, -1).clone()
    if picture.mode in ("I", "F"):
        raise BadImage(f"{name} has 32-bit pixels, whose range no file states; save it with 8 or 16 bits.")
    alpha = "A" in picture.mode or "a" in picture.mode or "transparency" in picture.info
    image = torch.empty(3, picture.height, picture.width)
    rows = max(1, STRIP // picture.width)
    for top in range(0, picture.height, rows):
        strip = image[:, top : top + rows]
        part = picture.crop((0, top, picture.width, top + strip.shape[1]))
        try:
            pixels = np.array(part.convert("RGBA" if alpha else "RGB"))
        except (ValueError, OSError) as error:
            raise BadImage(
                f"{name} has {picture.mode} pixels, which cannot be turned into RGB; save it as RGB."
            ) from error
        levels = torch.from_numpy(pixels).permute(2, 0, 1)
        strip.copy_(levels[:3]).div_(255)
        if alpha:
            cover = levels[3:].float() / 255
            strip.mul_(cover).add_(1 - cover).clamp_(0, 1)
    return image


@cache
def register_heif() -> bool:
    """Teach Pillow to open HEIC where pillow_heif is installed; say whether it is."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def write_image(path: str | Path, image: Tensor) -> None:
    """Write (3, H, W) in [0, 1] as an 8-bit file that holds pixels and nothing else: no EXIF, thumbnail or profile.

    `.png` keeps every value. `.jpg` is quality 95 without color subsampling and warns what that costs. The file
    appears whole or not at all. Raises `UsageError` for other names, `ShapeError`.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".png":
        data = encode_png(image)
    elif suffix in (".jpg", ".jpeg"):
        warnings.warn(
            f"{path.name}: JPEG changes pixels even at quality 95 (4:4:4), which is used: noise of 8/255 keeps a "
            "correlation of 0.88 with itself, noise of 4/255 one of 0.63; write .png to keep every value.",
            stacklevel=2,
        )
        data = encode_jpeg(image)
    else:
        raise UsageError(f"Pictures are written as .png (every value kept) or .jpg, got {path.name!r}; rename it.")
    write_bytes(path, data)


def encode_png(image: Tensor) -> bytes:
    """(3, H, W) in [0, 1] -> a PNG of 8-bit pixels and nothing else; the same picture gives the same bytes."""
    return save(to_pillow(image), format="PNG", compress_level=6)


def encode_jpeg(image: Tensor, quality: int = 95, subsampling: str = "4:4:4") -> bytes:
    """(3, H, W) in [0, 1] -> a baseline JPEG of pixels and nothing else."""
    return save(to_pillow(image), format="JPEG", quality=quality, subsampling=subsampling)


def through_jpeg(images: Images, quality: int, subsampling: str = "4:2:0") -> Images:
    """What a batch looks like after a real JPEG file; 4:2:0 is what most programs write by default."""
    check_shape(images, "B 3 H W", "images")
    files = [encode_jpeg(image, quality, subsampling) for image in images]
    return torch.stack([decode(data, "a JPEG in memory").image for data in files]).to(images)


def to_pillow(image: Tensor) -> Image.Image:
    """(3, H, W) in [0, 1] -> 8-bit RGB, rounded as the pipeline rounds (ties to even)."""
    check_shape(image, "3 H W", "image")
    if not bool(image.isfinite().all()):
        raise ShapeError("An image to be written must be finite, got NaN or infinity; look at what made it.")
    levels = (to_8bit(image.detach().float()) * 255).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).cpu().contiguous().numpy())


def save(picture: Image.Image, **options: object) -> bytes:
    """The bytes of a file, as Pillow writes it."""
    file = io.BytesIO()
    picture.save(file, **options)  # type: ignore[arg-type]
    return file.getvalue()


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` whole or not at all: into a file beside `path`, then renamed over it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
