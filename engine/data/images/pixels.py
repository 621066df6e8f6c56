"""One image file: what its header says, and its pixels as a network sees them.

Upright, in red, green and blue of 8 bits. No torch at import.
"""

from __future__ import annotations

import os
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.spec.messages import as_text
from engine.storage.files import opened

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image
    from torch import Tensor

    Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
# By what is in a file, whatever it is called; PIL's other readers start programs, or know no bounds.
FORMATS = ("JPEG", "PNG", "PPM", "BMP", "DIB", "GIF", "TIFF", "WEBP")
MOST_PIXELS = 50_000_000  # of an image, which takes 4 bytes for each while it is read, and as many again
_LARGE = 4_000_000  # pixels; images of more are read one at a time
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # how one begins
_ORIENTATION, _BITS, _PHOTOMETRIC = 0x0112, 258, 262  # tags
_LYING = (5, 6, 7, 8)  # orientations that exchange height and width
_NO_RULE = ("LAB", "HSV", "La")  # modes that PIL does not convert to RGB by itself
_one_at_a_time = threading.Lock()

# What is done to an image besides resizing it, in the words of a note.
UPRIGHT = "turned upright, as their EXIF orientation says"
ON_WHITE = "with an alpha channel or a transparent colour, composed on white"
WIDE = "of 16 bits, scaled from their range to 8 bits"
FLOATS = "of floats, scaled from 0..1 to 8 bits"
INKS = "of inks (CMYK), converted to RGB"
FIRST = "with several frames or pages, of which the first is taken"
TRAITS = (UPRIGHT, ON_WHITE, WIDE, FLOATS, INKS, FIRST)

Shape: TypeAlias = "Callable[[Image.Image], Image.Image]"


@dataclass(frozen=True)
class Header:
    """What an image is, by the first bytes of its file."""

    size: tuple[int, int]  # height, width in px, upright
    traits: tuple[str, ...]  # of TRAITS


def read_header(file: Path) -> Header:
    """Size and traits; one of `read_errors` for what is no image or of a kind that is not read."""
    with warnings.catch_warnings(action="ignore"), _image(file) as image:  # PIL's, of many pixels and odd headers
        _check_mode(image)
        if image.mode == "F":
            _from_floats(image)  # the range is in the pixels only
        orientation = _orientation(image)
        height, width = image.height, image.width
        if orientation in _LYING and image.format != "TIFF":  # PIL says of a TIFF how it is seen
            height, width = width, height
        return Header((height, width), tuple(_traits(image, orientation)))


def pixels(file: Path, shape: Shape) -> Tensor:
    """One image as uint8 3×H×W in the given shape; one of `read_errors` when it cannot be read."""
    import numpy as np
    import torch

    with _image(file) as image, _one_at_a_time if image.width * image.height > _LARGE else nullcontext():
        return torch.from_numpy(np.array(shape(to_rgb(image)))).permute(2, 0, 1)


def to_rgb(image: Image.Image) -> Image.Image:
    """The first frame, upright, in 8-bit RGB, what is transparent on white; ValueError for an unknown range."""
    from PIL import Image, ImageOps

    _check_mode(image)
    convert: Callable[[Image.Image], Image.Image] | None = None
    if image.mode == "F":
        convert = _from_floats
    elif image.mode.startswith("I"):
        bits, inverted = _wide_range(image)
        key = image.info.get("transparency")
        convert = lambda upright: _from_wide(upright, bits, inverted, key)  # noqa: E731
    upright = ImageOps.exif_transpose(image)
    if convert is not None:
        return convert(upright).convert("RGB")
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    layer = upright.convert("RGBA")
    white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, layer).convert("RGB")


def read_errors() -> tuple[type[Exception], ...]:
    """What PIL raises on a file that is no image, or not a whole one."""
    from PIL import Image

    broken = (SyntaxError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, struct.error)
    return OSError, EOFError, RuntimeError, MemoryError, Image.DecompressionBombError, *broken


