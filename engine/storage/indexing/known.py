"""What a process knows of an index from the last time that it used it. No torch."""

import hashlib
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.storage.folders.journal import Journal
from engine.storage.indexing import tables
from engine.storage.indexing.head import Head
from engine.storage.indexing.places import Place
from engine.storage.indexing.watch import Watch

_MOST_KEPT = 8  # results folders
_TOKENS = 1 << 64


class Known:
    """The heads of all jobs of one index, up to a `turn` of its count of changes, and the watch over their folders.

    `epoch` is the name of the very index, `busy` has the jobs that need a process, `open` those that wait or run, and
    `token` is another number whenever any head is another one. `memory` is the connection of an index in memory.
    """

    def __init__(self, places: Sequence[Place], journal: Journal) -> None:
        self.watch = Watch(places, journal)
        self.memory: sqlite3.Connection | None = None
        self.forget()

    def forget(self) -> None:
        """Knows nothing any more."""
        self.epoch, self.turn, self.token = "", 0, 0
        self.heads: dict[str, Head] = {}
        self.busy: set[str] = set()
        self.open: set[str] = set()
        self.watch.forget()

    def catch_up(self, connection: sqlite3.Connection) -> list[str]:
        """Takes over the heads that were written since; the ids of those that another process wrote, or this one."""
        epoch, turn = tables.turn_of(connection)
        if epoch != self.epoch:
            self.forget()
            self.epoch = epoch
        if turn == self.turn:
            return []
        heads = tables.heads_since(connection, self.turn)
        self.take(heads, turn)
        return [head.job_id for head in heads]

    def take(self, heads: Iterable[Head], turn: int) -> None:
        """Takes over heads that are new or have changed."""
        for head in heads:
            self._take_off_token(head.job_id)
            self.heads[head.job_id] = head
            self.token = (self.token + _hash(head)) % _TOKENS
            for ids, belongs in ((self.busy, head.needs_process()), (self.open, head.waits_or_runs())):
                if belongs:
                    ids.add(head.job_id)
                else:
                    ids.discard(head.job_id)
        self.turn = turn

    def drop(self, ids: Iterable[str]) -> None:
        """Forgets jobs that are no more."""
        for job_id in list(ids):
            self._take_off_token(job_id)
            self.heads.pop(job_id, None)
            self.busy.discard(job_id)
            self.open.discard(job_id)

    def _take_off_token(self, job_id: str) -> None:
        if (old := self.heads.get(job_id)) is not None:
            self.token = (self.token - _hash(old)) % _TOKENS


class KnownIndex:
    """What is known of the index on the disk, and of that in memory; for the one thread that has the `lock`."""

    def __init__(self, places: Sequence[Place], journal: Journal) -> None:
        self.lock = threading.RLock()
        self._places, self._journal = places, journal
        self.on_disk = Known(places, journal)
        self.in_memory = Known(places, journal)

    def forget_memory(self) -> None:
        """Lets go of the index in memory."""
        if self.in_memory.memory is not None:
            self.in_memory.memory.close()
        self.in_memory = Known(self._places, self._journal)


def known_of(path: Path, places: tuple[Place, ...], journal: Journal) -> KnownIndex:
    """What this process knows of the index at a path: of the last few that it used."""
    with _LOCK:
        known = _KNOWN.pop((path, places), None) or KnownIndex(places, journal)
        _KNOWN[path, places] = known
        while len(_KNOWN) > _MOST_KEPT:
            _KNOWN.popitem(last=False)
    return known


def age_order(head: Head) -> tuple[float, str]:
    """By which jobs are sorted, the oldest first."""
    return head.created, head.job_id


def _hash(head: Head) -> int:
    text = f"{head.job_id} {head.stamp}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())


_LOCK = threading.Lock()
_KNOWN: OrderedDict[tuple[Path, tuple[Place, ...]], KnownIndex] = OrderedDict()
