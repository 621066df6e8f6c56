"""NumPy's arrays: as a pickle has them, and as the members of an archive. No torch; nothing is unpickled."""

import io
import struct
import tokenize
import warnings
from typing import Any

from engine.zoo.checkpoints.values import BrokenError, Foreign, OddTensor, Storage, TensorRef, contiguous

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 4096  # bytes; one of weights has 118
_KINDS = {
    **{"f2": "float16", "f4": "float32", "f8": "float64", "b1": "bool", "u1": "uint8"},
    **{"i1": "int8", "i2": "int16", "i4": "int32", "i8": "int64", "u2": "uint16", "u4": "uint32", "u8": "uint64"},
}
# What NumPy raises on a header that is none: it is read as a Python literal.
_BROKEN = (
    *(ValueError, SyntaxError, tokenize.TokenError, TypeError, LookupError, AttributeError, OverflowError),
    *(RecursionError, MemoryError, struct.error),
)


def content_of(value: Any) -> bytes:
    """The bytes that a pickle holds as they are, or as the text of them that Python 2 and its protocols take."""
    if isinstance(value, Foreign) and value.name == "_codecs.encode" and value.arguments:
        value = value.arguments[0]
    if isinstance(value, Foreign) and value.name in ("builtins.bytearray", "__builtin__.bytearray") and value.arguments:
        value = value.arguments[0]
    if isinstance(value, str):
        return value.encode("latin-1")
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    raise BrokenError


def from_pickle(value: Foreign) -> TensorRef | OddTensor | None:
    """The array that an object in a pickle is; None where it is something else."""
    if value.name.endswith("multiarray._reconstruct") and isinstance(value.state, tuple) and len(value.state) == 5:
        _, size, kind, fortran, content = value.state
    elif value.name.endswith("numeric._frombuffer") and len(value.arguments) == 4:
        content, kind, size, order = value.arguments
        fortran = order == "F"
    else:
        return None
    try:
        name = _kind_name(kind)
        if name is None:
            return OddTensor("an array of something else than plain numbers")
        data = content_of(content)
        sides = tuple(int(side) for side in size)
        if min(sides, default=0) < 0:
            raise BrokenError
        return TensorRef(Storage("", name, 0, data), name, 0, sides, contiguous(sides, fortran=bool(fortran)))
    except (ValueError, TypeError, OverflowError):
        raise BrokenError from None


def header(start: bytes) -> tuple[str | None, tuple[int, ...], bool, int]:
    """Kind (None for other than plain numbers), shape, whether the first index runs fastest, and bytes before them.

    `start` is the beginning of an array's file. BrokenError where that is none.
    """
    from numpy.lib import format as npy

    stream = io.BytesIO(start)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    try:
        with warnings.catch_warnings(action="ignore"):  # of the parser, on what it refuses
            shape, fortran, dtype = readers[npy.read_magic(stream)](stream, max_header_size=LONGEST_HEADER)
        sides = tuple(int(side) for side in shape)
    except _BROKEN:
        raise BrokenError from None
    if min(sides, default=0) < 0 or max(sides, default=0) >= 2**48:
        raise BrokenError
    plain = dtype.names is None and dtype.byteorder in "<=|"
    return _KINDS.get(f"{dtype.kind}{dtype.itemsize}") if plain else None, sides, fortran, stream.tell()


def _kind_name(kind: Any) -> str | None:
    """torch's name for a pickled type of NumPy's; None where there is none, or where bytes stand the other way."""
    if not (isinstance(kind, Foreign) and kind.name == "numpy.dtype" and kind.arguments):
        return None
    order = kind.state[1] if isinstance(kind.state, tuple) and len(kind.state) > 1 else "<"
    text = kind.arguments[0]
    return _KINDS.get(text.lstrip("<=|")) if isinstance(text, str) and order in ("<", "|", "=") else None
