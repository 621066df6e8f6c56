"""Hypothesis strategies that damage a valid input: bytes, JSON documents, lines of them, and files in a folder."""

import copy
import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from benchmarks.fuzz.inputs import SPECIALS, Input, Special

Edit = tuple[str, int, int, bytes]  # what is done, where, as far as where, and bytes to write
# JSON that Python would not write: numbers and nesting that readers stumble over.
_RAW = (
    *("NaN", "-Infinity", "1e999", "-1e999", "9" * 5000, "1" + "0" * 400, "1E-400", "-0", "0x1", ""),
    *('"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', "'x'", "[1,]", '{"a":1,"a":2}'),
    *("[" * 150 + "]" * 150, "[" * 5000 + "]" * 5000, '{"a":' * 5000 + "1" + "}" * 5000, "[" * 100_000),
)
_MARKS = {f"\0raw{n}\0": raw for n, raw in enumerate(_RAW)}
_PLAIN: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 255, 2**31, 2**53, 2**53 + 1, 2**63, 2**64, -(2**63), 10**30),
    *(0.0, -0.0, 0.5, 1.5, -0.5, 1e-300, 1e300, 2.0**33, 253402300800.0, 1e18),
    *("", " ", "x" * 5000, "a\nb", "\x1b[31m", "\u202e", "\0", "=1+1", "../../etc/passwd", "~nobody/x", "1", "nan"),
    *([], {}, [[]], [None], {"": 0}, ["x"] * 2000, [0] * 5000, {"x": {"y": {"z": []}}}),
)
_NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
_TEXT = st.text(max_size=12)
_LEAVES: SearchStrategy[Any] = _NUMBERS | _TEXT
HOSTILE: SearchStrategy[Any] = st.one_of(
    st.sampled_from(_PLAIN),
    st.sampled_from(sorted(_MARKS)),
    _NUMBERS,
    _TEXT,
    st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner), max_leaves=4),
)
_WORDS = tuple(value.to_bytes(8, "little")[:size] for value in (0, 1, 2**31, 2**63, 2**64 - 1) for size in (1, 4, 8))
_CHANGES = ("replace", "replace", "remove", "swap", "rename", "add")
_EDITS = ("flip", "overwrite", "insert", "cut", "truncate", "repeat", "move", "zeros")


def dumps(document: Any, indent: int | None = None) -> bytes:
    """JSON with what Python would not write in it, too."""
    text = json.dumps(document, indent=indent)
    for mark, raw in _MARKS.items():
        text = text.replace(json.dumps(mark), raw)
    return text.encode()


def damaged_bytes(valid: bytes, most: int = 4) -> SearchStrategy[bytes]:
    """A few edits of some bytes."""
    return edits(len(valid), most).map(partial(edit, valid))


