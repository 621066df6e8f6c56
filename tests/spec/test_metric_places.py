"""A metric for targets is at most four places: here FLOPs, which has its axis already, in a copy of the program."""

import pytest

from tests.support.dropped_in import QUICK, Checkout, checkout

# file → what stands there, and what the metric makes of it
PLACES = {
    "engine/spec/parts/target.py": (
        'CountMetric = Literal["macs", "params"]',
        'CountMetric = Literal["macs", "params", "flops"]',
    ),
    "engine/graph/cost.py": (
        "    def of(self, metric: str)",
        "    @property\n    def flops(self) -> int:\n        return 2 * self.macs\n\n    def of(self, metric: str)",
    ),
    "engine/storage/records/point.py": (
        "    latency: Number | None = None\n\n    @classmethod",
        "    latency: Number | None = None\n    flops: Number | None = None\n\n    @classmethod",
    ),
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    made = checkout(tmp_path_factory.mktemp("metric"), {})
    for file, (before, after) in PLACES.items():
        made.change(file, before, after)
    return made


def test_a_run_meets_targets_in_the_new_metric_and_says_so(program: Checkout) -> None:
    shown = program.espalier("run", "--data", "digits", *QUICK, "--metric", "flops")
    last = shown["points"][-1]
    assert last["asked"] == {"metric": "flops", "keep": 0.6}
    assert last["got"]["flops"] == last["got"]["macs"] <= 0.6 and "note" not in last


def test_the_form_offers_it_by_the_label_of_its_axis(program: Checkout) -> None:
    offered = program.evaluate(
        "import json; from typing import get_args; from app.charts.axes import X_AXES; "
        "from engine.spec.parts import TargetMetric; "
        "print(json.dumps([X_AXES[name].label for name in get_args(TargetMetric)]))"
    )
    assert offered == ["MACs", "Parameters", "FLOPs", "Latency"]
