"""Why a model is not faster, on a screen: the dialog of a card, its figures, and where it leads."""

import json
import time
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from app import theme
from app.charts.comparison import layer_times as chart
from app.charts.comparison.layer_times import Row
from app.components.layer_times import child, kept, view
from app.launch.presets import fill
from engine.errors import RequestError
from engine.graph.cost import Cost
from engine.spec import board_timing
from engine.storage.folders.run import Run
from engine.storage.outcomes import layer_times, layers
from engine.storage.store import Store
from tests.support import runs
from tests.support.layer_times import pair
from tests.support.screen import app, captions, labels

POINT = 2


def measured(store: Store, **more: object) -> Run:
    """A run whose point 2 was timed beside its baseline, with 100 and 300 MACs in its two layers, then 100 and 150."""
    run = runs.finished(store, runs.spec())
    for point, second in ((0, 300), (POINT, 150)):
        costs = {"conv1": Cost(params=1, macs=100), "layer1.0.conv1": Cost(params=1, macs=second)}
        layers.write(run.model_file(point, layers.SUFFIX), costs)
    layer_times.write(run, pair(run.id, POINT, **more))
    return run


def texts(at: AppTest) -> str:
    return "\n".join(each.value for each in at.markdown)


def test_a_card_opens_the_reasons_with_their_costs_each_layer_and_the_way_to_an_aligned_run(results: Store) -> None:
    run = measured(results, host=kept.machine.cpu_model(), fresh_weights=True)
    at = app(point=f"{run.id}.{POINT}")
    at.button(key=f"layer-times-chart-{run.id}.{POINT}").click().run()
    shown = texts(at)
    assert "0.62× the MACs take 1.36× the time" in shown
    assert "**Widths off the multiple** · 0.300 ms, 37.5 % of its time" in shown
    assert "**Copies into another layout** · 0.100 ms, 12.5 % of its time" in shown
    said = captions(at)
    assert "the same one with fresh weights was timed" in said and "another computer" not in said
    assert "ONNX Runtime 1.31.1, FP32, 1 thread" in said and "87.5 % of the pruned network's time has names" in said
    (figure,) = (json.loads(c.proto.spec) for c in at.get("plotly_chart") if "layer-times-chart" in c.proto.id)
    assert figure["layout"]["yaxis"]["ticktext"] == ["conv1", "layer1.0.conv1", "copies"]
    assert "Measure again" in labels(at)
    assert at.button(key="layer-times-aligned").help.endswith("with widths in multiples of 8.")
    at.button(key="layer-times-aligned").click().run()
    assert not at.exception
    assert at.session_state["launch_round"] == "8" and "launch_metric" in at.session_state
    assert any("with widths in multiples of 8. Change what you like" in line for line in captions(at).split("\n"))


def test_a_point_without_a_measurement_offers_one_and_other_machines_and_old_runs_are_said(results: Store) -> None:
    run = measured(results, host="a processor of long ago")
    (found,) = kept.read(results.token(), run.id, POINT).comparisons
    (other,) = view.remarks(found)
    assert other == "Measured on another computer (a processor of long ago): measure again to see this one's."
    run.model_file(0, layers.SUFFIX).unlink()
    (without,) = kept.read(results.token(), run.id, POINT).comparisons
    assert without.explanation is None and "keeps no MACs of single layers" in view.remarks(without)[-1]
    in_8_bit = replace(without, pruned=replace(without.pruned, precision="int8"))
    assert "The pruned network is in INT8, the untouched one in FP32." in view.remarks(in_8_bit)
    assert kept.read(results.token(), run.id, 4).comparisons == ()
    run.layer_times_file(4).write_text("[")
    assert "p4.layer_times.json is damaged" in kept.read(results.token(), run.id, 4).damage


def test_host_times_stand_beside_macs_in_a_comparison_the_untouched_network_s_too(results: Store) -> None:
    run = measured(results, host=kept.machine.cpu_model())
    ids = [f"{run.id}.0", f"{run.id}.{POINT}", f"{run.id}.4"]
    (place,) = kept.host_profiles(ids).items()
    assert place[0] == "this computer, 1 thread" and list(place[1]) == [ids[1], ids[0]]
    assert kept.host_profiles([ids[2]]) == {} and kept.host_profiles(["nobody.1"]) == {}


