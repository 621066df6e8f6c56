"""A disk that is full, at every step of a run: nothing is lost, and with space again it ends as it would have."""

import functools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import WorkError
from engine.jobs import crew, worker
from engine.jobs.child import execute
from engine.jobs.queue import Queue
from engine.spec.run import RunSpec, parse
from engine.storage.folders.run import Run
from engine.storage.store import Store
from tests.support import standin
from tests.support.hostile import PAGE, fill, make_space, small_disk
from tests.support.standin import child_command, make_spec
from tests.support.storm import wait_for
from tests.support.timing import short_timing

QUICK = functools.partial(standin.steady, pause=0.0)
SPEC = make_spec(epochs=10)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 1500 * PAGE) as path:
        yield path


def calm_points(folder: Path, spec: RunSpec, pipeline: Any = QUICK) -> list[Any]:
    run = Store(folder, gallery=folder / "none").create(spec, foreground=True)
    assert execute(run, pipeline) == "done"
    return run.points()


def submitted(disk: Path, name: str) -> tuple[Queue, Run]:
    queue = Queue(Store(disk / name, gallery=disk / "none"))
    return queue, queue.submit(SPEC)


def work_once(run: Run, pipeline: Any) -> bool:
    """What a child does on that disk; whether it came to an end that is written down."""
    try:
        execute(run, pipeline)
    except WorkError as error:
        assert "the disk is full" in str(error)
        return False
    return True


def test_wherever_the_disk_fills_up_the_run_ends_as_a_calm_one_does(disk: Path, tmp_path: Path) -> None:
    calm = calm_points(tmp_path / "calm", SPEC)
    states = set()
    for pages in range(26):
        queue, run = submitted(disk, f"pages-{pages}")
        fill(disk, leave=pages * PAGE)
        work_once(run, QUICK)
        state = run.observed_status().state
        states.add(state)
        make_space(disk)
        if state != "done":
            queue.resume(run.id)
            assert execute(Run(run.path), QUICK) == "done", (pages, run.status().message)
        assert run.points() == calm, pages
        assert not list(run.path.rglob(".~*")), pages
        queue.store.delete(run.id)
    assert {"queued", "interrupted", "done"} <= states, states


def test_a_disk_without_room_for_another_file_is_the_same(tmp_path: Path) -> None:
    calm = calm_points(tmp_path / "calm", SPEC)
    for free in range(8):
        with small_disk(tmp_path / "disk", 400 * PAGE, inodes=40) as disk:
            queue, run = submitted(disk, "results")
            fillers = [disk / f"file-{n}" for n in range(40)]
            try:
                for filler in fillers:
                    filler.touch()
            except OSError:
                for filler in [path for path in fillers if path.exists()][:free]:
                    filler.unlink()
            work_once(run, QUICK)
            state = run.observed_status().state
            for filler in fillers:
                filler.unlink(missing_ok=True)
            if state != "done":
                queue.resume(run.id)
                assert execute(Run(run.path), QUICK) == "done", run.status().message
            assert run.points() == calm, free


def test_a_worker_outlives_a_full_disk_and_tries_again(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "RETRY_SECONDS", 0.3)
    queue, run = submitted(disk, "results")
    other = queue.submit(make_spec(seed=1, epochs=5))
    fill(disk)
    done: list[str] = []

    def free_space() -> None:
        try:
            end = time.monotonic() + 3.0
            while time.monotonic() < end:
                fill(disk)  # what others free in between, too
                time.sleep(0.005)
            done.append(run.status().state)
            assert queue.resume(run.id).id == run.id, "it is accepted"
        finally:
            make_space(disk)

    helper = threading.Thread(target=free_space)
    helper.start()
    worker.work(queue.store, drain=True, command=child_command("steady"))
    helper.join()
    assert done in (["queued"], ["running"]), "the worker waited for space"
    assert [job.status().state for job in (run, other)] == ["done", "done"]
    assert run.points() == calm_points(tmp_path / "calm", SPEC)


REAL = parse(
    {
        "order": "channels",
        "data": {"name": "digits", "limit": 48},
        "train": {"epochs": 1},
        "recover": {"epochs": 1},
        "target": {"keep": [0.7]},
        "int8": True,
    }
)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, list[Any], int]]:
    """The real pipeline, a calm run's points, and the bytes that it takes."""
    from engine.pipeline import run as pipeline

    with short_timing():
        folder = tmp_path_factory.mktemp("calm")
        points = essence(calm_points(folder, REAL, pipeline.run))
        files = (folder / "runs").rglob("*")  # what the cache has no room for it does without
        yield pipeline.run, points, sum(path.stat().st_size for path in files if path.is_file())


def essence(points: list[Any]) -> list[Any]:
    return [p.without_clock() for p in points]


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_so_does_the_real_pipeline(tmp_path: Path, real: tuple[Any, list[Any], int], share: float) -> None:
    pipeline, calm, size = real
    with small_disk(tmp_path / "disk", 3 * size) as disk:
        store = Store(disk / "results", gallery=disk / "none")
        run = Queue(store).submit(REAL)
        fill(disk, leave=int(share * size))
        work_once(run, pipeline)
        state = run.observed_status()
        assert state.state in ("failed", "interrupted") and (state.error is None or "disk is full" in state.error)
        make_space(disk)
        wait_for(lambda: not run.lock.is_taken())
        Queue(store).resume(run.id)
        assert execute(Run(run.path), pipeline) == "done", run.status().message
        assert essence(run.points()) == calm
