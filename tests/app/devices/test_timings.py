"""Asking for timings on the page of the devices: the form, what is under way, what has ended, and what came out."""

import json
from typing import Any

import pytest

from app.components import actions
from app.devices import probes
from app.tables import store
from engine.boards.registry import Board, parse
from engine.spec import board_timing
from engine.storage.folders.run import Run
from engine.storage.records.event import TurnEvent
from engine.storage.store import Store
from tests.support import runs as build
from tests.support.screen import app, captions, errors, labels


@pytest.fixture
def tx2(results: Store) -> Board:
    results.prepare()
    device = parse("tx2", "nvidia@192.168.55.1")
    store.registry().add(device)
    return device


@pytest.fixture
def run(results: Store, tx2: Board) -> Run:
    """A run with ONNX files of its two final points, 2 and 4."""
    return build.finished(results, build.spec(criterion="l1"))


def request(run: Run, *points: int, **more: Any) -> board_timing.TimingRequest:
    return board_timing.parse({"device": "tx2", "points": [{"run": run.id, "point": n} for n in points]} | more)


def test_only_models_with_an_onnx_file_are_offered_and_int8_is_not(results: Store, run: Run) -> None:
    direct = build.spec(order="layers", criterion="accuracy", depth={"method": "direct"}, int8=True)
    stepwise = build.stepwise(results, direct)
    for point in (0, 1, 2, 3):  # the baseline, a step, the final point and its INT8 twin
        stepwise.model_file(point, "onnx").write_bytes(b"onnx")
    options = app("devices").multiselect(key="time_points").options
    assert [option.partition(" · ")[0] for option in options] == [
        "Not pruned, 90.0 %",
        "Exact accuracy 0.60×, 86.0 %",
        "L1 norm 0.60×, 87.6 %",
        "L1 norm 0.30×, 85.8 %",
    ]


def test_models_of_the_same_name_are_told_apart(results: Store, run: Run) -> None:
    build.finished(results, build.spec(criterion="l1"))
    options = app("devices").multiselect(key="time_points").options
    assert len(options) == len(set(options)) == 4


def test_the_models_of_the_address_are_chosen_and_it_follows_the_choice(run: Run) -> None:
    at = app("devices", point=[f"{run.id}.2", f"{run.id}.4", "20260101-000000-00000000.3"])
    assert at.multiselect(key="time_points").value == [f"{run.id}.2", f"{run.id}.4"]
    assert "Not to be timed: 20260101-0000" in captions(at)
    at.multiselect(key="time_points").set_value([f"{run.id}.4"]).run()
    assert at.query_params["point"] in (f"{run.id}.4", [f"{run.id}.4"]) and "Not to be timed" not in captions(at)


def test_an_address_names_a_model_once_and_no_more_than_there_is_room_for(results: Store, tx2: Board) -> None:
    runs = [build.finished(results, build.spec(seed=seed)) for seed in range(5)]
    for one in runs:
        one.model_file(0, "onnx").write_bytes(b"onnx")
    ids = [f"{one.id}.{point}" for one in runs for point in (0, 2)]
    at = app("devices", point=[ids[0], *ids])
    assert at.multiselect(key="time_points").value == ids[:8]
    assert "The link names 10 models; the first 8 are chosen" in captions(at)


def test_a_hostile_address_chooses_nothing(run: Run) -> None:
    at = app("devices", point=["'; rm -rf ~ #", "../../x.2", ""])
    assert at.multiselect(key="time_points").value == [] and at.button(key="time").disabled


def test_time_queues_what_was_asked_for_and_starts_a_worker(results: Store, run: Run, submitted: list[Store]) -> None:
    at = app("devices", point=[f"{run.id}.2", f"{run.id}.4"])
    at.segmented_control(key="time_precision").set_value("fp16").run()
    for key, value in (("rounds", 5), ("seconds", 2.0), ("threads", 2), ("power_mode", 0), ("workspace", 2048)):
        at.number_input(key=f"time_{key}").set_value(value).run()
    at.toggle(key="time_max_clocks").set_value(True).run()
    at.toggle(key="time_layers").set_value(False).run()
    at.button(key="time").click().run()
    assert not at.exception and len(submitted) == 1
    (timing,) = results.timings()
    assert timing["state"] == "queued"
    settings = {"precision": "fp16", "rounds": 5, "seconds": 2.0, "threads": 2, "power_mode": 0, "max_clocks": True}
    settings |= {"workspace": 2048, "layers": False}
    assert results.timing(timing["job_id"]).spec() == request(run, 2, 4, **settings)


def test_what_is_timed_is_what_is_seen_at_the_press_and_not_what_the_page_last_drew(
    results: Store, run: Run, submitted: list[Store]
) -> None:
    at = app("devices", point=[f"{run.id}.2", f"{run.id}.4"])
    at.number_input(key="time_rounds").set_value(5)
    at.button(key="time").click().run()
    assert not at.exception
    (timing,) = results.timings()
    assert results.timing(timing["job_id"]).spec() == request(run, 2, 4, rounds=5)


def test_a_press_with_models_taken_away_queues_nothing(results: Store, run: Run, submitted: list[Store]) -> None:
    at = app("devices", point=f"{run.id}.2")
    at.multiselect(key="time_points").set_value([])
    at.button(key="time").click().run()
    assert not at.exception and results.timings() == [] and at.button(key="time").disabled


