"""What Launch shows before anything is pressed, and what a press queues."""

import pytest

from app.components import actions
from engine.errors import WorkError
from engine.jobs.queue import Queue
from engine.spec import run as specs
from engine.storage.folders.run import Run
from engine.storage.store import Store
from tests.support import runs
from tests.support.screen import app, captions, errors


def test_launch_shows_what_every_target_will_cost(submitted: list[Store]) -> None:
    at = app("launch")
    assert [m.value for m in at.markdown if m.value.endswith("×**")] == [
        "**1.00×**",
        "**0.80×**",
        "**0.60×**",
        "**0.40×**",
    ]
    assert captions(at).count("parameters") == 4
    assert "espalier submit --model resnet20 --data clutter --criterion bn_scale" in at.code[0].value
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


def test_what_is_queued_is_what_is_seen_at_the_press_and_not_what_the_page_last_drew(
    results: Store, submitted: list[Store]
) -> None:
    at = app("launch")
    at.text_input(key="launch_recover").set_value("1")
    at.text_input(key="launch_limit").set_value("300")
    at.button(key="prune").click().run()  # the browser sends what is typed and pressed at once as one
    assert not at.exception
    (run,) = results.runs()
    spec = results.run(run["run_id"]).spec()
    assert spec.recover.epochs == 1 and spec.data.limit == 300


def test_a_press_with_a_value_that_is_refused_queues_nothing(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    at.multiselect(key="launch_keep").set_value(["nonsense"])
    at.button(key="prune").click().run()
    assert errors(at) and results.runs() == []
    at.multiselect(key="launch_keep").set_value([0.5]).run()
    assert results.runs() == []


def test_a_double_click_asks_for_one_run_and_leads_to_runs(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    at.button(key="prune").click().run()
    at.switch_page("../pages/launch.py").run()
    at.button(key="prune").click().run()
    assert actions.DOUBLE_CLICK_SECONDS > 0 and len(results.runs()) == 1
    assert [title.value for title in at.title] == ["Runs"]


def test_what_is_queued_when_submitting_stops_is_worked_on(
    results: Store, submitted: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = Queue.submit

    def until_full(self: Queue, spec: specs.RunSpec, experiment: str | None = None) -> Run:
        if results.runs():
            raise WorkError("the disk is full")
        return submit(self, spec, experiment)

    monkeypatch.setattr(Queue, "submit", until_full)
    at = app("launch")
    at.multiselect(key="launch_seeds").set_value([0, 1, 2]).run()
    at.button(key="prune").click().run()
    assert not at.exception
    assert [toast.value for toast in at.toast] == ["1 of 3 runs are queued, then it stopped: the disk is full"]
    assert len(results.runs()) == 1 and len(submitted) == 1


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


def test_the_time_is_told_only_from_like_runs_on_this_machine(results: Store, submitted: list[Store]) -> None:
    runs.finished(results, specs.parse({}))
    assert "About 2 min on this machine" in captions(app("launch"))
