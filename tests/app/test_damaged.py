"""Pages over a results folder with damaged and hostile jobs: the good ones are shown, and never a traceback."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.runs import listing
from engine.boards.registry import parse
from engine.pipeline.summaries import summary_of
from engine.spec.board_timing import PointId, TimingRequest
from engine.spec.run import DataSpec
from engine.storage.folders.run import Run
from engine.storage.store import Store
from tests.support import damage, runs
from tests.support.screen import app, chart


@pytest.fixture(autouse=True)
def _one_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """All runs are on one page of the table."""
    monkeypatch.setattr(listing, "PAGE_ROWS", 1000)


def _good(results: Store) -> tuple[Run, Run]:
    """Two runs, one of which was timed on a board; and what the launch page else has a process of its own work out."""
    summary_of("resnet20", "none", DataSpec(), results.root)
    first = runs.finished(results, runs.spec(criterion="l1"), cpu="Cortex-A78AE")
    second = runs.finished(results, runs.spec(criterion="taylor"))
    runs.on_board(first, 0, 2)
    return first, second


def _timing(results: Store, run: Run, device: str = "tx2") -> Any:
    timing = results.create_timing(TimingRequest(device=device, points=(PointId(run=run.id, point=2),)))
    timing.end("done", "done")
    return timing


def _assert_drawn(damaged: list[str], timings: list[str] = []) -> None:  # noqa: B006
    """Every page, and every selection of a damaged job, is drawn, and shows the good runs."""
    at = app("runs")
    shown = [row for frame in at.dataframe for row in frame.value.get("what", ())]
    assert {True} == {any(name in row for row in shown) for name in ("L1 norm", "Taylor")}
    _select(at, "run", damaged)
    at = app()
    names = {trace.get("name") for trace in chart(at)["data"]}
    assert {"L1 norm, layers → channels", "Taylor, layers → channels"} <= names
    _select(at, "point", [f"{run}.2" for run in damaged])
    at = app("devices", point=[f"{run}.2" for run in damaged])
    assert any("tx2" in set(frame.value.get("device", ())) for frame in at.dataframe)
    _select(at, "timing", timings)
    app("launch")


def _select(at: AppTest, query: str, values: list[str]) -> None:
    for value in values:
        at.query_params[query] = value
        at.run()
        assert not at.exception, (value, at.exception)


def test_something_else_in_the_place_of_a_file_hides_no_other_run(results: Store) -> None:
    ids = []
    _good(results)
    for name, kind in damage.some():
        run = runs.finished(results, runs.spec(criterion="l2"))
        damage.replace(run, name, kind)
        ids.append(run.id)
    _assert_drawn(ids[::5])


def test_something_else_in_the_place_of_a_timings_file_hides_no_other(results: Store) -> None:
    good, ids = _good(results), []
    for name, kind in damage.some(("status.json", "spec.json", "events.jsonl", "log.txt", "measured.json", "samples")):
        timing = _timing(results, good[0])
        damage.replace(timing, name, kind)
        ids.append(timing.id)
    _assert_drawn([], [*ids[::5], _timing(results, good[0]).id])


HOST = {"provider": "x", "threads": 1, "batch": 1, "n": 1, "p50_ms": 1.0}
VALUES: list[tuple[str, dict[str, Any]]] = [
    ("status.json", {"times__created": 1e300}),
    ("status.json", {"times__created": -1e300}),
    ("status.json", {"times__started": 1e18, "times__finished": 1.0}),
    ("status.json", {"times__finished": 1.0, "times__started": 8e9}),
    ("status.json", {"times__created": float("nan")}),
    ("status.json", {"times": []}),
    ("status.json", {"progress": 1e300}),
    ("status.json", {"progress": float("nan")}),
    ("status.json", {"state": "odd"}),
    ("status.json", {"message": damage.EVIL, "error": damage.EVIL, "state": "failed", "phase": damage.EVIL}),
    ("status.json", {"group": damage.EVIL}),
    ("status.json", {"group": {"a": 1}}),
    ("status.json", {"state": "interrupted", "message": None}),
    ("points.jsonl", {"top1": float("nan")}),
    ("points.jsonl", {"top1": 1e300}),
    ("points.jsonl", {"loss": 1e308, "got__macs": 1e308}),
    ("points.jsonl", {"macs": 10**400}),
    ("points.jsonl", {"macs": 0, "params": 0, "bytes": 0, "got__macs": 0}),
    ("points.jsonl", {"point": 3}),
    ("points.jsonl", {"stage": "baseline"}),
    ("points.jsonl", {"stage": damage.EVIL, "phase": damage.EVIL, "note": damage.EVIL}),
    ("points.jsonl", {"run_id": "x", "state": "odd", "model": "![x](y)", "group": 1, "created": "x"}),
    ("points.jsonl", {"hover": 1, "id": "x", "host": 3, "gallery": "x", "data": [], "beside": {}}),
    ("points.jsonl", {"latency": {}}),
    ("points.jsonl", {"latency": [1]}),
    ("points.jsonl", {"latency": [HOST | {"device": "tx2"}]}),
    ("points.jsonl", {"latency": [{"provider": damage.EVIL, "threads": 2**53, "batch": 0, "n": 0, "p50_ms": 0.0}]}),
    ("points.jsonl", {"widths": {damage.EVIL: [0, 0], "": [1, 5]}, "blocks_removed": [damage.EVIL, ""]}),
    ("points.jsonl", {"widths": {"conv1": [2**53, 1]}}),
    ("points.jsonl", {"step": 2**53, "trajectory": damage.EVIL, "place": 0}),
    ("points.jsonl", {"seconds": -1}),
    ("spec.json", {"model": damage.EVIL}),
    ("spec.json", {"model": "no_such_network", "criterion": "no_such+l1", "data": {"name": "no_such"}}),
    ("spec.json", {"model": None}),
    ("spec.json", {"model": ""}),
    ("spec.json", {"criterion": ["a"]}),
    ("spec.json", {"criterion": "+"}),
    ("spec.json", {"data": []}),
    ("spec.json", {"data": {"name": {"a": 1}}}),
    ("spec.json", {"order": "no-such-order"}),
    ("spec.json", {"order": "=1+1"}),
    ("spec.json", {"seed": "x"}),
    ("spec.json", {"seed": 10**400}),
    ("spec.json", {"weights": damage.EVIL, "depth": {"method": damage.EVIL}, "width": {"method": 3}}),
    ("spec.json", {"depth": 3, "width": [], "attempt": "x", "train": None, "recover": 1, "target": None}),
    ("spec.json", {"target__keep": "x"}),
    ("spec.json", {"target__keep": 3}),
    ("spec.json", {"target__keep": None}),
    ("spec.json", {"target__keep": [float("nan"), "x", None]}),
    ("spec.json", {"unknown": damage.EVIL}),
    ("env.json", {"cpu": {"a": 1}}),
    ("env.json", {"cpu": damage.EVIL}),
    ("env.json", {"cpu": 3}),
    ("events.jsonl", {"stage": damage.EVIL, "keep": 0, "loss": 1e308}),
    ("events.jsonl", {"loss": float("nan")}),
    ("events.jsonl", {"epoch": 10**400}),
    ("events.jsonl", {"kind": ["epoch"]}),
    ("measurements.jsonl", {"device": damage.EVIL, "power_mode": damage.EVIL}),
    ("measurements.jsonl", {"device": ""}),
    ("measurements.jsonl", {"at": 1e300}),
    ("measurements.jsonl", {"at": None, "n": 0, "p50_ms": 0.0, "power_mw": -1e308, "energy_mj": 1e308}),
    ("measurements.jsonl", {"point": 99}),
    ("measurements.jsonl", {"tool": "", "version": damage.EVIL, "precision": damage.EVIL, "provider": None}),
]  # fmt: skip


def test_odd_values_hide_no_other_run(results: Store) -> None:
    _good(results)
    ids = []
    for name, values in VALUES:
        run = runs.finished(results, runs.spec(criterion="l2"), cpu="odd")
        runs.on_board(run, 0, 2)
        damage.change(run, name, **values)
        ids.append(run.id)
    _assert_drawn(ids[::12])


def test_what_a_run_says_of_itself_makes_no_markup(results: Store, tmp_path: Path) -> None:
    from engine.boards.registry import Registry

    Registry(results.root).add(parse("tx2", "host"))
    run = runs.finished(results, runs.spec(), cpu="![c](http://evil.example)")
    runs.on_board(run, 0, 2, power_mode="![p](http://evil.example)", throttled=True, why_throttled="<b>![t](x)</b>")
    evil = "![x](http://evil.example/x.png) <b>*x*</b> :red[w]"
    damage.change(run, "status.json", message=evil, error=evil, state="failed")
    damage.change(run, "spec.json", model=evil, weights=evil)
    damage.change(run, "points.jsonl", note=evil, stage=evil, blocks_removed=[evil])
    for at in (app(point=f"{run.id}.2"), app("runs", run=run.id), app("devices", point=f"{run.id}.2")):
        markdown = [
            *(element.value for kind in (at.markdown, at.caption, at.error, at.warning, at.info) for element in kind),
            *(metric.help or "" for metric in at.metric),
            *(metric.label for metric in at.metric),
            *(button.label for button in at.button),
        ]
        assert not [text for text in markdown if "![" in text and "!\\[" not in text]
        assert not [text for text in markdown if "](" in text.replace("\\](", "")]
    charts = [element.proto.spec for page in ("explore", "devices") for element in app(page).get("plotly_chart")]
    assert charts and not [spec for spec in charts if "<b>*x*" in spec or "\\u003cb\\u003e*x*" in spec]


def test_a_long_name_is_cut(results: Store) -> None:
    run = runs.finished(results, runs.spec())
    damage.change(run, "points.jsonl", note="n" * 100_000)
    at = app(point=f"{run.id}.2")
    assert max(len(caption.value) for caption in at.caption) < 2000
