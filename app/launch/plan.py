"""What a request comes to before it is launched: its runs, the shapes of networks that they make, how long it takes.

Pure functions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app import format, text
from app.tables import store
from app.tables.speeds import Measured
from engine.graph.summary import ModelSummary
from engine.pipeline.duration import estimate as duration
from engine.prune.forecast import Forecast
from engine.spec.catalog import CRITERIA, is_comparable
from engine.spec.run import RunSpec

LONG_SECONDS, MANY_RUNS = 3600.0, 20  # above which a launch is confirmed


@dataclass(frozen=True)
class Shape:
    """Runs whose networks have the same shapes, as far as is known beforehand: one for each target."""

    label: str
    runs: tuple[RunSpec, ...]
    targets: tuple[Forecast, ...]


@dataclass(frozen=True)
class Plan:
    """The runs of a request, and what is known of them. `trains`: their baseline is trained, and not only loaded."""

    runs: tuple[RunSpec, ...]
    shapes: tuple[Shape, ...]
    summary: ModelSummary
    trains: bool


@dataclass(frozen=True)
class Time:
    """How long a launch takes, in seconds, and in a sentence that says how that is known."""

    seconds: float
    sentence: str


def shapes_of(runs: Sequence[RunSpec], forecast: Callable[[RunSpec], Sequence[Forecast]]) -> list[Shape]:
    """The distinct shapes of the runs; RequestError where one of them cannot be met."""
    alike: dict[str, list[RunSpec]] = {}
    for run in runs:
        alike.setdefault(_shape_key(run), []).append(run)
    same: list[tuple[tuple[Forecast, ...], list[RunSpec]]] = []
    for members in alike.values():
        targets = tuple(forecast(members[0]))
        match = next((found for other, found in same if other == targets), None)
        if match is None:
            same.append((targets, members))
        else:
            match += members
    labels = [_label(members, with_criteria=False) for _, members in same]
    return [
        Shape(label if labels.count(label) == 1 else _label(members, with_criteria=True), tuple(members), targets)
        for label, (targets, members) in zip(labels, same, strict=True)
    ]


def _shape_key(run: RunSpec) -> str:
    """What forecasts of one network depend on."""
    normed = [name for name in run.criterion.split("+") if CRITERIA[name].batch_norm]
    return repr((run.order, run.depth, run.width, run.target, run.keep_layers, is_comparable(run.criterion), normed))


def _label(runs: Sequence[RunSpec], *, with_criteria: bool) -> str:
    methods = dict.fromkeys(text.method_label(run.order, run.depth.method, run.width.method) for run in runs)
    label = " or ".join(methods)
    if with_criteria:
        label += f" by {', '.join(dict.fromkeys(text.criterion_label(run.criterion) for run in runs))}"
    return label


def time_in_history(plan: Plan, history: Sequence[Mapping[str, Any]]) -> Time | None:
    """How long the runs take by earlier ones like them; None where some are like none."""
    expected: dict[str, float | None] = {}
    total = 0.0
    for run in plan.runs:
        key = run.model_copy(update={"seed": 0, "criterion": ""}).canonical()
        if key not in expected:
            expected[key] = store.expected_seconds(history, run)
        seconds = expected[key]
        if seconds is None:
            return None
        total += seconds
    return Time(total, f"About {format.minutes(total)} on this machine, as measured in earlier runs like it.")


def time_by_speed(plan: Plan, measured: Measured) -> Time:
    """How long the runs take by a short measurement of this machine."""
    jobs = [duration.Job(run, plan.summary, shape.targets, plan.trains) for shape in plan.shapes for run in shape.runs]
    total = duration.estimate(jobs, measured.counts, measured.speed)
    rest = " What is attempted step by step comes on top." if total.more else ""
    sentence = f"About {format.minutes(total.seconds)} on this machine, by a short measurement of its speed.{rest}"
    return Time(total.seconds, sentence)


def asks_first(plan: Plan, time: Time | None) -> bool:
    """Whether a launch is so long, or of so many runs, that it is to be confirmed."""
    return len(plan.runs) > MANY_RUNS or (time is not None and time.seconds > LONG_SECONDS)
