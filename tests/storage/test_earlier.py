"""Runs of earlier versions are read as before, and say of their points what the pipeline writes today."""

import html
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import text
from app.tables import points as tables
from engine.cli.commands.runs import _document
from engine.spec import phases
from engine.spec.parts import RecoverSpec
from engine.spec.run import RunSpec
from engine.storage.atomic import read_json, read_lines
from engine.storage.folders.run import Run
from engine.storage.records.earlier import describe_attempts, describe_points
from engine.storage.records.event import Attempts
from engine.storage.records.point import Point
from engine.storage.store import GALLERY, Store
from tests.support import runs
from tests.support.places import ROOT

BEFORE = ROOT / "tests" / "data_of_before"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """The results folder that an earlier version left, and the gallery."""
    shutil.copytree(BEFORE, tmp_path / "results")
    return Store(tmp_path / "results", GALLERY)


def test_a_results_folder_of_before_is_listed_as_before(store: Store) -> None:
    listed = {run["run_id"]: run for run in store.runs()}
    expected = {run["run_id"]: run for run in json.loads((BEFORE / "runs.json").read_text())}
    assert listed.keys() == expected.keys()
    for run_id, summary in expected.items():
        assert listed[run_id].items() >= summary.items()


def test_a_run_of_before_is_shown_as_before(store: Store) -> None:
    for folder in (BEFORE / "runs").iterdir():
        document = _document(store.run(folder.name))
        assert document["points"] == read_lines(folder / "points.jsonl")
        assert document["status"] == read_json(folder / "status.json")


def test_the_points_of_before_stand_in_the_table_as_before(store: Store) -> None:
    frame = tables.tidy(store.points())
    expected = {row["id"]: row for row in json.loads((BEFORE / "tidy.json").read_text())}
    assert set(frame["id"]) == expected.keys()
    for row in frame.to_dict("records"):
        before = expected[row["id"]]
        assert {key: row[key] for key in ("top1", "macs", "before", "final")} == {
            key: before[key] for key in ("top1", "macs", "before", "final")
        }
        assert (row["trajectory"] if row["step"] > 0 else None) == before["trail"]
        if before["hover"] is not None:  # its first line is what the card has above all others
            told = "\n".join(text.details(row))
            assert [line for line in before["hover"].split("<br>")[1:] if html.unescape(line) not in told] == []


def spec(**more: Any) -> RunSpec:
    return RunSpec.model_validate({"target": {"keep": [0.6, 0.8]}, "criterion": "l1"} | more)


DIRECT: dict[str, Any] = {"order": "layers-channels", "depth": {"method": "direct"}}


def steps(phase: str, *keeps: tuple[float, int], **more: Any) -> list[Point]:
    """So many steps of a phase for each target, numbered as in a run."""
    pairs = [(keep, step) for keep, count in keeps for step in range(1, count + 1)]
    return [
        runs.point(n, "pruned", keep, 0.8, phase=phase, step=step, final=False, **more)
        for n, (keep, step) in enumerate(pairs, 1)
    ]


def test_a_first_phase_passes_its_targets_on_one_trajectory() -> None:
    last = runs.point(9, "recovered", 0.6, 0.8, phase="layers", final=False)
    described = describe_points([*steps("layers", (0.8, 2), (0.6, 1)), last], spec(**DIRECT))
    assert [(p.trajectory, p.place, p.passed) for p in described] == [
        ("layers", 1, ()),
        ("layers", 2, (0.8,)),
        ("layers", 3, (0.8, 0.6)),
        (None, None, None),
    ]
    assert not any(p.before_recovery for p in described), "the channels come after these"


def test_a_later_phase_starts_anew_from_each_target() -> None:
    steps_of_run = steps("channels", (0.8, 1), (0.6, 2))
    described = describe_points(steps_of_run, spec(order="layers-channels", width={"method": "progressive"}))
    assert [(p.trajectory, p.place, p.passed) for p in described] == [
        ("channels 0.8", 1, (0.8,)),
        ("channels 0.6", 1, ()),
        ("channels 0.6", 2, ()),  # where the run stopped: whether a step follows nobody can tell
    ]
    assert [p.before_recovery for p in described] == [True, False, False]


def test_a_step_below_the_floor_passes_nothing() -> None:
    request = spec(order="layers", criterion="accuracy", depth={"method": "direct", "floor": 0.9})
    final = runs.point(5, "pruned", 0.8, 0.95, phase="layers", final=True)
    described = describe_points([*steps("layers", (0.8, 1)), final], request)
    assert described[0].passed == ()


@pytest.mark.parametrize(
    ("more", "before"), [({}, True), ({"recover": {"epochs": 0}}, False), ({"order": "channels-layers"}, False)]
)
def test_a_cut_is_before_recovery_only_where_one_ends_its_target(more: dict[str, Any], before: bool) -> None:
    cut = runs.point(1, "pruned", 0.8, 0.8, phase="channels", final=False)
    assert describe_points([cut], spec(**more))[0].before_recovery is before


def test_what_the_pipeline_wrote_is_left_as_it_is() -> None:
    own = replace(steps("layers", (0.8, 1))[0], before_recovery=True, trajectory="mine", place=7, passed=(0.9,))
    assert describe_points([own], spec(**DIRECT)) == [own]
    line = runs.attempts("layers", 0.8, 1, ("a",)) | {"trajectory": "mine", "place": 7, "passed": []}
    assert describe_attempts([Attempts.from_json(line)], spec(**DIRECT))[0].to_json() == line


def test_a_request_that_this_version_refuses_has_phases_all_the_same() -> None:
    request = phases.of_request({"order": "channels-layers", "model": "of another time", "recover": {"epochs": 0}})
    assert request.phases() == ("channels", "layers") and not phases.ends_with_recovery(request, "layers")
    as_it_was = RecoverSpec(reconstruct=False)
    assert phases.of_request({}) == RunSpec.model_construct(recover=as_it_was)


@pytest.mark.parametrize("folder", sorted(GALLERY.glob("2*")), ids=lambda path: path.name)
def test_every_target_of_the_gallery_has_one_point_before_its_recovery(folder: Path) -> None:
    points = Run(folder).described_points()
    before = [point for point in points if point.before_recovery]
    assert [point.keep for point in before] == [point.keep for point in points if point.final]
    assert all(points[p.point + 1].final and p.stage == "pruned" for p in before)
