"""Latency tables that somebody prepared: one sentence, whatever stands in the file, and no waiting."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import RequestError
from engine.latency.signature import Signature
from engine.latency.table import LatencyTable, LayerLatency, WidthGrid, read

GRID = WidthGrid((1, 4), (1, 8), ((0.1, 0.2), (0.3, 0.4)))
SHAPE = Signature("conv", (3, 3), (1, 1), (1, 1), (1, 1), 1, (8, 8), 4, 8)
TABLE = LatencyTable("net", "here", "none", "none", 1, 1, (3, 8, 8), {"a": (0, 1)}, (LayerLatency(SHAPE, GRID, GRID),))
DOCUMENT: dict[str, Any] = json.loads(json.dumps(TABLE.to_json()))


def altered(*place: str | int, to: Any) -> bytes:
    """The document with something else at one place."""
    document = copy.deepcopy(DOCUMENT)
    inner: Any = document
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = to
    return json.dumps(document).encode()


def refusal(path: Path) -> str:
    with pytest.raises(RequestError) as caught:
        read(path)
    sentence = str(caught.value)
    assert "\n" not in sentence and len(sentence) < 700
    return sentence


ENTRY = ("entries", 0)
HUGE = 10**4000
WRONG: dict[str, tuple[bytes, str]] = {
    "nested": (b"[" * 5000, "is not JSON"),
    "nested entries": (b'{"table_version": 1, "entries": ' + b'{"a":' * 5000, "is not JSON"),
    "thousands of digits": (b'{"table_version": ' + b"9" * 5000 + b"}", "is not JSON"),
    "no number": (altered("calibration", "scale", to=float("nan")), "is not JSON"),
    "half a character": (altered("model", to="\ud800"), "is not JSON"),
    "a huge version": (altered("table_version", to=HUGE), "a whole number of very many digits, expected 1"),
    "a huge time": (altered(*ENTRY, "aligned", "ms", 0, 0, to=HUGE), "is no number of milliseconds"),
    "a time beyond all": (altered(*ENTRY, "aligned", "ms", 0, 0, to=1e300), "is no number of milliseconds"),
    "a time below zero": (altered(*ENTRY, "aligned", "ms", 0, 0, to=-1), "is no number of milliseconds"),
    "a true time": (altered(*ENTRY, "aligned", "ms", 0, 0, to=True), "is no number of milliseconds"),
    "a row too many": (altered(*ENTRY, "others", "ms", to=[[1, 2]] * 3), "one number for each pair"),
    "widths that fall": (altered(*ENTRY, "others", "ins", to=[4, 1]), "widths must ascend"),
    "a huge width": (altered(*ENTRY, "others", "ins", to=[1, HUGE]), "is no whole number"),
    "half a width": (altered(*ENTRY, "others", "ins", to=[1, 2.5]), "2.5 is no whole number"),
    "a stride of zero": (altered(*ENTRY, "signature", "stride", to=[0, 1]), "0 is no whole number"),
    "a pair of three": (altered(*ENTRY, "signature", "kernel", to=[1, 2, 3]), "ValueError"),
    "a pair of text": (altered(*ENTRY, "signature", "kernel", to="33"), "'3' is no whole number"),
    "a kernel beyond its image": (altered(*ENTRY, "signature", "kernel", to=[99, 99]), "at least one output position"),
    "positions without end": (altered(*ENTRY, "signature", "size", to=[2**30, 2**30]), "output position"),
    "another kind": (altered(*ENTRY, "signature", "kind", to="attention"), "'attention' is no kind of layer"),
    "something more": (altered(*ENTRY, "signature", "colour", to=1), "colour"),
    "an entry that is not there": (altered("layers", "a", to=[1, 1]), "1 is no whole number of 0 to 0"),
    "an entry from behind": (altered("layers", "a", to=[-1, 1]), "-1 is no whole number"),
    "never called": (altered("layers", "a", to=[0, 0]), "0 is no whole number"),
    "no layers": (altered("layers", to={}), "it has no layers"),
    "a name of two lines": (altered("where", to="a\nb"), "is no name"),
    "a long name": (altered("where", to="a" * 10_000), "is no name"),
    "very many entries": (altered("entries", to=[{}] * 1_000_000), "KeyError"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_table_is_refused(name: str, tmp_path: Path) -> None:
    content, fragment = WRONG[name]
    (tmp_path / "table.json").write_bytes(content)
    sentence = refusal(tmp_path / "table.json")
    assert fragment in sentence


def test_what_is_no_regular_file_or_large_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "it is a named pipe, and no regular file" in refusal(tmp_path / "pipe")
    assert "it is a folder" in refusal(tmp_path)
    (tmp_path / "device").symlink_to("/dev/zero")
    assert "it is a device" in refusal(tmp_path / "device")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2 << 30)
    assert "it is larger than 16 MiB" in refusal(tmp_path / "large")


def test_a_link_that_the_user_names_is_followed(tmp_path: Path) -> None:
    (tmp_path / "table.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "link.json").symlink_to(tmp_path / "table.json")
    assert read(tmp_path / "link.json") == TABLE


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(HUGE) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [above, *(place for key, part in items for place in places(part, (*above, key)))]


@settings(max_examples=80, deadline=None)
@given(place=st.sampled_from(places(DOCUMENT)[1:]), value=ODD)
def test_any_value_in_a_table_is_taken_or_refused(place: tuple[Any, ...], value: Any) -> None:
    try:
        document = json.loads(altered(*place, to=value))
        table = LatencyTable.from_json(document)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        str(error)
    else:
        assert LatencyTable.from_json(table.to_json()) == table
        assert sum(entry.ms(3, 5) for entry in table.entries) >= 0
