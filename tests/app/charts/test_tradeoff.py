import pandas as pd
import pytest

from app import format, text, theme
from app.charts import axes, host_vs_board, learning_curves, tradeoff
from app.tables import board_columns, points, selection
from engine.spec.catalog import CRITERIA
from engine.spec.run import ORDERS, RunSpec
from engine.storage.store import Store
from tests.support import runs

X, Y = axes.X_AXES["macs"], axes.Y_AXES["top1"]
RINGS = ("best", "selected")


@pytest.fixture
def frame(results: Store) -> pd.DataFrame:
    for seed in (0, 1, 2):
        runs.finished(results, RunSpec.model_validate({"seed": seed, "criterion": "taylor"}))
    runs.finished(results, RunSpec.model_validate({"criterion": "l1", "order": "channels-layers"}))
    return points.tidy(results.points())


def traces(fig: object, **properties: object) -> list[object]:
    return [t for t in fig.data if all(t[key] == value for key, value in properties.items())]  # type: ignore[attr-defined]


def drawn(fig: object, **properties: object) -> list[object]:
    """The traces without the legend's keys."""
    return [t for t in traces(fig, **properties) if t.x[0] is not None]  # type: ignore[attr-defined]


def draw(frame: pd.DataFrame, **more: object) -> object:
    return tradeoff.figure(frame, X, Y, ink=theme.LIGHT, **more).checked()  # type: ignore[arg-type]


def test_every_criterion_and_order_has_its_own_look() -> None:
    assert set(theme.CRITERION_COLOURS) == set(CRITERIA)
    assert len(set(theme.CRITERION_COLOURS.values())) == len(CRITERIA)
    assert set(theme.ORDER_SYMBOLS) == set(text.ORDER_LABELS) == set(ORDERS)


def test_an_ensemble_mixes_its_members_colours() -> None:
    assert theme.criterion_colour("l1") == theme.CRITERION_COLOURS["l1"]
    assert theme.criterion_colour("l1+bn_scale") not in theme.CRITERION_COLOURS.values()
    assert theme.criterion_colour("l1+bn_scale") == theme.criterion_colour("bn_scale+l1")


def test_points_are_coloured_by_criterion_and_shaped_by_order(frame: pd.DataFrame) -> None:
    fig = draw(selection.select(frame, before=True, steps=False))
    groups = traces(fig, name="L1 norm, channels → layers")
    assert {group.marker.color for group in groups} == {theme.CRITERION_COLOURS["l1"]}
    assert {group.marker.symbol for group in groups} == {"diamond", "diamond-open"}


def test_points_before_recovery_are_hollow(frame: pd.DataFrame) -> None:
    rows = selection.select(frame, before=True, steps=False)
    stages = rows.set_index("id")["stage"]
    for group in traces(draw(rows), name="L1 norm, channels → layers"):
        for point in group.customdata:
            assert group.marker.symbol.endswith("-open") == (stages[point] == "pruned")


def test_what_hollow_means_is_in_the_legend_where_it_is_shown(frame: pd.DataFrame) -> None:
    for before in (False, True):
        fig = draw(selection.select(frame, before=before, steps=False))
        assert len(traces(fig, name="before recovery")) == int(before)


def test_points_off_the_front_fade(frame: pd.DataFrame) -> None:
    rows = selection.select(frame, before=False, steps=False)
    front = selection.front(rows, "macs", "top1", y_better="high")
    fig = draw(rows, marks=tradeoff.Marks(front=front))
    for group in traces(fig, mode="markers"):
        if group.customdata is not None and group.name != "baseline":
            (_, faded), (_, full) = group.marker.colorscale
            assert (
                faded == theme.translucent(full, tradeoff.FADED) and full == theme.CRITERION_COLOURS[group.legendgroup]
            )
            for colour, point in zip(group.marker.color, group.customdata, strict=True):
                assert colour == (1 if point in front else 0)
    (step,) = traces(fig, name="Pareto front")
    assert step.line.shape == "hv" and len(step.x) == len(front)


def test_seeds_are_averaged_into_one_line_with_a_band_from_three_on(frame: pd.DataFrame) -> None:
    fig = draw(selection.select(frame, before=False, steps=False))
    lines = [t for t in drawn(fig, mode="lines", fill=None) if t.name in ("Taylor", "L1 norm")]  # type: ignore[attr-defined]
    assert [(line.name, len(line.x)) for line in lines] == [("Taylor", 3), ("L1 norm", 3)]
    (band,) = traces(fig, fill="toself")
    assert band.legendgroup == "taylor" and len(band.x) == 2 * 3  # type: ignore[attr-defined]


