"""What may be compared with what, what nothing beats, what fits a budget, in which settings rows differ."""

import numpy as np
import pandas as pd
import pytest

from app.tables import points, selection
from engine.storage.store import Store
from tests.support import runs
from tests.support.runs import spec


def tidy(results: Store) -> pd.DataFrame:
    frame = points.tidy(results.points())
    return points.with_latency(frame, points.host_conditions(frame)[0])


@pytest.fixture
def frame(results: Store) -> pd.DataFrame:
    runs.finished(results, spec(criterion="l1"))
    runs.finished(results, spec(criterion="taylor"), loss=0.02)
    return tidy(results)


def with_baseline(results: Store, top1: float, *, keep_top1: float, **more: object) -> str:
    """A run of a network that has `top1` before it is pruned and `keep_top1` with 0.6 of its MACs; its id."""
    run = results.create(spec(**more))
    run.append_point(runs.point(0, "baseline", 1.0, top1))
    run.append_point(runs.point(1, "recovered", 0.6, keep_top1))
    run.update(state="done", progress=1.0, message="done")
    return run.id


def test_the_front_holds_what_nothing_beats(frame: pd.DataFrame) -> None:
    finals = selection.select(frame, before=False, steps=False)
    kept = finals[finals["id"].isin(selection.front(finals, "macs", "top1", y_better="high"))]
    assert set(kept[~kept["baseline"]]["criterion"]) == {"taylor"}


def test_a_loss_on_the_y_axis_is_better_when_low(frame: pd.DataFrame) -> None:
    finals = selection.select(frame, before=False, steps=False)
    by_loss = selection.front(finals, "macs", "loss", y_better="low")
    assert by_loss == selection.front(finals, "macs", "top1", y_better="high")


def test_models_on_other_images_do_not_beat_each_other(results: Store) -> None:
    runs.finished(results, spec(data={"name": "clutter"}), loss=0.3)
    runs.finished(results, spec(data={"name": "digits"}), loss=0.01)
    runs.finished(results, spec(data={"name": "clutter", "limit": 300}), loss=0.2)
    frame = tidy(results)
    kept = frame[frame["id"].isin(selection.front(frame, "macs", "top1", y_better="high"))]
    assert set(zip(kept["data"], kept["limit"].fillna(0), strict=True)) == {
        ("clutter", 0),
        ("digits", 0),
        ("clutter", 300),
    }


def test_networks_of_other_baselines_do_not_beat_each_other(results: Store) -> None:
    good = with_baseline(results, 0.97, keep_top1=0.95, criterion="l1")
    poor = [with_baseline(results, 0.09 + n / 100, keep_top1=0.08, seed=n, criterion="fpgm") for n in range(3)]
    frame = tidy(results)
    assert selection.baseline_key(frame).nunique() == 4
    kept = frame[frame["id"].isin(selection.front(frame, "macs", "top1", y_better="high"))]
    assert set(kept["run_id"]) == {good, *poor}
    own = selection.comparable(frame, f"{poor[0]}.1")
    assert set(own["run_id"]) == {poor[0]}
    best = selection.best_within_budget(own, "macs", "top1", y_better="high", at_most=3e7, at_least=None)
    assert best == f"{poor[0]}.1"


def test_runs_that_prune_the_same_network_are_compared_and_a_run_without_baseline_is_not(results: Store) -> None:
    first, second = (runs.finished(results, spec(criterion=name)).id for name in ("l1", "fpgm"))
    lone = results.create(spec(criterion="taylor"))
    lone.append_point(runs.point(1, "recovered", 0.6, 0.99))
    frame = tidy(results)
    key = dict(zip(frame["run_id"], selection.baseline_key(frame), strict=True))
    assert key[first] == key[second] != key[lone.id]
    assert lone.id not in set(selection.comparable(frame, None)["run_id"])


def test_the_front_of_many_baselines_is_that_of_each_by_itself() -> None:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": [str(n) for n in range(300)],
            "at_chance": False,
            "data": "clutter",
            "limit": None,
            "image_size": None,
            "model": "resnet20",
            "run_id": "a",
            "base_macs": draw.integers(1, 8, 300).astype(float),
            **dict.fromkeys(("base_top1", "base_val_top1", "base_loss", "base_params"), 1.0),
            "x": np.where(draw.random(300) < 0.05, np.nan, draw.integers(0, 12, 300)),
            "y": draw.integers(0, 12, 300).astype(float),
        }
    )
    together = selection.front(frame, "x", "y", y_better="high")
    parts = [selection.front(part, "x", "y", y_better="high") for _, part in frame.groupby("base_macs")]
    assert together == frozenset().union(*parts)


