"""A board that answers with garbage: one sentence, soon, and no more memory than its answer deserves."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.boards.agent import documents, session
from engine.boards.shell import room
from engine.errors import WorkError
from engine.texts import last_line

SENSORS = {
    "t": [0.0],
    "temperatures": {"cpu": [40.5]},
    "gpu_hz": [None],
    "cpu_hz": [1],
    "power_mw": {},
    "total_rail": None,
}
RUN = {
    "status": 0, "timed_out": False, "out_of_memory": False, "seconds": 1.0, "out": "", "err": "", "collected": None,
    "collect_error": None, "sensors": SENSORS,
}  # fmt: skip
ROUND = {"samples_ms": [1.0, 2], "seconds": 1.0, "from_s": 0.0, "to_s": 1.0, "sensors": SENSORS}


def read(text: str, command: str = "probe", status: int = 0) -> dict[str, Any]:
    return session._parse_document(text, "", status, command)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "9" * 100_000,
        '{"a": NaN}',
        '{"a": "\\ud800"}',
        "[]",
        "null",
        "",
        "\0" * 100_000,
        "\n" * 1_000_000,
        "{" * (1 << 21),
        '{"error": ' + "[" * 150 + "]" * 150 + "}",
        '{"error": "\\u001b[2J' + "x" * 100_000 + '"}',
        '{"error": ' + "9" * 4000 + "}",
    ],
    ids=lambda text: repr(text[:20]),
)
def test_garbage_is_a_sentence(text: str) -> None:
    with pytest.raises(WorkError) as refused:
        read(text)
    assert str(refused.value).isprintable() and len(str(refused.value)) < 5000


def test_an_answer_of_too_many_parts_is_not_read() -> None:
    began = time.monotonic()
    with pytest.raises(WorkError, match="larger than any"):
        read('{"collected": [' + "[]," * 5_000_000 + "0]}", "run")
    assert time.monotonic() - began < 30


def test_what_the_script_prints_is_taken_as_it_is() -> None:
    assert documents.check(documents.ToolRun, {**RUN, "more": 1}).sensors.temperatures == {"cpu": [40.5]}
    assert documents.check(documents.RuntimeRound, ROUND).samples_ms == [1.0, 2]
    assert documents.check(documents.Hold, {"held": False, "holder": {"pid": 1}}).holder == {"pid": 1}


_ODD: list[Any] = [
    None,
    True,
    -1,
    1e300,
    10**400,
    float("nan"),
    float("inf"),
    "x",
    "\ud800",
    [],
    {},
    [[1]],
    {"a": {"b": 1}},
]


@pytest.mark.parametrize(("kind", "good"), [(documents.ToolRun, RUN), (documents.RuntimeRound, ROUND)])
def test_a_document_with_one_odd_value_is_read_or_refused(kind: type[object], good: dict[str, Any]) -> None:
    for odd in _ODD:
        for document in (
            *({**good, key: odd} for key in good),
            *({**good, "sensors": {**SENSORS, key: odd}} for key in SENSORS),
            *({key: value for key, value in good.items() if key != missing} for missing in good),
            {**good, "sensors": {**SENSORS, "t": [odd]}},
        ):
            try:
                documents.check(kind, document)
            except WorkError as refused:
                assert str(refused).isprintable() and len(str(refused)) < 500


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_a_hold_or_refused(value: Any) -> None:
    try:
        document = read(json.dumps(value), "hold")
        documents.check(documents.Hold, document)
    except WorkError as refused:
        assert str(refused).isprintable()


def test_the_last_line_of_an_endless_output_is_found_at_once() -> None:
    began = time.monotonic()
    assert last_line("a\n" * 10_000_000 + "the end\n" + "\n" * 10_000_000) == "the end"
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "said", ["", "there", "1", "x y", "-1 4096 1 1", "1e3 5 1 1", "9" * 5000 + " 1 1 1", "1 2 3 x", "\ud800 \0"]
)
@pytest.mark.parametrize("line", ["{}", "room {}", "room {}\n"])
def test_what_says_nothing_of_the_disk_is_a_sentence(said: str, line: str) -> None:
    with pytest.raises(WorkError, match="how much room"):
        room.read(line.format(said))
