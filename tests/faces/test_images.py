"""Pictures that Pillow wrote in every format, read by bauta, compared with Pillow, hand flips and plain arithmetic."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageOps, PngImagePlugin

from bauta.errors import BadImage, ShapeError, UsageError
from bauta.faces import images
from bauta.faces.images import decode, encode_jpeg, encode_png, read_image, read_picture, through_jpeg, write_image
from bauta.ops.quantize import to_8bit

HEIF = images.register_heif()


def scene(width: int = 40, height: int = 28) -> np.ndarray:
    """A smooth picture without any symmetry, (H, W, 3) uint8."""
    y, x = np.mgrid[:height, :width]
    channels = [x * 200 / width, y * 180 / height + 40, (x + 2 * y) * 250 / (width + 2 * height)]
    return np.stack(channels, -1).round().astype(np.uint8)


def save(picture: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def levels(image: torch.Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1] -> (H, W, 3) uint8."""
    return (image * 255).round().byte().permute(1, 2, 0).numpy()


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_deflate"}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_lossless_formats_come_back_exactly(format: str, options: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "any_name"
    path.write_bytes(save(Image.fromarray(scene()), format, **options))
    image = read_image(path)
    assert image.dtype == torch.float32
    assert image.is_contiguous()
    np.testing.assert_array_equal(levels(image), scene())
    np.testing.assert_allclose(image.numpy(), scene().transpose(2, 0, 1) / 255, atol=1e-7)


@pytest.mark.parametrize(
    "format", ["JPEG", "WEBP", pytest.param("HEIF", marks=pytest.mark.skipif(not HEIF, reason="needs pillow-heif"))]
)
def test_lossy_formats_come_back_nearly(format: str) -> None:
    image = decode(save(Image.fromarray(scene()), format, quality=95), "x").image
    assert np.abs(levels(image).astype(int) - scene()).mean() < 3


