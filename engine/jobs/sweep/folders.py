"""The run folders of a sweep as an executor gets them, and what becomes of those that come back. No torch."""

import os

from engine.jobs.queue import handle_crash, requeue
from engine.jobs.sweep.inventory import Entry
from engine.storage.folders.run import Run
from engine.storage.records.status import ENDED, State
from engine.storage.store import Store

_LEAVING = 5.0  # seconds that a child which has just ended may still hold its lock for


def prepare(store: Store, entry: Entry, name: str, threads: int) -> Run | None:
    """The run of an entry as `Workload.next` gives it out; None where it was done in the meantime.

    One that has begun goes on with the threads that it began with; one that was deleted since begins anew.
    """
    if entry.run_id is None or not os.path.lexists(store.folder / entry.run_id):
        return store.create(entry.spec, foreground=True, experiment=name, threads=threads)
    run = store.run(entry.run_id)
    if not run.lock.acquire(_LEAVING if entry.state != "running" else 0.0):
        return run  # a process that was left behind works on it
    try:
        status = run.status_or_new()
        if status.state == "done":
            run.lock.release()
            return None
        run.forget_to_cancel()
        if not (status.state == "queued" and status.foreground):
            requeue(run, f"waiting; {run.resumes}", foreground=True, crashes=0)
        if status.threads is None:
            run.update(threads=threads)
    except BaseException:
        run.lock.release()
        raise
    return run


def close(run: Run, problem: str | None, *, stopped: bool) -> State:
    """The state in which a run has come back: one that has ended, `interrupted` when all was stopped, else `queued`.

    A queued one was lost and waits once more, unless that happens again and again: then it has failed.
    """
    if not run.lock.acquire(_LEAVING):
        return run.observed_status().state  # somebody else has taken it up
    try:
        state = run.status_or_new().state
        if state in ENDED:
            return state
        if problem is not None:
            run.end("failed", problem)
        elif run.is_cancel_requested():
            run.end("cancelled", f"cancelled; resume {run.resumes}")
        elif stopped:
            run.end("interrupted", f"its sweep was stopped; resume {run.resumes}")
        else:
            handle_crash(run, foreground=True)
        return run.status().state
    finally:
        run.lock.release()