def test_experiments_of_one_criterion_share_a_trace_with_a_gap_between(results: Store) -> None:
    for order in ("layers-channels", "channels-layers"):
        runs.finished(results, RunSpec.model_validate({"order": order}))
    (line,) = drawn(draw(points.tidy(results.points())), mode="lines", name="BN scale")
    assert list(pd.isna(line.x)) == [False] * 3 + [True] + [False] * 3  # type: ignore[attr-defined]


def test_steps_are_small_and_joined_and_int8_is_a_cross(results: Store) -> None:
    request = {"order": "layers", "depth": {"method": "direct"}, "criterion": "accuracy", "int8": True}
    runs.stepwise(results, RunSpec.model_validate(request | {"target": {"keep": [0.6, 0.3]}}), steps=2)
    fig = draw(selection.select(points.tidy(results.points()), before=False, steps=True))
    (line,) = traces(fig, name="Exact accuracy, steps")
    assert len(line.x) == 4 and list(line.x) == sorted(line.x)  # type: ignore[attr-defined]
    groups = traces(fig, name="Exact accuracy, layers")
    looks = {(group.marker.symbol, group.marker.size): len(group.x) for group in groups}  # type: ignore[attr-defined]
    assert looks == {("cross", 10): 2, ("square", 10): 2, ("square", 6): 2}
    assert traces(fig, name="INT8")


def test_the_way_of_a_run_names_the_methods_that_take_steps() -> None:
    assert text.method_label("layers-channels", "one-shot", "one-shot") == "layers → channels"
    assert text.method_label("layers-channels", "direct", "progressive") == "direct layers → progressive channels"
    assert text.method_label("alternate", "one-shot", "one-shot") == "alternate"


def test_one_dashed_baseline_a_network(frame: pd.DataFrame) -> None:
    fig = draw(frame)
    dashed = [shape for shape in fig.layout.shapes if shape.line.dash == "dash"]  # type: ignore[attr-defined]
    assert [shape.y0 for shape in dashed] == [pytest.approx(100 * runs.BASE_TOP1)]


def test_no_name_of_a_baseline_covers_another_however_close_they_are(frame: pd.DataFrame) -> None:
    others = [
        frame.assign(model=name, run_id=name + frame["run_id"].astype(str), id=name + frame["id"].astype(str))
        for name in ("vgg16", "lenet")
    ]
    both = pd.concat([frame, *others])
    names = draw(both).layout.annotations  # type: ignore[attr-defined]
    assert len(names) == len({(name.xanchor, name.yanchor) for name in names}) == 3


def test_shares_are_drawn_in_per_cent_and_the_log_axis_is_one(frame: pd.DataFrame) -> None:
    fig = draw(frame, log=True)
    assert fig.layout.xaxis.type == "log"  # type: ignore[attr-defined]
    assert fig.layout.xaxis.nticks == 3, "more numbers touch each other"  # type: ignore[attr-defined]
    assert max(max(t.y) for t in fig.data if t.name == "baseline") == pytest.approx(90)  # type: ignore[attr-defined]


def test_the_selected_and_the_best_point_are_ringed(frame: pd.DataFrame) -> None:
    final = frame[frame["final"]].iloc[0]
    best, selected = (traces(draw(frame, marks=tradeoff.Marks(best=final["id"])), name=name) for name in RINGS)
    assert list(best[0].x) == [final["macs"]] and best[0].marker.symbol != selected[0].marker.symbol  # type: ignore[attr-defined]
    assert selected[0].meta == tradeoff.RING and list(selected[0].x) == [None], "the page sets it, without a new figure"  # type: ignore[attr-defined]
    (place,) = tradeoff.positions(frame, {final["id"], "gone"}, X, Y)
    assert place == pytest.approx((final["macs"], 100 * final["top1"]))


def test_a_chart_without_points_is_empty_and_not_an_error(frame: pd.DataFrame) -> None:
    assert not traces(draw(frame[frame["id"] == ""]), mode="lines")


def test_the_alternative_text_names_the_best_model(frame: pd.DataFrame) -> None:
    best = frame[frame["final"]]["id"].iloc[0]
    sentence = tradeoff.describe(frame, X, Y, best)
    assert sentence.startswith("Top-1 against MACs for") and "Taylor, layers → channels" in sentence


def test_learning_curves_have_a_line_where_a_stage_begins() -> None:
    epochs = [runs.epoch(1, 2), runs.epoch(2, 2), runs.epoch(1, 1, stage="recover", keep=0.5)]
    fig = learning_curves.figure(epochs, "accuracy", ink=theme.LIGHT)
    assert [shape.x0 for shape in fig.layout.shapes] == [2.5]
    assert fig.data[1].y[0] == pytest.approx(10)
    assert fig.layout.xaxis.dtick == 1, "no epoch is named twice"  # type: ignore[attr-defined]
    assert "3 epochs" in learning_curves.describe(epochs, "loss")


