"""Deletion that can be undone for a while: a folder keeps its place on the disk, under a hidden name with the time.

A results folder needs nothing else to know what can be put back, so a restart forgets none of it. No torch.
"""

import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.errors import RequestError, WorkError
from engine.spec.ids import RUN_ID
from engine.storage import leftovers
from engine.storage.atomic import as_work_error
from engine.storage.store import Store

KEPT_SECONDS = 3600
_NAME = re.compile(rf"\.trash-(?P<at>[0-9]{{1,12}})-(?P<id>{RUN_ID})")


@dataclass(frozen=True)
class Deletion:
    """A job that was deleted at a Unix second, and where its folder is until it goes for good."""

    job_id: str
    at: int
    path: Path

    @property
    def until(self) -> int:
        """The Unix second until which it can be put back."""
        return self.at + KEPT_SECONDS


def discard(store: Store, job_ids: Iterable[str]) -> tuple[list[str], list[str]]:
    """Deletes jobs that nobody works on, together, so that they can be put back together.

    The ids of those that were, and a sentence for each that was not.
    """
    at = int(time.time())
    discarded: list[str] = []
    refusals: list[str] = []
    for job_id in job_ids:
        try:
            store.put_aside(job_id, f".trash-{at}-{job_id}")
            discarded.append(job_id)
        except (RequestError, WorkError) as error:
            refusals.append(str(error))
    return discarded, refusals


def deletions(store: Store) -> list[Deletion]:
    """What can still be put back, the last one first."""
    now = time.time()
    return sorted((one for one in _all(store) if one.until > now), key=lambda one: (-one.at, one.job_id))


def last_batch(deleted: Sequence[Deletion]) -> list[Deletion]:
    """Those of `deletions` that were deleted together, the last ones."""
    return [one for one in deleted if one.at == deleted[0].at]


def restore(store: Store, deleted: Iterable[Deletion]) -> None:
    """Puts jobs back where they were; RequestError for one that is gone for good, and where its place is taken."""
    for one in deleted:
        place = one.path.with_name(one.job_id)
        if os.path.lexists(place):
            raise RequestError(f"{one.job_id} cannot be put back: {place} is there again")
        try:
            with as_work_error(place):
                one.path.rename(place)
        except WorkError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise RequestError(f"{one.job_id} was put back or removed for good in the meantime") from None
            raise
        store.note(store.job(one.job_id))


def empty(store: Store) -> None:
    """Removes for good all that was deleted."""
    for one in _all(store):
        with as_work_error(one.path), suppress(FileNotFoundError):
            leftovers.remove(one.path)


def sweep(store: Store) -> None:
    """Removes for good what can no longer be put back, as far as this user may."""
    now = time.time()
    for one in _all(store):
        if one.until <= now:
            with suppress(OSError):  # another user's
                leftovers.remove(one.path)


def _all(store: Store) -> Iterator[Deletion]:
    for parent in store.folders:
        for path in parent.glob(".trash-*") if parent.is_dir() else ():
            match = _NAME.fullmatch(path.name)
            if match is not None:
                yield Deletion(match["id"], int(match["at"]), path)
