"""What strangers wrote into a run, on a terminal and in JSON: shown as it is, cut, and never obeyed."""

import json
from pathlib import Path

import pytest

from engine.cli import device_tables, tables
from engine.cli.console import answer
from engine.cli.main import main
from engine.errors import WorkError
from engine.storage.store import Store
from tests.support import damage, runs

EVIL = "\x1b]0;pwned\x07\x1b[2J[bold]x[/bold] [link=http://e.example]y[/link] :smile: \u202e\x9b31m" + "z" * 100_000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results", gallery=tmp_path / "gallery")


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().out
    assert all(line.isprintable() for line in text.split("\n")), ascii(text[:300])
    assert max(map(len, text.split("\n"))) < 5000
    return text


def test_a_listing_shows_hostile_names_as_they_are(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run = runs.finished(store, runs.spec())
    damage.change(run, "spec.json", criterion="[bold]x", model="[red]=1")
    assert main(["runs", "--results", str(store.root)]) == 0
    text = shown(capsys)
    assert run.id in text and "[red]=1" in text and "[bold]x" in text


def test_one_run_shows_hostile_messages_as_they_are(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run = runs.finished(store, runs.spec())
    damage.change(run, "status.json", message=EVIL, error=EVIL, state="failed")
    damage.change(run, "points.jsonl", note=EVIL, stage="[bold]", phase=EVIL, latency=[])
    assert main(["show", run.id, "--results", str(store.root)]) == 0
    text = shown(capsys)
    assert "[bold]x[/bold]" in text and "[link=http://e.example]y[/link] :smile:" in text and "…" in text


def test_a_terminal_gets_no_escape_of_a_strangers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    row = {"name": "tx2\x07", "target": "\x1b[31mred", "jump": None}
    device_tables.devices([row])
    device_tables.device_removed({"name": "\x1b[2Jtx2"})
    text = capsys.readouterr().out
    assert "\x1b[2J" not in text and "\x1b[31m" not in text and "\x07" not in text and "[31mred" in text


def test_json_of_a_lone_surrogate_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    answer({"name": "\ud800\x1b"}, True, device_tables.device_removed)
    assert json.loads(capsys.readouterr().out) == {"name": "\ud800\x1b"}
    answer({"name": "a\ud800b\x1b"}, False, device_tables.device_removed)
    assert capsys.readouterr().out.startswith("ab is forgotten")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_a_sentence(number: float, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WorkError, match="is damaged"):
        answer({"a": number}, True, tables.counts)
    assert capsys.readouterr().out == ""


def test_damaged_runs_are_listed_beside_the_others(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    good = runs.finished(store, runs.spec())
    damaged = [runs.finished(store, runs.spec(criterion="l2")) for _ in damage.KINDS]
    for run, kind in zip(damaged, damage.KINDS, strict=True):
        damage.replace(run, "points.jsonl", kind)
    assert main(["runs", "--results", str(store.root)]) == 0
    text = shown(capsys)
    assert all(run.id in text for run in (good, *damaged)) and "None" not in text
    assert main(["runs", "--results", str(store.root), "--json"]) == 0
    rows = {row["run_id"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows[good.id]["state"] == "done"
    assert all(rows[run.id]["error"].startswith("this run is damaged: ") for run in damaged)
