"""What a reader of a run should know before its numbers: the decisions behind them, and which to doubt. No torch."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from engine.statistics.counts import is_near_chance
from engine.storage.records.event import Note, PseudoLabelAnswers, PseudoLabels, StartEvent
from engine.storage.records.measurement import Latency
from engine.storage.records.point import Point

NEAR_CHANCE = "no better than chance"
SLOWER = 1.02  # of the baseline's time: what two measurements of one network may differ by
EVEN = 8  # channels: what kernels work on at a time
_MOST_NAMED = 6  # points

Widths = Mapping[str, tuple[int, int]]


def notes(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """What was decided when the run was last started and since then, from the lines of its events; each once."""
    decided: list[str] = []
    noted: list[str] = []
    for line in lines:
        if line.get("kind") == StartEvent.KIND:
            decided = list(StartEvent.from_json(line, "an event").notes)
        elif line.get("kind") == Note.KIND:
            noted.append(Note.from_json(line, "an event").text)
    return list(dict.fromkeys(chain(decided, noted)))


def of_accuracy(points: Sequence[Point]) -> list[str]:
    """Which points are no better than chance: the first with its numbers, the others by theirs."""
    doubtful = [point for point in points if is_at_chance(point)]
    said = [_chance_remark(point) for point in doubtful[:1]]
    return said + [f"{_named([point.point for point in doubtful[1:]])}: {NEAR_CHANCE}, too"] * (len(doubtful) > 1)


def of_pseudo_labels(taken: Sequence[PseudoLabels], answers: Sequence[PseudoLabelAnswers]) -> list[str]:
    """How many pseudo-labels a run took when it last made some, and how many of each point's were right."""
    said = []
    if taken:
        last = taken[-1]
        classes = f"{last.classes:,} class" + ("" if last.classes == 1 else "es")
        made = "made once" if len(taken) == 1 else f"the last of the {len(taken):,} times they were made"
        said.append(f"pseudo-labels: {last.taken:,} of {last.of:,} target images, of {classes}, {made}")
    counts = {each.point: each for each in answers}  # a run that went on counts anew
    rights = [f"{each.correct:,} of {each.taken:,}{_in_per_cent(each)} of point {n}" for n, each in counts.items()]
    return said + [f"pseudo-labels that were right, counted after the end: {', '.join(rights)}"] * bool(rights)


def _in_per_cent(answers: PseudoLabelAnswers) -> str:
    return f" ({answers.share:.1%})" if answers.share is not None else ""


def of_latency(points: Sequence[Point]) -> list[str]:
    """Which points are slower than the baseline on their host, and why that may be."""
    slow = {point.point: ratio for point in points if (ratio := slowdown(point, points[0])) is not None}
    if not slow:
        return []
    worst = max(slow, key=lambda number: slow[number])
    widths = next(point.widths for point in points if point.point == worst)
    verb = "takes" if len(slow) == 1 else "take up to"
    return [f"{_named(list(slow))} {verb} {slow[worst]:.2f}× the baseline's time{reason(widths)}"]


def is_at_chance(point: Point) -> bool:
    """Whether a point's accuracy is within noise of what guessing gives; False where that is not known."""
    return may_be_guessed(point.correct, point.total, point.chance)


def may_be_guessed(correct: int | None, total: int | None, chance: float | None) -> bool:
    """The same of the counts; False where they are not known, or not those of anything."""
    if correct is None or not total or not chance or not 0 <= correct <= total:
        return False
    return is_near_chance(correct, total, chance)


def slowdown(point: Point, baseline: Point) -> float | None:
    """A point's time on its host as a multiple of the baseline's; None when it is not slower, or not comparable."""
    first: Latency | None = next(iter(point.latency), None)
    base = (
        None if first is None else next((one for one in baseline.latency if one.conditions == first.conditions), None)
    )
    return None if first is None or base is None else times_slower(first.p50_ms, base.p50_ms)


def times_slower(milliseconds: float, base: float) -> float | None:
    """One time as a multiple of the other; None when it is not longer, but for noise."""
    return milliseconds / base if base > 0 and milliseconds > SLOWER * base else None


def reason(widths: Widths) -> str:
    """Why a pruned network may be slow, and the flag that helps; empty when its widths are not the reason."""
    odd = [kept for original, kept in widths.values() if kept % EVEN and original % EVEN == 0]
    if not odd:
        return ""
    return (
        f"; likely because {len(odd)} of its widths, such as {odd[0]}, are no multiples of {EVEN}, "
        f"which --round-to {EVEN} avoids"
    )


def _chance_remark(point: Point) -> str:
    assert point.correct is not None and point.total is not None and point.chance is not None
    what = "the baseline" if point.stage == "baseline" else f"point {point.point}"
    return (
        f"{what} is {NEAR_CHANCE}: {point.correct:,} of {point.total:,} images right, "
        f"where naming the commonest class gives {point.chance:.1%}"
    )


def _named(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"point {numbers[0]}"
    more = f" and {len(numbers) - _MOST_NAMED} more" if len(numbers) > _MOST_NAMED else ""
    return f"points {', '.join(map(str, numbers[:_MOST_NAMED]))}{more}"
