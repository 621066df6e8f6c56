from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.runs import details
from app.tables import points
from app.tables import store as tables
from engine.errors import WorkError
from engine.spec import run as specs
from engine.storage.store import Store
from tests.support import runs
from tests.support.screen import app, captions, chart, errors, labels, point_count


def test_explore_without_runs_says_what_will_be_here_and_leads_there(results: Store) -> None:
    at = app()
    assert labels(at) == ["Prune a network"]
    assert not at.get("plotly_chart")


def test_the_first_visit_opens_on_the_gallery_with_a_button_to_try(results: Store, tmp_path: Path) -> None:
    run = runs.finished(results, specs.parse({}))
    results.gallery.mkdir()
    run.path.rename(results.gallery / run.id)
    at = app()
    assert "Try your own" in labels(at)
    assert any(trace.get("name") == "Pareto front" for trace in chart(at)["data"])


def test_with_runs_of_ones_own_the_invitation_is_gone_and_news_has_its_place_before_there_is_any(
    results: Store,
) -> None:
    runs.finished(results, specs.parse({}))
    runs.underway(results, specs.parse({"criterion": "taylor"}))
    at = app()
    assert "Try your own" not in labels(at)
    assert next(button for button in at.button if button.label == "No new results yet").disabled


def test_the_view_is_restored_from_the_link(results: Store) -> None:
    run = runs.finished(results, specs.parse({"criterion": "l1"}))
    runs.finished(results, specs.parse({"criterion": "taylor"}))
    at = app(criterion="L1 norm", x="Parameters", y="Validation top-1", log="true", point=f"{run.id}.4")
    figure = chart(at)
    assert figure["layout"]["xaxis"]["type"] == "log"
    assert figure["layout"]["xaxis"]["title"]["text"] == "parameters"
    assert {t["name"] for t in figure["data"] if t.get("customdata")} == {"baseline", "L1 norm, layers → channels"}
    assert at.metric[0].value == "87.6 %"
    assert [m.delta for m in at.metric] == ["−2.4 points", "0.60×", "0.67×", "0.60×"]


def test_the_link_holds_every_value_of_a_filter(results: Store) -> None:
    for criterion in ("l1", "taylor", "random"):
        runs.finished(results, specs.parse({"criterion": criterion}))
    at = app(criterion=["L1 norm", "Taylor"], x="Parameters")
    link = next(code.value for code in at.code if "criterion=" in code.value)
    query = parse_qs(urlsplit(link).query)
    assert query["criterion"] == ["L1 norm", "Taylor"] and query["x"] == ["Parameters"]


def test_a_run_opens_in_explore_with_its_own_experiment_only(results: Store) -> None:
    run = runs.finished(results, specs.parse({"criterion": "l1"}))
    runs.finished(results, specs.parse({"criterion": "taylor"}))
    (row,) = (row for row in results.runs() if row["run_id"] == run.id)
    figure = chart(app(exp=points.experiment(row)))
    assert {t["name"] for t in figure["data"] if t.get("customdata")} == {"baseline", "L1 norm, layers → channels"}


def test_a_point_of_a_link_that_is_gone_leaves_the_card_empty(results: Store) -> None:
    runs.finished(results, specs.parse({}))
    at = app(point="20260101-000000-00000000.3")
    assert not at.metric and "Click a point" in captions(at)


def test_on_a_first_visit_the_best_model_at_half_the_macs_is_on_the_card(results: Store) -> None:
    runs.finished(results, specs.parse({"target": {"keep": [0.8, 0.5, 0.3]}}))
    assert app().metric[1].delta == "0.50×"


def test_the_card_offers_only_the_files_that_are_there(results: Store) -> None:
    run = runs.finished(results, specs.parse({}))
    buttons = [b.label for b in app(point=f"{run.id}.2").get("download_button")]
    assert {"ONNX", "Plan"} <= set(buttons) and "Weights" not in buttons
    at = app(point=f"{run.id}.0")
    assert not {"ONNX", "Plan", "Weights"} & {b.label for b in at.get("download_button")}
    assert "No files are kept for this point." in captions(at)


def test_the_card_says_how_its_latency_was_measured(results: Store) -> None:
    run = runs.finished(results, specs.parse({}), cpu="Cortex-A78AE")
    metric = app(point=f"{run.id}.2").metric[2]
    assert metric.help == "Cortex-A78AE, CPU, 1 thread, batch 1, n = 200, p90 1.05 ms"


