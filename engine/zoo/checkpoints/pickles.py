"""What a pickle holds, put together without running it: every class and function is a name, and stays one. No torch.

An opcode at a time, by Python's own list of them. What is left to a file is how much it makes its reader allocate;
a file that copies lists over and over, or holds very many things, is refused.
"""

import pickletools
from collections.abc import Callable
from typing import Any, Protocol

from engine.zoo.checkpoints import rebuild
from engine.zoo.checkpoints.values import BrokenError, Foreign, Global, UnfitError

MOST_OPCODES = 500_000
MOST_COPIES = 2_000_000  # items of lists and tuples that calls are given
_PLAIN = (str, bytes, int, float, bool, type(None))
# What damaged bytes make Python raise.
BROKEN = (ValueError, LookupError, TypeError, AttributeError, OverflowError, MemoryError, RecursionError)

Persistent = Callable[[Any], Any]  # what an id that a pickle holds stands for


class Source(Protocol):
    """Where a pickle is read from, as far as its end."""

    def read(self, count: int, /) -> bytes: ...
    def readline(self) -> bytes: ...


def read(source: bytes | Source, persistent: Persistent = rebuild.persistent) -> Any:
    """The value of one pickle; UnfitError or BrokenError where there is none that may be read."""
    machine = _Machine(persistent)
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(source)):  # type: ignore[arg-type]  # it uses two methods
            if number > MOST_OPCODES:
                raise UnfitError(f"hold more than {MOST_OPCODES:,} things beside the numbers of tensors")
            machine.step(opcode.name, argument)
        return machine.result()
    except BROKEN:
        raise BrokenError from None


class _Machine:
    """The unpickler's stack and memo."""

    def __init__(self, persistent: Persistent) -> None:
        self._stack: list[Any] = []
        self._groups: list[list[Any]] = []  # the stacks below each mark
        self._memo: dict[int, Any] = {}
        self._copies = 0
        self._persistent = persistent

    def result(self) -> Any:
        return self._stack.pop()

    def step(self, name: str, argument: Any) -> None:
        """What one opcode does."""
        if name in _VALUES:
            self._stack.append(argument)
        elif name in _MAKERS:
            self._stack.append(_MAKERS[name]())
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[argument])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self._stack[-1]
        elif name not in ("PROTO", "FRAME", "STOP"):
            handle = _HANDLERS.get(name)
            if handle is None:
                raise BrokenError
            handle(self, argument)

    def mark(self, _: Any) -> None:
        self._groups.append(self._stack)
        self._stack = []

    def _group(self) -> list[Any]:
        """Takes what stands above the last mark, and the mark."""
        group, self._stack = self._stack, self._groups.pop()
        return group

    def pop(self, _: Any) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._group()

    def pop_mark(self, _: Any) -> None:
        self._group()

    def dup(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def make_tuple(self, _: Any) -> None:
        group = tuple(self._group())
        self._stack.append(group)

    def make_tuple1(self, _: Any) -> None:
        self._stack.append(tuple(self._pop(1)))

    def make_tuple2(self, _: Any) -> None:
        self._stack.append(tuple(self._pop(2)))

    def make_tuple3(self, _: Any) -> None:
        self._stack.append(tuple(self._pop(3)))

    def make_list(self, _: Any) -> None:
        group = self._group()
        self._stack.append(group)

    def make_dict(self, _: Any) -> None:
        group = self._group()
        self._stack.append({})
        self._set_items(group)

    def make_frozenset(self, _: Any) -> None:
        group = self._group()
        self._stack.append({item for item in group if isinstance(item, str)})

    def append(self, _: Any) -> None:
        self._extend(self._pop(1))

    def appends(self, _: Any) -> None:
        self._extend(self._group())

    def setitem(self, _: Any) -> None:
        self._set_items(self._pop(2))

    def setitems(self, _: Any) -> None:
        self._set_items(self._group())

    def additems(self, _: Any) -> None:
        group, target = self._group(), self._stack[-1]
        if isinstance(target, set):  # of names; what else a set may hold is of no use here
            target.update(item for item in group if isinstance(item, str))

    def named(self, argument: str) -> None:
        self._stack.append(Global(argument.replace(" ", ".", 1)))

    def stack_named(self, _: Any) -> None:
        module, name = self._pop(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise BrokenError
        self._stack.append(Global(f"{module}.{name}"))

    def instance(self, argument: str) -> None:
        group = tuple(self._group())
        self._stack.append(rebuild.instance(Global(argument.replace(" ", ".", 1)), group))

    def make_object(self, _: Any) -> None:
        kind, *arguments = self._group()
        self._stack.append(rebuild.instance(kind, tuple(arguments)))

    def new(self, _: Any) -> None:
        kind, arguments = self._pop(2)
        self._stack.append(rebuild.instance(kind, arguments))

    def new_with_names(self, _: Any) -> None:
        kind, arguments, _names = self._pop(3)
        self._stack.append(rebuild.instance(kind, arguments))

    def call(self, _: Any) -> None:
        called, arguments = self._pop(2)
        if not isinstance(arguments, tuple):
            raise BrokenError
        self._copies += sum(len(value) for value in arguments if isinstance(value, list | tuple | dict | set))
        if self._copies > MOST_COPIES:
            raise UnfitError("copy lists of theirs over and over")
        self._stack.append(rebuild.call(called, arguments))

    def build(self, _: Any) -> None:
        (state,) = self._pop(1)
        target = self._stack[-1]
        if isinstance(target, Foreign):
            target.state = state

    def persistent_text(self, argument: str) -> None:
        self._stack.append(self._persistent(argument))

    def persistent(self, _: Any) -> None:
        self._stack.append(self._persistent(self._pop(1)[0]))

    def _pop(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise BrokenError
        taken = self._stack[-count:]
        del self._stack[-count:]
        return taken

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            target += items
        elif not isinstance(target, Foreign):
            raise BrokenError

    def _set_items(self, items: list[Any]) -> None:
        target = self._stack[-1]
        entries = target.entries if isinstance(target, Foreign) else target
        if not isinstance(entries, dict) or len(items) % 2:
            raise BrokenError
        for key, value in zip(items[::2], items[1::2], strict=True):
            # No other key is of use, and the hash of one that is nested very deep would end the process.
            entries[key if isinstance(key, _PLAIN) else Foreign("value of another kind than text and numbers")] = value


_VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
}
_MAKERS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
    "EMPTY_TUPLE": tuple,
}
_HANDLERS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "DUP": _Machine.dup,
    "MEMOIZE": _Machine.memoize,
    "TUPLE": _Machine.make_tuple,
    "TUPLE1": _Machine.make_tuple1,
    "TUPLE2": _Machine.make_tuple2,
    "TUPLE3": _Machine.make_tuple3,
    "LIST": _Machine.make_list,
    "DICT": _Machine.make_dict,
    "FROZENSET": _Machine.make_frozenset,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.setitem,
    "SETITEMS": _Machine.setitems,
    "ADDITEMS": _Machine.additems,
    "GLOBAL": _Machine.named,
    "STACK_GLOBAL": _Machine.stack_named,
    "INST": _Machine.instance,
    "OBJ": _Machine.make_object,
    "NEWOBJ": _Machine.new,
    "NEWOBJ_EX": _Machine.new_with_names,
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
    "PERSID": _Machine.persistent_text,
    "BINPERSID": _Machine.persistent,
}
