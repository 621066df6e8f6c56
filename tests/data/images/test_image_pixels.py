"""One image file: upright, in 8 bits by the range of its numbers, what is transparent on white; or refused by name."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from engine.data.images import pixels
from engine.data.images.pixels import read_errors, read_header, reason
from engine.data.images.sizing import Fit

GREY = np.random.default_rng(0).integers(256, size=(6, 9), dtype=np.uint8)
WIDE = GREY.astype(np.uint16) * 257


def read(file: Path) -> Any:
    return pixels.pixels(file, lambda image: image).permute(1, 2, 0).numpy()


def tiff(path: Path, array: Any, sample_format: int, *, zero_is_white: bool = False, order: str = "<") -> None:
    """An uncompressed TIFF of the array's numbers: 1 unsigned, 2 signed, 3 floats."""
    data = array.astype(array.dtype.newbyteorder(order)).tobytes()
    channels = 1 if array.ndim == 2 else array.shape[2]
    bits, end = array.dtype.itemsize * 8, 8 + len(data)
    photometric = 2 if channels == 3 else int(not zero_is_white)
    long, short = 4, 3
    tags = [(256, long, array.shape[1]), (257, long, array.shape[0]), (258, short, bits), (259, short, 1)]
    tags += [(262, short, photometric), (273, long, 8), (277, short, channels), (278, long, array.shape[0])]
    tags += [(279, long, len(data)), (339, short, sample_format)]
    beyond = end + 2 + 12 * len(tags) + 4
    entries, extra = b"", b""
    for tag, kind, value in tags:
        count = channels if tag in (258, 339) else 1
        if count > 2:
            entries += struct.pack(f"{order}HHII", tag, kind, count, beyond + len(extra))
            extra += struct.pack(f"{order}{count}H", *[value] * count)
        else:
            form = "HHIHH" if kind == short else "HHII"
            entries += struct.pack(order + form, tag, kind, count, value, *([0] if kind == short else []))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", end)
    path.write_bytes(head + data + struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}I", 0) + extra)


def test_numbers_of_16_bits_and_floats_are_scaled_by_their_range(tmp_path: Path) -> None:
    Image.fromarray(WIDE).save(tmp_path / "a.png")
    Image.fromarray(WIDE).save(tmp_path / "b.tif")
    (tmp_path / "c.pgm").write_bytes(b"P5 9 6 65535\n" + WIDE.astype(">u2").tobytes())
    tiff(tmp_path / "d.tif", WIDE, 1, order=">")
    tiff(tmp_path / "e.tif", 65_535 - WIDE, 1, zero_is_white=True)
    tiff(tmp_path / "f.tif", (GREY / 255).astype(np.float32), 3)
    tiff(tmp_path / "g.tif", np.stack([WIDE] * 3, -1), 1)
    Image.fromarray(GREY).save(tmp_path / "h.bmp")
    for file in sorted(tmp_path.iterdir()):
        assert np.array_equal(read(file), np.stack([GREY] * 3, -1)), file.name
        wanted = {"f.tif": (pixels.FLOATS,), "h.bmp": ()}.get(file.name, (pixels.WIDE,))
        assert read_header(file) == pixels.Header((6, 9), wanted)


@pytest.mark.parametrize(
    ("array", "sample_format", "said"),
    [
        (GREY.astype(np.float32), 3, "it has pixels that are floats from 4 to 248; they are taken from 0 (black)"),
        (np.where(GREY > 9, np.nan, 0).astype(np.float32), 3, "floats not all of which are numbers"),
        (GREY.astype(np.int32), 2, "whole numbers whose range is not known"),
        (GREY.astype(np.uint32), 1, "whole numbers whose range is not known"),
        (GREY.astype(np.int16), 2, "whole numbers whose range is not known"),
        (np.stack([GREY / 255] * 3, -1).astype(np.float32), 3, "a TIFF of a kind that is not read"),
    ],
)
def test_numbers_of_an_unknown_range_are_refused_by_the_header(
    array: Any, sample_format: int, said: str, tmp_path: Path
) -> None:
    tiff(tmp_path / "a.tif", array, sample_format)
    with pytest.raises(read_errors()) as caught:
        read_header(tmp_path / "a.tif")
    assert said in reason(tmp_path / "a.tif", caught.value)


@pytest.mark.parametrize("suffix", ["jpg", "tif", "png", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_upright(orientation: int, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"a.{suffix}"
    image = Image.fromarray(np.stack([GREY] * 3, -1))
    exif = image.getexif()
    exif[274] = orientation
    image.save(file, exif=exif, **({"lossless": True} if suffix == "webp" else {}))
    upright = ImageOps.exif_transpose(Image.open(file))
    header = read_header(file)
    assert header.size == upright.size[::-1] == ((9, 6) if orientation > 4 else (6, 9))
    assert header.traits == ((pixels.UPRIGHT,) if orientation > 1 else ())
    assert np.array_equal(read(file), np.asarray(upright))


def test_colours_without_a_rule_are_refused_by_name(tmp_path: Path) -> None:
    Image.new("LAB", (9, 6)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="its pixels are LAB, which is not read; save it as RGB"):
        read_header(tmp_path / "a.tif")


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    half = np.zeros((6, 9, 4), np.uint8)
    half[:3, :, 3] = 255  # black above, nothing below
    image = Image.fromarray(half)
    image.save(tmp_path / "a.png")
    image.convert("LA").save(tmp_path / "b.png")
    image.quantize(4).save(tmp_path / "c.png")
    image.save(tmp_path / "d.webp", lossless=True)
    image.save(tmp_path / "e.gif")
    image.save(tmp_path / "f.tif")
    Image.fromarray(half[:, :, 3] // 2).save(tmp_path / "g.png", transparency=127)  # the upper half, below black
    wide = half[:, :, 3].astype(np.uint16) * 257
    Image.fromarray(wide).save(tmp_path / "h.png", transparency=0)  # all white
    for file in sorted(tmp_path.iterdir()):
        upper, lower = {"g.png": (255, 0), "h.png": (255, 255)}.get(file.name, (0, 255))
        seen = read(file)
        assert (set(seen[:3].flat), set(seen[3:].flat)) == ({upper}, {lower}), file.name
        assert pixels.ON_WHITE in read_header(file).traits


def test_the_first_frame_is_taken_and_inks_become_colours(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (9, 6), (shade, shade, shade)) for shade in (255, 0, 0)]
    for suffix in ("gif", "webp", "tiff", "png"):
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
        assert read_header(tmp_path / f"a.{suffix}").traits == (pixels.FIRST,)
        assert set(read(tmp_path / f"a.{suffix}").flat) == {255}
    frames[1].convert("CMYK").save(tmp_path / "b.jpg")
    assert read_header(tmp_path / "b.jpg").traits == (pixels.INKS,)
    assert read(tmp_path / "b.jpg").max() < 3


def test_a_long_strip_takes_no_more_memory_than_what_is_seen_of_it(tmp_path: Path) -> None:
    Image.new("L", (50_000, 2), 99).save(tmp_path / "a.png")
    assert pixels.pixels(tmp_path / "a.png", Fit(224, 224)).unique().tolist() == [99]
