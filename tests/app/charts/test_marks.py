"""What the marks of the trade-off chart say, each one thing only, and what lies under the pointer."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from app import text, theme
from app.charts import axes, legend, tradeoff
from app.charts.curves import curves
from app.charts.marks import hover, lines
from app.tables import points, selection
from engine.storage.store import Store
from tests.support import runs

X, Y = axes.X_AXES["macs"], axes.Y_AXES["top1"]


@pytest.fixture
def frame(results: Store) -> pd.DataFrame:
    runs.finished(results, runs.spec(criterion="taylor"))
    runs.finished(results, runs.spec(criterion="random", order="channels-layers"), loss=0.1)
    return points.tidy(results.points())


KEYS = ["group", "keep"]  # of a target of an experiment


def draw(frame: pd.DataFrame, x: axes.Axis = X, y: axes.Axis = Y, **more: object) -> go.Figure:
    return tradeoff.figure(frame, x, y, ink=theme.LIGHT, **more).checked()  # type: ignore[arg-type]


def dashed(fig: go.Figure) -> list[float]:
    return [float(shape.y0) for shape in fig.layout.shapes if shape.line.dash == "dash"]


def named(fig: go.Figure, name: str) -> list[go.Scatter]:
    return [trace for trace in fig.data if trace.name == name]


def with_baseline(frame: pd.DataFrame, run: str, top1: float, **settings: object) -> pd.DataFrame:
    """The same points in a run of another network, whose baseline has this accuracy."""
    ids = run + frame["point"].astype(str) + frame["criterion"].astype(str)
    other = frame.assign(run_id=run, group=run, id=ids, base_top1=top1, **settings)
    return other.assign(top1=other["top1"].where(~other["baseline"], top1))


def test_baselines_of_different_networks_are_different_lines_and_never_their_mean(frame: pd.DataFrame) -> None:
    many = pd.concat([frame, with_baseline(frame, "b", 0.1), with_baseline(frame, "c", 0.97)])
    assert dashed(draw(many)) == pytest.approx([97, 90, 10])
    assert set(selection.baseline_key(many)) == {0, 1, 2}


def test_runs_from_the_same_weights_share_a_line_and_a_mark_whatever_their_seed(frame: pd.DataFrame) -> None:
    given = pd.concat([with_baseline(frame, run, 0.9, weights="w.pth", seed=n) for n, run in enumerate("bcd")])
    fig = draw(given.assign(train_epochs=0))
    assert dashed(fig) == pytest.approx([90]) and len(named(fig, "baseline")[0].x) == 1
    assert [note.text for note in fig.layout.annotations] == ["baseline"]


def test_dozens_of_baselines_are_marks_without_lines(frame: pd.DataFrame) -> None:
    many = pd.concat([with_baseline(frame, f"r{n}", 0.5 + n / 100) for n in range(24)])
    fig = draw(many)
    assert not dashed(fig) and len(named(fig, "baseline")[0].x) == 24


def test_lines_of_baselines_say_what_tells_them_apart(frame: pd.DataFrame) -> None:
    both = pd.concat([frame, with_baseline(frame, "b", 0.8, seed=1), with_baseline(frame, "c", 0.7, limit=500)])
    names = {note.text for note in draw(both).layout.annotations}
    assert names == {
        "all images seed 0, baseline",
        "all images seed 1, baseline",
        "the first 500 images seed 0, baseline",
    }


def test_at_most_four_short_lines_are_under_the_pointer(frame: pd.DataFrame) -> None:
    row = frame[frame["final"] & (frame["criterion"] == "taylor")].head(1)
    (said,) = hover.texts(row, X, Y)
    assert said.split("<br>") == [
        "<b>Taylor 0.60×</b>, after recovery",
        "Top-1 87.6 % (−2.4 points)",
        "MACs 24.0 M (0.60×)",
        f"seed 0, run {row['run_id'].iloc[0][-8:]}",
    ]
    timed = points.with_latency(frame, points.host_conditions(frame)[0])
    for line in "<br>".join(hover.texts(timed, axes.X_AXES["latency"], Y)).split("<br>"):
        assert len(line.replace("<b>", "").replace("</b>", "")) <= 60
    assert "Latency 0.800 ms (0.67×), MACs 24.0 M (0.60×)" in "".join(hover.texts(timed, axes.X_AXES["latency"], Y))
    assert hover.texts(frame[frame["baseline"]].head(1), X, Y)[0].startswith(
        "<b>resnet20</b>, not pruned<br>Top-1 90.0 %<br>"
    )


def test_what_others_wrote_is_shown_as_text_under_the_pointer(frame: pd.DataFrame) -> None:
    evil = frame.assign(model="<img src=x>", criterion="<b>x", run_id="1-<i>", stage="<a>")
    assert not [
        said for said in hover.texts(evil, X, Y) if "<img" in said or "<b>x" in said or "<i>" in said or "<a" in said
    ]


def test_no_key_means_two_things(frame: pd.DataFrame) -> None:
    best = frame[frame["final"]]["id"].iloc[0]
    fig = draw(selection.select(frame, before=True, steps=False), marks=tradeoff.Marks(best=best))
    keys = [trace for trace in fig.data if trace.showlegend is not False]
    strokes = {key.line.color for key in keys if key.legendgroup}
    shapes = [(key.marker.symbol, key.marker.color) for key in keys if key.mode == "markers"]
    assert strokes == {theme.CRITERION_COLOURS["taylor"], theme.CRITERION_COLOURS["random"]}
    assert not strokes & {colour for _, colour in shapes} and len(shapes) == len(set(shapes))
    baseline = named(fig, "baseline")[0]
    assert baseline.marker.symbol not in theme.ORDER_SYMBOLS.values()
    assert {"before recovery", "baseline", "best"} <= {key.name for key in keys}


def test_what_lies_under_the_pointer_is_clear_of_the_legend_and_so_are_the_tools() -> None:
    assert legend.BELOW["yref"] == "container" and legend.BELOW["y"] == 0


def test_what_is_off_in_the_legend_leaves_the_front_and_keeps_its_key(frame: pd.DataFrame) -> None:
    finals = selection.select(frame, before=False, steps=False)
    for hidden, best in ((frozenset(), "taylor"), (frozenset({"taylor"}), "random")):
        front = selection.front(tradeoff.shown(finals, hidden), "macs", "top1", y_better="high")
        fig = draw(finals, marks=tradeoff.Marks(front=front, hidden=hidden))
        drawn = {trace.legendgroup for trace in fig.data if trace.customdata is not None and trace.name != "baseline"}
        assert drawn == {"taylor", "random"} - hidden
        (line,) = named(fig, "Pareto front")
        assert list(line.y[:2]) == pytest.approx(list(100 * finals[finals["criterion"] == best]["top1"].iloc[2:0:-1]))
        assert {trace.visible for trace in named(fig, "Taylor") if trace.x[0] is None} == {
            "legendonly" if hidden else True
        }


def test_a_front_is_drawn_for_each_network_that_runs_began_with(frame: pd.DataFrame) -> None:
    both = pd.concat([frame, with_baseline(frame, "b", 0.8)])
    fig = draw(both, marks=tradeoff.Marks(front=frozenset(both[both["final"]]["id"])))
    (line,) = named(fig, "Pareto front")
    assert np.isnan(np.asarray(line.y, float)).sum() == 1, "and a gap between them"
    crowd = pd.concat([frame, *(with_baseline(frame, f"r{n}", 0.5 + n / 100) for n in range(lines.MOST_FRONTS))])
    assert not named(draw(crowd, marks=tradeoff.Marks(front=frozenset(crowd[crowd["final"]]["id"]))), "Pareto front")


def test_drop_against_compression_compares_each_point_with_its_own_baseline(frame: pd.DataFrame) -> None:
    x, y = axes.relative(X, Y)
    both = pd.concat([frame, with_baseline(frame, "b", 0.95)])
    fig = draw(both, x, y)
    (taylor,) = [t for t in fig.data if t.name == "Taylor, layers → channels" and t.marker.symbol == "circle"]
    assert list(taylor.x) == pytest.approx([1 / 0.6, 1 / 0.3] * 2)
    assert list(taylor.y) == pytest.approx([2.4, 4.2, 7.4, 9.2])
    assert dashed(fig) == [0] and [note.text for note in fig.layout.annotations] == ["baselines"]
    assert (y.title, fig.layout.xaxis.ticksuffix) == ("drop of top-1", "×")
    rise = axes.relative(X, axes.Y_AXES["loss"])[1]
    assert list(rise.values(frame)[frame["final"]].head(1)) == pytest.approx([0.024]) and rise.label == "Rise of loss"
    assert axes.relative(axes.X_AXES["latency"], Y)[0].label == "Speed-up in latency"


def test_both_axes_can_be_logarithmic_and_say_what_they_cannot_show(frame: pd.DataFrame) -> None:
    fig = draw(frame, log=True, log_y=True)
    assert (fig.layout.xaxis.type, fig.layout.yaxis.type) == ("log", "log")
    assert dashed(fig) == pytest.approx([90]) and fig.layout.annotations[0].y == pytest.approx(1.954, abs=1e-3)
    drop = draw(frame, *axes.relative(X, Y), log_y=True)
    assert "2 models at 0 or below are not drawn" in drop.layout.yaxis.title.text and not dashed(drop)


def test_shipped_runs_stand_back_as_soon_as_there_are_others(frame: pd.DataFrame) -> None:
    def colours(frame: pd.DataFrame) -> set[str]:
        marks = [
            trace.marker.color for trace in draw(frame).data if trace.legendgroup == "taylor" and trace.marker.size
        ]
        lines = [
            trace.line.color for trace in named(draw(frame), "Taylor") if trace.hoverinfo == "skip" and len(trace.x) > 1
        ]
        return {str(colour) for colour in marks + lines}

    full = colours(frame[frame["criterion"] == "taylor"])
    assert colours(frame.assign(gallery=True).query("criterion == 'taylor'")) == full, "alone they are drawn in full"
    shipped = frame["criterion"] == "taylor"
    beside_own = frame.assign(gallery=shipped)
    faint = theme.translucent(theme.CRITERION_COLOURS["taylor"], 0.22)
    assert not colours(beside_own) & full and faint in colours(beside_own)


def test_a_zoom_belongs_to_its_axes(frame: pd.DataFrame) -> None:
    views = {
        draw(frame, *pair, log=log).layout.uirevision for pair in ((X, Y), axes.relative(X, Y)) for log in (True, False)
    }
    assert len(views) == 4


def test_a_mean_over_seeds_counts_a_seed_that_is_repeated_once(results: Store) -> None:
    for seed in (0, 1, 2, 2):
        runs.finished(results, runs.spec(seed=seed, target={"keep": [0.6]}))
    finals = points.tidy(results.points()).query("final")
    (row,) = selection.mean_over_seeds(finals, "top1", KEYS).itertuples()
    assert row.n == 3 and row.mean == pytest.approx(0.874)
    assert row.half_width == pytest.approx(4.3027 * 0.002 / 3**0.5, rel=1e-3)
    assert text.mean_over_seeds(row.mean, row.half_width, row.n) == "87.4 ± 0.5 % over 3 seeds"
    two = selection.mean_over_seeds(finals[finals["seed"] < 2], "top1", KEYS).iloc[0]
    assert (
        pd.isna(two["half_width"]) and text.mean_over_seeds(two["mean"], two["half_width"], 2) == "87.5 % over 2 seeds"
    )
    assert curves(finals.head(0), "macs", "top1") == []


def test_the_accessible_name_says_what_half_the_cost_keeps(frame: pd.DataFrame) -> None:
    assert tradeoff.describe(frame, X, Y, None) == (
        "Top-1 against MACs for 10 models; at half the MACs of resnet20 on clutter the best has Top-1 85.8 %, "
        "−4.2 points from its baseline."
    )


def test_many_points_are_drawn_by_the_graphics_card(frame: pd.DataFrame) -> None:
    rows = pd.concat([frame[frame["final"]]] * 600)
    kinds = {
        type(trace)
        for trace in draw(rows.assign(id=[f"{n}" for n in range(len(rows))])).data
        if trace.customdata is not None
    }
    assert kinds == {go.Scattergl}
