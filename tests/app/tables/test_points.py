import json
import math
from dataclasses import replace

import pandas as pd
import pytest

from app import text
from app.charts.curves import curves, trajectories
from app.tables import board_columns, points
from engine.spec.run import RunSpec
from engine.storage.store import Store
from tests.support import runs
from tests.support.screen import hovers


def spec(**changes: object) -> RunSpec:
    return RunSpec.model_validate({"target": {"keep": [0.6, 0.3]}} | changes)


@pytest.fixture
def frame(results: Store) -> pd.DataFrame:
    runs.finished(results, spec(criterion="l1"))
    runs.finished(results, spec(criterion="taylor"), loss=0.02)
    return points.with_latency(points.tidy(results.points()), points.host_conditions(points.tidy(results.points()))[0])


def test_no_points_make_an_empty_table() -> None:
    assert points.tidy([]).empty


def test_every_point_stands_beside_its_runs_baseline(frame: pd.DataFrame) -> None:
    assert set(frame["base_top1"]) == {runs.BASE_TOP1}
    assert set(frame["base_macs"]) == {runs.BASE_MACS}
    assert set(frame["base_latency"]) == {1.2}
    assert (frame["flops"] == 2 * frame["macs"]).all()
    assert frame["id"].is_unique


def test_by_default_only_baselines_and_final_points_are_shown(frame: pd.DataFrame) -> None:
    assert set(points.select(frame, before=False, steps=False)["stage"]) == {"baseline", "recovered"}
    with_before = points.select(frame, before=True, steps=False)
    assert len(with_before) == len(frame) == 10


def test_a_point_between_phases_is_a_step_and_not_the_one_before_recovery(results: Store) -> None:
    run = runs.finished(results, spec())
    run.append_point(runs.point(9, "recovered", 0.6, 0.8, final=False, phase="layers"))
    run.append_point(runs.point(10, "pruned", 0.6, 0.7, final=False, phase="layers"))
    frame = points.tidy(results.points())
    plain = points.select(frame, before=False, steps=False)
    assert not set(plain["point"]) & {9, 10}
    assert set(points.select(frame, before=False, steps=True)["point"]) - set(plain["point"]) == {9, 10}
    assert not set(points.select(frame, before=True, steps=False)["point"]) & {9, 10}


def test_the_steps_of_a_run_are_shown_when_asked_for_and_its_int8_points_unless_hidden(results: Store) -> None:
    runs.stepwise(results, spec(order="layers", depth={"method": "direct"}, criterion="accuracy", int8=True), steps=3)
    frame = points.tidy(results.points())
    kinds = {
        (steps, int8): points.select(frame, before=True, steps=steps, int8=int8)
        for steps in (False, True)
        for int8 in (False, True)
    }
    assert {switches: len(rows) for switches, rows in kinds.items()} == {
        (False, False): 1 + 2,
        (False, True): 1 + 2 + 2,
        (True, False): 1 + 2 * 3,
        (True, True): 1 + 2 * 3 + 2,
    }
    assert not kinds[False, True]["before"].any()


def test_the_last_step_is_what_stood_before_the_recovery_that_ends_a_target(results: Store) -> None:
    run = results.create(spec(order="channels", width={"method": "progressive"}))
    run.append_point(runs.point(0, "baseline", 1.0, 0.9))
    for step in (1, 2):
        run.append_point(runs.point(step, "pruned", 0.6, 0.8, step=step))
    run.append_point(runs.point(3, "recovered", 0.6, 0.85))
    frame = points.tidy(results.points())
    assert list(frame[frame["before"]]["step"]) == [2]


def test_the_steps_of_a_first_phase_are_one_trajectory_and_those_of_a_later_one_start_anew(results: Store) -> None:
    methods = {"depth": {"method": "direct"}, "width": {"method": "progressive"}}
    run = results.create(spec(**methods))
    number = 0
    for phase in ("layers", "channels"):
        for keep in (0.6, 0.3):
            for step in (1, 2):
                more = {"phase": phase, "step": step, "final": False, "macs": 10_000 - number}
                run.append_point(runs.point(number, "recovered", keep, 0.8, **more))
                number += 1
    frame = points.tidy(results.points())
    assert [len(curve.x) for curve in trajectories(frame, "macs", "top1")] == [2, 2, 4]
    assert all(list(curve.x) == sorted(curve.x) for curve in trajectories(frame, "macs", "top1"))


def test_the_hover_tells_the_method_the_step_and_the_note(results: Store) -> None:
    request = spec(
        order="layers", depth={"method": "direct"}, criterion="loss", attempt={"measure": "loss", "race": True}
    )
    run = runs.stepwise(results, request)
    more = {"final": True, "note": "the last block takes it lower", "predicted_ms": 1.25, "phase": "layers"}
    run.append_point(runs.point(50, "pruned", 0.2, 0.7, **more))
    frame = points.tidy(results.points())
    told = hovers(frame)
    assert "direct layers" in told[1] and "after recovery, layers, step 1" in told[1]
    assert "attempts judged by loss, raced" in told[1]
    assert "INT8" in told[3] and text.title(frame.set_index("point").loc[3]).endswith("0.60× INT8")
    for part in ("not recovered", "the last block takes it lower", "predicted 1.25 ms"):
        assert part in told[50]


