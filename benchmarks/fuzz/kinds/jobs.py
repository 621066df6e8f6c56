"""Job folders: every file in them damaged, and everything that lists, shows, settles, resumes and deletes jobs."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from app.tables import points as tables
from benchmarks.fuzz import damage
from benchmarks.fuzz.inputs import Input
from benchmarks.fuzz.kinds import results
from benchmarks.fuzz.trial import Kind, check_sentence, look
from engine.jobs.queue import Queue
from engine.storage import atomic
from engine.storage.folders.job import Job
from engine.storage.folders.run import Run
from engine.storage.records.event import Epoch, TurnEvent
from engine.storage.store import Store
from engine.storage.timings.job import Timing

_STATES = ("done", "running", "queued", "interrupted", "failed")


def _attempt(folder: Path, tried: Input) -> None:
    store = results.make(folder, tried.files["state"].decode())  # type: ignore[union-attr]
    healthy = next(run for run in store.runs() if run["run_id"] == results.HEALTHY)
    points = [point for point in store.points() if point["run_id"] == results.HEALTHY]
    Input({name: content for name, content in tried.files.items() if name != "state"}).write(folder)
    job = _job(store, tried)
    before = _snapshot(job.path)
    _show(store, healthy, points)
    for reader in _readers(job):
        look(reader)
    assert _snapshot(job.path) == before, "looking has written into a job folder"
    tables.tidy([point for point in store.points() if point["run_id"] == results.DAMAGED])
    _work(store, job)
    _show(store, healthy, points)
    if os.path.lexists(job.path):
        store.delete(job.id)
    _show(store, healthy, points)
    assert len(store.runs()) + len(store.timings()) == 2, "a deleted job is still listed"


def _job(store: Store, tried: Input) -> Job:
    is_timing = any("/timings/" in name for name in tried.files)
    return Timing(store.timings_folder / results.TIMING) if is_timing else Run(store.folder / results.DAMAGED)


def _show(store: Store, healthy: dict[str, Any], points: list[dict[str, Any]]) -> None:
    """What pages and commands show of all jobs: the healthy run is there as ever."""
    runs, timings, all_points = store.runs(), store.timings(), store.points()
    assert healthy in runs, "a damaged job hides or changes another"
    assert [point for point in all_points if point["run_id"] == results.HEALTHY] == points
    for summary in (*runs, *timings):
        for sentence in filter(None, (summary["message"], summary["error"])):
            assert len(sentence) < 100_000, "a message without end"
            if "is damaged" in sentence:
                check_sentence(sentence)
    json.dumps([runs, timings, all_points], allow_nan=False)
    store.token()
    Queue(store).counts()


def _readers(job: Job) -> Iterator[Any]:
    yield from (job.status, job.observed_status, job.request, job.spec, job.env, job.steps, job.event_lines)
    yield job.lock.owner
    yield lambda: atomic.tail(job.path / "log.txt", 20)
    yield lambda: job.events(Epoch)
    yield lambda: job.events(TurnEvent)
    if isinstance(job, Run):
        yield from (job.points, job.described_points, job.measurements, job.attempts)
    if isinstance(job, Timing):
        yield job.pending_measurements


def _work(store: Store, job: Job) -> None:
    """What the worker and the commands do with it."""
    queue = Queue(store)
    reports: list[Exception] = []
    queue.reconcile(report=lambda _, error: reports.append(error))
    queue.next(report=lambda _, error: reports.append(error))
    queue.find_orphan(report=lambda _, error: reports.append(error))
    for error in reports:
        check_sentence(error)
    look(lambda: queue.cancel(job.id))
    look(lambda: queue.resume(job.id))
    look(lambda: queue.settle(job, crashed=True))
    look(lambda: job.log("a line"))


def _snapshot(folder: Path) -> list[tuple[str, int, int]]:
    paths = sorted([folder, *folder.rglob("*")]) if folder.is_dir() else [folder]
    states = ((str(path), path.lstat()) for path in paths if os.path.lexists(path))
    return [(name, state.st_mtime_ns, state.st_size) for name, state in states]


def _inputs(place: str, documents: results.Documents) -> SearchStrategy[Input]:
    """One or two of the folder's files damaged, those that are not always there among them."""
    strategies: dict[str, SearchStrategy[bytes]] = {
        f"{place}/{name}": damage.damaged_lines(document) if isinstance(document, list) else _document(document)
        for name, document in documents.items()
    }
    strategies |= {f"{place}/{name}": st.binary(max_size=300) for name in ("log.txt", ".lock", ".cancel")}
    return damage.damaged_files(strategies)


def _document(valid: dict[str, Any]) -> SearchStrategy[bytes]:
    return damage.damaged_document(valid) | damage.damaged_bytes(damage.dumps(valid, indent=1))


def _with_state(tried: Input, state: str) -> Input:
    return Input({**tried.files, "state": state.encode()})


_RUN = _inputs(f"results/runs/{results.DAMAGED}", results.run_documents())
_TIMING = _inputs(f"results/timings/{results.TIMING}", results.timing_documents())
_IN_PLACE = damage.damaged_files({f"results/runs/{results.DAMAGED}": st.binary(max_size=20)})
_ANY = st.one_of(_RUN, _RUN, _RUN, _RUN, _TIMING, _TIMING, _IN_PLACE)
KIND = Kind("jobs", st.builds(_with_state, _ANY, st.sampled_from(_STATES)), _attempt, refuses=False)