@pytest.mark.parametrize(
    ("at_most", "at_least", "also", "expected"),
    [
        (0.7 * runs.BASE_MACS, None, {}, ("taylor", 0.6)),
        (0.4 * runs.BASE_MACS, None, {}, ("taylor", 0.3)),
        (None, 0.85, {}, ("taylor", 0.3)),
        (0.7 * runs.BASE_MACS, 0.8, {}, ("taylor", 0.6)),
        (0.1 * runs.BASE_MACS, None, {}, None),
        (None, 0.99, {}, None),
        (None, None, {}, None),
        (0.7 * runs.BASE_MACS, None, {"latency": 0.6}, ("taylor", 0.3)),
        (None, 0.85, {"latency": 0.9, "bytes": 1e6}, ("taylor", 0.6)),
        (0.7 * runs.BASE_MACS, None, {"bytes": 1e5}, None),
    ],
)
def test_a_budget_finds_the_best_model_within_it(
    frame: pd.DataFrame,
    at_most: float | None,
    at_least: float | None,
    also: dict[str, float],
    expected: tuple[str, float] | None,
) -> None:
    finals = frame[frame["final"]]
    best = selection.best_within_budget(
        finals, "macs", "top1", y_better="high", at_most=at_most, at_least=at_least, also=also
    )
    row = None if best is None else finals.set_index("id").loc[best]
    assert (None if row is None else (row["criterion"], row["keep"])) == expected


def test_only_the_settings_that_differ_are_named_and_set_against_empty_is_a_difference(results: Store) -> None:
    for limit in (None, 300):
        runs.finished(results, spec(data={"name": "clutter", "limit": limit}))
    frame = tidy(results)
    assert frame["limit"].isna().any() and frame["limit"].notna().any()
    assert selection.differing_settings(frame) == ["limit"]
    assert selection.differing_settings(pd.DataFrame(results.runs())) == ["limit"]


@pytest.mark.parametrize(
    ("values", "differ"),
    [
        ([None, 300.0], True),
        ([float("nan"), 300.0], True),
        ([None, float("nan"), ""], False),
        ([[], None], False),
        ([["conv1"], []], True),
        ([["conv1"], ["conv1"]], False),
        ([0.0, None], True),
        ([False, None], True),
        ([1, 1], False),
    ],
)
def test_a_value_and_none_differ_and_two_kinds_of_none_do_not(values: list[object], differ: bool) -> None:
    frame = pd.DataFrame({"limit": pd.Series(values, dtype=object), "other": range(len(values))})
    assert selection.differing_settings(frame) == (["limit"] if differ else [])


def test_the_mean_over_seeds_counts_each_seed_of_a_target_once(results: Store) -> None:
    for seed in (0, 1, 2, 2):
        runs.finished(results, spec(criterion="l1", seed=seed))
    runs.finished(results, spec(criterion="fpgm"))
    frame = tidy(results)
    table = frame.join(selection.over_seeds(frame, "top1"))
    several = table[(table["criterion"] == "l1") & table["final"] & (table["keep"] == 0.6)]
    # Seeds differ by 0.002 a step: deviation 0.002, t(2) = 4.3027.
    assert set(several["n"]) == {3} and several["mean"].iloc[0] == pytest.approx(0.876 - 0.002)
    assert several["half_width"].iloc[0] == pytest.approx(4.3027 * 0.002 / 3**0.5, rel=1e-3)
    one = table[table["criterion"] == "fpgm"]
    assert set(one["n"]) == {1} and one["half_width"].isna().all()


def test_rows_are_alike_where_all_columns_are_missing_values_too() -> None:
    draw = np.random.default_rng(0)
    words = pd.Series(draw.choice(["a", "b", "c"], 200)).astype("category")
    numbers = pd.Series(draw.choice([0.5, 1.0, np.nan], 200))
    flags, many = pd.Series(draw.random(200) < 0.5), pd.Series(draw.integers(0, 50, 200))
    columns = [words.where(words != "c"), numbers, flags, many]
    together = pd.concat(columns, axis=1, keys=range(4))
    expected = together.groupby(list(together), dropna=False, sort=False, observed=True).ngroup()
    assert selection.alike(*columns).tolist() == expected.tolist()
    assert not len(selection.alike(*(column.head(0) for column in columns)))
