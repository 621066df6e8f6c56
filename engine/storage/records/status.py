"""How a job stands: status.json, and the words for its states. No torch."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypedDict, Unpack, get_args

from engine.storage.records.record import Flag, Moment, Record, Share, Whole

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
STATES: tuple[State, ...] = get_args(State)
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")
RESUMABLE: tuple[State, ...] = ("interrupted", "failed", "cancelled")


@dataclass(frozen=True, kw_only=True)
class Times(Record):
    """Unix seconds; None for what has not happened yet."""

    created: Moment
    queued: Moment
    started: Moment | None = None
    finished: Moment | None = None


class TimesChanges(TypedDict, total=False):
    """Some of the keys of `Times`."""

    created: float
    queued: float
    started: float | None
    finished: float | None


class StatusChanges(TypedDict, total=False):
    """Some of the keys of `Status`, but its times."""

    state: State
    progress: float
    phase: str
    message: str
    error: str | None
    foreground: bool
    crashes: int
    steps: int
    experiment: str | None
    threads: int | None


@dataclass(frozen=True, kw_only=True)
class Status(Record):
    """How a job stands: `progress` is 0..1, `error` one sentence.

    The queue's own: a `foreground` job is not its to start; it was lost `crashes` times in a row, the last time with so
    many `steps` behind it. `group` is shared by runs that differ in nothing but their seed, `experiment` is the name of
    what a run was launched as a part of, `threads` how many its process computes with, where that was asked for.
    """

    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset({"group", "experiment", "threads"})

    state: State
    progress: Share
    phase: str = ""
    message: str = ""
    times: Times
    error: str | None = None
    foreground: Flag = False
    crashes: Whole = 0
    steps: Whole = 0
    group: str | None = None
    experiment: str | None = None
    threads: Whole | None = None

    @classmethod
    def queued(
        cls,
        now: float,
        *,
        foreground: bool,
        group: str | None,
        experiment: str | None = None,
        threads: int | None = None,
    ) -> "Status":
        """Of a job that nobody has started, created `now` (Unix seconds)."""
        return cls(
            state="queued",
            progress=0.0,
            message="waiting",
            times=Times(created=now, queued=now),
            foreground=foreground,
            group=group,
            experiment=experiment,
            threads=threads,
        )

    def needs_process(self) -> bool:
        """Whether a process works on the job, if nothing went wrong."""
        return self.state == "running" or (self.state == "queued" and self.foreground)

    def changed(self, times: TimesChanges | None = None, **changes: Unpack[StatusChanges]) -> "Status":
        """With some values changed, and of its times those in `times`."""
        return replace(self, **changes, times=replace(self.times, **(times or {})))
