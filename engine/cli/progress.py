"""A job's progress on stderr while it runs in the foreground."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from engine.errors import WorkError
from engine.storage.job_folder import Job
from engine.texts import printable

_REFRESH_SECONDS = 0.5
_LONGEST = 200  # characters of a message


@contextmanager
def show_progress(folder: Job) -> Iterator[None]:
    """A live bar on stderr from the job's own status, while the block runs; only where stderr is a terminal."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
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


def _update(bar: Progress, task: TaskID, folder: Job) -> None:
    """Shows how the job stands; what is shown stays while its status cannot be read, which the job itself will say."""
    with suppress(WorkError):
        status = folder.status()
        bar.update(task, completed=status.progress, description=printable(status.message, _LONGEST))
