"""What a file of torch.save would do when it is loaded, read off its opcodes before any of them runs. No torch.

torch's own reader runs no code. What is left to a file is how much it makes that reader allocate: copies of one list by
the thousand, a byte array of any length, members of an archive that inflate. Such a file is refused here.
"""

import os
import pickletools
import re
from typing import IO, Any

from engine.storage import archives, files

MOST_PICKLED = 16 * files.MIB  # bytes of what is no tensor's numbers; the largest network's takes 0.2
MOST_OPCODES = 500_000
MOST_COPIES = 2_000_000  # items of lists and tuples that calls are given
_LEGACY_PICKLES = 5  # magic number, version, system, contents, keys of storages

_CALLS = re.compile(
    r"collections (OrderedDict|Counter)|(__builtin__|builtins) (set|complex)|torch (Size|device)"
    r"|torch\.serialization _get_layout"
    r"|torch\._utils _rebuild_(tensor(_v2|_v3)?|parameter(_with_state)?|sparse_tensor|meta_tensor_no_storage)"
)
_NAMES = re.compile(
    r"torch \w+Storage|torch\.storage (Typed|Untyped)Storage|torch (bool|b?float\w+|complex\d+|u?int\d+)"
)
_KINDS = {
    "torch._utils _rebuild_qtensor": "a quantised tensor",
    "torch._utils _rebuild_nested_tensor": "a nested tensor",
    "torch._utils _rebuild_device_tensor_from_numpy": "a tensor of another device",
    "torch._utils _rebuild_device_tensor_from_cpu_tensor": "a tensor of another device",
    "torch._utils _rebuild_wrapper_subclass": "a tensor of a class of its own",
    "torch._tensor _rebuild_from_type_v2": "a tensor of a class of its own",
}


class UnfitError(Exception):
    """Why a file is not loaded, in words that follow "weights PATH"."""


class BrokenError(Exception):
    """A file is none of torch.save's."""


class _Items:
    """A list, a dictionary or a set on the unpickler's stack: of which nothing but its length matters."""

    def __init__(self, count: int = 0) -> None:
        self.count = count


class _Mark:
    """Where a group of values on the stack begins."""


def check(descriptor: int) -> None:
    """UnfitError or BrokenError unless a file may be loaded; reads what is pickled in it and no tensor's numbers."""
    if os.pread(descriptor, 4, 0) == b"PK\x03\x04":
        _check_archive(descriptor)
        return
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        for _ in range(_LEGACY_PICKLES):
            _check_opcodes(file)


def _check_archive(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    try:
        with archives.archive(descriptor) as archive:
            members = archive.members.values()
            if sum(member.file_size for member in members) > size:
                raise UnfitError("are compressed, or have members that overlap, which torch.save never writes")
            pickles = [member for member in members if member.filename.rpartition("/")[2] == "data.pkl"]
            if len(pickles) != 1 or min(member.header_offset for member in members) != 0:
                raise BrokenError
            if pickles[0].file_size > MOST_PICKLED:
                raise UnfitError(f"hold more than {MOST_PICKLED // files.MIB} MiB beside the numbers of tensors")
            with archive.reader(pickles[0].filename) as reader:
                data = reader.read(MOST_PICKLED)
    except archives.DamagedArchiveError:
        raise BrokenError from None
    _check_opcodes(data)


def _check_opcodes(source: bytes | IO[bytes]) -> None:
    """Passes through one pickle and refuses what it may not name or call."""
    machine = _Machine()
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(source)):
            if number > MOST_OPCODES:
                raise UnfitError(f"hold more than {MOST_OPCODES:,} things beside the numbers of tensors")
            machine.step(opcode, argument)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, MemoryError):
        raise BrokenError from None


class _Machine:
    """The unpickler's stack and memo, with names and lengths in place of values."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._copies = 0

    def step(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        """What one opcode does to the stack; UnfitError where it names or calls what a state dict does without."""
        stack, name = self._stack, opcode.name
        if name == "GLOBAL":
            stack.append(_check_name(argument))
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[argument] = stack[-1]
        elif name == "REDUCE":
            arguments, called = stack.pop(), stack.pop()
            self._check_call(called, arguments)
            stack.append(None)
        elif name in ("EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET"):
            stack.append(_Items())
        elif name in ("APPEND", "SETITEM"):
            del stack[-len(opcode.stack_before) + 1 :]
            self._grow(1)
        elif name in ("APPENDS", "SETITEMS", "ADDITEMS"):
            self._grow(len(self._group()))
        elif name in ("LIST", "DICT"):
            stack.append(_Items(len(self._group())))
        elif name == "TUPLE":
            stack.append(tuple(self._group()))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = len(opcode.stack_before)
            stack[-count:] = [tuple(stack[-count:])]
        else:
            self._replace(opcode)

    def _check_call(self, called: Any, arguments: Any) -> None:
        if not (isinstance(called, str) and _CALLS.fullmatch(called)) or not isinstance(arguments, tuple):
            raise _code(called if isinstance(called, str) else "what another call gives")
        self._copies += sum(_length(value) for value in arguments)
        if self._copies > MOST_COPIES:
            raise UnfitError("copy lists of theirs over and over")

    def _group(self) -> list[Any]:
        """Takes what stands above the last mark, and the mark."""
        group: list[Any] = []
        while (value := self._stack.pop()) is not _Mark:
            group.append(value)
        return group[::-1]

    def _grow(self, count: int) -> None:
        if isinstance(self._stack[-1], _Items):
            self._stack[-1].count += count

    def _replace(self, opcode: pickletools.OpcodeInfo) -> None:
        """Any other opcode: what it takes from the stack by its description, and as many values as it puts there."""
        before, after = list(opcode.stack_before), list(opcode.stack_after)
        if pickletools.markobject in before:
            self._group()
            before = before[: before.index(pickletools.markobject)]
        for _ in before:
            self._stack.pop()
        if opcode.name == "EMPTY_TUPLE":
            self._stack.append(())
        else:
            self._stack += [_Mark if kind is pickletools.markobject else None for kind in after]


def _length(value: Any) -> int:
    return value.count if isinstance(value, _Items) else len(value) if isinstance(value, tuple) else 0


def _check_name(name: str) -> str:
    if name in _KINDS:
        raise UnfitError(f"hold {_KINDS[name]}")
    if not (_CALLS.fullmatch(name) or _NAMES.fullmatch(name)):
        raise _code(name)
    return name


def _code(name: str) -> UnfitError:
    return UnfitError(f"would run code ({'.'.join(name.split(' ', 1))[:100]}) and are not loaded")
