"""Which job folders have changed since they were last looked at, without looking at all of them each time. No torch.

Of few jobs every one is looked at, by some stats each. Of many those are that are new, that the journal names, on which
a process works, and a share of all others, so that each has its turn within `ROUND_SECONDS`. Where that time is over,
or nobody can tell what the journal said meanwhile, it is every one again.
"""

import math
import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import WorkError
from engine.spec.ids import RUN_ID
from engine.storage import files
from engine.storage.folders.journal import Journal, Position
from engine.storage.indexing.head import Head
from engine.storage.indexing.places import Place

FEW_JOBS = 200  # of which all are looked at each time
ROUND_SECONDS = 60.0  # after which a change is seen that nobody told of
_SETTLED_SECONDS = 2.0  # since a folder changed, after which its time tells of the next change, too
_ID = re.compile(RUN_ID)


@dataclass(frozen=True)
class Changes:
    """What a look has found; `blind` says that there is no journal to go by, `at` when it was, for the next look."""

    changed: Mapping[str, Place]
    removed: Collection[str]
    blind: bool
    at: tuple[Position | None, float]


@dataclass(frozen=True)
class _Listing:
    """The jobs in a folder; its time is None while another change may have the same one."""

    moment: int | None
    ids: tuple[str, ...]


class Watch:
    """Watches over the jobs in some places, of which a later one hides jobs of the same id in earlier ones."""

    def __init__(self, places: Sequence[Place], journal: Journal) -> None:
        self._places, self._journal = places, journal
        self._listings: dict[Path, _Listing] = {}
        self._ids: list[tuple[str, ...]] = []
        self._jobs: dict[str, Place] = {}
        self._turns: list[str] = []  # whose turn comes yet in this round
        self._position: Position | None = None
        self._looked = -math.inf
        self._same: tuple[Mapping[str, Place], Mapping[str, Head]] | None = None

    def look(self, heads: Mapping[str, Head], also: Iterable[str] = ()) -> Changes:
        """What differs from `heads`. Those of `also` are looked at in any case.

        What the journal said counts as read when `settle` is called with the answer.
        """
        position, told = self._journal.since(self._position)
        now = time.monotonic()
        due = told is None or now - self._looked >= ROUND_SECONDS
        jobs = self.jobs(anew=due)
        is_same = self._is_same(jobs, heads)
        if due or told is None or len(jobs) <= FEW_JOBS:
            self._turns = []
            ids: Collection[str] = jobs
        else:
            new = () if is_same else jobs.keys() - heads.keys()
            ids = {*told, *also, *new, *self._next_turns(now)} & jobs.keys()
        changed = {}
        for job_id in ids:
            head, place = heads.get(job_id), jobs[job_id]
            if head is None or head.stamp != place.stamp(job_id):
                changed[job_id] = place
        blind = position is None and len(jobs) > FEW_JOBS
        removed: Collection[str] = () if is_same else heads.keys() - jobs.keys()
        return Changes(changed, removed, blind, (position, now))

    def settle(self, changes: Changes) -> None:
        """What a look has found is known now."""
        self._position, self._looked = changes.at

    def forget(self) -> None:
        """Makes the next look one at everything."""
        self._position, self._looked = None, -math.inf

    def jobs(self, *, anew: bool = True) -> dict[str, Place]:
        """Every job with its place; a folder whose time has not changed is listed again where that is asked for."""
        if anew:
            self._listings = {}
        listings = {place.folder: self._listing(place.folder) for place in self._places}
        ids = [listings[place.folder].ids for place in self._places]
        self._listings = listings
        if ids != self._ids:
            self._ids = ids
            self._jobs = {job_id: place for place, names in zip(self._places, ids, strict=True) for job_id in names}
        return self._jobs

    def _is_same(self, jobs: Mapping[str, Place], heads: Mapping[str, Head]) -> bool:
        """Whether there is a head of every job and of nothing else, as mostly.

        Of the very same jobs and heads that was so before, only heads of further jobs can have come: a count tells.
        """
        known = self._same is not None and self._same[0] is jobs and self._same[1] is heads
        is_same = len(jobs) == len(heads) and (known or jobs.keys() == heads.keys())
        self._same = (jobs, heads) if is_same else None
        return is_same

    def _next_turns(self, now: float) -> list[str]:
        count = math.ceil(len(self._jobs) * (now - self._looked) / ROUND_SECONDS)
        if len(self._turns) < count:
            self._turns += self.jobs(anew=True)
        turns, self._turns = self._turns[:count], self._turns[count:]
        return turns

    def _listing(self, folder: Path) -> _Listing:
        known = self._listings.get(folder)
        try:
            moment = folder.stat().st_mtime_ns
            if known is not None and known.moment == moment:
                return known
            names = files.names_in(folder)
        except (FileNotFoundError, NotADirectoryError):
            names, moment = [], 0
        except OSError as error:
            raise WorkError(f"cannot read {folder}: {error.strerror or error}") from None
        settled = time.time_ns() - moment > _SETTLED_SECONDS * 1e9
        return _Listing(moment if moment and settled else None, tuple(filter(_ID.fullmatch, names)))
