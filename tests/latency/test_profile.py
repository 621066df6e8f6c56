"""A model's latency table: measured once on a machine, kept, and only ever used for that model."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.errors import RequestError
from engine.graph.cost import CostModel
from engine.graph.metric import Metric
from engine.graph.summarize import Structure, summarize
from engine.latency import profile
from engine.latency.predictor import Predictor
from engine.prune.solver import TargetUnreachable, removal_order, solve, uniform_keys
from engine.spec.run import TargetSpec

IMAGE = (3, 12, 12)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(8, 8, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv2(F.relu(self.conv1(x))) + x)


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.Sequential(*(Block() for _ in range(4)))
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.blocks(F.relu(self.stem(x))).mean((2, 3)))


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> tuple[nn.Module, Structure]:
    for name, value in (("_PASSES", 1), ("_ROUNDS", 1), ("_SECONDS", 0.01), ("_QUERIES", 5)):
        monkeypatch.setattr(profile, name, value)
    torch.manual_seed(0)
    module = Tiny().eval()
    return module, summarize(module, IMAGE, "tiny")


def test_a_table_is_measured_once_and_then_read(tiny: tuple[nn.Module, Structure], tmp_path: Path) -> None:
    module, structure = tiny
    first = profile.table_for_target(TargetSpec(metric="latency"), module, structure, tmp_path)
    (file,) = (tmp_path / "latency").iterdir()
    written = file.stat().st_mtime_ns
    assert profile.table_for_target(TargetSpec(metric="latency"), module, structure, tmp_path) == first
    assert file.stat().st_mtime_ns == written
    assert profile.table_for_target(TargetSpec(metric="macs"), module, structure, tmp_path) is None


def test_a_target_in_milliseconds_is_met_by_prediction_or_refused(tiny: tuple[nn.Module, Structure]) -> None:
    module, structure = tiny
    metric = Metric("latency", Predictor(profile.measure_table(module, structure)))
    model = CostModel(structure.summary)
    whole = metric.of(model)
    order = removal_order(structure.summary, uniform_keys(structure.summary, model.present))
    assert whole > 0
    try:
        kept = solve(model, order, metric, 0.9 * whole)
    except TargetUnreachable as error:
        assert error.least > 0.9 * whole
    else:
        assert metric.of(model, kept) <= 0.9 * whole
    with pytest.raises(TargetUnreachable):
        solve(model, order, metric, -1.0)


def test_a_given_table_of_another_model_or_no_table_is_refused(
    tiny: tuple[nn.Module, Structure], tmp_path: Path
) -> None:
    module, structure = tiny
    file = tmp_path / "table.json"
    file.write_text(json.dumps(profile.measure_table(module, structure).to_json()))
    asked = TargetSpec(metric="latency", latency_table=str(file))
    assert profile.table_for_target(asked, module, structure, tmp_path) is not None
    other = summarize(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(400, 2)), IMAGE, "other")
    with pytest.raises(RequestError, match="the latency table is of tiny"):
        profile.table_for_target(asked, module, other, tmp_path)
    file.write_text("{}")
    with pytest.raises(RequestError, match="no latency table of this version"):
        profile.table_for_target(asked, module, structure, tmp_path)
