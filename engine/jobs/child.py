"""One run in one process, start to end: `python -m engine.jobs.child RESULTS RUN_ID`. Its output goes to log.txt."""

import errno
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from engine import files
from engine.errors import RequestError, WorkError
from engine.jobs.signals import handled
from engine.spec import RunSpec
from engine.store import Run, Store

Pipeline = Callable[[RunSpec, Run], None]
LOCK_WAIT = 10.0


class _Stop:
    """What SIGTERM and SIGINT do: raise KeyboardInterrupt once, and only while `open`.

    A second signal, or one that comes when the pipeline has ended, must not disturb the writing of the final state.
    """

    def __init__(self) -> None:
        self.open = self.asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.open:
            self.open, self.asked = False, True
            raise KeyboardInterrupt


def execute(run: Run, pipeline: Pipeline) -> str:
    """Runs `pipeline(spec, run)` with the run's lock held throughout; writes and returns the state it ends in.

    The state is done, failed, cancelled or interrupted. A run that is not queued (any more) is left as it is.
    SIGTERM and SIGINT stop it politely; call it from the main thread, which is where Python handles signals.
    Raises RequestError when another process works on it, WorkError when the final state cannot be written.
    """
    if not run.lock.acquire(LOCK_WAIT):
        raise RequestError(f"another process works on {run.id} already; cancel it or wait for it")
    try:
        stop = _Stop()
        with handled(stop):
            return _work(run, pipeline, stop)
    finally:
        run.lock.release()


def _work(run: Run, pipeline: Pipeline, stop: _Stop) -> str:
    state = str(run.status()["state"])
    if state != "queued":
        return state
    if run.cancel_mark.exists():
        run.end("cancelled", "cancelled before it was started")
        return "cancelled"
    run.lock.sign()
    files.tidy(run.path)
    files.tidy(run.path / "models")
    run.update(state="running", message="starting", error=None, times={"started": time.time(), "finished": None})
    state, sentence = _outcome(run, pipeline, stop)
    run.end(state, sentence)
    return state


def _outcome(run: Run, pipeline: Pipeline, stop: _Stop) -> tuple[str, str]:
    """The final state and its one sentence; whatever a stopped pipeline raised, it was stopped."""
    failure = ""
    try:
        stop.open = True
        pipeline(run.spec(), run)
        stop.open = False
        return "done", "done"
    except KeyboardInterrupt:
        stop.asked = True
    except Exception as error:
        stop.open = False
        failure = _sentence(run, error)
    if not stop.asked:
        return "failed", failure
    if run.cancel_mark.exists():
        return "cancelled", "cancelled; resume goes on from its last finished step"
    return "interrupted", "interrupted; resume goes on from its last finished step"


def _sentence(run: Run, error: Exception) -> str:
    """Why it failed, for a person; what only a programmer can read goes to the log."""
    if isinstance(error, RequestError | WorkError):
        return str(error)
    run.log("".join(traceback.format_exception(error)))
    if isinstance(error, MemoryError):
        return "the machine ran out of memory; a smaller batch size or model needs less"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full; free some space, then resume"
    return f"the run stopped on an unexpected {type(error).__name__}; log.txt has the details"


def _pipeline(spec: RunSpec, run: Run) -> None:
    from engine import pipeline  # here, because torch takes seconds to import and the run is to be seen running

    pipeline.run(spec, run)


def main(arguments: list[str], pipeline: Pipeline = _pipeline) -> int:
    """The child's exit status: 0 when the run ended done, cancelled or interrupted, else an error's own."""
    if len(arguments) != 2:
        print("usage: python -m engine.jobs.child RESULTS RUN_ID", file=sys.stderr)
        return RequestError.exit_code
    try:
        run = Store(Path(arguments[0])).run(arguments[1])
        if run.gallery:
            raise RequestError(f"{run.id} is a gallery run, shipped with the project; it cannot be run")
        return WorkError.exit_code if execute(run, pipeline) == "failed" else 0
    except (RequestError, WorkError) as error:
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