def reason(file: Path, error: Exception) -> str:
    """What an error says; the operating system's words do without the path, which the sentence has already."""
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        if _begins_as_tiff(file):
            return "it is a TIFF of a kind that is not read, such as floats in three channels, or a damaged one"
        return f"it is none of {', '.join(FORMATS)}"
    text = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    return as_text(text.splitlines()[0])


@contextmanager
def _image(file: Path) -> Iterator[Image.Image]:
    """An image of which the header was read; ValueError for one of more pixels than are taken."""
    from PIL import Image

    with (
        opened(file, links=True) as descriptor,
        os.fdopen(os.dup(descriptor), "rb") as stream,
        Image.open(stream, formats=FORMATS) as image,
    ):
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"it has {image.width:,} × {image.height:,} px; at most {MOST_PIXELS:,} are taken")
        yield image


def _begins_as_tiff(file: Path) -> bool:
    try:
        with opened(file, links=True) as descriptor:
            return os.pread(descriptor, 4, 0) in _TIFF
    except OSError:
        return False


def _check_mode(image: Image.Image) -> None:
    """ValueError for numbers of which no rule says where black and white are."""
    if image.mode in _NO_RULE:
        raise ValueError(f"its pixels are {image.mode}, which is not read; save it as RGB")
    if image.mode == "I" and image.format == "TIFF":
        raise ValueError("it holds whole numbers whose range is not known; save it in 8 or 16 bits without a sign")


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, as far as the header tells: a PNG may say it behind its pixels."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    value = image.getexif().get(_ORIENTATION)
    return value if isinstance(value, int) else 1


def _traits(image: Image.Image, orientation: int) -> Iterator[str]:
    if orientation in range(2, 9):
        yield UPRIGHT
    if image.has_transparency_data:
        yield ON_WHITE
    if image.mode.startswith("I") or _has_wide_channels(image):
        yield WIDE
    if image.mode == "F":
        yield FLOATS
    if image.mode == "CMYK":
        yield INKS
    if getattr(image, "is_animated", False):
        yield FIRST


def _has_wide_channels(image: Image.Image) -> bool:
    """Whether PIL makes 8 bits a channel of 16: it says so where it says how it reads."""
    tiles = getattr(image, "tile", ()) if image.format in ("PNG", "TIFF") else ()
    return any(";16" in str(tile[3]) for tile in tiles)


def _wide_range(image: Image.Image) -> tuple[int, bool]:
    """The bits that a pixel's number has, and whether zero is white."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS, (16,))
    return int(bits[0] if isinstance(bits, tuple) else bits), tags.get(_PHOTOMETRIC) == 0


def _from_wide(image: Image.Image, bits: int, inverted: bool, transparent: Any) -> Image.Image:
    """Whole numbers of up to 16 bits as grey of 8, rounded; the transparent number is white."""
    import numpy as np
    from PIL import Image

    numbers = np.asarray(image).astype(np.int32)
    largest = (1 << bits) - 1
    if numbers.min(initial=0) < 0 or numbers.max(initial=0) > largest:
        raise ValueError(f"it has pixels of {numbers.min()} to {numbers.max()}, and {bits} bits hold 0 to {largest}")
    grey = (numbers * 510 + largest) // (2 * largest)  # at most 2²⁵
    if inverted:
        grey = 255 - grey
    if isinstance(transparent, int):
        grey[numbers == transparent] = 255
    return Image.fromarray(grey.astype(np.uint8))


def _from_floats(image: Image.Image) -> Image.Image:
    import numpy as np
    from PIL import Image

    return Image.fromarray(bytes_of_floats(np.asarray(image)))


def bytes_of_floats(numbers: Array, name: str = "it") -> Array:
    """Floats of 0..1 as bytes of 0..255, rounded; ValueError with the range that was found for any others."""
    import numpy as np

    low, high = float(numbers.min(initial=np.inf)), float(numbers.max(initial=-np.inf))
    if not (low >= 0 and high <= 1):
        found = "not all of which are numbers" if np.isnan(numbers).any() else f"from {low:g} to {high:g}"
        raise ValueError(f"{name} has pixels that are floats {found}; they are taken from 0 (black) to 1 (white)")
    rounded: Array = np.rint(numbers * 255).astype(np.uint8)
    return rounded
