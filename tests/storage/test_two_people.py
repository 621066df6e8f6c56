"""A results folder on a disk that a lab shares: two users of one group, other umasks, other people's folders."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.jobs import worker
from engine.jobs.queue import Queue
from engine.storage.store import Store
from tests.support import runs
from tests.support.hostile import User, common_ground, small_disk, snapshot
from tests.support.standin import make_spec
from tests.support.storm import cleaned, wait_for

LAB = 61_600
ANN, BOB = User(61_501, (LAB,), 0o077), User(61_502, (LAB,), 0o027)
STANDIN = ("-m", "tests.support.standin")
COMMANDS = """
import contextlib, io, json, sys
from engine.cli.main import main

answers = []
for command in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(command)
    answers.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(answers))
"""
PAGE = """
from app.tables import store

token = store.settled_token()
store.runs(token), store.points(token), store.timings(token), store.boards(), store.with_onnx(token)
"""


@pytest.fixture
def ground() -> Iterator[Path]:
    with common_ground() as folder:
        yield folder


@pytest.fixture
def shared(ground: Path) -> Iterator[Store]:
    """A folder of Ann's group, in which what is made belongs to the group."""
    folder = ground / "results"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, ANN.uid, LAB)
    folder.chmod(0o2775)
    store = Store(folder, gallery=ground / "none")
    with cleaned(store):
        yield store


def espalier(user: User, root: Path, *commands: tuple[str, ...]) -> list[tuple[int, str, str]]:
    """Exit code, answer and complaint of each command, in one process of that user."""
    full = [[*command, "--results", str(root)] for command in commands]
    done = user.run("-c", COMMANDS, json.dumps(full))
    assert done.returncode == 0, done.stderr
    return [tuple(answer) for answer in json.loads(done.stdout)]


def submit(user: User, root: Path, epochs: int = 10) -> str:
    done = user.run(*STANDIN, "submit", str(root), "1", str(epochs))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077], ids=oct)
def test_what_is_made_is_the_groups_whatever_the_umask(shared: Store, umask: int) -> None:
    ann = User(ANN.uid, ANN.groups, umask)
    done = ann.run(*STANDIN, "child", str(shared.root), submit(ann, shared.root), "quick")
    assert done.returncode == 0, done.stderr
    for path in shared.root.rglob("*"):
        state = path.stat()
        mode = stat.S_IMODE(state.st_mode)
        assert state.st_gid == LAB and mode == (0o2775 if path.is_dir() else 0o664), (path, oct(mode))
    [(code, out, err)] = espalier(BOB, shared.root, ("runs", "--json"))
    assert (code, err) == (0, "") and [row["state"] for row in json.loads(out) if not row["gallery"]] == ["done"]


def test_the_second_one_cancels_resumes_and_deletes_in_a_folder_of_the_group(shared: Store) -> None:
    first, second = submit(ANN, shared.root, 50_000), submit(ANN, shared.root)
    run = shared.job(first)
    assert ANN.run(*STANDIN, "worker", str(shared.root), "steady").returncode == 0
    wait_for(lambda: run.status().state == "running" and run.steps() > 1)
    process = worker.worker_of(shared)
    answers = espalier(BOB, shared.root, ("cancel", first), ("runs",), ("delete", second))
    assert [(code, err) for code, _, err in answers] == [(0, "")] * 3
    wait_for(lambda: run.status().state == "cancelled")
    assert process is not None and not (shared.folder / second).exists()
    wait_for(lambda: worker.worker_of(shared) is None)
    Queue(shared).resume(first)
    assert BOB.run(*STANDIN, "worker", str(shared.root), "steady").returncode == 0
    wait_for(lambda: run.status().state == "running" and run.lock.owner())
    owner = run.lock.owner()
    assert owner is not None and psutil.Process(owner.pid).uids().real == BOB.uid
    Queue(shared).cancel(first)
    wait_for(lambda: run.status().state == "cancelled" and worker.worker_of(shared) is None)


