"""What there is of a sweep already: each of its specs with its run, and what is left to do about it. No torch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.spec.run import RunSpec
from engine.storage.store import Store

Standing = Literal["done", "failed", "begun", "new"]
_DIGEST = slice(16, 24)  # of a run's id
_RANK = {"done": 0, "running": 1, "queued": 2, "interrupted": 3, "cancelled": 4, "failed": 5}


@dataclass(frozen=True)
class Entry:
    """A spec of a sweep, and the id, state and progress of its run where there is one."""

    spec: RunSpec
    run_id: str | None = None
    state: str | None = None
    progress: float = 0.0
    error: str | None = None

    @property
    def standing(self) -> Standing:
        """Begun is what goes on: interrupted, cancelled, waiting, or worked on at this moment."""
        if self.state in ("done", "failed"):
            return "done" if self.state == "done" else "failed"
        return "new" if self.state is None else "begun"


def entries(store: Store, name: str, specs: Iterable[RunSpec]) -> list[Entry]:
    """Each spec with its run among those of that name; of several with the same digest the one that is furthest."""
    found: dict[str, Mapping[str, Any]] = {}
    for run in store.runs():
        if run["gallery"] or run["experiment"] != name:
            continue
        digest = run["run_id"][_DIGEST]
        if digest not in found or _RANK[run["state"]] < _RANK[found[digest]["state"]]:
            found[digest] = run
    return [_entry(spec, found.get(spec.digest())) for spec in specs]


def _entry(spec: RunSpec, run: Mapping[str, Any] | None) -> Entry:
    if run is None:
        return Entry(spec)
    return Entry(spec, run["run_id"], run["state"], float(run["progress"] or 0.0), run["error"])


def to_do(listed: Sequence[Entry], *, retry_failed: bool) -> list[Entry]:
    """What is left, in the order of the grid; what has begun comes first, as the rest may wait for what it shares."""
    wanted = ("begun", "new", "failed") if retry_failed else ("begun", "new")
    left = [entry for entry in listed if entry.standing in wanted]
    return sorted(left, key=lambda entry: entry.standing == "new")
