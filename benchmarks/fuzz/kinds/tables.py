"""Latency tables that a spec names, measured on another machine: read, checked against a network, and believed."""

import math
from pathlib import Path

from hypothesis import strategies as st

from benchmarks.fuzz import damage
from benchmarks.fuzz.inputs import Input
from benchmarks.fuzz.trial import Kind
from engine.graph.cost import CostModel
from engine.latency import table
from engine.latency.predictor import Predictor
from tests.support.latency_tables import made_up
from tests.support.screen import small_summary

_SUMMARY = small_summary()
_VALID = made_up(_SUMMARY, lambda ins, outs: ins * outs / 100).to_json()


def _attempt(folder: Path, tried: Input) -> None:
    tried.write(folder)
    known = table.read_for(str(folder / "table.json"), _SUMMARY)
    assert known is not None
    model = CostModel(_SUMMARY)
    for kept in (None, [max(1, size // 3) for size in model.full]):
        assert math.isfinite(Predictor(known).predict(model, kept)), "a latency that is no number"


_CONTENT = st.one_of(damage.damaged_document(_VALID), damage.damaged_bytes(damage.dumps(_VALID)))
KIND = Kind("tables", damage.damaged_files({"table.json": _CONTENT}), _attempt)
