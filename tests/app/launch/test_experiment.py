"""Lists of criteria, orders, methods and seeds: one experiment with a name, looked at and confirmed as one."""

from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.launch import plan as plans
from app.launch import request as forms
from app.launch.removal import Method, methods_of
from app.tables import points, speeds
from engine.jobs.queue import Queue
from engine.pipeline.duration.estimate import Speed
from engine.prune.forecast import forecast
from engine.spec.run import RunSpec
from engine.storage.store import Store
from tests.support.screen import app, captions, errors, small_summary

MEASURED = speeds.Measured(Speed(train=0.001, evaluate=0.0002, device="cpu", threads=2), {"train": 6000, "test": 1000})


def runs_of(**changes: Any) -> list[RunSpec]:
    fields = {"base": {}, "criteria": ("bn_scale",), "ensemble": False, "seeds": (0,)} | changes
    runs = forms.build(forms.Request(**fields))
    assert isinstance(runs, list), runs
    return runs


def plan_of(runs: list[RunSpec]) -> plans.Plan:
    summary = small_summary()
    shapes = plans.shapes_of(runs, lambda run: forecast(summary, run))
    return plans.Plan(tuple(runs), tuple(shapes), summary, trains=True)


def test_methods_count_where_their_phase_occurs() -> None:
    both = ("one-shot", "direct")
    assert methods_of(["layers", "channels"], both, ("progressive",)) == (
        Method("layers", "one-shot", "one-shot"),
        Method("layers", "direct", "one-shot"),
        Method("channels", "one-shot", "progressive"),
    )
    assert methods_of(["alternate"], both, ("progressive",)) == (Method("alternate", "one-shot", "one-shot"),)
    assert methods_of(["layers"], (), ("one-shot",)) == ()


def test_each_combination_is_a_run_with_the_settings_that_its_method_has(
    results: Store, submitted: list[Store]
) -> None:
    at = app("launch")
    at.multiselect(key="launch_order").set_value(["layers", "channels"]).run()
    at.segmented_control(key="launch_layers").set_value(["one-shot", "direct"]).run()
    at.segmented_control(key="launch_channels").set_value(["one-shot", "progressive"]).run()
    at.multiselect(key="launch_criteria").set_value(["l1", "taylor"]).run()
    at.multiselect(key="launch_measures").set_value(["loss"]).run()
    at.text_input(key="launch_floor").set_value("20").run()
    at.text_input(key="launch_fraction").set_value("0.2").run()
    at.text_input(key="launch_batches").set_value("3").run()
    assert not errors(at) and at.button(key="prune").label == "Prune, 7 runs"
    shown = at.selectbox(key="launch_shape")
    assert "shapes of networks" in shown.label and len(shown.options) < 7
    name = at.text_input(key="launch_experiment").placeholder
    assert name == "resnet20 on clutter: 3 criteria × 2 orders × 3 methods"
    at.button(key="prune").click().run()
    assert not at.exception and len(results.runs()) == 7
    for row in results.runs():
        spec = results.run(row["run_id"]).spec()
        assert row["experiment"] == name == points.experiment(row)
        iterates = any(map(spec.iterates, spec.phases()))
        assert spec.depth.floor == (0.2 if spec.depth.method == "direct" else None)
        assert spec.width.attempt_fraction == (0.2 if spec.width.method == "progressive" else 0.1)
        assert spec.recover.between_steps_batches == (3 if iterates else 0)
    at.switch_page("../pages/launch.py").run()
    assert at.text_input(key="launch_experiment").placeholder == f"{name} (2)", "another experiment"


def test_a_name_that_was_typed_is_kept_and_one_that_is_none_is_refused(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    at.text_input(key="launch_experiment").set_value("x" * 101).run()
    assert at.button(key="refused").disabled and "An experiment's name is one line" in captions(at)
    at.text_input(key="launch_experiment").set_value("My *first* one").run()
    assert "--experiment 'My *first* one'" in at.code[0].value
    at.button(key="prune").click().run()
    (row,) = results.runs()
    assert row["experiment"] == "My *first* one"
    run = results.run(row["run_id"])
    run.end("cancelled", "x")
    Queue(results).resume(run.id)
    assert run.status().experiment == "My *first* one", "a resumed run stays a part of it"


def confirm(at: AppTest, label: str) -> AppTest:
    return next(button for button in at.button if button.label == label).click().run()


def test_a_launch_of_many_runs_is_asked_about_first(
    results: Store, submitted: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speeds, "look", lambda *_, **__: speeds.Look(MEASURED))
    at = app("launch")
    at.multiselect(key="launch_seeds").set_value([str(seed) for seed in range(21)]).run()
    assert "by a short measurement of its speed" in captions(at), "at the first visit, too"
    at.button(key="prune").click().run()
    assert results.runs() == []
    assert any(text.value.startswith("21 runs as **resnet20 on clutter") for text in at.markdown)
    confirm(at, "Not now")
    assert results.runs() == []
    at.button(key="prune").click().run()
    at.button(key="confirmed").click().run()
    assert not at.exception and len(results.runs()) == 21 and len(submitted) == 1
    assert [title.value for title in at.title] == ["Runs"]


def test_more_runs_than_an_experiment_may_have_are_refused() -> None:
    seeds = tuple(range(forms.MOST_RUNS + 1))
    refused = forms.build(forms.Request({}, ("l1",), False, seeds))
    assert isinstance(refused, forms.Refusal) and "501 runs" in refused.sentence


def test_a_shape_is_one_of_all_criteria_and_seeds_that_cut_alike() -> None:
    runs = runs_of(criteria=("l1", "taylor", "obs"), seeds=(0, 1, 2))
    shapes = plan_of(runs).shapes
    assert sum(len(shape.runs) for shape in shapes) == 9
    assert len(shapes) < 3 and all(len(shape.runs) % 3 == 0 for shape in shapes)
    methods = ({"order": "layers"}, {"order": "channels"})
    assert [shape.label for shape in plan_of(runs_of(methods=methods)).shapes] == ["layers", "channels"]


def test_a_baseline_that_runs_share_is_counted_once_and_seeds_have_their_own() -> None:
    one = plans.time_by_speed(plan_of(runs_of()), MEASURED).seconds
    training = 20 * (5400 * 0.001 + 600 * 0.0002)
    criteria = plans.time_by_speed(plan_of(runs_of(criteria=("l1", "random"))), MEASURED).seconds
    assert criteria == pytest.approx(2 * one - training)
    assert plans.time_by_speed(plan_of(runs_of(seeds=(0, 1))), MEASURED).seconds == pytest.approx(2 * one)
    loaded = replace(plan_of(runs_of()), trains=False)
    assert plans.time_by_speed(loaded, MEASURED).seconds == pytest.approx(one - training)


def test_a_long_launch_is_confirmed_and_a_short_one_is_not() -> None:
    few = plan_of(runs_of(seeds=(0, 1)))
    assert not plans.asks_first(few, None) and not plans.asks_first(few, plans.Time(3600.0, ""))
    assert plans.asks_first(few, plans.Time(3601.0, ""))
