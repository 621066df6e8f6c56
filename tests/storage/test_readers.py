"""Both readers of a line of points make the same of it."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.errors import WorkError
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
    quick = Point.of_text(line)
    try:
        careful = Point.from_json(json.loads(line))
    except WorkError:
        assert quick is None
    else:
        assert quick in (careful, None) and (quick is not None or b"NaN" in line or b"Infinity" in line)