def test_nobodys_worker_takes_a_run_whose_owner_kept_it(shared: Store) -> None:
    own, others = submit(BOB, shared.root), submit(ANN, shared.root)
    (shared.folder / others).chmod(0o755)
    before = snapshot(shared.folder / others)
    assert BOB.run(*STANDIN, "worker", str(shared.root), "quick").returncode == 0
    wait_for(lambda: shared.job(own).status().state == "done")
    wait_for(lambda: worker.worker_of(shared) is None)
    assert snapshot(shared.folder / others) == before
    log = (shared.root / "worker.log").read_text()
    assert "Traceback" not in log


def test_a_folder_that_nobody_may_enter_stops_nobodys_queue(shared: Store) -> None:
    closed, following = submit(BOB, shared.root, 50_000), submit(BOB, shared.root)
    assert ANN.run("-c", f"import os; os.mkdir({str(shared.folder / '.gone-by')!r}, 0o700)").returncode == 0
    os.utime(shared.folder / ".gone-by", (0, 0))
    assert BOB.run(*STANDIN, "worker", str(shared.root), "steady").returncode == 0
    run = shared.job(closed)
    wait_for(lambda: run.status().state == "running" and run.steps() > 1)
    run.path.chmod(0)
    wait_for(lambda: shared.job(following).status().state == "done" and worker.worker_of(shared) is None)
    run.path.chmod(0o2775)
    assert run.observed_status().state in ("interrupted", "failed")
    assert [code for code, _, _ in espalier(BOB, shared.root, ("resume", closed), ("cancel", closed))] == [0, 0]
    assert "Traceback" not in (shared.root / "worker.log").read_text()


def ann_s_own(ground: Path) -> tuple[Path, list[str]]:
    """Ann's folder, which others may read: one run that is done, one that waits and one that was lost."""
    root = ground / "hers"
    store = Store(root, gallery=ground / "none")
    done = runs.finished(store, make_spec(0, 5))
    waiting = Queue(store).submit(make_spec(1))
    lost = Queue(store).submit(make_spec(2))
    lost.update(state="running")
    store.runs()
    if os.geteuid() == 0:
        for path in (root, *root.rglob("*")):
            os.chown(path, ANN.uid, ANN.uid)
            path.chmod(0o755 if path.is_dir() else 0o644)
    return root, [done.id, waiting.id, lost.id]


def test_somebody_elses_folder_can_be_looked_at_and_says_what_is_missing(ground: Path) -> None:
    root, (done, waiting, lost) = ann_s_own(ground)
    before = snapshot(root)
    looks = (("runs",), ("show", done), ("show", waiting), ("show", lost), ("device", "timings"), ("device", "list"))
    for code, out, err in espalier(BOB, root, *looks):
        assert (code, err) == (0, "") and "Traceback" not in out
    page = BOB.run("-c", PAGE, ESPALIER_RESULTS=str(root))
    assert page.returncode == 0 and "Traceback" not in page.stderr, page
    changes = (("cancel", waiting), ("resume", lost), ("delete", done), ("worker", "--drain"), ("reindex",))
    for (code, out, err), command in zip(espalier(BOB, root, *changes), changes, strict=True):
        assert code in (1, 2) and out == "" and err.count("\n") == 1, (command, code, out, err)
        assert "belongs to 61501 (group 61501, mode" in err, (command, err)
    assert snapshot(root) == before


def test_a_read_only_disk_can_be_looked_at(tmp_path: Path) -> None:
    from engine.cli.main import main
    from engine.errors import RequestError, WorkError

    with small_disk(tmp_path / "disk", 4 << 20) as disk:
        root, (done, waiting, lost) = ann_s_own(disk)
        remount = ["mount", "-o", "remount,ro", str(disk)]
        assert os.spawnvp(os.P_WAIT, "mount", remount) == 0
        before = snapshot(root)
        where = ["--results", str(root)]
        for command in (["runs"], ["show", done], ["show", lost]):
            assert main([*command, *where]) == 0
        store = Store(root)
        assert store.runs() and store.points() and store.token()
        worker.replace_lost(store)
        actions: list[Any] = [Queue(store).cancel, Queue(store).resume, store.delete]
        for action, run_id in zip(actions, (waiting, lost, done), strict=True):
            with pytest.raises((RequestError, WorkError), match="its disk is mounted read-only"):
                action(run_id)
        assert snapshot(root) == before
