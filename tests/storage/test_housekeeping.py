"""What people do about their runs: names and notes, deletion that can be undone, and space on the disk."""

import json
import os
import time
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.errors import RequestError, WorkError
from engine.storage.folders.run import Run
from engine.storage.housekeeping import annotations, disk, trash
from engine.storage.records.annotation import Annotation
from engine.storage.records.event import Attempts, CrashEvent, Cut, Note, PhaseEvent, PointEvent, StartEvent
from engine.storage.records.log_lines import LONGEST
from engine.storage.store import Store
from tests.support import runs
from tests.support.stores import filled, make

NASTY = "=1+1 <b>**x**\x1b[31m\u202e"


def with_files(store: Store, seed: int, state: str = "done") -> Run:
    run = filled(store, seed)
    for number in range(3):
        run.model_file(number, "onnx").write_bytes(b"o" * 1000)
        run.model_file(number, "safetensors").write_bytes(b"w" * 100)
        run.model_file(number, "plan.json").write_text("{}")
    run.update(state=state)
    return run


def test_what_is_written_about_a_run_is_kept_listed_and_bounded(store: Store) -> None:
    run = filled(store)
    before = store.token()
    assert annotations.read(run).is_empty and store.runs()[0]["name"] == ""
    written = Annotation.of(f"  {NASTY}  name\n", "first\r\n\r\n\tsecond\x00", ["b", " a ", "", "b"])
    annotations.write(run, written)
    assert (written.note, written.tags) == ("first\n\nsecond", ("b", "a"))
    assert "\x1b" not in written.name and "\n" not in written.name and written.name.startswith("=1+1 <b>**x**")
    (row,) = store.runs()
    assert (row["name"], row["note"], row["tags"]) == (written.name, written.note, ["b", "a"])
    assert store.token() != before and run.spec().digest() == make().digest()
    for name, note, tags in (
        ("n" * 81, "", []),
        ("", "n" * 2001, []),
        ("", "", ["t" * 31]),
        ("", "", list("abcdefghijk")),
    ):
        with pytest.raises(RequestError, match="at most"):
            Annotation.of(name, note, tags)
    annotations.write(run, Annotation())
    assert not annotations.file_of(run).exists()
    with pytest.raises(RequestError, match="is a gallery run"):
        annotations.write(Run(run.path, gallery=True), written)


@pytest.mark.parametrize("content", ["{", '{"name": 7}', '{"tags": ["%s"]}' % ("t" * 99), "[]"])
def test_a_damaged_annotation_is_said_and_hides_no_run(store: Store, content: str) -> None:
    run = filled(store)
    annotations.file_of(run).write_text(content)
    with pytest.raises(WorkError, match=r"annotation\.json is damaged"):
        annotations.read(run)
    (row,) = store.runs()
    assert row["points"] == 3 and row["error"] is None and row["name"] == ""


def test_deleted_runs_can_be_put_back_together_also_by_another_process(store: Store) -> None:
    kept, *deleted = (filled(store, seed) for seed in range(3))
    busy = store.create(make(9), foreground=True)
    ids = [run.id for run in deleted]
    done, refusals = trash.discard(store, [*ids, busy.id, "20260101-000000-00000000"])
    busy.lock.release()
    assert done == ids and len(refusals) == 2 and "is running; cancel it" in refusals[0]
    assert {run["run_id"] for run in store.runs()} == {kept.id, busy.id}
    again = Store(store.root, gallery=store.gallery)
    batch = trash.last_batch(trash.deletions(again))
    assert [one.job_id for one in batch] == sorted(ids)
    trash.restore(again, batch)
    assert {run["run_id"] for run in store.runs()} == {kept.id, busy.id, *ids} and deleted[0].points()
    with pytest.raises(RequestError, match="is there again"):
        trash.restore(again, batch)


def test_what_was_deleted_goes_for_good_after_its_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = filled(store)
    trash.discard(store, [run.id])
    trash.sweep(store)
    store.sweep()
    (deletion,) = trash.deletions(store)
    assert deletion.until - deletion.at == trash.KEPT_SECONDS and disk.sizes(store)["deleted runs"] > 0
    monkeypatch.setattr(time, "time", lambda: deletion.until + 1.0)
    assert trash.deletions(store) == []
    trash.sweep(store)
    assert list(store.folder.iterdir()) == []


