"""The table of Explore page by page: every point is sorted, and one page of them is sent."""

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app.charts import axes
from app.components import paging
from app.explore import news
from app.explore.table import order, table
from app.tables import points
from engine.spec import run as specs
from engine.storage.store import Store
from tests.support import runs
from tests.support.screen import app, captions


def test_rows_are_sorted_over_all_pages_with_baselines_last(results: Store) -> None:
    for criterion, loss in (("l1", 0.05), ("taylor", 0.02)):
        runs.finished(results, specs.parse({"criterion": criterion}), loss=loss, files=False)
    frame = points.with_latency(points.tidy(results.points()), None)
    frame = frame[frame["final"] | frame["baseline"]]
    for by, column, ascending in ((order.CHEAPEST, "macs", True), ("Best first", "top1", False)):
        rows = frame.iloc[order.places(frame, by, axes.X_AXES["macs"], axes.Y_AXES["top1"])]
        pruned = rows[~rows["baseline"]]
        assert list(rows["baseline"]) == sorted(rows["baseline"]) and len(rows) == len(frame)
        pd.testing.assert_series_equal(pruned[column], pruned[column].sort_values(ascending=ascending, kind="stable"))
    assert order.places(frame, "Fastest first", axes.X_AXES["macs"], axes.Y_AXES["loss"]).shape == (len(frame),)
    assert [paging.position(paging.rows_of(n, 1234, 100), 1234) for n in (1, 13, 99)] == [
        "1–100 of 1,234", "1,201–1,234 of 1,234", "1,201–1,234 of 1,234",
    ]  # fmt: skip
    assert (paging.position(paging.rows_of(1, 7, 100), 7), paging.page_of(199, 100)) == ("7", 2)


def shown(at: AppTest) -> pd.DataFrame:
    """The rows of the table beside the chart that are sent to the browser."""
    (rows,) = (table.value for table in at.dataframe if "point" in table.value)
    return rows


def test_a_long_table_is_shown_page_by_page_and_turns_to_the_selected_point(
    results: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "PAGE_ROWS", 3)
    for seed in range(3):
        run = runs.finished(results, specs.parse({"seed": seed}), files=False)
    at = app()
    (turner,) = at.get("pagination")
    total = turner.proto.num_pages
    assert len(shown(at)) == 3 and total > 1 and "1–3 of " in captions(at)
    at.selectbox(key="table_order").set_value("Best first").run()
    assert list(shown(at)["top-1"]) == sorted(shown(at)["top-1"], reverse=True)
    last = app(point=f"{run.id}.0")  # its baseline, which comes last
    assert f"{run.id}.0" in set(shown(last)["point"]) and last.session_state["table_page"] > 1


def tick(at: AppTest, monkeypatch: pytest.MonkeyPatch, *points: str) -> None:
    """Ticks exactly these rows of the page of the table that is shown, as a browser reports it: before the script."""
    ids = at.session_state["table_ids"]
    cells = at.session_state["table"]["selection"]["cells"]
    reported = {"selection": {"rows": [ids.index(point) for point in points], "columns": [], "cells": cells}}
    at.session_state["table"] = reported
    at.session_state["table_overruled"] = None
    with monkeypatch.context() as patch:
        patch.setattr(news, "show", lambda _: table._select_row())
        at.run()
    assert not at.exception, at.exception


def test_rows_ticked_one_by_one_on_several_pages_are_kept_together(
    results: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "PAGE_ROWS", 2)
    run = runs.finished(results, specs.parse({"target": {"keep": [0.8, 0.6, 0.5, 0.4]}}), files=False)
    dear, cheap = f"{run.id}.2", f"{run.id}.8"
    at = app(point=dear)
    assert at.session_state["table_page"] == 2, "the cheapest come first"
    at.session_state["table_page"] = 1
    at.run()
    assert at.session_state["table_ticked"] == [], "the ticked row is on the other page"
    tick(at, monkeypatch, cheap)
    assert at.session_state["explore_chosen"] == (dear, cheap) and at.query_params["point"] == cheap
    assert at.button(key="compare_chosen").label == "Compare · 2" and at.session_state["table_page"] == 1
    tick(at, monkeypatch)
    assert at.session_state["explore_chosen"] == (dear,) and at.query_params["point"] == dear
    assert at.session_state["table_page"] == 1, "the reader stays"
