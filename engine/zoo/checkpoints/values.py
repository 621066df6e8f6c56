"""What a checkpoint is made of before any of its numbers is read: tensors by reference, and objects left asleep.

No torch.
"""

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Values: TypeAlias = "dict[Any, Any]"

# torch's storages by the beginning of their names; the other kinds are quantised.
_STORAGES = {
    "Double": "float64",
    "Float": "float32",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
}
SIZES = {  # bytes of a number
    **dict.fromkeys(("float64", "int64", "complex64", "uint64"), 8),
    **dict.fromkeys(("float32", "int32", "qint32", "uint32"), 4),
    **dict.fromkeys(("float16", "bfloat16", "int16", "uint16"), 2),
    **dict.fromkeys(("int8", "uint8", "bool", "qint8", "quint8", "float8_e4m3fn", "float8_e5m2"), 1),
    "complex128": 16,
}
_STORAGE = re.compile(r"torch(?:\.cuda|\.storage)?\.(\w+)Storage")


class UnfitError(Exception):
    """Why a file is not loaded, in words that follow "weights PATH"."""


class BrokenError(Exception):
    """A file is of no format that is read here, or damaged."""


@dataclass(frozen=True, eq=False)
class Global:
    """A class or function by its name, which is never looked up."""

    name: str


@dataclass(eq=False)
class Foreign:
    """An object of a class that is not known here: what it was made of. Nothing of it runs.

    `called` says whether it is what a call of `name` would give, rather than an instance of a class of that name.
    """

    name: str
    arguments: tuple[Any, ...] = ()
    called: bool = False
    state: Any = None
    entries: Values = field(default_factory=dict)  # of a class that is a dictionary


@dataclass(frozen=True, eq=False)
class Storage:
    """Where a tensor's numbers lie: a key in the file, or bytes that stand in the pickle itself."""

    key: str
    kind: str | None  # the name of torch's type; None where only the tensor knows
    count: int  # numbers, or bytes where the kind is None
    content: bytes | None = None
    start: int = 0  # numbers before this part of the storage


@dataclass(frozen=True, eq=False)
class TensorRef:
    """A view of a storage: `offset`, `size` and `stride` in numbers of the type `kind`."""

    storage: Storage
    kind: str
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def numel(self) -> int:
        count = 1
        for side in self.size:
            count *= side
        return count


@dataclass(frozen=True, eq=False)
class OddTensor:
    """A tensor of a kind that no network here takes: which, in words."""

    reason: str


def storage_kind(name: str) -> str | None:
    """The type of torch's storage class `name`; None for an untyped one. BrokenError where it is no storage."""
    match = _STORAGE.fullmatch(name)
    if match is None:
        raise BrokenError
    if match[1] in ("Untyped", "Typed"):
        return None
    return _STORAGES.get(match[1], match[1].lower())


def contiguous(size: tuple[int, ...], *, fortran: bool = False) -> tuple[int, ...]:
    """The strides of numbers that lie side by side; with `fortran` the first index runs fastest."""
    strides, step = [], 1
    for side in size if fortran else reversed(size):
        strides.append(step)
        step *= max(side, 1)
    return tuple(strides if fortran else reversed(strides))


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor, of a kind that can be read or not."""
    return isinstance(value, TensorRef | OddTensor)