def test_what_a_board_timed_of_both_networks_is_explained_beside_what_this_computer_did(results: Store) -> None:
    run = measured(results)
    points = [{"run": run.id, "point": number} for number in (0, POINT)]
    job = results.create_timing(board_timing.parse({"device": "tx2", "precision": "fp16", "points": points}))
    said = {"tool": "trtexec", "version": "8.2.1", "precision": "fp16"}
    made = pair(run.id, POINT, **said, host=None, vector=None, threads=None)
    job.keep_layers(made.untouched)
    job.update(state="done")
    assert [each.where for each in kept.read(results.token(), run.id, POINT).comparisons] == [kept.HERE]
    job.keep_layers(made.pruned)
    job.update(message="done")
    _, board = kept.read(results.token(), run.id, POINT).comparisons
    assert board.where == "tx2, FP16" and view.conditions(board) == "TensorRT 8.2.1, FP16, means of 200"
    assert view.about_sum(board.pruned).endswith("its sum is no latency.")
    assert board.explanation is not None and board.explanation.reasons[0].cause == "widths"


def test_rows_hold_layers_in_order_then_all_else_and_the_table_names_each_reason(results: Store) -> None:
    run = measured(results)
    (found,) = kept.read(results.token(), run.id, POINT).comparisons
    table = view.table(found)
    assert table["layer"].tolist() == ["conv1", "layer1.0.conv1", "copies"]
    assert table["ratio"].tolist()[:2] == pytest.approx([1.0, 1.25]) and table["ratio"].isna()[2]
    assert table["macs"].tolist()[:2] == [1.0, 0.5]
    assert table["reason"].tolist()[1] == "Widths off the multiple"
    assert view.way_on(16, "layers-channels") == {"round_to": "16"}
    assert view.way_on(8, "layers") == view.way_on(None, "channels") == {"metric": "latency"}


def test_the_chart_names_layers_by_their_ends_and_shows_names_as_text() -> None:
    rows = [Row("<b>features.denseblock1.denselayer1.conv1", 2.0, None), Row("fc", 1.0, 1.5, expected=0.5, note="<i>")]
    figure = chart.figure(rows, "#0072B2", ink=theme.LIGHT)
    assert list(figure.layout.yaxis.ticktext) == ["…1.denselayer1.conv1", "fc"]
    hovers = figure.data[0].customdata
    assert hovers[0] == "&lt;b&gt;features.denseblock1.denselayer1.conv1<br>2.00 ms → removed"
    assert hovers[1] == "fc<br>1.00 ms → 1.50 ms<br>by its MACs 0.500 ms<br>&lt;i&gt;"
    assert figure.data[2].x == (0.5,)
    assert chart.describe(rows).endswith("Most above what its MACs promise: fc, 1.50 ms instead of 0.500 ms.")


def test_a_link_changes_the_multiple_or_what_ratios_are_of_and_nothing_that_the_engine_refuses() -> None:
    spec = runs.spec()
    assert fill.changed(spec, {}) == spec
    both = fill.changed(spec, {"round_to": "16", "metric": "latency"})
    assert (both.width.round_to, both.target.metric, both.criterion) == (16, "latency", spec.criterion)
    for wrong in ({"round_to": "x"}, {"round_to": "0"}, {"metric": "<b>"}):
        with pytest.raises(RequestError):
            fill.changed(spec, wrong)


def _dialog_alone(point: str, token: str) -> None:
    from app.components.layer_times import dialog
    from app.tables import store

    frame = store.points(token)
    row = frame[frame["id"] == point].iloc[0].to_dict()
    dialog.offer(row, "explore", "chart")
    dialog.show(frame, "explore", token)


def test_a_measurement_that_cannot_begin_is_told_where_it_was_asked_for(
    results: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(run_id: str, point: int) -> None:
        raise RequestError("the layers of another model are being timed; try again when that is done")

    monkeypatch.setattr(child, "start", refuse)
    run = runs.finished(results, runs.spec())
    point = f"{run.id}.{POINT}"
    at = AppTest.from_function(_dialog_alone, default_timeout=120, args=(point, results.token())).run()
    at.button(key=f"layer-times-chart-{point}").click().run()
    at.button(key="layer-times-measure").click().run()
    assert not at.exception and "another model are being timed" in at.toast[0].value


def test_the_process_that_measures_says_why_it_cannot_and_can_be_asked_again(results: Store) -> None:
    results.prepare()
    child.start("20260131-095959-0a1b2c3d", 1)
    begun = time.monotonic()
    while child.look("20260131-095959-0a1b2c3d", 1).progress is not None and time.monotonic() - begun < 120:
        time.sleep(0.1)
    look = child.look("20260131-095959-0a1b2c3d", 1)
    assert look.progress is None and "there is no run 20260131-095959-0a1b2c3d" in str(look.failure)