@pytest.fixture
def on_tx2(results: Store) -> tuple[pd.DataFrame, board_columns.BoardConditions]:
    """A baseline and two pruned points on a device: 8, 9 and 10 times as slow as on the host."""
    run = runs.finished(results, RunSpec.model_validate({"criterion": "l1", "target": {"keep": [0.6, 0.3]}}))
    for point, slower in ((0, 8.0), (2, 9.0), (4, 10.0)):
        runs.on_board(run, point, slower=slower)
    frame = points.tidy(results.points())
    board = board_columns.conditions(frame, "tx2")[0]
    return board_columns.with_board(points.with_latency(frame, points.host_conditions(frame)[0]), board), board


def test_host_and_device_are_compared_along_the_line_of_the_median_ratio(
    on_tx2: tuple[pd.DataFrame, board_columns.BoardConditions],
) -> None:
    fig = host_vs_board.figure(*on_tx2, "CPU", ink=theme.LIGHT)
    (line,) = drawn(fig, mode="lines")
    assert line.line.dash == "dash" and line.y[1] / line.x[1] == pytest.approx(9.0) and line.x[0] == line.y[0] == 0
    (group,) = traces(fig, name="L1 norm, layers → channels")
    assert group.marker.color == theme.CRITERION_COLOURS["l1"] and set(group.marker.symbol) == {"circle"}  # type: ignore[attr-defined]
    assert list(group.y) == pytest.approx([7.2, 5.0])  # type: ignore[attr-defined]
    (base,) = traces(fig, name="not pruned")
    assert list(base.x) == pytest.approx([1.2]) and list(base.y) == pytest.approx([9.6])  # type: ignore[attr-defined]


def test_the_comparison_says_its_point_in_words(on_tx2: tuple[pd.DataFrame, board_columns.BoardConditions]) -> None:
    frame, board = on_tx2
    sentence = "Latency on tx2 against latency on the host for 3 models: it takes 9 times as long, from 8 to 10."
    assert host_vs_board.describe(frame, board) == sentence
    assert (
        host_vs_board.describe(frame[frame["point"] == 1], board) == "No model was timed both on tx2 and on the host."
    )
    assert not host_vs_board.figure(frame[frame["point"] == 1], board, "CPU", ink=theme.DARK).data


def test_a_row_for_each_timing_with_what_differs(on_tx2: tuple[pd.DataFrame, board_columns.BoardConditions]) -> None:
    rows = host_vs_board.rows(on_tx2[0])
    assert list(rows["model"]) == ["L1 norm 0.30×, layers → channels", "L1 norm 0.60×, layers → channels", "Not pruned"]
    assert list(rows["p50"] / rows["host"]) == pytest.approx([10, 9, 8])
    assert not {"network", "data", "seed"} & set(rows)
    assert host_vs_board.rows(on_tx2[0].head(0)).empty


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (20_300_000, "20.3 M"),
        (999_999, "1.00 M"),
        (999_700, "1.00 M"),
        (9_996, "10.0 k"),
        (10, "10"),
        (0, "0"),
        (0.351, "0.351"),
        (99.96, "100"),
        (272_474, "272 k"),
        (512, "512"),
        (None, "–"),
    ],
)
def test_numbers_have_three_figures_and_a_prefix(value: float | None, label: str) -> None:
    assert format.si(value) == label


def test_a_point_at_chance_is_red_and_neither_a_baseline_nor_on_the_front(results: Store) -> None:
    run = runs.finished(results, RunSpec.model_validate({"target": {"keep": [0.5]}}))
    weak = results.create(RunSpec.model_validate({"seed": 1}))
    for number, (stage, top1) in enumerate((("baseline", 0.11), ("recovered", 0.99))):
        counts = {"correct": round(200 * min(top1, 0.12)), "total": 200, "chance": 0.1}
        weak.append_point(runs.point(number, stage, 1 - 0.9 * number, top1, **counts))
    frame = points.tidy(results.points())
    assert list(frame[frame["at_chance"]]["run_id"]) == [weak.id] * 2
    fig = draw(frame)
    (red,) = [t for t in traces(fig, name="no better than chance") if t.customdata is not None]  # type: ignore[attr-defined]
    assert red.marker.color == theme.ALARM and red.marker.symbol == theme.CHANCE_SYMBOL and len(red.x) == 2
    (sound,) = traces(fig, name="baseline")
    assert list(sound.customdata) == [f"{run.id}.0"]  # type: ignore[attr-defined]
    front = selection.front(frame, "macs", "top1", y_better="high")
    assert front and not any(point.startswith(weak.id) for point in front)
    assert "2 of them no better than chance" in tradeoff.describe(frame, X, Y, None)
    assert selection.best_within_budget(frame, "macs", "top1", y_better="high", at_most=5e6, at_least=None) is None
