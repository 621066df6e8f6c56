"""The class that a point's network names for each test image, in their order: one small NumPy array a point. No torch.

A byte an image up to 256 classes: `numpy.load("models/p4.predictions.npy")`.
"""

from __future__ import annotations

import io
import math
import struct
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.errors import WorkError
from engine.storage import atomic, files

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

SUFFIX = "predictions.npy"  # of a model file
MOST_BYTES = 64 * files.MIB
_LONGEST_HEADER = 4096  # bytes; one of these arrays has 118
# What NumPy raises on a header that is none: it is read as a Python literal.
_BROKEN = (
    *(ValueError, TypeError, SyntaxError, LookupError, AttributeError, OverflowError, RecursionError, MemoryError),
    *(tokenize.TokenError, struct.error),
)


def write(file: Path, predictions: Array) -> None:
    """Writes classes (N,), whole, in as few bytes as the largest of them takes."""
    import numpy as np

    largest = int(predictions.max(initial=0))
    kind = next(kind for kind in ("<u1", "<u2", "<u4") if largest <= np.iinfo(kind).max)
    stream = io.BytesIO()
    np.save(stream, predictions.astype(kind), allow_pickle=False)
    with atomic.atomic_write(file) as part:
        part.write_bytes(stream.getvalue())


def read(file: Path) -> Array | None:
    """What `write` wrote; None where there is no file, WorkError where it is damaged. Never unpickles."""
    import numpy as np

    try:
        data = files.read_bytes(file, MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WorkError(f"cannot read {file}: {error.strerror or error}") from None
    header = _header(data)
    if header is None:
        raise WorkError(f"{file} is damaged: it is no list of classes")
    dtype, offset = header
    return np.frombuffer(data, dtype, offset=offset)


def _header(data: bytes) -> tuple[np.dtype[Any], int] | None:
    """The kind of the numbers and where they begin; None where the file is no flat list of whole numbers."""
    from numpy.lib import format as npy

    stream = io.BytesIO(data[:_LONGEST_HEADER])
    try:
        version = npy.read_magic(stream)
        shape, _, dtype = npy.read_array_header_1_0(stream, max_header_size=_LONGEST_HEADER)
    except _BROKEN:
        return None
    fits = version == (1, 0) and len(shape) == 1 and math.prod(shape) > 0 and dtype.kind == "u"
    return (dtype, stream.tell()) if fits and shape[0] * dtype.itemsize == len(data) - stream.tell() else None
