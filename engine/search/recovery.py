"""Which trials are trained on, and what their runs came to. No torch by itself."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from engine.errors import WorkError
from engine.jobs.sweep import inventory
from engine.search import study
from engine.search.outcome import Measured, Outcome
from engine.search.study import DIGEST, GAIN, SPEC, Studies
from engine.spec import run as run_spec
from engine.spec.run import RunSpec
from engine.spec.search import space
from engine.spec.search.document import Cost
from engine.statistics import hypervolume
from engine.storage.folders.run import Run
from engine.storage.records.point import Point
from engine.storage.store import Store

if TYPE_CHECKING:
    from optuna.trial import Trial

TRIAL, RUN, TEST = "trial", "run", "test"  # attributes: which network, RUN:POINT, the share of test images
_LEAST_LOSS = 0.01  # what a few hundred images hardly tell from chance


def choose(outcomes: Sequence[Outcome], count: int, costs: Sequence[Cost], untouched: Measured) -> list[Outcome]:
    """At most `count` feasible trials on or near the front, those first without which most of its volume is lost.

    The volume is against an accuracy of 0 at the untouched network's costs: training brings back most where most was
    lost, so that cheap networks count that are not good yet.
    """
    able = [each for each in outcomes if each.feasible]
    points = [(1 - each.accuracy, *(each.costs[cost] / untouched.costs[cost] for cost in costs)) for each in able]
    rows = hypervolume.subset(points, [1.0] * (1 + len(costs)), count) if able else []
    return [able[row] for row in rows]


@dataclass(frozen=True)
class Counts:
    """How many recoveries are behind, and how many have not begun."""

    done: int
    failed: int
    later: int


NOTHING = Counts(0, 0, 0)


def choose_networks(studies: Studies, untouched: Measured) -> None:
    """Puts as many networks as are to be trained on into the study of recoveries, where they wait."""
    document, recovered = studies.document, studies.recovered
    taken = {trial.user_attrs[TRIAL] for trial in recovered.get_trials(deepcopy=False)}
    starts = {} if taken else {each.name: each.start() for each in document.recovery_space()}
    open_trials = [each for each in studies.outcomes() if each.number not in taken]
    for each in choose(open_trials, document.recover - len(taken), document.costs, untouched):
        recovered.enqueue_trial({**each.params, **starts}, {TRIAL: each.number})
        starts = {}  # the first one has what the lists begin with


def begin(studies: Studies, base: Mapping[str, Any], count: int) -> bool:
    """Gives the next networks settings of training, `count` at a time: those after them go by what came of these.

    What a process that was killed had begun is taken up. False where nothing is left.
    """
    recovered = studies.recovered
    half_begun = [
        study.resumed(recovered, trial) for trial in study.unfinished(recovered) if SPEC not in trial.user_attrs
    ]
    for trial in (*half_begun, *islice(study.waiting(recovered), count)):
        values = study.suggest(trial, studies.document.space)
        spec = space.parse(base, values)
        trial.set_user_attr(DIGEST, spec.digest())
        trial.set_user_attr(SPEC, json.dumps(space.request(base, values)))
    return bool(study.unfinished(recovered))


def specs(studies: Studies) -> list[RunSpec]:
    """Of the recoveries that have not ended."""
    return [
        run_spec.parse(json.loads(trial.user_attrs[SPEC]))
        for trial in study.unfinished(studies.recovered)
        if SPEC in trial.user_attrs
    ]


def counts(studies: Studies) -> Counts:
    """How far the recoveries are beside those that are under way."""
    failed, waiting = (len(study.in_state(studies.recovered, state)) for state in ("FAIL", "WAITING"))
    return Counts(len(study.complete(studies.recovered)), failed, waiting)


def tell(studies: Studies, store: Store, untouched: Measured) -> None:
    """What the runs that have ended since came to; those that failed are told as such."""
    before = {each.number: each.accuracy for each in studies.outcomes()}
    left = {trial.user_attrs.get(DIGEST): trial for trial in study.unfinished(studies.recovered)}
    for entry in inventory.entries(store, studies.document.name, specs(studies)):
        trial = study.resumed(studies.recovered, left[entry.spec.digest()])
        if entry.standing == "done" and entry.run_id is not None:
            run = store.run(entry.run_id)
            _tell(studies, trial, run, untouched.accuracy, before[trial.user_attrs[TRIAL]])
        elif entry.standing == "failed":
            trial.set_user_attr(RUN, entry.run_id)
            study.fail(studies.recovered, trial, entry.error or "its run failed")


def final_point(run: Run) -> Point:
    """The network that a run of a search ends with; WorkError where it has none."""
    finals = [point for point in run.points() if point.final and point.stage != "quantized"]
    if not finals:
        raise WorkError(f"run {run.id} has no final point; `espalier show {run.id}` says how it ended")
    return finals[-1]


def measured(point: Point) -> Measured:
    """A point's figures as those of a trial."""
    costs: dict[Cost, float] = {"macs": float(point.macs), "params": float(point.params)}
    if point.predicted_ms is not None:
        costs["latency"] = point.predicted_ms
    return Measured(point.val_top1, point.val_total or 0, costs, point.blocks_removed, (), point.seconds)


def gain(after: float, before: float, untouched: float) -> float:
    """Which share of the accuracy that was lost training brought back; of what is next to nothing it says little."""
    return (after - before) / max(untouched - before, _LEAST_LOSS)


def _tell(studies: Studies, trial: "Trial", run: Run, untouched: float, before: float) -> None:
    point = final_point(run)
    share = gain(point.val_top1, before, untouched)
    notes = {RUN: f"{run.id}:{point.point}", "test accuracy": f"{point.top1:.1%}", TEST: point.top1, GAIN: share}
    study.tell(studies.recovered, trial, studies.document, measured(point), notes)
