"""What a job's log says of its events, for people: a line each, and none of what the files say better. No torch."""

from collections.abc import Callable, Mapping
from typing import Any

from engine.storage.records.event import (
    Attempts,
    CrashEvent,
    Cut,
    Epoch,
    Event,
    Note,
    PhaseEvent,
    PointEvent,
    StartEvent,
)
from engine.texts import one_line

LONGEST = 500  # characters of a line
_EPOCH = ", epoch "  # in the message of a phase that the line of an epoch says already


def lines_of(event: Event) -> list[str]:
    """What the log says of an event, each on one line without its time."""
    describe = _LINES.get(type(event))
    return [] if describe is None else [one_line(line, LONGEST) for line in describe(event)]


def place(stage: str | None, phase: str, keep: float | None) -> str:
    """Where in a run something happens: `baseline`, or the target and the phase."""
    return "baseline" if stage == "baseline" or keep is None else f"{keep:g}×: {phase}"


def _start(event: StartEvent) -> list[str]:
    return [f"begins on {event.device}", *event.notes]


def _phase(event: PhaseEvent) -> list[str]:
    if _EPOCH in event.message:
        return []
    where = f"{place(event.stage, event.phase, event.keep)}, " if event.stage is not None else ""
    share = "" if event.progress is None else f" ({event.progress:.0%} of the run)"
    return [f"{where}{event.message}{share}"]


def _epoch(event: Epoch) -> list[str]:
    return [
        f"{place(event.stage, event.phase, event.keep)}, epoch {event.epoch}/{event.epochs}: loss {event.loss:.4f}, "
        f"training {event.train_top1:.1%}, validation {event.val_top1:.1%}, {event.seconds:.1f} s"
    ]


def _cut(event: Cut) -> list[str]:
    if event.remove_blocks:
        what = f"removed {', '.join(event.remove_blocks)}"
    else:
        drop = event.drop_channels or {}
        what = f"removed {sum(map(len, drop.values())):,} channels in {len(drop):,} layers"
    return [f"{event.keep:g}×: {event.phase}, {what}; it equals the masked network to {event.relative_error:.1e}"]


def _attempts(event: Attempts) -> list[str]:
    taken = ", ".join(each.name for each in event.attempts if each.selected)
    step = f"{event.keep:g}×: {event.phase} step {event.step}"
    return [f"{step}, {len(event.attempts):,} attempts by {event.measure}; selected {taken or 'none'}"]


def _point(event: PointEvent) -> list[str]:
    accuracy = "measured on validation images" if event.top1 is None else f"top-1 {event.top1:.1%}"
    return [f"point {event.point}, {place(event.stage, event.phase, event.keep)}, {event.stage}: {accuracy}"]


_LINES: Mapping[type[Event], Callable[[Any], list[str]]] = {
    StartEvent: _start,
    CrashEvent: lambda event: [f"its process was lost (time {event.crashes} without a step in between)"],
    Note: lambda event: [event.text],
    PhaseEvent: _phase,
    Epoch: _epoch,
    Cut: _cut,
    Attempts: _attempts,
    PointEvent: _point,
}
