"""safetensors: a header of names, types and places, and the numbers after it. No torch."""

import json
import os
from typing import Any

from engine.storage import files
from engine.zoo.checkpoints import streams
from engine.zoo.checkpoints.values import SIZES, BrokenError, OddTensor, Storage, TensorRef, contiguous

LARGEST_HEADER = 16 * files.MIB  # bytes of what safetensors say of their entries
_KINDS = {
    **{"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool"},
    **{"I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8"},
    **{"U64": "uint64", "U32": "uint32", "U16": "uint16", "C64": "complex64"},
    **{"F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3fn"},
}
_METADATA = "__metadata__"


def is_one(start: bytes) -> bool:
    """Whether a file that begins so is one of safetensors'."""
    return len(start) >= 9 and start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= LARGEST_HEADER


def read(descriptor: int, size: int) -> tuple[dict[str, Any], dict[str, streams.Region], dict[str, str]]:
    """The tensors of a file of `size` bytes by name, where their numbers are, and its metadata; BrokenError."""
    length = int.from_bytes(os.pread(descriptor, 8, 0), "little")
    if length > min(LARGEST_HEADER, size - 8):
        raise BrokenError
    try:
        header = json.loads(streams.read_at(descriptor, 8, length))
        metadata = header.pop(_METADATA, {})
        if not all(isinstance(key, str) and isinstance(value, str) for key, value in metadata.items()):
            raise BrokenError
        start = 8 + length
        entries = {name: _entry(name, entry, size - start) for name, entry in header.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, MemoryError):
        raise BrokenError from None
    regions = {name: (start + at, count) for name, (_, (at, count)) in entries.items()}
    return {name: tensor for name, (tensor, _) in entries.items()}, regions, metadata


def _entry(name: str, entry: Any, size: int) -> tuple[TensorRef | OddTensor, streams.Region]:
    begin, end = entry["data_offsets"]
    sides = tuple(entry["shape"])
    if not all(type(n) is int and 0 <= n < 2**63 for n in (begin, end, *sides)) or not begin <= end <= size:
        raise BrokenError
    kind = _KINDS.get(entry["dtype"])
    if kind is None:
        return OddTensor("a tensor of a type that is not known"), (begin, end - begin)
    reference = TensorRef(Storage(name, kind, 0), kind, 0, sides, contiguous(sides))
    if reference.numel * SIZES[kind] != end - begin:
        raise BrokenError
    return TensorRef(Storage(name, kind, reference.numel), kind, 0, sides, reference.stride), (begin, end - begin)