def hand_turned(stored: np.ndarray, orientation: int) -> np.ndarray:
    """What EXIF says about where row 0 and column 0 of the stored picture are, by NumPy alone."""
    turned = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: stored.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(stored, 1),
    }
    return turned[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_every_exif_orientation(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[images.ORIENTATION] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    data = save(Image.fromarray(scene()), format, exif=exif, **options)
    stored = np.array(Image.open(io.BytesIO(save(Image.fromarray(scene()), format, **options))).convert("RGB"))
    came = levels(decode(data, "x").image)
    np.testing.assert_array_equal(came, hand_turned(stored, orientation))
    np.testing.assert_array_equal(came, np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")))


@pytest.mark.skipif(not HEIF, reason="needs pillow-heif")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_heic(orientation: int) -> None:
    exif = Image.Exif()
    exif[images.ORIENTATION] = orientation
    came = levels(decode(save(Image.fromarray(scene()), "HEIF", quality=-1, exif=exif.tobytes()), "x").image)
    wanted = hand_turned(scene(), orientation)
    assert came.shape == wanted.shape
    assert np.abs(came.astype(int) - wanted).mean() < 3


@pytest.mark.parametrize("value", [0, 9, 700])
def test_orientations_that_do_not_exist_are_upright(value: int) -> None:
    exif = Image.Exif()
    exif[images.ORIENTATION] = value
    np.testing.assert_array_equal(levels(decode(save(Image.fromarray(scene()), "PNG", exif=exif), "x").image), scene())


def test_broken_exif_does_not_cost_the_picture() -> None:
    for exif in (
        b"Exif\x00\x00garbage",
        b"Exif\x00\x00MM\x00*\x00\x00\xff\xff",
        b"II*\x00\x08\x00\x00\x00\xff\xff\x12\x01",
    ):
        picture = decode(save(Image.fromarray(scene()), "PNG", exif=exif), "x")
        np.testing.assert_array_equal(levels(picture.image), scene())


def test_gray() -> None:
    gray = scene()[:, :, 1]
    picture = decode(save(Image.fromarray(gray), "PNG"), "x")
    assert picture.gray
    np.testing.assert_array_equal(levels(picture.image), np.stack([gray] * 3, -1))
    assert not decode(save(Image.fromarray(scene()), "PNG"), "x").gray
    # a scan that was saved with three equal channels is gray as well
    assert decode(save(Image.fromarray(np.stack([gray] * 3, -1)), "PNG"), "x").gray


def test_16_bit_gray_keeps_its_depth() -> None:
    deep = (np.arange(40 * 28, dtype=np.uint32).reshape(28, 40) * 58).astype(np.uint16)
    for format in ("PNG", "TIFF"):
        picture = decode(save(Image.fromarray(deep), format), "x")
        np.testing.assert_allclose(picture.image.numpy(), np.stack([deep / 65535] * 3), atol=1e-6)
        assert picture.gray
    big_endian = save(Image.fromarray(deep.astype(">u2")), "TIFF")
    np.testing.assert_allclose(decode(big_endian, "x").image[0].numpy(), deep / 65535, atol=1e-6)


def test_16_bit_color() -> None:
    import cv2

    deep = scene().astype(np.uint16) * 257
    ok, data = cv2.imencode(".png", deep[:, :, ::-1])
    assert ok
    np.testing.assert_array_equal(levels(decode(data.tobytes(), "x").image), scene())


def test_32_bit_pixels_are_refused() -> None:
    for picture in (
        Image.fromarray(scene()[:, :, 0].astype(np.float32)),
        Image.fromarray(scene()[:, :, 0].astype(np.int32)),
    ):
        with pytest.raises(BadImage, match="32-bit"):
            decode(save(picture, "TIFF"), "scan.tif")


def test_cmyk() -> None:
    ink = np.zeros((8, 8, 4), np.uint8)
    ink[:, :4, 0] = 255  # cyan
    ink[:, 4:, 3] = 255  # black
    for format in ("TIFF", "JPEG"):
        came = levels(decode(save(Image.fromarray(ink, "CMYK"), format), "x").image).astype(int)
        assert np.abs(came[:, 0] - [0, 255, 255]).max() <= 6, format
        assert came[:, 7].max() <= 6, format


def test_palette_with_and_without_a_transparent_color() -> None:
    palette = Image.new("P", (4, 1))
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    palette.putdata([0, 1, 2, 3])
    opaque = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]
    np.testing.assert_array_equal(levels(decode(save(palette, "PNG"), "x").image)[0], opaque)
    np.testing.assert_array_equal(levels(decode(save(palette, "GIF"), "x").image)[0], opaque)
    seen = levels(decode(save(palette, "PNG", transparency=1), "x").image)[0]
    np.testing.assert_array_equal(seen, [[255, 0, 0], [255, 255, 255], [0, 0, 255], [9, 9, 9]])


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_lies_over_white(mode: str) -> None:
    colors = scene() if mode == "RGBA" else scene()[:, :, :1]
    alpha = np.linspace(0, 255, 40).round().astype(np.uint8)[None].repeat(28, 0)
    data = save(Image.fromarray(np.dstack([colors, alpha])), "PNG")
    share = alpha[None] / 255
    wanted = colors.transpose(2, 0, 1) / 255 * share + (1 - share)
    np.testing.assert_allclose(decode(data, "x").image.numpy(), np.broadcast_to(wanted, (3, 28, 40)), atol=1e-6)


def test_one_bit() -> None:
    dots = np.arange(64).reshape(8, 8) % 3 == 0
    np.testing.assert_array_equal(levels(decode(save(Image.fromarray(dots), "PNG"), "x").image)[:, :, 0], dots * 255)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_animations_and_pages_are_refused(format: str) -> None:
    frames = [Image.fromarray(scene()), Image.fromarray(scene()[::-1].copy()), Image.fromarray(scene()[:, ::-1].copy())]
    data = save(frames[0], format, save_all=True, append_images=frames[1:])
    with pytest.raises(BadImage, match=r"moving\.x holds several pictures"):
        decode(data, "moving.x")


def test_a_phone_photo_with_a_second_picture_inside_is_its_photo() -> None:
    photo, depth = Image.fromarray(scene()), Image.fromarray(scene()[:, :, 0])
    data = save(photo, "MPO", save_all=True, append_images=[depth], quality=95)
    assert decode(data, "x").image.shape == (3, 28, 40)
    assert np.abs(levels(decode(data, "x").image).astype(int) - scene()).mean() < 3


FORMATS = ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", *(["HEIF"] if HEIF else [])]


@pytest.mark.parametrize("format", FORMATS)
def test_a_truncated_file_gets_a_sentence(format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = save(Image.fromarray(noise), format)
    whole = decode(data, "x").image
    for part in (0.0, 0.001, 0.02, 0.1, 0.3, 0.5, 0.75, 0.9, 0.97):
        with pytest.raises(BadImage, match=r"photo\.x .*\."):
            decode(data[: int(len(data) * part)], "photo.x")
    # without its very last bytes a file may still hold every pixel; it must never give others
    for missing in (1, 2, 4, 12):
        try:
            image = decode(data[:-missing], "photo.x").image
        except BadImage:
            continue
        torch.testing.assert_close(image, whole, rtol=0, atol=0)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FORMATS), st.integers(0, 10**9), st.binary(min_size=1, max_size=40))
def test_damaged_bytes_give_a_picture_or_a_sentence_and_nothing_else(format: str, where: int, damage: bytes) -> None:
    data = save(Image.fromarray(scene()), format)
    start = where % len(data)
    try:
        image = decode(data[:start] + damage + data[start + len(damage) :], "x").image
    except BadImage:
        return
    assert 0 <= float(image.min()) <= float(image.max()) <= 1


def test_things_that_are_no_pictures(tmp_path: Path) -> None:
    text = tmp_path / "photo.jpg"
    text.write_text("I am a letter.")
    script = tmp_path / "drawing.png"
    script.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    empty = tmp_path / "empty.png"
    empty.touch()
    for path in (text, script, empty):
        with pytest.raises(BadImage, match="is not a picture that can be read"):
            read_image(path)
    for path in (tmp_path / "absent.jpg", tmp_path):
        with pytest.raises(BadImage, match="is no file"):
            read_image(path)


def test_bombs_are_refused_before_they_unpack() -> None:
    data = save(Image.new("1", (20_000, 20_000)), "PNG")
    assert len(data) < 100_000
    with pytest.raises(BadImage, match="unpacks to"):
        decode(data, "bomb.png")
    small = save(Image.fromarray(scene()), "PNG")
    with pytest.raises(BadImage, match="40 x 28 pixels, more than the limit of 1,000"):
        decode(small, "x", max_pixels=1000)
    assert decode(small, "x", max_pixels=40 * 28).image.shape == (3, 28, 40)


def test_a_text_chunk_that_unpacks_to_much_is_refused() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "a" * (80 << 20), zip=True)
    with pytest.raises(BadImage):
        decode(save(Image.fromarray(scene()), "PNG", pnginfo=info), "x")


