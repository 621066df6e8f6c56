"""What is written in a run's folder on a node comes into the one here, whole, in order and nothing twice."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import WorkError
from engine.jobs.executors.ray import pieces
from engine.jobs.executors.ray.pieces import Inbox, Outbox, Piece, batches, folder_of, translation
from engine.storage import atomic
from engine.storage.folders.run import Run
from engine.storage.records.event import Epoch
from engine.storage.store import Store
from tests.support import standin


@pytest.fixture
def run(store: Store) -> Run:
    return store.create(standin.make_spec(epochs=10), foreground=True)


def moved(run: Run, to: Path) -> Run:
    """The run's folder as a node has it."""
    there = Run(to / "node" / "runs" / run.id)
    for name, data in folder_of(run):
        path = there.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return there


def contents(run: Run) -> dict[str, bytes]:
    found = (path for path in run.path.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(run.path)): path.read_bytes() for path in found}


def test_a_folder_follows_another_at_every_moment(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 10)
    there = moved(run, tmp_path)
    outbox, inbox = Outbox(there.path), Inbox(run)
    for epochs in (3, 5, 10):
        standin.quick(standin.make_spec(epochs=epochs), there)
        there.model_file(0, "safetensors").write_bytes(bytes(range(256)) * epochs)
        inbox.put(outbox.pieces())
        assert contents(run) == contents(there)
    assert len(run.points()) == 2 and list(outbox.pieces()) == []
    shutil.rmtree(there.checkpoint)
    there.end("done", "done")
    inbox.put(outbox.pieces(last=True))
    assert contents(run) == contents(there) and run.status().state == "done" and not run.checkpoint.exists()


def test_lines_come_after_the_files_they_speak_of_then_what_a_run_resumes_from_and_the_status(
    run: Run, tmp_path: Path
) -> None:
    there = moved(run, tmp_path)
    outbox = Outbox(there.path)
    standin.quick(standin.make_spec(epochs=10), there)
    there.model_file(0, "onnx").write_bytes(b"a network")
    there.end("done", "done")
    lines = ["points.jsonl", "events.jsonl", "log.txt"]
    expected = ["models/p0.onnx", *lines, "checkpoint/state.json", "status.json"]
    assert [name for _, name, _, _ in outbox.pieces()] == expected


def test_what_a_run_resumes_from_is_never_ahead_of_its_lines(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = moved(run, tmp_path)
    outbox, inbox = Outbox(there.path), Inbox(run)
    standin.quick(standin.make_spec(epochs=3), there)
    monkeypatch.setattr(outbox, "_new_lines", while_the_run_goes_on(there, outbox._new_lines))
    inbox.put(outbox.pieces())
    state = atomic.read_json(run.checkpoint / "state.json")
    assert state["epoch"] == 3 and [epoch.epoch for epoch in run.events(Epoch)] == [1, 2, 3, 4]
    inbox.put(outbox.pieces())
    assert contents(run) == contents(there)


def while_the_run_goes_on(there: Run, usual: Callable[..., list[Piece]]) -> Callable[..., list[Piece]]:
    def new_lines(name: str, last: bool) -> list[Piece]:
        standin.quick(standin.make_spec(epochs=4), there)
        return usual(name, last)

    return new_lines


def test_an_unfinished_line_waits_for_its_end(run: Run, tmp_path: Path) -> None:
    there = moved(run, tmp_path)
    outbox = Outbox(there.path)
    (there.path / "events.jsonl").write_bytes(b'{"t": 1}\n{"t": ')
    assert [piece[2] for piece in outbox.pieces()] == [b'{"t": 1}\n']
    (there.path / "events.jsonl").write_bytes(b'{"t": 1}\n{"t": 2}\n{"t"')
    assert [piece[2] for piece in outbox.pieces()] == [b'{"t": 2}\n']
    assert [piece[2] for piece in outbox.pieces(last=True)] == [b'{"t"']


def test_what_a_killed_process_left_unfinished_is_cut_off_before_a_folder_is_sent(run: Run) -> None:
    run.append_event(standin.Note(text="whole"))
    with (run.path / "events.jsonl").open("ab") as file:
        file.write(b'{"t": 17')
    sent = dict(folder_of(run))
    assert sent["events.jsonl"].endswith(b"}\n") and (run.path / "events.jsonl").read_bytes() == sent["events.jsonl"]
    assert ".lock" not in sent and run.lock.is_held()


def test_a_file_that_comes_in_part_leaves_nothing(run: Run) -> None:
    inbox = Inbox(run)
    inbox.put([("file", "models/p0.onnx", b"half", True)])
    inbox.close()
    assert list((run.path / "models").iterdir()) == []
    inbox.put([("file", "models/p0.onnx", b"one", True), ("file", "models/p0.onnx", b", two", False)])
    assert (run.path / "models" / "p0.onnx").read_bytes() == b"one, two"


@pytest.mark.parametrize("name", ["../other", "/etc/passwd", ".lock", "models/.hidden", "a/b/c/d", ""])
def test_no_piece_is_written_outside_of_what_a_run_has(run: Run, name: str) -> None:
    with pytest.raises(WorkError, match="a node has sent a file that is none of a run's"):
        Inbox(run).put([("file", name, b"x", False)])


def test_an_ended_run_takes_the_wish_to_cancel_it_along(run: Run, tmp_path: Path) -> None:
    there = moved(run, tmp_path)
    outbox = Outbox(there.path)
    run.ask_to_cancel()
    there.end("cancelled", "cancelled")
    Inbox(run).put(outbox.pieces())
    assert run.status().state == "cancelled" and not run.is_cancel_requested()


def test_a_paths_name_here_stands_in_what_comes_back(run: Run, tmp_path: Path) -> None:
    there = moved(run, tmp_path)
    outbox = Outbox(there.path, translation({"/node/data/ab/im\\ages": '/home/me/my "images"'}))
    there.append_event(standin.Note(text="read /node/data/ab/im\\ages"))
    Inbox(run).put(outbox.pieces())
    assert [note.text for note in run.events(standin.Note)] == ['read /home/me/my "images"']


def test_pieces_travel_together_up_to_a_size() -> None:
    several: list[Piece] = [("lines", "log.txt", b"x" * 6, False)] * 5
    assert [len(batch) for batch in batches(several, most=10)] == [2, 2, 1]
