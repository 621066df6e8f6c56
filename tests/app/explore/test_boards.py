"""What boards measured, as axes, in the budget, the table, the CSV and on the card of Explore."""

import io

import pandas as pd
import pytest

from app.explore.table import table
from app.tables import board_columns, points
from engine.storage.store import Store
from tests.support import runs
from tests.support.screen import app, chart, labels, numbers, point_count


def timed(results: Store) -> list[str]:
    """Two runs, one of them timed on two devices, the other on none; their ids."""
    first = runs.finished(results, runs.spec(criterion="l1"), cpu="Cortex-A78AE")
    runs.on_board(first, 0, 2, 4)
    runs.on_board(first, 2, slower=5.0, precision="fp16")
    runs.on_board(first, 2, device="bench", slower=2.0, energy_mj=None, power_mw=None)
    return [first.id, runs.finished(results, runs.spec(criterion="taylor"), cpu="Cortex-A78AE").id]


def test_devices_are_axes_only_where_they_timed_what_is_shown(results: Store) -> None:
    timed(results)
    at = app()
    assert at.selectbox(key="x").options[5:] == ["Latency on tx2", "Energy on tx2", "Latency on bench"]
    assert not any("tx2" in option for option in app(criterion="Taylor").selectbox(key="x").options)


@pytest.mark.parametrize(
    ("axis", "values"), [("Latency on tx2", [10.8, 7.2, 4.5]), ("Energy on tx2", [106, 70.6, 44.1])]
)
def test_a_device_axis_shows_what_was_measured_there(results: Store, axis: str, values: list[float]) -> None:
    timed(results)
    figure = chart(app(x=axis))
    assert figure["layout"]["xaxis"]["title"]["text"].endswith("on tx2<br>TensorRT 8.2.1, FP32, MAXN, clocks locked")
    values_on_axis = [x for trace in figure["data"] if trace.get("customdata") for x in numbers(trace["x"])]
    assert sorted(values_on_axis, reverse=True) == pytest.approx(values, rel=1e-2)


def test_measurements_under_other_conditions_are_chosen_and_not_mixed(results: Store) -> None:
    first, _ = timed(results)
    fp16 = "TensorRT 8.2.1, FP16, MAXN, clocks locked"
    at = app(x="Latency on tx2", with_tx2=fp16, point=f"{first}.2")
    assert point_count(at) == 1
    assert at.selectbox(key="with_tx2").value == fp16
    assert at.metric[4].value == "4.00 ms" and at.metric[2].value == "0.800 ms"


def test_the_budget_and_the_link_know_the_device(results: Store) -> None:
    timed(results)
    at = app(x="Latency on tx2", most_device_ms_tx2="8")
    assert "L1 norm 0.60×, 87.6 %" in labels(at)
    assert any("x=Latency+on+tx2" in code.value and "most_device_ms_tx2=8" in code.value for code in at.code)


def test_the_table_and_the_csv_have_the_device_beside_the_host(results: Store) -> None:
    timed(results)
    frame = points.tidy(results.points())
    frame = points.with_latency(frame, points.host_conditions(frame)[0])
    board = {each.label: each for each in board_columns.conditions(frame, "tx2")}[
        "TensorRT 8.2.1, FP32, MAXN, clocks locked"
    ]
    frame = board_columns.with_board(frame, board)
    rows = table.display_rows(frame, board)
    assert {"latency", "Latency on tx2", "Energy on tx2"} <= set(rows)
    csv_rows = pd.read_csv(io.BytesIO(table.csv(frame, points.host_conditions(frame)[0], board)))
    board_rows = csv_rows.dropna(subset="device_latency_p50_ms")
    assert list(board_rows["device_latency_p50_ms"] / board_rows["latency_p50_ms"]) == pytest.approx([9.0] * 3)
    assert set(board_rows["device"]) == {"tx2"} and set(board_rows["device_conditions"]) == {board.label}
    assert "device" not in pd.read_csv(io.BytesIO(table.csv(frame, None)))


def test_the_card_has_the_latency_on_the_device_and_its_share_of_the_baseline(results: Store) -> None:
    first, _ = timed(results)
    at = app(x="Energy on tx2", point=f"{first}.2")
    metrics = {metric.label: (metric.value, metric.delta) for metric in at.metric}
    assert metrics["Latency on tx2"] == ("7.20 ms", "0.67×") and metrics["Energy on tx2"] == ("70.6 mJ", "0.67×")
    note = next(metric.help for metric in at.metric if metric.label == "Latency on tx2")
    for part in ("TensorRT 8.2.1, FP32, MAXN, clocks locked", "n = 1,834", "GPU compute 2.60 ms, transfers 0.400 ms"):
        assert part in note


def test_a_point_that_can_be_timed_leads_to_the_devices_and_another_does_not(results: Store) -> None:
    first, _ = timed(results)
    assert "Time on device" in [link.proto.label for link in app(point=f"{first}.2").get("page_link")]
    assert "Time on device" not in [link.proto.label for link in app(point=f"{first}.1").get("page_link")]
