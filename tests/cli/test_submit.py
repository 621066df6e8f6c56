"""Submitting: what the queue holds afterwards, and the sheet that makes the next submission quick."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import WorkError
from engine.jobs import worker
from engine.pipeline import summaries

Espalier = Callable[..., Any]
ASKED = ("submit", "--data", "digits", "--keep", "0.5")


def test_a_submission_is_in_the_queue_with_its_spec(espalier: Espalier) -> None:
    answer = espalier(*ASKED, "--no-worker", "--criterion", "l1+taylor", "--no-recover-between", "--json")
    assert list(answer.json()) == ["run_ids"]
    (run_id,) = answer.json()["run_ids"]
    document = espalier("show", run_id, "--json").json()
    assert document["status"]["state"] == "queued" and document["points"] == []
    assert document["spec"]["criterion"] == "l1+taylor"
    assert document["spec"]["recover"]["between_phases"] is False


def test_several_seeds_are_several_runs_of_one_group(espalier: Espalier) -> None:
    run_ids = espalier(*ASKED, "--no-worker", "--seed", "0,1,2", "--json").json()["run_ids"]
    listed = {run["run_id"]: run for run in espalier("runs", "--json").json()}
    assert [listed[run_id]["seed"] for run_id in run_ids] == [0, 1, 2]
    assert len({listed[run_id]["group"] for run_id in run_ids}) == 1


def test_runs_that_are_part_of_an_experiment_keep_its_name(espalier: Espalier) -> None:
    run_ids = espalier(*ASKED, "--no-worker", "--seed", "0,1", "--experiment", "A *name*", "--json").json()["run_ids"]
    listed = {run["run_id"]: run["experiment"] for run in espalier("runs", "--json").json()}
    assert [listed[run_id] for run_id in run_ids] == ["A *name*", "A *name*"]
    assert espalier("show", run_ids[0], "--json").json()["status"]["experiment"] == "A *name*"
    refused = espalier(*ASKED, "--no-worker", "--experiment", "two\nlines")
    assert refused.code == 2 and "an experiment's name is one line" in refused.err


def test_a_spec_file_is_taken_and_flags_override_it(espalier: Espalier, tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_text(json.dumps({"data": {"name": "digits", "limit": 100}, "target": {"keep": [0.9]}, "seed": 4}))
    (run_id,) = espalier("submit", "--spec", str(file), "--limit", "50", "--no-worker", "--json").json()["run_ids"]
    spec = espalier("show", run_id, "--json").json()["spec"]
    assert (spec["data"]["name"], spec["data"]["limit"], spec["target"]["keep"], spec["seed"]) == (
        "digits",
        50,
        [0.9],
        4,
    )


def test_a_worker_is_started_unless_told_otherwise(espalier: Espalier, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Path] = []
    monkeypatch.setattr(worker, "start_detached", lambda store: started.append(store.root))
    espalier(*ASKED, "--no-worker")
    assert started == []
    espalier(*ASKED)
    assert len(started) == 1


def test_when_no_worker_can_start_the_sentence_says_what_waits(
    espalier: Espalier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(store: Any) -> None:
        raise WorkError("the worker could not start: no more processes")

    monkeypatch.setattr(worker, "start_detached", fail)
    answer = espalier(*ASKED)
    (run,) = [run for run in espalier("runs", "--json").json() if not run["gallery"]]
    assert answer.code == 1 and answer.out == ""
    assert answer.err == f"the worker could not start: no more processes (in the queue already: {run['run_id']})\n"


def test_two_that_keep_the_same_sheet_at_once_do_not_disturb_each_other(results: Path) -> None:
    spec = [sys.executable, "-m", "engine", "sheet", "--data", "digits", "--results", str(results), "--json"]
    both = [subprocess.Popen(spec, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert outputs[0] == outputs[1] != ""
    assert [path.name for path in (results / "sheets").iterdir()] == ["resnet20-none-digits.json"]


def test_a_kept_sheet_does_without_torch(espalier: Espalier, monkeypatch: pytest.MonkeyPatch) -> None:
    espalier("sheet", "--data", "digits")

    def build(*_: Any) -> Any:
        raise AssertionError("the sheet is there")

    monkeypatch.setattr(summaries, "_compute", build)
    assert espalier(*ASKED, "--no-worker").code == 0


def test_published_weights_of_other_classes_need_epochs_before_they_are_queued(espalier: Espalier) -> None:
    asked = ("submit", "--no-worker", "--model", "torchvision/squeezenet1_1", "--weights", "hub", "--data", "clutter")
    answer = espalier(*asked, "--order", "channels", "--criterion", "l1", "--train-epochs", "0")
    assert answer.code == 2 and "leave the head untrained" in answer.err
