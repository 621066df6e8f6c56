"""Numbers of arrays as bytes of pixels: scaled by their range, or refused with what was found. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from engine.data.images.pixels import bytes_of_floats

if TYPE_CHECKING:
    import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

_RULE = (
    "images are of uint8, of uint16 (0 to 65,535), of bool, of floats from 0 to 1, or of whole numbers from 0 to 255"
)
_CHUNK = 1024  # images at a time
_DIM = 16  # of 255: what 12 bits come to in 16


def check_kind(dtype: np.dtype[Any]) -> str | None:
    """What images are, where they can be of no such numbers; None where they can."""
    return None if dtype.kind in "uifb" and dtype.names is None and dtype.itemsize <= 8 else _RULE


def as_bytes(images: Array, name: str) -> Array:
    """uint8 images of the same shape.

    ValueError, which calls the array by its name and says what was found, for numbers of which no rule says where
    black and white are.
    """
    import numpy as np

    if images.dtype == np.uint8:
        return images
    scaled = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), _CHUNK):
        scaled[start : start + _CHUNK] = _scale(images[start : start + _CHUNK], name)
    return scaled


def describe(dtype: np.dtype[Any], brightest: int) -> str:
    """The note on images of other numbers than bytes, of which the brightest became that byte.

    ValueError where those of 16 bits hold what 8 would: whether 255 or 65,535 is white, their numbers do not say.
    """
    if dtype.kind == "f":
        return f"images of {dtype}: scaled from 0..1 to 8 bits"
    if dtype.kind == "b":
        return "images of bool: black and white"
    if dtype.kind != "u" or dtype.itemsize != 2:
        return f"images of {dtype}: taken as 0..255"
    if brightest <= 1:
        raise ValueError(f"the images are of {dtype} and nearly black; save them as uint8 if 255 is their white")
    dim = ", less than a sixteenth of which is in use: nearly black" if brightest <= _DIM else ""
    return f"images of {dtype}: scaled from 0..65,535 to 8 bits{dim}"


def _scale(images: Array, name: str) -> Array:
    import numpy as np

    kind, size = images.dtype.kind, images.dtype.itemsize
    if kind == "f":
        return bytes_of_floats(images, name)
    if kind == "b":
        return images * np.uint8(255)
    if kind == "u" and size == 2:
        return (images.astype(np.uint32) + 128) // 257
    low, high = int(images.min()), int(images.max())
    if low < 0 or high > 255:
        raise ValueError(f"{name} is of {images.dtype} and goes from {low:,} to {high:,}; {_RULE}")
    return images
