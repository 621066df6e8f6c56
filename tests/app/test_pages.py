import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from app import data, points
from engine import spec as specs
from engine.errors import WorkError
from engine.graph.cost import cost
from engine.graph.sheet import Block, Cell, Layer, ModelSheet
from engine.jobs import worker
from engine.jobs.queue import Queue
from engine.store import Run, Store
from tests.app import build


def small_sheet(normed: bool = True) -> ModelSheet:
    """A stem, one residual block that may go, and a classifier."""
    convs = [("conv1", 0, 1), ("block.conv1", 1, 2), ("block.conv2", 2, 1)]
    layers = [Layer(name, "conv", 0, 16, 1, 9, 64, False, normed, ((a, 1),), ((b, 1),)) for name, a, b in convs]
    layers.append(Layer("fc", "linear", 0, 10, 1, 1, 1, True, False, ((1, 1),), ((3, 1),)))
    cells = (
        Cell(3, False, False, ()),
        Cell(16, True, True, ("conv1", "block.conv2")),
        Cell(16, True, False, ("block.conv1",)),
    )
    cells += (Cell(10, False, False, ("fc",)),)
    block = Block("block", ("block",), ("block.conv1", "block.conv2"), True, "residual", ())
    draft = ModelSheet("resnet20", (3, 8, 8), 10, 0, 0, cells, tuple(layers), (), (block,))
    total = cost(draft)
    return ModelSheet("resnet20", (3, 8, 8), 10, total.params, total.macs, cells, tuple(layers), (), (block,))


@pytest.fixture
def submitted(results: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Store]]:
    """A launch page with a sheet at hand, whose runs nobody works on; the stores for which a worker was asked."""
    asked: list[Store] = []
    monkeypatch.setattr(data, "sheet", lambda *_: small_sheet())
    monkeypatch.setattr(worker, "start_detached", lambda store: asked.append(store) or True)
    yield asked


def app(page: str = "explore", **query: str | list[str]) -> AppTest:
    at = AppTest.from_file(str(data.ROOT / "app" / "main.py"), default_timeout=30)
    for key, value in query.items():
        at.query_params[key] = value
    if page != "explore":
        at.run()
        at.switch_page(f"../pages/{page}.py")
    at.run()
    assert not at.exception, at.exception
    return at


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


def chart(at: AppTest) -> Any:
    return json.loads(next(c.proto.spec for c in at.get("plotly_chart") if "tradeoff" in c.proto.id))


def captions(at: AppTest) -> str:
    return "\n".join(caption.value for caption in at.caption)


def errors(at: AppTest) -> list[str]:
    return [error.value for error in at.error]


# -- Explore


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


# -- Launch


def test_launch_shows_what_every_target_will_cost(submitted: list[Store]) -> None:
    at = app("launch")
    assert [m.value for m in at.markdown if m.value.endswith("×**")] == [
        "**1.00×**",
        "**0.80×**",
        "**0.60×**",
        "**0.40×**",
    ]
    assert captions(at).count("parameters") == 4
    assert "python -m engine submit --model resnet20 --data clutter --criterion bn_scale" in at.code[0].value
    assert "About" not in captions(at)


