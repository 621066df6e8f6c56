"""What a job says of itself, from the node that it is on, in a file that the executor reads. No torch."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from engine.errors import WorkError
from engine.storage import atomic

# It waits for its run's lock; its child works; it did not begin; it goes back into the cluster's queue; it has ended.
Phase = Literal["waits", "works", "refused", "requeued", "ended"]


@dataclass(frozen=True)
class Report:
    """How a job stands, on which host, and for the how-manieth time it was started there or on another.

    `saw_lock` is whether its run's lock was taken, as the node sees it, when it began. `problem` is one sentence of a
    job that is refused.
    """

    starts: int
    host: str
    phase: Phase
    saw_lock: bool
    problem: str | None = None

    def changed(self, phase: Phase, problem: str | None = None) -> "Report":
        """The same in another phase."""
        return replace(self, phase=phase, problem=problem)


def write(path: Path, report: Report) -> None:
    """Puts a report in its place, whole; WorkError for what the disk refuses."""
    atomic.write_json(path, asdict(report))


def read(path: Path) -> Report | None:
    """The report of a job; None of one that has not begun, or whose file is none."""
    try:
        return _parse(atomic.read_json(path))
    except WorkError:
        return None  # not there yet, or no report; a job without one is told as such when it has ended


def _parse(document: dict[str, Any]) -> Report | None:
    starts, host = document.get("starts"), document.get("host")
    phase: Any = document.get("phase")
    saw, problem = document.get("saw_lock"), document.get("problem")
    if not isinstance(starts, int) or not isinstance(host, str) or phase not in get_args(Phase):
        return None
    if not isinstance(saw, bool) or not (problem is None or isinstance(problem, str)):
        return None
    return Report(starts, host, phase, saw, problem)
