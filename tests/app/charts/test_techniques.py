"""The charts by technique: one set of axes, one meaning for each mark, four lines under the pointer."""

import math

import pandas as pd
import pytest

from app import theme
from app.charts import axes
from app.charts.techniques import panel
from app.charts.techniques.scene import Scene, Untouched, scene
from app.tables import points
from app.tables.techniques import means, names
from engine.storage.store import Store
from tests.support import runs

X, Y = axes.X_AXES["bytes"], axes.Y_AXES["top1"]


@pytest.fixture
def table(results: Store) -> pd.DataFrame:
    for seed in range(3):
        runs.finished(results, runs.spec(seed=seed, criterion="taylor"), files=False)
    distilled = {"recover": {"distil": True}, "depth": {"method": "direct"}, "order": "layers", "int8": True}
    runs.stepwise(results, runs.spec(criterion="accuracy", **distilled))
    frame = points.tidy(results.points())
    frame = frame[frame["final"] | frame["int8"]]
    frame = frame.assign(
        at_x=frame["bytes"], at_y=100 * frame["top1"], cost=frame["bytes"], quality=frame["top1"],
        base_cost=frame["base_bytes"], base_quality=frame["base_top1"],
    )  # fmt: skip
    found = means.means(names.with_technique(frame))
    return found.assign(on_front=means.on_front(found, x_better="low", y_better="high"))


def draw(table: pd.DataFrame, log: tuple[bool, bool] = (False, False)) -> Scene:
    return scene(table, X, Y, ink=theme.LIGHT, log=log, untouched=Untouched(1_084_096, 90.0, "untouched"))


def own(table: pd.DataFrame, technique: str) -> pd.DataFrame:
    return table[table["technique"] == technique]


def test_every_chart_has_the_same_axes_front_and_untouched_network(table: pd.DataFrame) -> None:
    drawn = draw(table)
    figures = [panel.figure(own(table, name), name, drawn) for name in table["technique"].unique()]
    assert len(figures) == 3
    assert len({(fig.layout.xaxis.range, fig.layout.yaxis.range) for fig in figures}) == 1
    low, high = figures[0].layout.yaxis.range
    half = table["half_width"].fillna(0)
    assert low < (table["at_y"] - half).min() and high > 90.0 and figures[0].layout.xaxis.range[0] == 0
    for fig in figures:
        (front,) = [trace for trace in fig.data if trace.name == "Pareto front"]
        assert list(front.x) == sorted(table.loc[table["on_front"], "at_x"])
        assert [trace.y[0] for trace in fig.data if trace.name == "untouched"] == [90.0]
    left, right = draw(table, (True, False)).span_x, panel.figure(table, "all", draw(table, (True, False))).layout.xaxis
    assert right.range == pytest.approx([math.log10(end) for end in left])


def test_marks_are_in_the_words_of_all_charts_and_have_intervals_from_three_seeds_on(table: pd.DataFrame) -> None:
    drawn = draw(table)
    (marks,) = [t for t in panel.figure(own(table, "Pruned"), "Pruned", drawn).data if t.name == "Taylor"]
    assert marks.marker.symbol == "circle" and marks.error_y.visible
    assert list(marks.error_y.array) == pytest.approx([0.4968] * 2, abs=1e-3)
    fig = panel.figure(own(table, "Pruned + distilled + INT8"), "8 bit", drawn)
    (int8,) = [t for t in fig.data if t.name == "Exact accuracy"]
    assert int8.marker.symbol == theme.INT8_SYMBOL and not int8.error_y.visible
    on_front = own(table, "Pruned + distilled + INT8")["on_front"]
    assert [colour == theme.CRITERION_COLOURS["accuracy"] for colour in int8.marker.color] == list(on_front)


def test_a_mark_says_four_lines(table: pd.DataFrame) -> None:
    row = own(table, "Pruned").iloc[0].to_dict()
    assert panel.hover(row, draw(table)).split("<br>") == [
        "<b>Taylor 0.30×</b>, layers → channels",
        "Top-1 85.6 ± 0.5 % (−4.4 points)",
        "Size 328 kB (0.30×)",
        "mean of seeds 0, 1, 2",
    ]
    row = own(table, "Pruned + distilled + INT8").iloc[0].to_dict()
    lines = panel.hover(row | {"base_quality": math.nan, "base_cost": 0.0}, draw(table)).split("<br>")
    assert lines[1] == "Top-1 82.6 %" and lines[2] == "Size 81.0 kB" and lines[3] == "seed 0"
    assert panel.quality_label(0.31234, 0.01, axes.Y_AXES["loss"]) == "0.312 ± 0.010"


def test_the_key_has_each_mark_once_and_is_no_switch(table: pd.DataFrame) -> None:
    fig = panel.key(table, draw(table))
    keys = [trace.name for trace in fig.data]
    assert len(keys) == len(set(keys))
    assert set(keys) == {
        "Taylor", "Exact accuracy", "layers → channels", "layers", "INT8", "untouched", "Pareto front of all",
        "95 % interval over seeds",
    }  # fmt: skip
    assert fig.layout.legend.itemclick is False
    lone = table[table["half_width"].isna()]
    assert "95 % interval over seeds" not in [trace.name for trace in panel.key(lone, draw(lone)).data]


def test_a_chart_is_told_in_one_sentence(table: pd.DataFrame) -> None:
    said = panel.describe(own(table, "Pruned"), "Pruned", draw(table))
    assert said == "Pruned: Top-1 against Size, 2 means over seeds; the best has Top-1 87.4 % at Size 652 kB."