def test_cleaning_says_what_it_would_free_and_keeps_plans_points_and_what_others_need(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    done, needed, failed = with_files(store, 0), with_files(store, 1), with_files(store, 2, "failed")
    goes_on = store.create(make(3, weights=f"{needed.id}:1"))
    trash.discard(store, [with_files(store, 4).id])
    sizes = disk.sizes(store)
    assert sizes["ONNX files"] == 9000 and sizes["weights"] == 900 and disk.size(done.path) > 3300
    before = {path for path in done.path.rglob("*") if path.is_file()}
    where = ["--results", str(store.root), "--json"]
    assert main(["clean", *where]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["files"], said["bytes"], said["removed"], said["runs"]) == (3, 3000, False, {done.id: 3})
    assert {path for path in done.path.rglob("*") if path.is_file()} == before
    assert disk.cleaning(store, weights=True).bytes == 3300
    token = store.token()
    assert main(["clean", "--yes", *where]) == 0 and json.loads(capsys.readouterr().out)["removed"]
    gone = {path.name for path in before if not path.exists()}
    assert gone == {"p0.onnx", "p1.onnx", "p2.onnx"} and store.token() != token and trash.deletions(store) == []
    assert disk.clean(store, disk.cleaning(store, weights=True)).count == 3
    assert (done.path / "models" / "p1.plan.json").exists() and len(done.points()) == 3
    assert all(run.model_file(1, "onnx").exists() for run in (needed, failed)) and goes_on.path.exists()


def test_cleaning_follows_no_link(store: Store, tmp_path: Path) -> None:
    run, victims = with_files(store, 0), tmp_path / "victims"
    (run.path / "models").rename(victims)
    (run.path / "models").symlink_to(victims)
    assert disk.cleaning(store, weights=True).count == 0
    assert disk.clean(store, disk.Cleaning({run.id: (victims.parent / "none",)}, 0)).count == 0
    assert len(list(victims.iterdir())) == 9


def test_the_log_has_a_line_with_its_time_for_every_event_and_one_line_whatever_is_in_it(store: Store) -> None:
    run = filled(store)
    steps = runs.attempts("layers", 0.5, 2, ("layer1.1", "layer2.2"))
    run.append_event(StartEvent(notes=("val split: 10% of train", "two\nlines \x1b[31m" + "x" * 9999), device="cpu"))
    run.append_event(PhaseEvent(phase="channels", keep=0.5, stage="recovered", message="recovering", progress=0.25))
    run.append_event(runs.epoch(1, 3))
    run.append_event(PhaseEvent(phase="train", message="training, epoch 1/3"))
    run.append_event(Cut(phase="channels", keep=0.5, relative_error=1e-6, drop_channels={"a": (1, 2), "b": (3,)}))
    run.append_event(Attempts.from_json(steps))
    run.append_event(PointEvent(point=1, stage="recovered", phase="channels", keep=0.5, top1=0.9))
    run.append_event(Note(text="a note"))
    run.append_event(CrashEvent(crashes=1))
    lines = run.log_tail()
    assert len(lines) == 10 and all(time.strptime(line[:19], "%Y-%m-%d %H:%M:%S") for line in lines)
    said = [line[21:] for line in lines]
    assert said[0] == "begins on cpu" and len(said[2]) == LONGEST and "\x1b" not in said[2]
    assert said[3] == "0.5×: channels, recovering (25% of the run)"
    assert said[4].startswith("1×: train, epoch 1/3: loss 2.3000, training 20.0%, validation 10.0%")
    assert "removed 3 channels in 2 layers" in said[5] and "2 attempts by accuracy; selected layer1.1" in said[6]
    assert said[7:9] == ["point 1, 0.5×: channels, recovered: top-1 90.0%", "a note"]


def test_the_best_so_far_comes_with_its_cost(store: Store) -> None:
    run = filled(store)
    run.append_point(runs.point(3, "recovered", 0.25, 0.95, final=True))
    assert (store.runs()[0]["best_top1"], store.runs()[0]["best_cost"]) == (0.95, 0.25)
    odd = runs.point(4, "recovered", 0.2, 0.96, final=True, asked={"metric": "to_json", "keep": 0.2})
    run.append_point(odd)
    os.utime(run.path)
    assert (store.runs()[0]["best_top1"], store.runs()[0]["best_cost"]) == (0.96, None)