def test_a_budget_rings_the_best_model_and_offers_it(results: Store) -> None:
    runs.finished(results, specs.parse({}))
    at = app(most_macs="25")
    assert "BN scale 0.60×, 87.6 %" in labels(at)
    assert any(trace.get("name") == "best" for trace in chart(at)["data"])
    at.slider(key="most_macs").set_value(1.0).run()
    assert not any("BN scale" in label for label in labels(at))
    assert not at.exception


def test_every_axis_can_be_drawn(results: Store) -> None:
    runs.finished(results, specs.parse({}))
    at = app()
    for key in ("x", "y"):
        for option in at.selectbox(key=key).options:
            at.selectbox(key=key).set_value(option).run()
            assert not at.exception
    assert chart(at)["data"]


def test_points_before_recovery_appear_when_asked_for(results: Store) -> None:
    runs.finished(results, specs.parse({}))
    at = app()
    count = sum(len(t["customdata"]) for t in chart(at)["data"] if t.get("customdata"))
    at.toggle(key="before").set_value(True).run()
    assert sum(len(t["customdata"]) for t in chart(at)["data"] if t.get("customdata")) == count + 3


def test_steps_appear_when_asked_for_and_int8_goes_when_it_is_not(results: Store) -> None:
    request = {"order": "layers", "depth": {"method": "direct"}, "int8": True, "target": {"keep": [0.8, 0.6]}}
    runs.stepwise(results, specs.parse(request), steps=3)
    at = app()
    counts = [point_count(at)]
    at.toggle(key="steps").set_value(True).run()
    counts.append(point_count(at))
    at.toggle(key="int8").set_value(False).run()
    counts.append(point_count(at))
    assert counts == [5, 9, 7] and not at.exception


def test_the_card_of_an_int8_point_says_what_it_is(results: Store) -> None:
    run = runs.stepwise(results, specs.parse({"order": "layers", "depth": {"method": "direct"}, "int8": True}))
    at = app(point=f"{run.id}.3")
    assert any("INT8" in md.value for md in at.markdown)
    assert "direct layers" in captions(at)


def test_every_chart_and_table_has_an_accessible_name(results: Store) -> None:
    runs.finished(results, specs.parse({}))
    runs.underway(results, specs.parse({"criterion": "l1"}))
    runs.on_board(runs.finished(results, runs.spec()), 0, 2)
    for page in ("explore", "runs", "devices"):
        at = app(page)
        for element in (*at.get("plotly_chart"), *at.get("arrow_data_frame")):
            assert element.proto.alt.strip()


def test_a_results_folder_that_cannot_be_read_is_told_in_one_sentence(
    results: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Store) -> str:
        raise WorkError("the disk is on fire; put it out")

    monkeypatch.setattr(Store, "token", refuse)
    for page in ("explore", "launch", "runs", "devices"):
        assert errors(app(page)) == ["the disk is on fire; put it out"]


def test_a_slower_point_says_so_beside_its_latency_and_names_the_flag(results: Store) -> None:
    run = results.create(specs.parse({}))
    for number, (stage, keep, p50_ms) in enumerate((("baseline", 1.0, 0.32), ("recovered", 0.45, 0.51))):
        entry = {"provider": "CPUExecutionProvider", "threads": 1, "batch": 1, "n": 200, "p50_ms": p50_ms}
        run.append_point(runs.point(number, stage, keep, 0.9 - number / 10, latency=[entry]))
    run.update(state="done", progress=1.0, message="done")
    at = app(point=f"{run.id}.1")
    assert "1.59× the baseline's time; likely because" in captions(at) and "--round-to 8" in captions(at).replace(
        "\\", ""
    )
    assert "the baseline's time" not in captions(app(point=f"{run.id}.0"))


def test_data_of_one_file_name_are_told_apart(results: Store) -> None:
    for folder in ("a", "b"):
        runs.finished(results, specs.parse({"data": {"name": f"npz:/data/{folder}/photos.npz"}}))
    at = app()
    assert {"npz:a/photos.npz", "npz:b/photos.npz"} <= set(at.multiselect(key="data").options)
    assert [details.title(run).split(" · ")[0] for run in tables.runs(results.token())] == [
        "resnet20 on npz:b/photos.npz",
        "resnet20 on npz:a/photos.npz",
    ]


def test_tries_of_a_search_are_steps_on_validation_images_alone(results: Store) -> None:
    spec = specs.parse({"criterion": "l1", "target": {"lose": 1.0, "also_criteria": ["fpgm"]}})
    run = runs.searched(results, spec)
    at = app("explore")
    assert not at.exception and point_count(at) == 2, "the baseline and the answer"
    at = app(point=f"{run.id}.5")
    at.selectbox(key="y").set_value("Validation top-1").run()
    at.toggle(key="steps").set_value(True).run()
    assert not at.exception and not errors(at)
    assert "try 5" in captions(at) and "and no recovery makes" in captions(at)
    shown = at.dataframe[-1].value
    assert list(shown["measured"]).count("try 2, validation only") == 1 and shown["validation"].notna().all()
    assert point_count(at) == 8
    assert len({*tables.points(results.token())["experiment"]}) == 1, "whatever its tries were made with"


