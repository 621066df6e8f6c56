"""What runs of earlier versions lack, worked out when they are read. Pure functions, no torch.

The pipeline writes with each point whether it was measured before the recovery that ends its target, and with each step
and its attempts which trajectory they belong to. Where that is missing it follows from the request and from the order
of the lines; what is there is left as it is.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from typing import Any, TypeVar

from engine.spec import phases
from engine.spec.run import RunSpec
from engine.storage.records.event import Attempts
from engine.storage.records.point import Point

P = TypeVar("P", bound=Point)
T = TypeVar("T")


def describe_points(points: Sequence[Point], spec: RunSpec) -> list[Point]:
    """A run's points in their order, each with `before_recovery`, and steps with their place in a trajectory."""
    return list(described(points, spec))


def described(points: Iterable[P], spec: RunSpec, change: Callable[..., P] = replace) -> Iterator[P]:
    """The same one after the other, also of what has a point's fields; `change` is as `dataclasses.replace`."""
    places: Counter[str] = Counter()
    entries: Iterator[P | None] = chain(points, (None,))
    for point, later in pairwise(entries):
        assert point is not None
        if point.step is None and point.before_recovery is not None:
            yield point  # as most, and here many go by
        else:
            description = _describe_point(point, later, spec, places)
            yield change(point, **description) if description else point


def descriptions(points: Iterable[tuple[Point, T]], spec: RunSpec) -> Iterator[tuple[Point, T, dict[str, Any]]]:
    """Each point, what comes with it, and the values that are worked out of it; none for one that came with them."""
    places: Counter[str] = Counter()
    entries: Iterator[tuple[Point, T] | None] = chain(points, (None,))
    for entry, later in pairwise(entries):
        assert entry is not None
        point, beside = entry
        yield point, beside, _describe_point(point, later and later[0], spec, places)


def describe_attempts(events: Sequence[Attempts], spec: RunSpec) -> list[Attempts]:
    """A run's attempts in the order of their steps, each with its place in a trajectory.

    A step that was done again after an interruption counts once, as it was done last.
    """
    steps = {(event.phase, event.keep, event.step): event for event in events}
    places: Counter[str] = Counter()
    return [_describe_step(event, spec, places) for event in steps.values()]


def _describe_step(event: Attempts, spec: RunSpec, places: Counter[str]) -> Attempts:
    name = event.trajectory or phases.trajectory(spec, event.phase, event.keep)
    places[name] += 1
    if event.trajectory is not None:
        return event
    return replace(event, trajectory=name, place=places[name], passed=phases.passed(spec, event.phase, event.keep))


def _describe_point(point: Point, later: Point | None, spec: RunSpec, places: Counter[str]) -> dict[str, Any]:
    if point.step is None:
        if point.before_recovery is not None:
            return {}
        is_cut = point.stage in ("pruned", "reconstructed")
        waits = is_cut and not point.final and phases.ends_target_with_recovery(spec, point.phase)
        return {"before_recovery": waits}
    name = point.trajectory or phases.trajectory(spec, point.phase, point.keep)
    places[name] += 1
    if point.before_recovery is not None:
        return {}
    last = point.final or _is_last(point, later)
    floor = spec.depth.floor if point.phase == "layers" else None
    below_floor = floor is not None and point.val_top1 < floor
    return {
        "before_recovery": last and not point.final and phases.ends_target_with_recovery(spec, point.phase),
        "trajectory": name,
        "place": places[name],
        "passed": phases.passed(spec, point.phase, point.keep) + ((point.keep,) if last and not below_floor else ()),
    }


def _is_last(point: Point, later: Point | None) -> bool:
    """Whether a step is its phase's last one for its target; of the step that a run stopped at nobody can tell."""
    return later is not None and (later.step is None or (later.phase, later.keep) != (point.phase, point.keep))
