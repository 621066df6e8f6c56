"""From a name of TensorRT's to the operations of the network that it stands for. Pure.

TensorRT names what it runs by what it made it from: "/conv1/Conv + /Relu", "PWN(PWN(/act/Sigmoid), /act/Mul)",
"Conv_3 + Relu_4 || Conv_7", "Reformatting CopyNode for Input Tensor 0 to /fc/Gemm", "{ForeignNode[a...b]}" for all
that Myelin compiles into one, "/fc/MatMul_myl0_3" for one kernel of such a node, "node_of_12", "12 copy",
"squeeze_after_/fc/Gemm". A name of ours may hold any character, so that they are looked up, the longest first, and not
cut out of the text by a pattern.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.boards.layers.names import Names, Operation

_COPY = re.compile(
    r"Reformatting CopyNode for |\b(?:input|output) reformatter [0-9]+$| copy$|^copied_|^\[?HostToDeviceCopy"
    r"|^\[?DeviceToHostCopy|^shuffle_between_|^(?:un)?squeeze_|^reshape_(?:before|after)_",
)
_PREFIX = re.compile(
    r"^Reformatting CopyNode for (?:(?:Input|Output) Tensor [0-9]+ to|Network (?:Input|Output)) | (?:in|out)put "
    r"reformatter [0-9]+$"
)
_FOREIGN, _FOREIGN_END = "{ForeignNode[", "]}"
_RANGE = "..."
_MYELIN = re.compile(r"_myl[0-9]+_[0-9]+$")
# Where a name of ours may begin or end inside one of TensorRT's, beside the whole text's own ends.
_BEFORE = re.compile(r" \+ | \|\| |\.\.\.|[\[({,\s]|(?<![a-z])(?:before|after|between|and)_|_and_")
_AFTER = re.compile(r" \+ | \|\| |\.\.\.|[\])},\s]|_and_|_myl[0-9]+_[0-9]+$|_(?:output|clone|copy)|\[")


@dataclass(frozen=True)
class Match:
    """What a name stands for: `copy` where it only brings values into another layout; nothing where it is unknown."""

    operations: tuple[Operation, ...]
    copy: bool

    @property
    def labels(self) -> tuple[str, ...]:
        """The layers in it; where it has none, the other operations."""
        layers = [each for each in self.operations if each.weights]
        return tuple(dict.fromkeys(each.label for each in layers or self.operations))

    @property
    def operators(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.operator for each in self.operations if each.operator))


def match_all(rows: Sequence[str], names: Names) -> list[Match]:
    """What each of TensorRT's names stands for; the names of a whole engine, in the order in which its layers ran.

    What a foreign node holds is what lies between its two ends, less what other layers of the engine are named by;
    a kernel of such a node is no other layer.
    """
    copies = [_COPY.search(row) is not None for row in rows]
    found = [_find(row, names) for row in rows]
    foreign = [None if copy else _foreign(row) for row, copy in zip(rows, copies, strict=True)]
    taken = {
        operation.place
        for row, operations, copy, inside in zip(rows, found, copies, foreign, strict=True)
        if not copy and inside is None and not _MYELIN.search(row)
        for operation in operations
    }
    matches = []
    for operations, copy, inside in zip(found, copies, foreign, strict=True):
        own = operations if inside is None else _between(inside, names, taken)
        taken.update(operation.place for operation in own if inside is not None)
        matches.append(Match(own, copy))
    return matches


def _foreign(text: str) -> str | None:
    """What stands in the brackets of a foreign node; None where there is none."""
    begin, end = text.find(_FOREIGN), text.rfind(_FOREIGN_END)
    return text[begin + len(_FOREIGN) : end] if 0 <= begin < end else None


def _between(inside: str, names: Names, taken: set[int]) -> tuple[Operation, ...]:
    """The operations of a foreign node; an end that is none of ours reaches as far as others leave room."""
    first, dots, last = inside.partition(_RANGE)
    if not dots:
        return _find(inside, names)
    firsts, lasts = ([each.place for each in _find(text, names)] for text in (first, last))
    own = {*firsts, *lasts}
    if not own:
        return ()
    begin = min(firsts) if firsts else _reach(max(lasts), -1, names, taken)
    end = max(lasts) if lasts else _reach(min(firsts), 1, names, taken)
    return tuple(
        operation
        for operation in names.operations[max(begin, 0) : end + 1]
        if operation.place in own or operation.place not in taken
    )


def _reach(place: int, step: int, names: Names, taken: set[int]) -> int:
    """The last place from here in one direction before one that another layer has."""
    while 0 <= place + step < len(names.operations) and place + step not in taken:
        place += step
    return place


def _find(text: str, names: Names) -> tuple[Operation, ...]:
    """Every operation that is named in a text, in the order of the network."""
    text = _PREFIX.sub("", text)
    names = names.flattened if _MYELIN.search(text) else names
    ends = {*(each.start() for each in _AFTER.finditer(text)), len(text)}
    found: set[Operation] = set()
    reached = 0
    for begin in (0, *(each.end() for each in _BEFORE.finditer(text))):
        name = names.longest_at(text, begin, ends) if begin >= reached else None
        if name is not None:
            found.update(names.known[name])
            reached = begin + len(name)
    return tuple(sorted(found, key=lambda operation: operation.place))