def test_the_front_holds_what_nothing_beats(frame: pd.DataFrame) -> None:
    finals = points.select(frame, before=False, steps=False)
    best = points.front(finals, "macs", "top1", y_better="high")
    kept = finals[finals["id"].isin(best)]
    assert set(kept[~kept["baseline"]]["criterion"]) == {"taylor"}


def test_models_on_other_images_do_not_beat_each_other(results: Store) -> None:
    runs.finished(results, spec(data={"name": "clutter"}), loss=0.3)
    runs.finished(results, spec(data={"name": "digits"}), loss=0.01)
    frame = points.tidy(results.points())
    kept = frame[frame["id"].isin(points.front(frame, "macs", "top1", y_better="high"))]
    assert set(kept["data"]) == {"clutter", "digits"}


def test_a_loss_on_the_y_axis_is_better_when_low(frame: pd.DataFrame) -> None:
    finals = points.select(frame, before=False, steps=False)
    assert points.front(finals, "macs", "loss", y_better="low") == points.front(finals, "macs", "top1", y_better="high")


@pytest.mark.parametrize(
    ("at_most", "at_least", "expected"),
    [
        (0.7 * runs.BASE_MACS, None, ("taylor", 0.6)),
        (0.4 * runs.BASE_MACS, None, ("taylor", 0.3)),
        (None, 0.85, ("taylor", 0.3)),
        (0.7 * runs.BASE_MACS, 0.8, ("taylor", 0.6)),
        (0.1 * runs.BASE_MACS, None, None),
        (None, 0.99, None),
        (None, None, None),
    ],
)
def test_a_budget_finds_the_best_model_within_it(
    frame: pd.DataFrame, at_most: float | None, at_least: float | None, expected: tuple[str, float] | None
) -> None:
    finals = frame[frame["final"]]
    best = points.best_within_budget(finals, "macs", "top1", y_better="high", at_most=at_most, at_least=at_least)
    if expected is None:
        assert best is None
    else:
        row = finals.set_index("id").loc[best]
        assert (row["criterion"], row["keep"]) == expected


def test_only_the_settings_that_differ_are_named(frame: pd.DataFrame) -> None:
    assert points.differing_settings(frame) == ["criterion"]


def test_the_hover_tells_settings_differences_and_conditions(frame: pd.DataFrame) -> None:
    sentence = hovers(frame[frame["final"]]).iloc[0]
    for part in (
        "L1 norm · 0.60× macs",
        "clutter",
        "seed 0",
        "points)",
        "(0.60×)",
        "CPU, 1 thread, batch 1, n = 200, p90",
    ):
        assert part in sentence


def test_a_latency_measured_otherwise_is_not_mixed_in(frame: pd.DataFrame) -> None:
    other = replace(points.host_conditions(frame)[0], host="another board")
    assert points.with_latency(frame, other)["latency"].isna().all()


def test_latencies_of_different_machines_are_parted(results: Store) -> None:
    fast = runs.finished(results, spec(criterion="l1"), cpu="Intel(R) Xeon(R) CPU @ 2.00GHz")
    runs.finished(results, spec(criterion="taylor"), loss=0.9, cpu="Cortex-A78AE")
    runs.finished(results, spec(criterion="random"))
    frame = points.tidy(results.points())
    hosts = ["Cortex-A78AE", "Intel Xeon @ 2.00GHz", "unnamed host"]
    assert sorted(map(text.host_conditions, points.host_conditions(frame))) == [
        f"{host}, CPU, 1 thread, batch 1" for host in hosts
    ]
    timed = points.with_latency(frame, points.host_conditions(frame.query("host == 'Cortex-A78AE'"))[0])
    assert set(timed.dropna(subset="latency")["criterion"]) == {"taylor"}
    assert set(timed[timed["id"].isin(points.front(timed, "latency", "top1", y_better="high"))]["criterion"]) == {
        "taylor"
    }
    cortex = next(each for each in points.host_conditions(frame) if each.host == "Cortex-A78AE")
    row, measured = points.row_with_latency(timed, f"{fast.id}.2", cortex)
    assert row["latency"] == pytest.approx(0.8) and row["base_latency"] == pytest.approx(1.2)
    assert measured == "Intel Xeon @ 2.00GHz, CPU, 1 thread, batch 1, n = 200, p90 0.850 ms"


