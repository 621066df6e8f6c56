"""The file of layer times in the format of each version, and what makes it no JSON: all of it is read, or refused."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.boards.trtexec.commands import Version, profile_command
from engine.boards.trtexec.layer_times import parse_layer_times
from engine.errors import RequestError, WorkError

HOSTILE = ('say "hi"', 'a", "b', "back\\slash\\n", "{ [ ] }", 'x " } , { "count" : 3', "ünïcode ☃", "", " + ")
IMAGE = (3, 32, 32)


def cell(value: float) -> str:
    """As a C++ stream writes it."""
    return "-nan" if math.isnan(value) else f"{value:.6g}"


def file(rows: list[tuple[str, float]], count: int | None = 10, *, median: bool = False) -> str:
    """As trtexec writes it, names as they are."""
    inferences, total = 10 if count is None else count, sum(ms for _, ms in rows)
    lines = [] if count is None else [f'{{ "count" : {count} }}']
    for name, ms in rows:
        cells = [("timeMs", ms * inferences), ("averageMs", ms if inferences else math.nan)]
        cells += [("medianMs", ms)] if median else []
        cells += [("percentage", 100 * ms / total if total else math.nan)]
        numbers = ", ".join(f'"{key}" : {cell(value)}' for key, value in cells)
        lines.append(f'{{ "name" : "{name}", {numbers} }}')
    return "[\n  " + "\n, ".join(lines) + "\n]\n"


@pytest.mark.parametrize("median", [False, True])
def test_times_are_the_sum_over_the_inferences_that_were_counted(median: bool) -> None:
    read = parse_layer_times(file([("/conv1/Conv + /Relu", 0.25), ("/fc/Gemm", 0.5)], 400, median=median))
    assert read.count == 400
    assert [(row.name, row.ms, row.median_ms) for row in read.rows] == [
        ("/conv1/Conv + /Relu", 0.25, 0.25 if median else None),
        ("/fc/Gemm", 0.5, 0.5 if median else None),
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_read_as_it_stands_whatever_it_holds(name: str) -> None:
    read = parse_layer_times(file([("before", 0.1), (name, 0.2), ("after", 0.3)]))
    assert [row.name for row in read.rows] == ["before", name, "after"] and read.rows[1].ms == pytest.approx(0.2)


def test_layers_of_0_ms_stay_and_a_total_of_0_is_no_number() -> None:
    text = file([("copy", 0.0), ("conv", 0.0)])
    assert "nan" in text
    assert [row.ms for row in parse_layer_times(text).rows] == [0.0, 0.0]
    assert [row.ms for row in parse_layer_times(file([("copy", 0.0), ("conv", 2.0)])).rows] == [0.0, 2.0]


def test_without_a_count_it_is_what_sum_and_mean_make_it() -> None:
    read = parse_layer_times(file([("a", 0.0), ("b", 0.3)], None))
    assert read.count == 10 and [row.ms for row in read.rows] == [0.0, pytest.approx(0.3)]
    nothing = parse_layer_times(file([("a", 0.0)], 0))
    assert nothing.count is None and nothing.rows[0].ms == 0.0


def test_lines_that_end_as_in_windows_and_files_that_another_program_wrote_are_read() -> None:
    rows = [("a", 0.1), ("b", 0.2)]
    plain = parse_layer_times(file(rows))
    assert parse_layer_times(file(rows).replace("\n", "\r\n")) == plain
    written = json.dumps([{key: row[key] for key in reversed(row)} for row in json.loads(file(rows))], indent=4)
    assert parse_layer_times(written) == plain
    assert parse_layer_times("data = " + file(rows, None)).rows == plain.rows


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "without layers (it is empty)"),
        ("[\n]\n", "without layers"),
        ('[\n  { "count" : 7 }\n]\n', "without layers"),
        ("{" * 100_000, "without layers"),
        ("[" * 100_000, "without layers"),
        (file([("a", 0.1), ("b", 0.2)])[:-50], "cut off after 1 layers"),
        (file([("a", math.nan)]), "no time of the layer a"),
        (file([("a", 0.1)]).replace("0.1", "1e300").replace('"timeMs" : 1', '"timeMs" : 1e300'), "no time"),
        (file([("a", 0.1), ("b", 0.2)]).replace('"timeMs" : 1,', '"timeMs" : soon,'), "no time of the layer a"),
        (file([("a", 0.1)] * 20_001), "20,001 layers"),
    ],
)
def test_what_is_no_profile_is_refused_in_one_sentence(text: str, word: str) -> None:
    with pytest.raises(WorkError) as error:
        parse_layer_times(text)
    assert word in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 300


names = st.text(st.characters(codec="utf-8"), max_size=30).filter(lambda name: '"timeMs"' not in name)


@given(st.lists(st.tuples(names, st.sampled_from([0.0, 0.0012, 0.5, 12.25])), min_size=1, max_size=8))
def test_any_names_and_times_come_back(rows: list[tuple[str, float]]) -> None:
    read = parse_layer_times(file(rows, 1000))
    assert [(row.name, row.ms) for row in read.rows] == [(name, pytest.approx(ms, rel=1e-5)) for name, ms in rows]


@pytest.mark.parametrize(
    ("version", "end"),
    [
        ((8, 0, 1), "--duration=1 --iterations=10 --dumpProfile --exportProfile=/c/layers.json"),
        ((8, 2, 1), "--duration=1 --iterations=10 --dumpProfile --exportProfile=/c/layers.json"),
        ((10, 2, 0), "--duration=0.5 --iterations=10 --dumpProfile --exportProfile=/c/layers.json"),
        ((11, 0, 0), "--duration=0.5 --iterations=10 --dumpProfile --exportProfile=/c/layers.json --noCudaGraph"),
    ],
)
def test_the_profile_is_a_run_of_its_own(version: Version, end: str) -> None:
    options = {"profile": "/c/layers.json", "warmup_ms": 500, "seconds": 0.5, "least": 10}
    argv = profile_command(version, "/t", "/c/m.engine", IMAGE, **options)  # type: ignore[arg-type]
    assert " ".join(argv) == f"/t --loadEngine=/c/m.engine --shapes=input:1x3x32x32 --warmUp=500 {end}"
    with pytest.raises(RequestError, match="absolute"):
        profile_command(version, "/t", "/c/m.engine", IMAGE, profile="layers.json")
    with pytest.raises(RequestError, match="too old"):
        profile_command((6, 0), "/t", "/c/m.engine", IMAGE, profile="/c/layers.json")
