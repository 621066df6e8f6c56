"""Records are their lines on the disk, and a damaged line is one sentence."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import WorkError
from engine.storage.atomic import read_json, read_lines
from engine.storage.folders.run import Run
from engine.storage.indexing.columns import NUMBERS
from engine.storage.records import event, measurement
from engine.storage.records.event import Event
from engine.storage.records.point import Point
from engine.storage.records.record import Record
from engine.storage.records.status import ENDED, RESUMABLE, STATES, Status, StatusChanges, Times, TimesChanges
from engine.storage.store import GALLERY
from tests.support import runs
from tests.support.places import ROOT

BEFORE = ROOT / "tests" / "data_of_before"
FOLDERS = sorted([*GALLERY.glob("2*"), *(BEFORE / "runs").iterdir()])
KINDS = {kind.KIND: kind for kind in Event.__subclasses__()}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_line_of_a_run_comes_back_as_it_stands_in_its_file(folder: Path) -> None:
    for line in read_lines(folder / "points.jsonl"):
        assert Point.from_json(line).to_json() == line
    for line in read_lines(folder / "events.jsonl"):
        fields = {key: value for key, value in line.items() if key not in ("t", "kind")}
        assert list(KINDS[line["kind"]].from_json(line).to_json().items()) == list(fields.items())
    assert Status.from_json(read_json(folder / "status.json")).to_json() == read_json(folder / "status.json")


def test_every_kind_of_event_has_a_word_of_its_own() -> None:
    assert len(KINDS) == len(Event.__subclasses__())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"top1": None}, "top1 is null and should be number"),
        ({"top1": "0.9"}, "top1 is '0.9' and should be number"),
        ({"macs": 1.5}, "macs is 1.5 and should be integer"),
        ({"final": 1}, "final is 1 and should be boolean"),
        ({"widths": {"conv1": [16]}}, "lacks widths.conv1.1"),
        ({"widths": {"a\x92\U0010532d": 1}}, r"widths.a\x92\U0010532d is 1 and should be tuple"),
        ({"got": {"macs": 1.0}}, "lacks got.params"),
    ],
)
def test_a_damaged_point_is_one_sentence_that_names_the_key(change: dict[str, Any], words: str) -> None:
    line = runs.point(0, "baseline", 1.0, 0.9).to_json() | change
    with pytest.raises(WorkError) as caught:
        Point.from_json(line, "points.jsonl")
    assert str(caught.value).startswith("points.jsonl is damaged: ") and words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["point", "stage", "keep", "top1", "widths"])
def test_a_key_that_is_missing_is_named_unless_it_has_a_default(key: str) -> None:
    line = runs.point(0, "baseline", 1.0, 0.9).to_json()
    del line[key]
    if key == "widths":
        assert Point.from_json(line).widths == {}
        return
    with pytest.raises(WorkError, match=f"a record is damaged: it lacks {key}"):
        Point.from_json(line)


def test_a_damaged_line_is_told_with_its_file_and_number(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.append_point(runs.point(0, "baseline", 1.0, 0.9))
    with (tmp_path / "points.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(WorkError, match=r"points\.jsonl, line 2, is damaged: it lacks point"):
        run.points()
    (tmp_path / "status.json").write_text(json.dumps({"state": "lost", "progress": 0.0}))
    with pytest.raises(WorkError, match=r"status\.json is damaged: state is 'lost' and should be 'queued', "):
        run.status()


def test_keys_of_later_versions_are_passed_over() -> None:
    line = runs.point(0, "baseline", 1.0, 0.9).to_json()
    assert Point.from_json(line | {"colour": "green"}).to_json() == line


def test_what_a_status_may_change_are_its_keys() -> None:
    names = {field.name for field in dataclasses.fields(Status)}
    assert set(StatusChanges.__annotations__) == names - {"times", "group"}
    assert set(TimesChanges.__annotations__) == {field.name for field in dataclasses.fields(Times)}
    assert set(ENDED) < set(STATES) and set(RESUMABLE) < set(STATES)


def test_every_key_that_the_tidy_table_takes_is_a_points() -> None:
    keys = {*NUMBERS, "stage", "phase", "note", "trajectory", "criterion", "blocks_removed", "widths", "latency"}
    assert keys - {"onnx"} <= {field.name for field in dataclasses.fields(Point)}


def test_timings_are_alike_when_everything_but_their_numbers_and_their_time_is() -> None:
    first = runs.timing(0)
    assert first.conditions == runs.timing(3, p50_ms=9.0, at=1.0, job="x", clocks_locked=True).conditions
    for more in (
        {"device": "nano"}, {"tool": "onnxruntime"}, {"version": "8.6.1"}, {"precision": "fp16"}, {"threads": 2},
        {"power_mode": "MAXQ"}, {"clocks_locked": False}, {"batch": 8}, {"provider": "CPUExecutionProvider"},
    ):  # fmt: skip
        assert first.conditions != runs.timing(0, **more).conditions, more
    host = runs.point(0, "baseline", 1.0, 0.9).latency[0]
    assert host.conditions != dataclasses.replace(host, host="another").conditions


def test_an_entry_of_the_index_is_a_hosts_or_a_devices() -> None:
    entry = {"where": "tx2", **runs.timing(0).to_json()}
    assert measurement.read_timed(entry) == runs.timing(0)
    host = runs.point(0, "baseline", 1.0, 0.9).latency[0]
    assert measurement.read_timed(host.to_json()) == host


def test_an_attempt_without_counts_is_written_without_them() -> None:
    attempt = {"name": "a", "what": "block", "channels": 0, "saved": 0.1, "rise": 0.2, "selected": True}
    record: Record = event.Attempt.from_json(attempt)
    assert record.to_json() == attempt
