from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from app import points
from engine import spec as specs
from engine.errors import WorkError
from engine.store import Store
from tests.app import build
from tests.app.screen import app, captions, chart, drawn_points, errors, labels


def test_explore_without_runs_says_what_will_be_here_and_leads_there(results: Store) -> None:
    at = app()
    assert labels(at) == ["Prune a network"]
    assert not at.get("plotly_chart")


def test_the_first_visit_opens_on_the_gallery_with_a_button_to_try(results: Store, tmp_path: Path) -> None:
    run = build.finished(results, specs.parse({}))
    results.gallery.mkdir()
    run.path.rename(results.gallery / run.id)
    at = app()
    assert "Try your own" in labels(at)
    assert any(trace.get("name") == "Pareto front" for trace in chart(at)["data"])


def test_with_runs_of_ones_own_the_invitation_is_gone(results: Store) -> None:
    build.finished(results, specs.parse({}))
    assert "Try your own" not in labels(app())


def test_the_view_is_restored_from_the_link(results: Store) -> None:
    run = build.finished(results, specs.parse({"criterion": "l1"}))
    build.finished(results, specs.parse({"criterion": "taylor"}))
    at = app(criterion="L1 norm", x="Parameters", y="Validation top-1", log="true", point=f"{run.id}.4")
    drawn = chart(at)
    assert drawn["layout"]["xaxis"]["type"] == "log"
    assert drawn["layout"]["xaxis"]["title"]["text"] == "parameters"
    assert {t["name"] for t in drawn["data"] if t.get("customdata")} == {"baseline", "L1 norm, layers → channels"}
    assert at.metric[0].value == "87.6 %"
    assert [m.delta for m in at.metric] == ["−2.4 points", "0.60×", "0.67×", "0.60×"]


def test_the_link_holds_every_value_of_a_filter(results: Store) -> None:
    for criterion in ("l1", "taylor", "random"):
        build.finished(results, specs.parse({"criterion": criterion}))
    at = app(criterion=["L1 norm", "Taylor"], x="Parameters")
    link = next(code.value for code in at.code if "criterion=" in code.value)
    query = parse_qs(urlsplit(link).query)
    assert query["criterion"] == ["L1 norm", "Taylor"] and query["x"] == ["Parameters"]


def test_a_run_opens_in_explore_with_its_own_experiment_only(results: Store) -> None:
    run = build.finished(results, specs.parse({"criterion": "l1"}))
    build.finished(results, specs.parse({"criterion": "taylor"}))
    (row,) = (row for row in results.runs() if row["run_id"] == run.id)
    drawn = chart(app(exp=points.experiment(row)))
    assert {t["name"] for t in drawn["data"] if t.get("customdata")} == {"baseline", "L1 norm, layers → channels"}


def test_a_point_of_a_link_that_is_gone_leaves_the_card_empty(results: Store) -> None:
    build.finished(results, specs.parse({}))
    at = app(point="20260101-000000-00000000.3")
    assert not at.metric and "Click a point" in captions(at)


def test_on_a_first_visit_the_best_model_at_half_the_macs_is_on_the_card(results: Store) -> None:
    build.finished(results, specs.parse({"target": {"keep": [0.8, 0.5, 0.3]}}))
    assert app().metric[1].delta == "0.50×"


def test_the_card_offers_only_the_files_that_are_there(results: Store) -> None:
    run = build.finished(results, specs.parse({}))
    offered = [b.label for b in app(point=f"{run.id}.2").get("download_button")]
    assert {"ONNX", "Plan"} <= set(offered) and "Weights" not in offered
    at = app(point=f"{run.id}.0")
    assert not {"ONNX", "Plan", "Weights"} & {b.label for b in at.get("download_button")}
    assert "No files are kept for this point." in captions(at)


def test_the_card_says_how_its_latency_was_measured(results: Store) -> None:
    run = build.finished(results, specs.parse({}), cpu="Cortex-A78AE")
    metric = app(point=f"{run.id}.2").metric[2]
    assert metric.help == "Cortex-A78AE, CPU, 1 thread, batch 1, n = 200, p90 1.05 ms"


def test_a_budget_rings_the_best_model_and_offers_it(results: Store) -> None:
    build.finished(results, specs.parse({}))
    at = app(most_macs="25")
    assert "BN scale 0.60×, 87.6 %" in labels(at)
    assert any(trace.get("name") == "best" for trace in chart(at)["data"])
    at.number_input(key="most_macs").set_value(1.0).run()
    assert not any("BN scale" in label for label in labels(at))
    assert not at.exception


def test_every_axis_can_be_drawn(results: Store) -> None:
    build.finished(results, specs.parse({}))
    at = app()
    for key in ("x", "y"):
        for option in at.selectbox(key=key).options:
            at.selectbox(key=key).set_value(option).run()
            assert not at.exception
    assert chart(at)["data"]


def test_points_before_recovery_appear_when_asked_for(results: Store) -> None:
    build.finished(results, specs.parse({}))
    at = app()
    count = sum(len(t["customdata"]) for t in chart(at)["data"] if t.get("customdata"))
    at.toggle(key="before").set_value(True).run()
    assert sum(len(t["customdata"]) for t in chart(at)["data"] if t.get("customdata")) == count + 3


def test_steps_appear_when_asked_for_and_int8_goes_when_it_is_not(results: Store) -> None:
    asked = {"order": "layers", "depth": {"method": "direct"}, "int8": True, "target": {"keep": [0.8, 0.6]}}
    build.stepwise(results, specs.parse(asked), steps=3)
    at = app()
    counts = [drawn_points(at)]
    at.toggle(key="steps").set_value(True).run()
    counts.append(drawn_points(at))
    at.toggle(key="int8").set_value(False).run()
    counts.append(drawn_points(at))
    assert counts == [5, 9, 7] and not at.exception


def test_the_card_of_an_int8_point_says_what_it_is(results: Store) -> None:
    run = build.stepwise(results, specs.parse({"order": "layers", "depth": {"method": "direct"}, "int8": True}))
    at = app(point=f"{run.id}.3")
    assert any("INT8" in markdown.value for markdown in at.markdown)
    assert "direct layers" in captions(at)


def test_every_chart_and_table_has_an_accessible_name(results: Store) -> None:
    build.finished(results, specs.parse({}))
    build.underway(results, specs.parse({"criterion": "l1"}))
    for page in ("explore", "runs"):
        at = app(page)
        for element in (*at.get("plotly_chart"), *at.get("arrow_data_frame")):
            assert element.proto.alt.strip()


def test_a_results_folder_that_cannot_be_read_is_told_in_one_sentence(
    results: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Store) -> str:
        raise WorkError("the disk is on fire; put it out")

    monkeypatch.setattr(Store, "token", refuse)
    for page in ("explore", "launch", "runs"):
        assert errors(app(page)) == ["the disk is on fire; put it out"]
