"""One job in one process, start to end: `python -m engine.jobs.child RESULTS JOB_ID`. Its output goes to log.txt."""

import errno
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from engine.errors import RequestError, WorkError
from engine.exit import leave
from engine.jobs.signals import handle_signals
from engine.measure.threads import compute_with
from engine.pipeline.duration import length
from engine.storage import atomic
from engine.storage.folders.job import Job
from engine.storage.folders.run import Run
from engine.storage.landscapes.job import Landscape
from engine.storage.records.status import State
from engine.storage.store import Store
from engine.storage.timings.job import Timing

Pipeline = Callable[[Any, Any], None]  # the request, and the job
LOCK_WAIT = 10.0
_LOADING = "loading PyTorch"


class _Stop:
    """What SIGTERM and SIGINT do: raise KeyboardInterrupt once, and only while `open`.

    A second signal, or one that comes when the pipeline has ended, must not disturb the writing of the final state.
    """

    def __init__(self) -> None:
        self.open = self.stopped = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.open:
            self.open, self.stopped = False, True
            raise KeyboardInterrupt


def execute(job: Run | Timing | Landscape, pipeline: Pipeline) -> State:
    """Runs `pipeline(request, job)` with the job's lock held throughout; writes and returns the state it ends in.

    The state is done, failed, cancelled or interrupted. A job that is not queued (any more) is left as it is, but for
    one in the foreground that a worker took for lost, as nobody held its lock while this process began.
    SIGTERM and SIGINT stop it politely; call it from the main thread, which is where Python handles signals.
    Raises RequestError when another process works on it, WorkError when the final state cannot be written.
    """
    if not job.lock.acquire(LOCK_WAIT):
        raise RequestError(f"another process works on {job.id} already; cancel it or wait for it")
    try:
        stop = _Stop()
        with handle_signals(stop):
            return _work(job, pipeline, stop)
    finally:
        job.lock.release()


def _work(job: Run | Timing | Landscape, pipeline: Pipeline, stop: _Stop) -> State:
    status = job.status()
    if status.state != "queued" and not (status.foreground and status.state == "interrupted"):
        return status.state
    if job.is_cancel_requested():
        job.end("cancelled", "cancelled before it was started")
        return "cancelled"
    job.lock.sign()
    atomic.remove_leftovers(job.path)
    atomic.remove_leftovers(job.path / "models")
    job.update(state="running", message="starting", error=None, times={"started": time.time(), "finished": None})
    job.write_log(f"process {os.getpid()} works on this {job.noun}")
    state, sentence = _outcome(job, pipeline, stop)
    job.end(state, sentence)
    job.write_log(sentence if sentence.startswith(state) else f"{state}: {sentence}")
    return state


def _outcome(job: Run | Timing | Landscape, pipeline: Pipeline, stop: _Stop) -> tuple[State, str]:
    """The final state and its one sentence; whatever a stopped pipeline raised, it was stopped."""
    failure = ""
    try:
        stop.open = True
        pipeline(job.spec(), job)
        stop.open = False
        return "done", "done"
    except KeyboardInterrupt:
        stop.stopped = True
    except Exception as error:
        stop.open = False
        failure = "" if stop.stopped else _sentence(job, error)
    if not stop.stopped:
        return "failed", failure
    if job.is_cancel_requested():
        return "cancelled", f"cancelled; resume {job.resumes}"
    return "interrupted", f"interrupted; resume {job.resumes}"


def _sentence(job: Job, error: Exception) -> str:
    """Why it failed, for a person; what only a programmer can read goes to the log."""
    if isinstance(error, RequestError | WorkError):
        return str(error)
    job.log("".join(traceback.format_exception(error)))
    if isinstance(error, MemoryError):
        return "the machine ran out of memory; a smaller batch size or model needs less"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full; free some space, then resume"
    return f"the {job.noun} stopped on an unexpected {type(error).__name__}; log.txt has the details"


def _pipeline(request: Any, job: Run | Timing | Landscape) -> None:
    """What a job consists of; imported here, as that takes seconds and the job is to be seen running."""
    if isinstance(job, Timing):
        from engine.boards import timing_job

        timing_job.run(request, job)
    elif isinstance(job, Landscape):
        job.say(_LOADING)
        from engine.pipeline.landscape import run as landscape

        landscape.run(request, job)
    else:
        job.say(_LOADING, length.share_prepared(request, length.PROCESS))
        set_threads(job)
        from engine.pipeline import run as pipeline

        pipeline.run(request, job)


def set_threads(run: Run) -> None:
    """Compute with as many threads as the run asks for, wherever and beside whatever else this process runs."""
    threads = run.status().threads
    if threads is not None:
        compute_with(threads)


def main(arguments: list[str], pipeline: Pipeline = _pipeline) -> int:
    """The child's exit status: 0 when the job ended done, cancelled or interrupted, else an error's own."""
    if len(arguments) != 2:
        print("usage: python -m engine.jobs.child RESULTS JOB_ID", file=sys.stderr)
        return RequestError.exit_code
    try:
        job = Store(Path(arguments[0])).job(arguments[1])
        if job.gallery:
            raise RequestError(f"{job.id} is a gallery {job.noun}, shipped with the project; it cannot be run")
        return WorkError.exit_code if execute(job, pipeline) == "failed" else 0
    except (RequestError, WorkError) as error:
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