def damaged_member(archive: bytes, number: int) -> SearchStrategy[bytes]:
    """A zip archive with one of its members damaged, its checksums right."""
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        parts = [(name, file.read(name)) for name in file.namelist()]
    damaged, valid = parts[number % len(parts)]

    def pack(data: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as file:
            for name, content in parts:
                file.writestr(name, data if name == damaged else content)
        return out.getvalue()

    return damaged_bytes(valid).map(pack)


def edits(size: int, most: int = 4) -> SearchStrategy[list[Edit]]:
    """What `edit` takes, for so many bytes; many keep to the first and the last, where headers are."""
    size = max(1, size)
    near = st.integers(0, min(size, 256) - 1)
    place = st.one_of(st.integers(0, size - 1), near, near.map(lambda n: size - 1 - n))
    one = st.tuples(st.sampled_from(_EDITS), place, place, st.sampled_from(_WORDS) | st.binary(max_size=8))
    return st.lists(one, min_size=1, max_size=most)


def damaged_document(valid: Any, most: int = 3, indent: int | None = None) -> SearchStrategy[bytes]:
    """The JSON of a document with a few values replaced, removed, exchanged, renamed or added."""
    return damaged_value(valid, most).map(partial(dumps, indent=indent))


def damaged_value(valid: Any, most: int = 3) -> SearchStrategy[Any]:
    """The same before it is JSON: what `dumps` takes."""
    places = list(_places(valid))
    place = st.sampled_from(places)
    change = st.tuples(st.sampled_from(_CHANGES), place, place, HOSTILE)
    return st.lists(change, min_size=1, max_size=most).map(partial(_change, valid))


def damaged_lines(valid: Sequence[Any]) -> SearchStrategy[bytes]:
    """Lines of JSON of which one is damaged, or is twice there, or not at all; or bytes of them."""
    number = st.integers(0, len(valid) - 1)
    one = st.tuples(number, st.sampled_from(("line", "line", "twice", "lost", "torn"))).flatmap(partial(_lines, valid))
    return one | damaged_bytes(b"".join(dumps(line) + b"\n" for line in valid))


def damaged_files(valid: Mapping[str, SearchStrategy[bytes]]) -> SearchStrategy[Input]:
    """One or two files of a folder damaged, each by its own strategy or by something else in its place."""
    special: SearchStrategy[bytes | Special] = st.sampled_from(SPECIALS)
    rubbish = st.one_of(st.binary(max_size=64), st.sampled_from([b"", b"\0" * 4096, b"\xff\xfe", b"[" * 100_000]))

    def content(name: str) -> SearchStrategy[tuple[str, bytes | Special]]:
        own = valid[name]
        return st.tuples(st.just(name), st.one_of(own, own, own, own, rubbish, special))

    one = st.sampled_from(sorted(valid)).flatmap(content)
    return st.lists(one, min_size=1, max_size=2).map(lambda files: Input(dict(files)))


def edit(valid: bytes, changes: Sequence[Edit]) -> bytes:
    """Some bytes after what is done to them, change by change."""
    data = bytearray(valid)
    for kind, first, second, word in changes:
        start, end = sorted((min(first, len(data)), min(second, len(data))))
        chunk = bytes(data[start : min(end, start + 4096)])
        if kind == "flip" and start < len(data):
            data[start] ^= 1 << (end % 8)
        elif kind == "overwrite":
            data[start : start + len(word)] = word
        elif kind == "insert":
            data[start:start] = word
        elif kind == "cut":
            del data[start:end]
        elif kind == "truncate":
            del data[end:]
        elif kind == "repeat":
            data[start:start] = chunk * 8
        elif kind == "move":
            data[start:end] = b""
            data += chunk
        else:
            data[start : start + 64] = bytes(64)
    return bytes(data)


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a document there are values; those deep in long lists are like their neighbours."""
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*place, key))


def _change(valid: Any, changes: Sequence[tuple[str, tuple[Any, ...], tuple[Any, ...], Any]]) -> Any:
    document = [copy.deepcopy(valid)]
    for kind, first, second, value in changes:
        parent, key = _find(document, first)
        if parent is None:
            continue
        other, other_key = _find(document, second)
        if kind == "replace":
            parent[key] = value
        elif kind == "swap" and other is not None:
            parent[key] = copy.deepcopy(other[other_key])
        elif kind == "remove" and first:
            del parent[key]
        elif kind == "rename" and isinstance(parent, dict):
            parent[str(value)] = parent.pop(key)
        elif kind == "add" and isinstance(parent[key], dict):
            parent[key][str(value)] = value
    return document[0]


def _find(document: list[Any], place: tuple[Any, ...]) -> tuple[Any, Any]:
    """What holds the value at a place, and under which key; None where an earlier change took it away."""
    parent: Any = document
    key: Any = 0
    for step in place:
        parent, key = parent[key], step
        if key not in (parent if isinstance(parent, dict) else range(len(parent) if isinstance(parent, list) else 0)):
            return None, None
    return parent, key


def _lines(valid: Sequence[Any], damage: tuple[int, str]) -> SearchStrategy[bytes]:
    number, kind = damage
    before = b"".join(dumps(line) + b"\n" for line in valid[:number])
    after = b"".join(dumps(line) + b"\n" for line in valid[number + 1 :])
    this = dumps(valid[number]) + b"\n"
    if kind == "twice":
        return st.just(before + this + this + after)
    if kind == "lost":
        return st.just(before + after)
    if kind == "torn":
        return st.integers(0, len(this)).map(lambda end: before + this[:end])
    return damaged_document(valid[number]).map(lambda line: before + line + b"\n" + after)