def test_a_run_from_before_a_setting_existed_has_its_default(results: Store) -> None:
    run = runs.finished(results, spec())
    path = run.path / "spec.json"
    request = json.loads(path.read_text())
    del request["train"]["label_smoothing"], request["recover"]["reestimate_bn"]
    path.write_text(json.dumps(request))
    results.reindex()
    (summary,) = results.runs()
    assert (summary["state"], summary["label_smoothing"], summary["reestimate_bn"]) == ("done", 0.0, False)


def test_a_curve_has_a_band_only_from_three_seeds_on(results: Store) -> None:
    for seed in (0, 1):
        runs.finished(results, spec(seed=seed))
    finals = points.tidy(results.points()).query("final")
    (two,) = curves(finals, "macs", "top1")
    assert two.low is None and two.high is None
    runs.finished(results, spec(seed=2))
    (three,) = curves(points.tidy(results.points()).query("final"), "macs", "top1")
    assert three.low is not None and three.high is not None
    # Seeds differ by 0.002 a step: mean at seed 1, deviation 0.002, t(2) = 4.3027.
    assert math.isclose(three.high[0] - three.y[0], 4.3027 * 0.002 / math.sqrt(3), rel_tol=1e-3)
    assert list(three.x) == sorted(three.x)


def test_a_host_is_never_mixed_with_a_device_whatever_that_is_called(results: Store) -> None:
    run = runs.finished(results, spec())
    runs.on_board(run, 2, device="host")
    frame = points.tidy(results.points())
    assert [text.host_conditions(each) for each in points.host_conditions(frame)] == [
        "unnamed host, CPU, 1 thread, batch 1"
    ]
    timed = points.with_latency(frame, points.host_conditions(frame)[0])
    assert timed.set_index("point").loc[2, "latency"] == pytest.approx(0.8)
    assert board_columns.boards(frame) == {"host": True}
    board = board_columns.conditions(frame, "host")[0]
    assert list(board_columns.with_board(frame, board).dropna(subset="device_ms")["point"]) == [2]


def test_what_a_device_measured_is_parted_by_tool_version_precision_and_power_mode(results: Store) -> None:
    run = runs.finished(results, spec())
    for more in ({}, {"precision": "fp16"}, {"version": "8.6.1"}, {"power_mode": "MAXQ", "clocks_locked": False}):
        runs.on_board(run, 2, **more)
    runs.on_board(
        run, 4, tool="onnxruntime", version="1.10.0", provider="CPUExecutionProvider", threads=2, power_mode=None,
        clocks_locked=None,
    )  # fmt: skip
    labels = {each.label for each in board_columns.conditions(points.tidy(results.points()), "tx2")}
    assert {
        "TensorRT 8.2.1, FP16, MAXN, clocks locked",
        "TensorRT 8.6.1, FP32, MAXN, clocks locked",
        "TensorRT 8.2.1, FP32, MAXQ",
        "ONNX Runtime 1.10.0, CPU, 2 threads, FP32",
    } <= labels


def test_the_hover_says_how_a_device_measured_and_that_it_throttled(results: Store) -> None:
    run = runs.finished(results, spec())
    runs.on_board(run, 2, throttled=True, why_throttled="the GPU fell to 854 MHz")
    runs.on_board(run, 1, power_rail="sum of GPU, CPU, SOC")
    untold = {"p90_ms": None, "p99_ms": None, "gpu_p50_ms": None, "h2d_p50_ms": None, "power_mw": None}
    runs.on_board(run, 4, n=30, **untold, why_no_power="the board has no power monitor")
    told = hovers(points.tidy(results.points()))
    for part in (
        "on tx2: p50 7.20 ms; TensorRT 8.2.1, FP32, MAXN, clocks locked; n = 1,834, p90 3.20 ms, p99 3.50 ms",
        "GPU compute 2.60 ms, transfers 0.400 ms, 9.80 W, 70.6 mJ",
        "throttled: the GPU fell to 854 MHz",
    ):
        assert part in told[2]
    assert "n = 30<br>" in told[4] and "transfers" not in told[4] and "throttled" not in told[4]
    assert "9.80 W (sum of GPU, CPU, SOC)" in told[1] and "no power: the board has no power monitor" in told[4]


def test_a_card_takes_the_chosen_timing_or_else_the_last_one(results: Store) -> None:
    run = runs.finished(results, spec())
    runs.on_board(run, 2, at=1.0)
    runs.on_board(run, 2, at=2.0, precision="fp16", slower=4.0)
    frame = points.tidy(results.points())
    fp32 = next(
        each for each in board_columns.conditions(frame, "tx2") if each.label.startswith("TensorRT 8.2.1, FP32")
    )
    selected, last = (board_columns.board_result(frame, f"{run.id}.2", board) for board in (fp32, None))
    assert selected is not None and selected.entry.precision == "fp32" and selected.latency_ratio is None
    assert last is not None and last.entry.precision == "fp16"
    assert board_columns.board_result(frame, f"{run.id}.4", fp32) is None
