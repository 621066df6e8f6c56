"""What is asked of SLURM for each job, as the command line says it. No torch."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.errors import RequestError

MINUTES = 240  # of a job where nothing is said
# What Espalier says itself, or what would put a run on several nodes.
_OURS = frozenset((
    *("array", "cpus-per-task", "error", "job-name", "nodes", "ntasks", "ntasks-per-node", "open-mode", "output"),
    *("no-requeue", "partition", "requeue", "signal", "time", "wrap", "chdir"),
))  # fmt: skip
_TIME = re.compile(r"(?:(?P<days>\d+)-(?P<hours>\d+)(?::(?P<minutes>\d+)(?::(?P<seconds>\d+))?)?|(?P<plain>[\d:]+))")
_OPTION = re.compile(r"-{0,2}(?P<key>[a-z][a-z-]*)(?:=(?P<value>.*))?")


@dataclass(frozen=True)
class Request:
    """A partition, minutes, and further options of sbatch by their long names; True for one without a value."""

    partition: str | None = None
    minutes: int = MINUTES
    more: Mapping[str, str | bool] = field(default_factory=dict)


def read(partition: str | None, time: str | None, options: Sequence[str]) -> Request:
    """A request from its words; RequestError for a time or an option that is none."""
    more = dict(map(_option, options))
    return Request(partition, MINUTES if time is None else minutes(time), more)


def minutes(text: str) -> int:
    """The minutes of a time as SLURM writes them, rounded up: 90, 1:30:00, 1-12 or 1-12:30:00."""
    found = _TIME.fullmatch(text)
    parts = [int(part) for part in (found["plain"] or "").split(":") if part] if found else []
    seconds = 0
    if found and found["days"]:
        days, hours, mins, secs = (int(found[part] or 0) for part in ("days", "hours", "minutes", "seconds"))
        seconds = ((days * 24 + hours) * 60 + mins) * 60 + secs
    elif parts and len(parts) <= 3 and found and found["plain"].count(":") == len(parts) - 1:
        parts = [0, *parts] if len(parts) == 2 else parts  # two of them are minutes and seconds
        hours, mins, secs = (0, parts[0], 0) if len(parts) == 1 else parts
        seconds = (hours * 60 + mins) * 60 + secs
    if seconds <= 0:
        raise RequestError(f"--time {text!r} is no time; write minutes, H:MM:SS or D-HH:MM:SS, as 90 or 1-12:00:00")
    return -(-seconds // 60)


def _option(text: str) -> tuple[str, str | bool]:
    found = _OPTION.fullmatch(text)
    if found is None or found["value"] == "":
        raise RequestError(f"--sbatch {text!r} is no option; write KEY=VALUE, as mem=8G or account=NAME")
    if found["key"] in _OURS:
        own = " or ".join(f"--{name}" for name in ("partition", "time", "jobs"))
        raise RequestError(f"--sbatch {found['key']} is set by Espalier itself; {own} say what may be chosen")
    return found["key"], found["value"] or True
