"""The progress of a job, or of something shorter, on stderr while it runs in the foreground."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from engine.errors import WorkError
from engine.storage.folders.job import Job
from engine.texts import printable

_REFRESH_SECONDS = 0.5
_LONGEST = 200  # characters of a message


@contextmanager
def show_progress(folder: Job) -> Iterator[None]:
    """A live bar on stderr from the job's own status, while the block runs; only where stderr is a terminal."""
    with _bar() as bar:
        task = bar.add_task("starting", total=1.0)
        stop = threading.Event()

        def follow() -> None:
            while not stop.wait(_REFRESH_SECONDS):
                _update(bar, task, folder)

        watcher = threading.Thread(target=follow, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()
            _update(bar, task, folder)


@contextmanager
def show_steps(*, lines: bool) -> Iterator[Callable[[float, str], None]]:
    """What takes how much is done, 0 to 1, and what goes on: a live bar, or with `lines` a line each for a program."""
    if lines:
        yield lambda done, what: print(f"{done:.3f} {printable(what, _LONGEST)}", file=sys.stderr, flush=True)
        return
    with _bar() as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda done, what: bar.update(task, completed=done, description=printable(what, _LONGEST))


def _bar() -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _update(bar: Progress, task: TaskID, folder: Job) -> None:
    """Shows how the job stands; what is shown stays while its status cannot be read, which the job itself will say."""
    with suppress(WorkError):
        status = folder.status()
        bar.update(task, completed=status.progress, description=printable(status.message, _LONGEST))
