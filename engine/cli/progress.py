"""A job's progress on stderr while it runs in the foreground."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from engine.storage.job_folder import Job

_REFRESH_SECONDS = 0.5


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
                status = folder.status()
                bar.update(task, completed=status.progress, description=status.message)

        watcher = threading.Thread(target=follow, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()
            status = folder.status()
            bar.update(task, completed=status.progress, description=status.message)