def test_a_double_click_asks_for_one_timing(results: Store, run: Run, submitted: list[Store]) -> None:
    at = app("devices", point=f"{run.id}.2")
    for _ in range(2):
        at.button(key="time").click().run()
    assert actions.DOUBLE_CLICK_SECONDS > 0 and len(results.timings()) == 1


def test_what_the_board_is_known_not_to_do_is_refused_before_it_is_queued(
    results: Store, run: Run, tx2: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = probes.ProbeResult(
        tx2, 1.0, "reachable", probe=build.probe(tensorrt=None, trtexec=None, onnxruntime="1.10.0")
    )
    monkeypatch.setattr(probes, "last_result", lambda device: plain)
    at = app("devices", point=f"{run.id}.2")
    assert not at.button(key="time").disabled
    at.segmented_control(key="time_precision").set_value("fp16").run()
    assert errors(at) == ["tx2 has no TensorRT, and ONNX Runtime times in FP32 only."]
    assert at.button(key="time").disabled


def test_an_active_timing_shows_its_progress_its_turns_and_a_way_to_cancel(results: Store, run: Run) -> None:
    timing = results.create_timing(request(run, 2, 4))
    assert timing.lock.acquire()
    timing.update(state="running", progress=0.5, message=f"measuring {run.id}.2, round 1 of 3", times={"started": 1.0})
    for n, model in enumerate(timing.spec().points):
        timing.append_event(TurnEvent(model=str(model), round=1, n=400, p50_ms=2.5 + n))
    at = app("devices")
    assert at.get("progress")[0].proto.text == "50% · measuring L1 norm 0.60×, round 1 of 3"
    assert "L1 norm 0.60×: p50 2.50 ms" in captions(at) and "L1 norm 0.30×: p50 3.50 ms" in captions(at)
    timing.lock.release()
    at.button(key=f"cancel-{timing.id}").click().run()
    assert not at.exception and timing.status().state == "cancelled"


def test_waiting_timings_without_a_worker_are_noticed(results: Store, run: Run, submitted: list[Store]) -> None:
    results.create_timing(request(run, 2))
    at = app("devices")
    next(button for button in at.button if button.label == "Start the worker").click().run()
    assert len(submitted) == 1


def test_a_failed_timing_says_why_and_can_be_tried_again(results: Store, run: Run, submitted: list[Store]) -> None:
    timing = results.create_timing(request(run, 2))
    timing.end("failed", "tx2 has no room: 12 MB are needed, and 3 MB are free; remove something there")
    at = app("devices", timing=timing.id)
    assert errors(at) == ["tx2 has no room: 12 MB are needed, and 3 MB are free; remove something there."]
    next(button for button in at.button if button.label == "Try again").click().run()
    assert not at.exception and timing.status().state == "queued" and len(submitted) == 1


def test_an_ended_timing_is_deleted_only_when_that_was_meant_and_what_it_measured_stays(
    results: Store, run: Run
) -> None:
    timing = results.create_timing(request(run, 2))
    timing.end("done", "done")
    build.on_board(run, 2)
    at = app("devices", timing=timing.id)
    assert "Try again" not in labels(at)
    next(button for button in at.button if button.label == "Delete").click().run()
    assert timing.path.exists()
    at.button(key="confirmed").click().run()
    assert not at.exception and not timing.path.exists() and len(run.measurements()) == 1


def test_a_damaged_timing_is_listed_and_harms_nothing(results: Store, run: Run) -> None:
    timing = results.create_timing(request(run, 2))
    (timing.path / "spec.json").write_text("{")
    at = app("devices", timing=timing.id)
    assert len(errors(at)) == 1 and "spec.json" in errors(at)[0]


def test_a_timing_of_a_deleted_run_keeps_its_row(results: Store, run: Run) -> None:
    timing = results.create_timing(request(run, 2))
    timing.end("done", "done")
    results.delete(run.id)
    at = app("devices", timing=timing.id)
    assert not errors(at) and timing.id in captions(at)


def test_what_devices_measured_stands_in_a_table_and_beside_the_host(run: Run) -> None:
    build.on_board(run, 0, 2)
    build.on_board(run, 4, throttled=True, why_throttled="the GPU fell to 854 MHz")
    at = app("devices")
    (frame,) = (element.value for element in at.dataframe)
    assert list(frame["p50"]) == pytest.approx([4.5, 7.2, 10.8]) and "the GPU fell to 854 MHz" in set(frame["warning"])
    (chart,) = at.get("plotly_chart")
    assert "for 3 models: it takes 9 times as long" in chart.proto.alt
    assert json.loads(chart.proto.spec)["layout"]["yaxis"]["title"]["text"] == "latency p50 on tx2"


def test_what_a_device_measured_stays_when_the_device_is_removed(run: Run) -> None:
    build.on_board(run, 2)
    store.registry().remove("tx2")
    at = app("devices")
    assert len(at.dataframe) == 1 and not at.multiselect


@pytest.mark.parametrize("state", ["running", "queued"])
def test_runs_and_explore_show_no_timings(results: Store, run: Run, state: str) -> None:
    timing = results.create_timing(request(run, 2))
    assert timing.lock.acquire()
    timing.update(state=state)
    for page in ("runs", "explore"):
        at = app(page)
        assert not errors(at) and not any("on tx2" in markdown.value for markdown in at.markdown)