def test_the_first_screen_answers_and_hands_over_the_network_it_speaks_of(results: Store) -> None:
    run = runs.finished(results, runs.spec(target={"keep": [0.9, 0.8, 0.5]}))
    at = app()
    said = [markdown.value for markdown in at.markdown]
    assert "**Half the MACs costs 3.0 points (90.0 → 87.0 %) and takes 0.58× the time.**" in said
    assert "BN scale 0.50×, 87.0 %" in labels(at) and at.metric[1].delta == "0.50×"
    assert "Download model" in [button.label for button in at.get("download_button")]
    assert "Each point is one pruned network" in captions(at), "with runs of one's own, too"
    assert not at.multiselect, "a filter with one value chooses nothing"
    at.slider(key="most_macs").set_value(33.0).run()
    assert any(
        "With at most 33.0 M MACs: 0.80× the MACs costs 1.2 points" in markdown.value for markdown in at.markdown
    )
    assert at.query_params["most_macs"] == "33" and at.metric[1].delta == "0.80×"
    at.number_input(key="most_latency").set_value(0.75).run()
    assert any("33.0 M MACs and 0.750 ms: half the MACs" in md.value for md in at.markdown)
    at.slider(key="least_top1").set_value(99.0).run()
    assert any("No pruned model shown has at most 33.0 M MACs and 0.750 ms" in md.value for md in at.markdown)
    assert not {"BN scale 0.50×, 87.0 %"} & set(labels(at)) and chart(at)["data"]
    next(button for button in at.button if button.label == "Understood").click().run()
    assert "Each point is one pruned network" not in captions(at)
    assert parse_qs(urlsplit(next(code.value for code in at.code)).query).keys() >= {"most_macs", "least_top1"}
    assert run.id in str(at.get("plotly_chart")[0].proto.spec)


def test_a_link_with_something_unknown_says_so_in_one_line_and_shows_the_rest(results: Store) -> None:
    runs.finished(results, runs.spec(criterion="l1"))
    runs.finished(results, runs.spec(criterion="taylor"))
    query: dict[str, Any] = {"criterion": ["Taylor", "Mystery"], "x": "Horsepower", "y": "Top-5", "most_macs": "many"}
    at = app(**query, point="20260101-000000-00000000.3", model="no_such")
    (line,) = [caption.value for caption in at.caption if "what is not here" in caption.value]
    for part in ("criterion “Mystery”", "model “no\\_such”", "cost “Horsepower”", "most macs “many”", "00000000.3”"):
        assert part in line
    assert {t["name"] for t in chart(at)["data"] if t.get("customdata")} == {"baseline", "Taylor, layers → channels"}
    assert at.multiselect(key="criterion").value == ["Taylor"]
    assert at.selectbox(key="x").value == "MACs" and at.selectbox(key="y").value == "Top-5"
    at.multiselect(key="criterion").set_value(["L1 norm"]).run()
    assert "Mystery" not in captions(at) and at.query_params["criterion"] == "L1 norm"
    assert "Horsepower" in captions(at), "until it is chosen anew"


def test_the_chart_is_the_same_whatever_is_selected_as_another_one_would_lose_its_zoom(results: Store) -> None:
    run = runs.finished(results, runs.spec())
    runs.finished(results, runs.spec(criterion="fpgm"))
    at = app()
    first = at.get("plotly_chart")[0].proto
    chosen = at.metric[1].value
    at.query_params["point"] = f"{run.id}.2"
    at.run()
    second = at.get("plotly_chart")[0].proto
    assert at.metric[1].value != chosen
    assert (second.id, second.spec, second.alt) == (first.id, first.spec, first.alt)


def test_all_parts_of_a_page_speak_of_one_state_of_the_results(results: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.finished(results, specs.parse({}))
    runs.underway(results, specs.parse({"criterion": "l1"}))
    token, asked = Store.token, list[Store]()

    def count(self: Store) -> str:
        asked.append(self)
        return token(self)

    monkeypatch.setattr(Store, "token", count)
    at = app()
    assert len(asked) == 1 and any("No new results" in label for label in labels(at))
    at.run()
    assert len(asked) == 2, "and the next run asks anew"
