"""Uploads that no run names, which may go. No torch."""

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from engine.storage import files, leftovers
from engine.storage.housekeeping import under_way
from engine.storage.store import Store
from engine.uploads.shelf import DIGEST_LENGTH, Shelf, Upload

_NAMED = re.compile(rf"/([0-9a-f]{{{DIGEST_LENGTH}}})/")


def find(store: Store, older_than: float = leftovers.USUAL_AGE) -> list[Upload]:
    """The uploads that neither a run nor a landscape names; whoever made one less than `older_than` s ago may yet.

    None while a sweep is under way: it may name them in runs that it has not begun.
    """
    before = time.time() - older_than
    old = [upload for upload in Shelf(store.root).all() if upload.at <= before]
    if not old or under_way.is_sweep(store.root):
        return []
    named = {digest for text in _requests(store) for digest in _NAMED.findall(text)}
    return [upload for upload in old if upload.digest not in named]


def remove(store: Store, planned: Iterable[Upload]) -> list[Upload]:
    """Removes those of `planned` that still no run names; what was removed."""
    unused = {upload.path for upload in find(store)}
    removed = [upload for upload in planned if upload.path in unused]
    for upload in removed:
        Shelf(store.root).remove(upload)
    return removed


def _requests(store: Store) -> Iterator[str]:
    """What jobs ask for, as text; of one that the index calls damaged, what its file says."""
    for folder, rows in ((store.folder, store.runs()), (store.landscapes_folder, store.landscapes())):
        for row in rows:
            yield f"{row.get('weights')} {row.get('data')} {row.get('data_root')}"
            if row["state"] == "failed":
                yield _text_of(folder / row["run_id"] / "spec.json")


def _text_of(file: Path) -> str:
    with suppress(OSError):  # what cannot be read names nothing
        return files.read_bytes(file).decode(errors="replace")
    return ""