def test_the_source_is_the_hash_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(save(Image.fromarray(scene()), "PNG"))
    picture = read_picture(path)
    assert picture.source.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert picture.source.file == str(path)
    (tmp_path / "b.png").write_bytes(path.read_bytes())
    assert read_picture(tmp_path / "b.png").source.digest == picture.source.digest


pixels = arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


@settings(max_examples=80, deadline=None)
@given(pixels)
def test_8_bit_values_survive_writing_and_reading(values: np.ndarray) -> None:
    image = torch.from_numpy(values).permute(2, 0, 1).float() / 255
    back = decode(encode_png(image), "x").image
    assert torch.equal(back, image)
    assert encode_png(back) == encode_png(image)


@settings(max_examples=80, deadline=None)
@given(arrays.arrays(np.float32, (3, 2, 5), elements=st.floats(-0.5, 1.5, width=32)))
def test_writing_rounds_as_the_pipeline_does(values: np.ndarray) -> None:
    image = torch.from_numpy(values)
    back = decode(encode_png(image), "x").image
    assert torch.equal(back, to_8bit(image))
    by_hand = np.array([min(255, max(0, round(float(np.float32(v) * np.float32(255))))) for v in values.ravel()])
    np.testing.assert_array_equal((back * 255).round().numpy().ravel(), by_hand)


