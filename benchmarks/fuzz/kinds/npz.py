"""Archives of arrays: bytes changed, npy headers that say something else, and far more numbers than the file has."""

import io
import struct
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: F401 (here, as the first import is not to be timed)
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from benchmarks.fuzz import damage
from benchmarks.fuzz.inputs import Input
from benchmarks.fuzz.trial import Kind
from engine.data.npz import read

_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_TYPES = (
    "|u1",
    "<i8",
    "<i4",
    ">i8",
    "<f4",
    "|O",
    "<U5",
    "|V8",
    "<M8[s]",
    "<c16",
    "|b1",
    "|S1",
    "x",
    "",
    "<u8",
    "[('a', '|u1')]",
)
_SHAPES = (
    *("(6, 8, 8)", "(6,)", "(6, 1)", "()", "(0,)", "(3000000000,)", "(6, 100000, 100000)", "(-1,)", "(6, 8, 8, 3)"),
    *(
        "(2**63,)",
        "(99999999999999999999,)",
        "(True,)",
        "(1.5,)",
        "[6]",
        "None",
        "(6, 0, 8)",
        "(" * 3000,
        "(6,)" + " " * 9000,
    ),
)
_PARTS = ("train_images", "train_labels", "test_images", "test_labels", "val_images", "val_labels")
_GIB = 1 << 30


def _valid(compressed: bool) -> bytes:
    images, labels = np.arange(6 * 8 * 8, dtype=np.uint8).reshape(6, 8, 8), np.array([0, 1, 2, 0, 1, 2])
    arrays: dict[str, Any] = dict(zip(_PARTS, [images, labels] * 3, strict=True))
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def _array(kind: str, shape: str, data: bytes, version: int) -> bytes:
    """An npy file with such a header before its data."""
    header = (
        f"{{'descr': {kind if kind.startswith('[') else repr(kind)}, 'fortran_order': False, 'shape': {shape}, }}\n"
    )
    length = struct.pack("<H" if version == 1 else "<I", min(len(header), 65535))
    return b"\x93NUMPY" + bytes((version, 0)) + length + header.encode() + data


def _archive(changes: list[tuple[str, bytes]], compression: int) -> bytes:
    """A valid archive with some arrays in the place of its own."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_valid(False))) as valid, zipfile.ZipFile(file, "w", compression) as out:
        arrays = {name: valid.read(name) for name in valid.namelist()} | {f"{name}.npy": data for name, data in changes}
        for name, data in arrays.items():
            out.writestr(name, data)
    return file.getvalue()


@cache
def _bomb() -> bytes:
    """An archive of 3 MB whose labels are 3 GiB of zeros, as its headers say."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    header = packer.compress(_array("|u1", f"({3 * _GIB},)", b"", 1)) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(1 << 20)) + packer.flush(
        zlib.Z_FULL_FLUSH
    )  # can be repeated: it refers to itself only
    packed = header + zeros * (3 * 1024) + packer.flush()
    name = b"train_labels.npy"
    archive = bytearray(_archive([("train_labels", packed)], zipfile.ZIP_STORED))
    packed_as = struct.pack("<H", zipfile.ZIP_DEFLATED)
    sizes = struct.pack("<II", len(packed), 3 * _GIB + 128)
    local = archive.index(name) - 30  # as the entry says of itself, and then the directory of it
    archive[local + 8 : local + 10], archive[local + 18 : local + 26] = packed_as, sizes
    listed = archive.rindex(name) - 46
    archive[listed + 10 : listed + 12], archive[listed + 20 : listed + 28] = packed_as, sizes
    return bytes(archive)


def _attempt(folder: Path, tried: Input) -> None:
    tried.write(folder)
    read(folder / "data.npz")


_DATA = st.sampled_from([b"", bytes(48), bytes(384), bytes(6), b"\xff" * 48, b"\x80\x04N."]) | st.binary(max_size=64)
_ARRAYS = st.builds(
    _array, st.sampled_from(_TYPES), st.sampled_from(_SHAPES), _DATA, st.sampled_from((1, 1, 1, 2, 3, 9))
)
_BROKEN = damage.damaged_bytes(_array("|u1", "(6, 8, 8)", bytes(384), 1), 2)
_CHANGES = st.lists(st.tuples(st.sampled_from(_PARTS), _ARRAYS | _BROKEN), min_size=1, max_size=2)
_ARCHIVES: SearchStrategy[bytes] = st.builds(_archive, _CHANGES, st.sampled_from(_COMPRESSIONS))
_DAMAGED = st.sampled_from(_COMPRESSIONS).flatmap(lambda method: damage.damaged_bytes(_archive([], method)))
_CONTENT = st.one_of(_ARCHIVES, _ARCHIVES, _ARCHIVES, _DAMAGED, _DAMAGED, _DAMAGED)
_BOMBS = st.booleans().flatmap(lambda whole: st.just(_bomb()) if whole else damage.damaged_bytes(_bomb(), 1))
_FILES = damage.damaged_files({"data.npz": _CONTENT})
KIND = Kind(
    "npz",
    st.integers(0, 99).flatmap(lambda n: _BOMBS.map(lambda data: Input({"data.npz": data})) if n == 50 else _FILES),
    _attempt,
)
