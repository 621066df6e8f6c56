"""The results folder as a whole: who may write, what space is left, who works the queue, what the index says."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from engine.boards.registry import Registry
from engine.doctor.finding import Finding
from engine.errors import WorkError
from engine.jobs import worker
from engine.jobs.queue import Queue
from engine.storage import directories, files
from engine.storage.atomic import as_work_error
from engine.storage.permissions import lacks_permission
from engine.storage.store import Store
from engine.units import si

LEAST_FREE = 1 << 30  # bytes: one run of a large network with its files
LINKS_ALLOWED = ("devices.toml", "known_hosts", "runs", "timings", "landscapes")  # that a user may keep elsewhere


def check_writable(store: Store) -> Iterator[Finding]:
    """Whether this user may put jobs here."""
    if store.root.exists() and not store.is_writable():
        folder = store.folder if store.folder.exists() else store.root
        yield Finding("permission", str(folder), f"the results folder {lacks_permission(folder)}")


def check_sharing(store: Store) -> Iterator[Finding]:
    """Whether those who share the folder may write to what is in it, and this user to what is another's."""
    if not store.is_writable():
        return
    for parent in store.folders:
        if not parent.is_dir():
            continue
        wanted = parent.stat()
        for path in _all_below(parent):
            state = path.lstat()
            if stat.S_ISLNK(state.st_mode) or _is_shared(state, wanted):
                continue
            if state.st_uid == os.geteuid():
                sentence = "its group and mode are not those of the folder, so that others who share it cannot write"
                yield Finding("permission", str(path), sentence, partial(_share, path, parent))
            elif not os.access(path, os.W_OK):
                yield Finding("permission", str(path), f"it {lacks_permission(path)}")


def check_disk(store: Store) -> Iterator[Finding]:
    """Whether a run has room."""
    nearest = directories.nearest(store.root)
    free = shutil.disk_usage(nearest).free
    if free < LEAST_FREE:
        yield Finding(
            "disk", str(nearest), f"only {si(free, 'B')} of its disk are free; delete runs, or choose another"
        )


def check_links(store: Store) -> Iterator[Finding]:
    """Links and other things in the place of files of the folder itself."""
    for path in sorted(store.root.iterdir()) if store.root.is_dir() else ():
        kind = files.kind_of(path)
        if kind in (None, "a folder") or path.name in LINKS_ALLOWED:
            continue
        yield Finding("link", str(path), f"it is {kind}, and no regular file; remove it", partial(_unlink, path))


def check_worker(store: Store) -> Iterator[Finding]:
    """Whether anybody works on what waits."""
    queue = Queue(store)
    if worker.has_worker(store) or not queue.has_work():
        return
    counts = queue.counts()
    waiting = counts["queued"] + counts["interrupted"]
    sentence = f"no worker is running, and {waiting} {'job waits' if waiting == 1 else 'jobs wait'} for one"
    yield Finding("worker", str(store.root), sentence, partial(worker.start_detached, store))


def check_devices(store: Store) -> Iterator[Finding]:
    """Whether the file of the boards can be read."""
    try:
        Registry(store.root).all()
    except WorkError as error:
        yield Finding("damage", "devices.toml", str(error))


def check_index(store: Store) -> Iterator[Finding]:
    """Whether the index says what the folders say; every file of every run is read for it."""
    if store.index.differs():
        yield Finding("index", str(store.index.path), "it says other things than the job folders", store.reindex)


def check_leftovers(store: Store) -> Iterator[Finding]:
    """Folders that killed processes were still making, or deleting."""
    for path in store.leftovers():
        yield Finding("leftover", str(path), "a killed process left it; nobody needs it", store.sweep)


def _all_below(parent: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(parent):
        yield Path(folder)
        yield from (Path(folder) / name for name in names)


def _is_shared(state: os.stat_result, wanted: os.stat_result) -> bool:
    """Whether whoever may write to the folder may write to what is in it."""
    needed = wanted.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    same_group = state.st_gid == wanted.st_gid or not wanted.st_mode & stat.S_IWGRP
    return state.st_mode & needed == needed and same_group


def _share(path: Path, parent: Path) -> None:
    with as_work_error(path), files.held_folder(parent, links=True) as folder:
        if path.is_dir():
            with files.held_folder(path) as descriptor:
                files.share(descriptor, folder)
        else:
            with files.opened(path) as descriptor:
                files.share(descriptor, folder)


def _unlink(path: Path) -> None:
    with as_work_error(path), suppress(FileNotFoundError):
        path.unlink()
