"""The command `search`: what it says before, while and after it works."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from engine.cli.search import tables
from engine.cli.search.progress import SearchProgress, sentence
from engine.jobs.sweep.driver import Tally
from engine.pipeline.duration import speed
from engine.search.trials import Standing

Espalier = Callable[..., Any]
Refused = Callable[..., str]
SPACE = {"criterion": ["l1", "random"], "target": {"keep": {"min": 0.3, "max": 0.9}}}
SMALL = {"name": "small", "spec": {"data": {"name": "digits"}, "recover": {"epochs": 1}}, "space": SPACE}


@pytest.fixture
def small(tmp_path: Path) -> str:
    file = tmp_path / "small.yaml"
    file.write_text(json.dumps(SMALL))
    return str(file)


def test_a_dry_run_says_how_many_trials_and_runs_and_how_long(
    espalier: Espalier, small: str, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "SECONDS", 0.0)
    said = espalier("search", small, "--dry-run", "--jobs", "2", "--json").json()
    assert (said["trials"], said["done"], said["recover"], said["recovered"], said["at_once"]) == (60, 0, 10, 0, 2)
    assert said["seconds"] > 60 * said["trial_seconds"] + 5 * said["run_seconds"] > 60
    people = espalier("search", small, "--dry-run", "--jobs", "2").out
    assert "small: 60 trials, 0 done; 10 trained on, 0 of them done" in people and "10 runs of" in people
    assert not (results / "searches").exists() and not list(results.glob("runs/*"))


def test_a_search_that_cannot_be_is_refused_in_one_sentence(refused: Refused, small: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: bad\nspace: {target: {keep: {min: 2, max: 1}}}")
    assert "min 2, which is not below max 1" in refused("search", str(bad))
    bad.write_text("name: bad\nspace: [")
    assert "is not YAML: line" in refused("search", str(bad))
    assert "cannot read the search" in refused("search", str(tmp_path))
    assert "nothing of the search small is under way" in refused("search", small, "--cancel")
    bad.write_text(json.dumps(SMALL | {"spec": {"weights": str(tmp_path / "none.pt")}}))
    assert "none.pt" in refused("search", str(bad))


def test_where_the_trials_stand_is_a_line_now_and_then_or_one_that_is_redrawn(
    capsys: pytest.CaptureFixture[str],
) -> None:
    standing = Standing(60, 12, 9, 2, 120.0)
    assert sentence(standing) == "12 of 60 trials · 3 not within constraints · 2 cannot be met · about 2 min left"
    assert sentence(Standing(1, 1, 1, 0, 0.0)) == "1 of 1 trial"
    with SearchProgress() as lines:
        lines.show(standing)
        lines.show(Standing(60, 13, 10, 2, 110.0))
        lines.show(Standing(60, 60, 57, 2, 0.0))
    assert [line.split(" · ")[0] for line in capsys.readouterr().err.splitlines()] == [
        "12 of 60 trials",
        "60 of 60 trials",
    ]
    terminal = Console(force_terminal=True, width=120, record=True)
    with SearchProgress(terminal) as bar:
        bar.tally(Tally(1, 0, 0, 0, 1, None))
        bar.show(standing)
        bar.tally(Tally(10, 3, 0, 0, 2, 60.0))
    shown = terminal.export_text()
    assert shown.index("0 of 1 done") < shown.index("12 of 60 trials") < shown.index("3 of 10 done · 2 running")


def test_the_front_is_a_table_of_points_that_were_trained_on_or_of_trials(capsys: pytest.CaptureFixture[str]) -> None:
    entry = {"trial": 7, "val_top1": 0.9, "macs": 2e7, "settings": {"criterion": "obs", "target.keep": 0.51234}}
    trained = entry | {"point": "20260101-000000-0a1b2c3d:3", "top1": 0.88}
    whole = {"name": "small", "trials": 60, "asked": 60, "feasible": 55, "recovered": 1, "costs": ["macs"], "file": "f"}
    tables.ended(whole | {"front": [trained], "failures": [{"run_id": "r", "error": "no space"}]})
    said = capsys.readouterr().out
    assert "60 of 60 trials, 55 within constraints, 1 trained on, 1 failed" in said and "r failed: no space" in said
    assert "20260101-000000-0a1b2c3d:3" in said and "20.0 M" in said and "88.0%" in said and "keep 0.512" in said
    tables.ended(whole | {"front": [entry], "failures": []})
    assert "optuna-dashboard sqlite:///f" in capsys.readouterr().out
