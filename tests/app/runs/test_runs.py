import io
import os
from collections.abc import Callable

import pytest
import streamlit as st

from app.charts import tradeoff
from app.components import job_panel
from app.runs import listing
from engine.jobs import worker
from engine.spec import run as specs
from engine.storage.housekeeping import annotations
from engine.storage.records.annotation import Annotation
from engine.storage.records.event import StartEvent
from engine.storage.store import Store
from engine.uploads.receiving import receive
from tests.support import runs
from tests.support.screen import app, captions, errors, labels
from tests.support.uploads import archive, classes


def test_runs_without_any_says_what_will_be_here(results: Store) -> None:
    assert "Prune a network" in labels(app("runs"))


def test_an_active_run_shows_its_progress_its_curves_and_a_way_to_cancel(
    results: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.underway(results, specs.parse({}))
    at = app("runs")
    assert len(at.get("plotly_chart")) == 2, "no network is measured yet"
    run.append_point(runs.point(0, "baseline", 1.0, 0.9))
    run.append_point(runs.point(1, "pruned", 0.6, 0.7, final=False))
    at.run()
    drawn = [each.proto.alt for each in at.get("plotly_chart") if f"points-{run.id}" in each.proto.id]
    assert len(drawn) == 1 and drawn[0].startswith("Top-1 against MACs for 2 models"), "what is measured so far"
    with monkeypatch.context() as patch:
        patch.delattr(tradeoff, "figure")  # no network came: the chart is there
        assert not at.run().exception
    assert "training, epoch 5/20" in at.get("progress")[0].proto.text
    run.lock.release()
    at.button(key=f"cancel-{run.id}").click().run()
    assert not at.exception
    assert run.status().state == "cancelled"


def test_of_many_runs_under_way_few_have_cards_and_the_others_are_read_in_the_table(results: Store) -> None:
    under_way = [runs.underway(results, specs.parse({"seed": seed})) for seed in range(6)]
    at = app("runs")
    assert len(at.get("progress")) == 4 and "and 2 more that are under way" in captions(at)
    with_card = {run.id for run in under_way if any(b.key == f"cancel-{run.id}" for b in at.button)}
    for run in under_way:
        at = app("runs", run=run.id)
        assert not errors(at) and not at.exception
        assert ("in its card above" in captions(at)) == (run.id in with_card)
    for run in under_way:
        run.lock.release()


def test_a_run_that_is_being_started_is_looked_at_more_often_until_it_moves(
    results: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float | None] = []
    fragment = st.fragment

    def noted(function: Callable[..., None], *, run_every: float | None) -> Callable[..., None]:
        looks.append(run_every)
        return fragment(function, run_every=run_every)

    monkeypatch.setattr(st, "fragment", noted)
    monkeypatch.setattr(worker, "has_worker", lambda _: True)
    queued = results.create(specs.parse({}))
    at = app("runs")
    assert min(filter(None, looks)) < job_panel.REFRESH_SECONDS
    queued.update(progress=0.01)
    looks.clear()
    at.run()
    assert min(filter(None, looks)) == job_panel.REFRESH_SECONDS


def test_a_run_whose_process_is_gone_is_not_shown_as_running(results: Store, submitted: list[Store]) -> None:
    for foreground in (True, False):
        run = results.create(specs.parse({"criterion": "l1"}), foreground=foreground)
        run.update(state="running", progress=0.5, message="0.5×: channels, recovering")
        run.lock.release()  # as when its process is killed
        at = app("runs")
        assert not errors(at) and not at.get("progress")
        assert run.status().state == "running", "only looked at"
        assert results.runs()[0]["state"] == "interrupted" and "process was lost" in results.runs()[0]["message"]
    next(b for b in at.button if b.label == "Start the worker").click().run()
    assert len(submitted) == 1


def test_the_attempts_of_a_run_are_shown_when_asked_for(results: Store) -> None:
    direct = specs.parse({"order": "layers", "depth": {"method": "direct"}, "target": {"keep": [0.8, 0.6]}})
    run = runs.stepwise(results, direct)
    at = app("runs", run=run.id)
    assert not at.get("plotly_chart")
    at.session_state[f"attempts-{run.id}"] = True
    at.run()
    assert not at.exception and not errors(at)
    (heat,) = at.get("plotly_chart")
    assert "12 attempts in 4 steps, 4 of them removed" in heat.proto.alt


def test_waiting_runs_without_a_worker_are_noticed(results: Store, submitted: list[Store]) -> None:
    results.create(specs.parse({}))
    at = app("runs")
    next(b for b in at.button if b.label == "Start the worker").click().run()
    assert len(submitted) == 1


def test_a_selected_run_can_be_repeated_and_deleted(results: Store, submitted: list[Store]) -> None:
    run = runs.finished(results, specs.parse({"criterion": "l1"}))
    at = app("runs", run=run.id)
    assert not [b for b in at.button if b.label == "Resume"]
    next(b for b in at.button if b.label == "Run again").click().run()
    assert sorted(r["state"] for r in results.runs()) == ["done", "queued"]
    at.button(key=f"delete-{run.id}").click().run()
    assert not at.exception and not run.path.exists()
    at.button(key="undo-delete").click().run()
    assert not at.exception and run.path.exists() and len(results.runs()) == 2
    assert "undo-delete" not in [button.key for button in at.button]


def test_several_runs_are_found_acted_on_together_and_put_back(results: Store, submitted: list[Store]) -> None:
    queued, failed = results.create(specs.parse({})), results.create(specs.parse({"seed": 1}))
    failed.end("failed", "the loss is not finite; lower the learning rate")
    done = runs.finished(results, specs.parse({"criterion": "l1"}), files=False)
    annotations.write(done, Annotation.of("<i>Talk</i> **1**", "=1+1\n# not a heading", ["*demo*"]))
    ids = [queued.id, failed.id, done.id]
    at = app("runs", run=ids)
    pills = at.button_group(key="run_state")
    assert pills.options == ["1 queued", "1 done", "1 failed"]
    assert {"Cancel 1", "Resume 1", ":red[Delete 2]"} <= set(labels(at)) and "3 runs" in captions(at)
    at.button(key="delete-ticked").click().run()
    assert not at.exception and [run["run_id"] for run in results.runs()] == [queued.id]
    at.button(key="undo-delete").click().run()
    assert len(results.runs()) == 3
    at.button_group(key="run_state").set_value(["failed"]).run()
    (table,) = [frame.value for frame in at.dataframe]
    assert list(table["state"]) == ["failed"] and "1 of 3 runs" in captions(at)
    at.button_group(key="run_state").set_value([]).run()
    at.query_params["run"] = done.id
    at.text_input(key="find").set_value("talk DEMO").run()
    assert not at.exception and "1 of 3 runs" in captions(at)
    assert "**\\<i>Talk\\</i> \\*\\*1\\*\\***" in [markdown.value for markdown in at.markdown]
    assert [text.value for text in at.text] == ["=1+1\n# not a heading"]
    assert {"Run again", "Save"} <= set(labels(at))
    at.text_input(key=f"annotation-name-{done.id}").set_value("Renamed")
    next(b for b in at.button if b.label == "Save").click().run()
    assert annotations.read(done).name == "Renamed" and annotations.read(done).tags == ("*demo*",)


def test_gallery_runs_stand_apart_and_a_long_list_has_pages(results: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = runs.finished(results, specs.parse({"criterion": "l2"}), files=False)
    (results.folder.parents[1] / "gallery").mkdir()
    shipped.path.rename(results.folder.parents[1] / "gallery" / shipped.id)
    own = [runs.finished(results, specs.parse({"seed": seed}), files=seed == 0) for seed in range(3)]
    monkeypatch.setattr(listing, "PAGE_ROWS", 2)
    at = app("runs", run=own[0].id)
    assert "3–3 of 3 runs" in captions(at) and len(at.dataframe[0].value) == 1
    assert "Gallery: 1 run that comes with Espalier" in [part.label for part in at.expander]
    at = app("runs", run=shipped.id)
    assert not at.exception and "1–2 of 3 runs" in captions(at)
    assert "Run again" in labels(at) and f"delete-{shipped.id}" not in [button.key for button in at.button]
    upload = receive(results.root, "images", "pets.zip", io.BytesIO(archive(classes())))
    os.utime(upload.path.parent, (0, 0))
    at.session_state["disk_usage"] = True
    at.run()
    assert any("in all" in markdown.value for markdown in at.markdown)
    next(b for b in at.button if b.label == "Make space").click().run()
    said = next(markdown.value for markdown in at.markdown if markdown.value.startswith("This removes "))
    assert "removes 3 files of runs that are done" in said and "1 upload that no run names" in said
    confirmed = at.button(key="confirmed")
    assert confirmed.proto.type == "secondary" and confirmed.label == ":red[Remove for good]"
    confirmed.click().run()
    assert not at.exception and not list(own[0].path.rglob("*.onnx")) and list(own[0].path.rglob("*.plan.json"))
    assert not upload.path.exists() and "1 upload, and what else could go" in at.toast[0].value


def test_a_link_with_what_is_not_known_says_so_and_shows_the_rest(results: Store) -> None:
    run = runs.finished(results, specs.parse({}), files=False)
    at = app("runs", run=["<b>nope</b>", run.id], state=["odd", "done"])
    assert [info.value for info in at.info] == ["This link names the run \\<b>nope\\</b> and 1 more, not known here."]
    assert "Run again" in labels(at) and at.button_group(key="run_state").value == ["done"]


def test_a_run_that_ends_is_told_on_another_page(results: Store) -> None:
    run = runs.underway(results, specs.parse({}))
    at = app()
    assert not at.toast
    run.end("done", "done")
    run.lock.release()
    at.run()
    assert [toast.value for toast in at.toast] == [
        f"resnet20, BN scale, seed 0 is done. [Show the curve](./?exp=resnet20+bn_scale+{run.spec().group()[:6]})"
    ]


def test_a_failed_run_says_why_and_can_be_resumed(results: Store, submitted: list[Store]) -> None:
    run = results.create(specs.parse({}))
    run.end("failed", "the loss is not finite; lower the learning rate")
    at = app("runs", run=run.id)
    assert errors(at) == ["the loss is not finite; lower the learning rate"]
    assert "Nothing of it is measured yet: resumed, it begins anew." in captions(at)
    run.append_point(runs.point(0, "baseline", 1.0, 0.9))
    run.append_point(runs.point(1, "recovered", 0.6, 0.85))
    at.run()
    assert "Resumed, it goes on from 0.60×, after recovery." in captions(at)
    next(b for b in at.button if b.label == "Resume").click().run()
    assert run.status().state == "queued" and len(submitted) == 1


def test_a_damaged_run_is_listed_and_harms_nothing(results: Store) -> None:
    run = runs.finished(results, specs.parse({}))
    (run.path / "spec.json").write_text("{")
    at = app("runs", run=run.id)
    assert len(errors(at)) == 1 and "spec.json" in errors(at)[0]
    assert not app("explore").exception


def test_damaged_events_are_told_in_one_sentence_and_the_rest_of_the_page_stays(results: Store) -> None:
    ended = runs.finished(results, specs.parse({}))
    active = runs.underway(results, specs.parse({"criterion": "l1"}))
    for run in (ended, active):
        with (run.path / "events.jsonl").open("a") as file:
            file.write("not json\n{}\n")
    at = app("runs", run=ended.id)
    assert len(errors(at)) == 2 and all("events.jsonl" in error for error in errors(at))
    assert f"cancel-{active.id}" in [button.key for button in at.button]
    assert "Run again" in labels(at)


def test_damaged_points_are_told_once_and_leave_what_else_is_known_of_the_run(results: Store) -> None:
    run = runs.finished(results, specs.parse({}), files=False)
    run.append_event(StartEvent(notes=("val split: 10% of train",), device="cpu"))
    (run.path / "points.jsonl").write_text("not json\n")
    at = app("runs", run=run.id)
    assert len(errors(at)) == 1 and "points.jsonl" in errors(at)[0]
    assert "The results cannot be read" not in str(at.error[0].proto)
    assert "val split: 10% of train" in captions(at) and "Log" in [part.label for part in at.expander]


def test_what_was_decided_and_what_to_doubt_stands_on_a_runs_page(results: Store) -> None:
    run = runs.finished(results, specs.parse({}), files=False)
    run.append_event(StartEvent(notes=("val split: 10% of train", "head replaced: 10 → [5](x) classes"), device="cpu"))
    run.append_point(runs.point(9, "recovered", 0.4, 0.1, correct=20, total=200, chance=0.1))
    at = app("runs", run=run.id)
    assert "- val split: 10% of train\n- head replaced: 10 → \\[5\\](x) classes" in captions(at)
    (red,) = [text.value for text in at.markdown if text.value.startswith(":red[")]
    assert "Point 9 is no better than chance: 20 of 200 images right" in red


def test_a_search_shows_its_tries_and_its_answer(results: Store) -> None:
    spec = specs.parse({"criterion": "l1", "target": {"lose": 1.0, "also_criteria": ["fpgm"]}})
    run = runs.searched(results, spec)
    at = app("runs", run=run.id)
    assert not at.exception and not errors(at)
    (chart,) = at.get("plotly_chart")
    assert "6 tries, of which 4 keep the 90.0 %" in chart.proto.alt and "keeps 0.78×" in chart.proto.alt
    tables = [frame.value for frame in at.dataframe]
    assert list(tables[0]["targets"]) == ["lose ≤ 1 point"]
    assert list(next(table for table in tables if "" in table)[""]) == ["kept", "kept", "lost", "kept", "found", "lost"]
    assert any("the smallest of some tries" in markdown.value for markdown in at.markdown)


def test_a_search_that_is_under_way_or_has_found_nothing_shows_what_was_tried(results: Store) -> None:
    run = runs.searched(results, specs.parse({"target": {"at_least": 0.9}}), end=False)
    run.end("failed", "target.at_least 0.9 cannot be met")
    at = app("runs", run=run.id)
    assert not at.exception
    (chart,) = at.get("plotly_chart")
    assert chart.proto.alt == "3 tries, of which 2 keep the 90.0 % of validation accuracy asked for."


def test_a_run_on_two_domains_shows_both_accuracies_and_its_pseudo_labels(results: Store) -> None:
    pair = {"data": {"name": "mnist5k>digits"}, "target": {"keep": [0.6, 0.3]}}
    under_way = runs.carried_over(results, specs.parse(pair), end=False)
    assert under_way.lock.acquire()
    under_way.update(state="running", progress=0.5, message="0.3×: channels")
    at = app("runs")
    under_way.lock.release()
    assert not errors(at) and "of 120 target images" in captions(at) and "were right" not in captions(at)
    run = runs.carried_over(results, specs.parse(pair | {"seed": 1}))
    at = app("runs", run=run.id)
    assert not errors(at)
    names = [element.proto.alt for element in at.get("plotly_chart")]
    assert "Pseudo-labels made 3 times, at last for 100 of 120 target images." in names
    shown = next(frame.value for frame in at.dataframe if "right" in frame.value)
    assert list(shown["target"]) == pytest.approx([63, 66, 70])
    assert list(shown["source"]) == pytest.approx([86.5, 88, 90])
    assert list(shown["right"].dropna()) == pytest.approx([88, 89])
    assert "89 of 100 (89.0%) of point 1, 88 of 100 (88.0%) of point 2" in captions(at)