def test_prune_queues_the_runs_starts_a_worker_and_leads_to_runs(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    at.multiselect(key="launch_criteria").set_value(["l1", "taylor"]).run()
    at.multiselect(key="launch_seeds").set_value([0, 1]).run()
    assert at.button(key="prune").label == "Prune, 4 runs"
    at.button(key="prune").click().run()
    assert not at.exception
    assert sorted((r["criterion"], r["seed"], r["state"]) for r in results.runs()) == [
        (c, s, "queued") for c in ("l1", "taylor") for s in (0, 1)
    ]
    assert len(submitted) == 1
    assert [title.value for title in at.title] == ["Runs"]


def test_a_double_click_asks_for_one_run(results: Store, submitted: list[Store]) -> None:
    from app import launching

    at = app("launch")
    at.button(key="prune").click().run()
    at.switch_page("../pages/launch.py").run()
    at.button(key="prune").click().run()
    assert launching.TWICE_SECONDS > 0 and len(results.runs()) == 1


def test_what_is_queued_when_submitting_stops_is_worked_on(
    results: Store, submitted: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = Queue.submit

    def until_full(self: Queue, spec: specs.RunSpec) -> Run:
        if results.runs():
            raise WorkError("the disk is full")
        return submit(self, spec)

    monkeypatch.setattr(Queue, "submit", until_full)
    at = app("launch")
    at.multiselect(key="launch_seeds").set_value([0, 1, 2]).run()
    at.button(key="prune").click().run()
    assert not at.exception
    assert [toast.value for toast in at.toast] == ["1 of 3 runs are queued, then it stopped: the disk is full"]
    assert len(results.runs()) == 1 and len(submitted) == 1


def test_a_dataset_that_needs_a_folder_is_refused_beside_the_data(submitted: list[Store]) -> None:
    at = app("launch")
    at.selectbox(key="launch_data").set_value("imagenet").run()
    assert len(errors(at)) == 1 and errors(at)[0].startswith("Imagenet needs data.root")
    assert at.button(key="refused").disabled


def test_criteria_can_be_joined_into_one_run(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    at.multiselect(key="launch_criteria").set_value(["l1", "taylor"]).run()
    at.toggle(key="launch_ensemble").set_value(True).run()
    at.button(key="prune").click().run()
    assert [r["criterion"] for r in results.runs()] == ["l1+taylor"]


def test_a_target_below_what_is_possible_is_refused(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    at.multiselect(key="launch_keep").set_value(["0.0001"]).run()
    assert len(errors(at)) == 1 and "0.0001" in errors(at)[0]
    assert at.button(key="refused").disabled and not results.runs()


def test_a_criterion_that_cannot_score_the_network_is_refused_beside_the_criteria(
    submitted: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "sheet", lambda *_: small_sheet(normed=False))
    (error,) = errors(app("launch"))
    assert error.startswith("BN scale cannot score")


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("launch_keep", ["1.5"], "at most 1"),
        ("launch_keep", ["half"], "half"),
        ("launch_keep", [], "ratios to keep"),
        ("launch_criteria", [], "at least one criterion"),
        ("launch_seeds", ["-1"], "Seed"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(submitted: list[Store], key: str, value: list[str], word: str) -> None:
    at = app("launch")
    at.multiselect(key=key).set_value(value).run()
    assert len(errors(at)) == 1 and word in errors(at)[0]
    assert at.button(key="refused").disabled


def test_weights_that_cannot_be_read_are_refused(submitted: list[Store], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "sheet", lambda *_: data.SheetFailure("there is no weights file /w.pth"))
    assert errors(app("launch")) == ["There is no weights file /w.pth."]


def test_a_weights_file_without_a_path_is_asked_for(submitted: list[Store]) -> None:
    at = app("launch")
    at.segmented_control(key="launch_weights").set_value("file").run()
    assert errors(at) == ["Give the path of a weights file."]


def test_the_time_is_told_only_from_like_runs_on_this_machine(results: Store, submitted: list[Store]) -> None:
    build.finished(results, specs.parse({}))
    assert "About 2 min on this machine" in captions(app("launch"))


# -- Runs


def test_runs_without_any_says_what_will_be_here(results: Store) -> None:
    assert "Prune a network" in labels(app("runs"))


def test_an_active_run_shows_its_progress_its_curves_and_a_way_to_cancel(results: Store) -> None:
    run = build.underway(results, specs.parse({}))
    at = app("runs")
    assert len(at.get("plotly_chart")) == 2
    assert "training, epoch 5/20" in at.get("progress")[0].proto.text
    at.button(key=f"cancel-{run.id}").click().run()
    assert not at.exception
    assert run.status()["state"] == "cancelled"


def test_waiting_runs_without_a_worker_are_noticed(results: Store, submitted: list[Store]) -> None:
    results.create(specs.parse({}))
    at = app("runs")
    next(b for b in at.button if b.label == "Start the worker").click().run()
    assert len(submitted) == 1


def test_a_selected_run_can_be_repeated_and_deleted(results: Store, submitted: list[Store]) -> None:
    run = build.finished(results, specs.parse({"criterion": "l1"}))
    at = app("runs", run=run.id)
    assert not [b for b in at.button if b.label == "Resume"]
    next(b for b in at.button if b.label == "Run again").click().run()
    assert sorted(r["state"] for r in results.runs()) == ["done", "queued"]
    next(b for b in at.button if b.label == "Delete").click().run()
    assert run.path.exists()
    at.button(key="delete-confirmed").click().run()
    assert not at.exception and not run.path.exists()


def test_a_failed_run_says_why_and_can_be_resumed(results: Store, submitted: list[Store]) -> None:
    run = results.create(specs.parse({}))
    run.end("failed", "the loss is not finite; lower the learning rate")
    at = app("runs", run=run.id)
    assert errors(at) == ["the loss is not finite; lower the learning rate"]
    next(b for b in at.button if b.label == "Resume").click().run()
    assert run.status()["state"] == "queued" and len(submitted) == 1


def test_a_damaged_run_is_listed_and_harms_nothing(results: Store) -> None:
    run = build.finished(results, specs.parse({}))
    (run.path / "spec.json").write_text("{")
    at = app("runs", run=run.id)
    assert len(errors(at)) == 1 and "spec.json" in errors(at)[0]
    assert not app("explore").exception


def test_damaged_events_are_told_in_one_sentence_and_the_rest_of_the_page_stays(results: Store) -> None:
    ended = build.finished(results, specs.parse({}))
    working = build.underway(results, specs.parse({"criterion": "l1"}))
    for run in (ended, working):
        with (run.path / "events.jsonl").open("a") as file:
            file.write("not json\n{}\n")
    at = app("runs", run=ended.id)
    assert len(errors(at)) == 2 and all("events.jsonl" in error for error in errors(at))
    assert f"cancel-{working.id}" in [button.key for button in at.button]
    assert "Run again" in labels(at)
