import json
import math

import pandas as pd
import pytest

from app import points
from app.curves import curves
from engine.spec import RunSpec
from engine.store import Store
from tests.app import build


def spec(**changes: object) -> RunSpec:
    return RunSpec.model_validate({"target": {"keep": [0.6, 0.3]}} | changes)


@pytest.fixture
def frame(results: Store) -> pd.DataFrame:
    build.finished(results, spec(criterion="l1"))
    build.finished(results, spec(criterion="taylor"), loss=0.02)
    return points.with_latency(points.tidy(results.points()), points.timings(points.tidy(results.points()))[0])


def test_no_points_make_an_empty_table() -> None:
    assert points.tidy([]).empty


def test_every_point_stands_beside_its_runs_baseline(frame: pd.DataFrame) -> None:
    assert set(frame["base_top1"]) == {build.BASE_TOP1}
    assert set(frame["base_macs"]) == {build.BASE_MACS}
    assert set(frame["base_latency"]) == {1.2}
    assert (frame["flops"] == 2 * frame["macs"]).all()
    assert frame["id"].is_unique


def test_by_default_only_baselines_and_final_points_are_shown(frame: pd.DataFrame) -> None:
    assert set(points.of_kind(frame, before=False, steps=False)["stage"]) == {"baseline", "recovered"}
    with_before = points.of_kind(frame, before=True, steps=False)
    assert len(with_before) == len(frame) == 10


def test_a_point_between_phases_is_a_step_and_not_the_one_before_recovery(results: Store) -> None:
    run = build.finished(results, spec())
    run.append_point(build.point(9, "recovered", 0.6, 0.8, final=False, phase="layers"))
    run.append_point(build.point(10, "pruned", 0.6, 0.7, final=False, phase="layers"))
    frame = points.tidy(results.points())
    plain = points.of_kind(frame, before=False, steps=False)
    assert not set(plain["point"]) & {9, 10}
    assert set(points.of_kind(frame, before=False, steps=True)["point"]) - set(plain["point"]) == {9, 10}
    assert not set(points.of_kind(frame, before=True, steps=False)["point"]) & {9, 10}


def test_the_front_holds_what_nothing_beats(frame: pd.DataFrame) -> None:
    finals = points.of_kind(frame, before=False, steps=False)
    best = points.front(finals, "macs", "top1", y_better="high")
    kept = finals[finals["id"].isin(best)]
    assert set(kept[~kept["baseline"]]["criterion"]) == {"taylor"}


def test_models_on_other_images_do_not_beat_each_other(results: Store) -> None:
    build.finished(results, spec(data={"name": "clutter"}), loss=0.3)
    build.finished(results, spec(data={"name": "digits"}), loss=0.01)
    frame = points.tidy(results.points())
    kept = frame[frame["id"].isin(points.front(frame, "macs", "top1", y_better="high"))]
    assert set(kept["data"]) == {"clutter", "digits"}


def test_a_loss_on_the_y_axis_is_better_when_low(frame: pd.DataFrame) -> None:
    finals = points.of_kind(frame, before=False, steps=False)
    assert points.front(finals, "macs", "loss", y_better="low") == points.front(finals, "macs", "top1", y_better="high")


@pytest.mark.parametrize(
    ("at_most", "at_least", "expected"),
    [
        (0.7 * build.BASE_MACS, None, ("taylor", 0.6)),
        (0.4 * build.BASE_MACS, None, ("taylor", 0.3)),
        (None, 0.85, ("taylor", 0.3)),
        (0.7 * build.BASE_MACS, 0.8, ("taylor", 0.6)),
        (0.1 * build.BASE_MACS, None, None),
        (None, 0.99, None),
        (None, None, None),
    ],
)
def test_a_budget_finds_the_best_model_within_it(
    frame: pd.DataFrame, at_most: float | None, at_least: float | None, expected: tuple[str, float] | None
) -> None:
    finals = frame[frame["final"]]
    best = points.within_budget(finals, "macs", "top1", y_better="high", at_most=at_most, at_least=at_least)
    if expected is None:
        assert best is None
    else:
        row = finals.set_index("id").loc[best]
        assert (row["criterion"], row["keep"]) == expected


def test_only_the_settings_that_differ_are_named(frame: pd.DataFrame) -> None:
    assert points.differing(frame) == ["criterion"]


def test_the_hover_tells_settings_differences_and_conditions(frame: pd.DataFrame) -> None:
    text = frame[frame["final"]].iloc[0]["hover"]
    for part in (
        "L1 norm · 0.60× macs",
        "clutter",
        "seed 0",
        "points)",
        "(0.60×)",
        "CPU, 1 thread, batch 1, n = 200, p90",
    ):
        assert part in text


def test_a_latency_measured_otherwise_is_not_mixed_in(frame: pd.DataFrame) -> None:
    assert points.with_latency(frame, "another board")["latency"].isna().all()


def test_latencies_of_different_machines_are_parted(results: Store) -> None:
    fast = build.finished(results, spec(criterion="l1"), cpu="Intel(R) Xeon(R) CPU @ 2.00GHz")
    build.finished(results, spec(criterion="taylor"), loss=0.9, cpu="Cortex-A78AE")
    build.finished(results, spec(criterion="random"))
    frame = points.tidy(results.points())
    hosts = ["Cortex-A78AE", "Intel Xeon @ 2.00GHz", "unnamed host"]
    assert sorted(points.timings(frame)) == [f"{host}, CPU, 1 thread, batch 1" for host in hosts]
    timed = points.with_latency(frame, points.timings(frame.query("host == 'Cortex-A78AE'"))[0])
    assert set(timed.dropna(subset="latency")["criterion"]) == {"taylor"}
    assert set(timed[timed["id"].isin(points.front(timed, "latency", "top1", y_better="high"))]["criterion"]) == {
        "taylor"
    }
    row, measured = points.timed_row(timed, f"{fast.id}.2", "Cortex-A78AE, CPU, 1 thread, batch 1")
    assert row["latency"] == pytest.approx(0.8) and row["base_latency"] == pytest.approx(1.2)
    assert measured == "Intel Xeon @ 2.00GHz, CPU, 1 thread, batch 1, n = 200, p90 0.850 ms"


def test_a_run_from_before_a_setting_existed_has_its_default(results: Store) -> None:
    run = build.finished(results, spec())
    path = run.path / "spec.json"
    request = json.loads(path.read_text())
    del request["train"]["label_smoothing"], request["recover"]["reestimate_bn"]
    path.write_text(json.dumps(request))
    results.reindex()
    (summary,) = results.runs()
    assert (summary["state"], summary["label_smoothing"], summary["reestimate_bn"]) == ("done", 0.0, False)


def test_a_curve_has_a_band_only_from_three_seeds_on(results: Store) -> None:
    for seed in (0, 1):
        build.finished(results, spec(seed=seed))
    finals = points.tidy(results.points()).query("final")
    (two,) = curves(finals, "macs", "top1")
    assert two.low is None and two.high is None
    build.finished(results, spec(seed=2))
    (three,) = curves(points.tidy(results.points()).query("final"), "macs", "top1")
    assert three.low is not None and three.high is not None
    # Seeds differ by 0.002 a step: mean at seed 1, deviation 0.002, t(2) = 4.3027.
    assert math.isclose(three.high[0] - three.y[0], 4.3027 * 0.002 / math.sqrt(3), rel_tol=1e-3)
    assert list(three.x) == sorted(three.x)