def test_a_written_file_holds_pixels_and_nothing_else(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8825)[1] = "N"
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(save(Image.fromarray(scene()), "JPEG", exif=exif, icc_profile=profile, dpi=(300, 300)))
    before = Image.open(photo)
    assert before.getexif()
    assert before.info["icc_profile"]
    image = read_image(photo)
    for name in ("out.png", "out.jpg"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write_image(tmp_path / name, image)
        after = Image.open(tmp_path / name)
        after.load()
        assert not after.getexif()
        assert not set(after.info) - {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        data = (tmp_path / name).read_bytes()
        assert not any(word in data for word in (b"Exif", b"ICC", b"Camera", b"http", b"iCCP", b"tEXt", b"tIME"))
    chunks = (tmp_path / "out.png").read_bytes()
    assert chunks.count(b"IHDR") == chunks.count(b"IEND") == 1
    assert {p.name for p in tmp_path.iterdir()} == {"photo.jpg", "out.png", "out.jpg"}


def test_jpeg_is_quality_95_without_subsampling_and_says_what_it_costs(tmp_path: Path) -> None:
    image = torch.from_numpy(scene()).permute(2, 0, 1) / 255
    with pytest.warns(UserWarning, match=r"out\.jpg: JPEG .* write \.png"):
        write_image(tmp_path / "out.jpg", image)
    with Image.open(tmp_path / "out.jpg") as written:
        assert [layer[1:3] for layer in written.layer] == [(1, 1)] * 3
        with Image.open(io.BytesIO(save(Image.fromarray(scene()), "JPEG", quality=95))) as pillow:
            assert written.quantization == pillow.quantization
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_image(tmp_path / "out.png", image)


def test_what_the_warning_about_jpeg_says_is_measured() -> None:
    generator = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(4, 3, 7, 7, generator=generator), 112, mode="bicubic")
    clean = to_8bit(0.2 + 0.6 * smooth.clamp(0, 1))

    def kept(levels: int, quality: int, subsampling: str) -> float:
        noise = (torch.rand(clean.shape, generator=generator) < 0.5).float() * 2 * levels / 255 - levels / 255
        after = through_jpeg(clean + noise, quality, subsampling) - through_jpeg(clean, quality, subsampling)
        return float((after * noise).sum() / (after.norm() * noise.norm()))

    assert kept(8, 95, "4:4:4") == pytest.approx(0.88, abs=0.02)
    assert kept(4, 95, "4:4:4") == pytest.approx(0.63, abs=0.03)
    assert kept(8, 75, "4:2:0") < 0.35


def test_through_jpeg_is_pillows_own_file() -> None:
    image = torch.from_numpy(scene()).permute(2, 0, 1)[None] / 255
    pillow = np.array(Image.open(io.BytesIO(save(Image.fromarray(scene()), "JPEG", quality=60))))
    came = through_jpeg(image, 60)
    np.testing.assert_array_equal(levels(came[0]), pillow)
    assert through_jpeg(image.double(), 60).dtype == torch.float64
    assert encode_jpeg(image[0]) == encode_jpeg(image[0])


def test_what_cannot_be_written(tmp_path: Path) -> None:
    good = torch.zeros(3, 4, 4)
    with pytest.raises(UsageError, match=r"\.png"):
        write_image(tmp_path / "out.webp", good)
    for bad in (good[0], good.byte(), good / 0):
        with pytest.raises(ShapeError):
            write_image(tmp_path / "out.png", bad)
    assert not list(tmp_path.iterdir())


def test_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out.png"
    write_image(target, torch.zeros(3, 4, 4))
    before = target.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(images.os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_image(target, torch.ones(3, 4, 4))
    assert target.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["out.png"]
