"""Latency by arithmetic: what a table says of any plan, and which files are tables."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from engine.errors import RequestError
from engine.graph.cost import CostModel
from engine.graph.metric import Metric
from engine.graph.summarize import summarize
from engine.graph.summary import ModelSummary
from engine.latency.predictor import Predictor
from engine.latency.table import LatencyCalibration, LatencyTable, WidthGrid, blocked, is_aligned, read
from engine.zoo.build import construct
from tests.support.latency_tables import made_up


def sheet_of(name: str) -> ModelSummary:
    return summarize(construct(name, 10).eval(), (3, 32, 32), name).summary


SHEET = sheet_of("resnet20")
CALIBRATION = LatencyCalibration(scale=1.1, layer=0.01, change=0.001, network=0.05)
TABLE = made_up(SHEET, lambda i, o: 0.001 * i * o, CALIBRATION)
PREDICTOR = Predictor(TABLE)


def test_between_measured_widths_time_is_bilinear_and_outside_of_them_as_at_the_edge() -> None:
    grid = WidthGrid((2, 4), (10, 20), ((1.0, 2.0), (3.0, 6.0)))
    assert grid.at(3, 15) == pytest.approx(3.0)
    assert grid.at(4, 20) == grid.at(9, 99) == 6.0
    assert grid.at(1, 1) == 1.0
    assert WidthGrid((3,), (5,), ((7.0,),)).at(1, 9) == 7.0


def test_widths_that_blocked_kernels_take_are_looked_up_apart_from_others() -> None:
    model, kept = CostModel(SHEET), [group.size for group in SHEET.channel_groups]
    inner = next(c for c, group in enumerate(SHEET.channel_groups) if group.removable and not group.shared)
    kept[inner] -= 1
    assert PREDICTOR.predict(model, kept) > PREDICTOR.predict(model)


def test_blocks_are_computed_whole_above_the_small_widths() -> None:
    assert [blocked(n) for n in (3, 16, 17, 20, 24, 25)] == [3, 16, 24, 24, 24, 32]
    assert [is_aligned(n) for n in (3, 4, 30, 32)] == [False, True, False, True]


def test_the_calibration_adds_what_layers_cost_in_a_network() -> None:
    plain = Predictor(made_up(SHEET, lambda i, o: 0.001 * i * o))
    with_layers = Predictor(made_up(SHEET, lambda i, o: 0.001 * i * o, LatencyCalibration(layer=0.5, network=2.0)))
    assert with_layers.predict(CostModel(SHEET)) == pytest.approx(
        plain.predict(CostModel(SHEET)) + 0.5 * len(SHEET.layers) + 2.0
    )


def test_a_removed_block_takes_its_layers_time_along() -> None:
    assert PREDICTOR.predict(CostModel(SHEET, ["layer1.1"])) < PREDICTOR.predict(CostModel(SHEET))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_a_prediction_is_the_calibration_times_its_features(seed: int) -> None:
    rng, model = np.random.default_rng(seed), CostModel(SHEET)
    kept = [int(rng.integers(1, group.size + 1)) if group.removable else group.size for group in SHEET.channel_groups]
    by = TABLE.calibration
    weights = (by.scale, by.layer, by.change, by.network)
    assert PREDICTOR.predict(model, kept) == pytest.approx(np.dot(weights, TABLE.features(model, kept)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_predictions_along_an_order_are_those_of_each_prefix(seed: int) -> None:
    rng, model = np.random.default_rng(seed), CostModel(SHEET, ["layer2.1"])
    channel_groups = [c for c, group in enumerate(SHEET.channel_groups) if group.removable]
    order = [(int(c), 1) for c in rng.choice(channel_groups, 40)]
    kept = list(model.full)
    expected = [PREDICTOR.predict(model, kept)]
    for group, take in order:
        kept[group] -= take
        expected.append(PREDICTOR.predict(model, kept))
    assert list(PREDICTOR.predict_along(model, order)) == expected


def test_a_cut_network_is_predicted_with_its_untouched_models_table() -> None:
    """A new description numbers cells anew; layers keep their names."""
    module = construct("resnet20", 10).eval()
    module.layer1[1] = nn.Identity()
    cut = summarize(module, (3, 32, 32), "resnet20").summary
    assert PREDICTOR.predict(CostModel(cut)) == pytest.approx(PREDICTOR.predict(CostModel(SHEET, ["layer1.1"])))


def test_a_metric_in_latency_needs_a_table_and_others_take_none() -> None:
    assert Metric("latency", PREDICTOR).of(CostModel(SHEET)) == PREDICTOR.predict(CostModel(SHEET))
    for name, predictor in (("latency", None), ("macs", PREDICTOR)):
        with pytest.raises(ValueError, match="latency table"):
            Metric(name, predictor)


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    file.write_text(json.dumps(TABLE.to_json()))
    again = read(file)
    assert again == TABLE
    assert Predictor(again).predict(CostModel(SHEET)) == PREDICTOR.predict(CostModel(SHEET))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"table_version": 99}',
        json.dumps({**TABLE.to_json(), "entries": []}),
        json.dumps({**TABLE.to_json(), "calibration": {"scale": -1}}),
        json.dumps({**TABLE.to_json(), "calibration": {"speed": 1}}),
        json.dumps({**TABLE.to_json(), "layers": None}),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "table.json"
    file.write_text(text)
    with pytest.raises(RequestError) as refused:
        read(file)
    assert "\n" not in str(refused.value)
    assert str(file) in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot read"):
        read(tmp_path / "none.json")


@pytest.mark.parametrize("other", ["resnet32", "resnet20-a", "vgg16_bn"])
def test_a_table_of_another_model_is_refused_by_name(other: str) -> None:
    TABLE.check(SHEET)
    with pytest.raises(RequestError, match="is of resnet20 for 3×32×32 images and does not fit " + other):
        TABLE.check(sheet_of(other))


def test_a_table_for_images_of_another_size_is_refused() -> None:
    with pytest.raises(RequestError, match="does not fit resnet20 for 3×24×24 images"):
        TABLE.check(summarize(construct("resnet20", 10).eval(), (3, 24, 24), "resnet20").summary)


def test_a_table_stays_as_it_is_whatever_is_predicted_from_it() -> None:
    before = json.dumps(TABLE.to_json())
    Predictor(TABLE).predict(CostModel(SHEET))
    assert json.dumps(TABLE.to_json()) == before
    assert isinstance(LatencyTable.from_json(json.loads(before)), LatencyTable)
    assert "_seen" not in TABLE.to_json()
