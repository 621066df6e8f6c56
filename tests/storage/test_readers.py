"""Both readers of a line of points make the same of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins

from engine.errors import WorkError
from engine.spec import run as specs
from engine.storage.folders.run import Run
from engine.storage.indexing.columns import Widths
from engine.storage.indexing.point_lines import described_lines, line_of, lines_of
from engine.storage.records.point import Point
from tests.support import runs

CHANGES = st.dictionaries(
    st.sampled_from(["point", "stage", "keep", "top1", "loss", "macs", "widths", "final", "latency", "got", "later"]),
    st.one_of(
        st.none(), st.booleans(), st.integers(-1, 2**70), st.floats(), st.text(max_size=3),
        st.just({}), st.just([]), st.just({"conv1": [16, 8]}), st.just({"conv1": [16]}),
        st.just({"macs": 1, "params": 1}),
    ),
    max_size=2,
)  # fmt: skip


@given(CHANGES)
def test_both_readers_of_a_line_take_the_same_and_refuse_the_same(changes: dict[str, Any]) -> None:
    line = json.dumps(runs.point(0, "baseline", 1.0, 0.9).to_json() | changes).encode(errors="replace")
    quick = lines_of(line + b"\n")
    try:
        careful = line_of(Point.from_json(json.loads(line)))
    except WorkError:
        assert quick is None
    else:
        assert quick is None or to_builtins(quick) == to_builtins([careful])
        assert quick is not None or b"NaN" in line or b"Infinity" in line


@pytest.mark.parametrize("damage", [b"{}\n", b"\n", b'{"point": 1} {"point": 2}\n'])
@pytest.mark.parametrize("at", [1, 150])
def test_many_lines_at_once_are_read_like_one_after_the_other(tmp_path: Path, at: int, damage: bytes) -> None:
    run = Run(tmp_path / "20260101-000000-0a1b2c3d")
    run.path.mkdir()
    point = runs.point(0, "baseline", 1.0, 0.9)
    names = {f"layer{n}.conv": (64, 32) for n in range(40)}
    lines = [json.dumps({**point.to_json(), "point": n, "widths": names}).encode() + b"\n" for n in range(200)]
    file = run.path / "points.jsonl"
    file.write_bytes(b"".join(lines) + lines[0][:-1])
    assert file.stat().st_size > 1 << 17, "several blocks"
    assert [each.point for each in described_lines(run, specs.parse({}))] == list(range(200))
    lines[at - 1] = lines[at - 1].replace(b'"top1": ', b'"top1": "twice", "top1": ')  # the last one counts
    file.write_bytes(b"".join(lines))
    twice = list(described_lines(run, specs.parse({})))
    assert [each.point for each in twice] == list(range(200)) and {each.widths for each in twice} == {Widths.of(names)}
    lines[at - 1] = damage
    file.write_bytes(b"".join(lines))
    with pytest.raises(WorkError, match=rf"points\.jsonl.* line {at}\b"):
        list(described_lines(run, specs.parse({})))
