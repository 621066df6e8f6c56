"""What a search has found: its front, and what people read of it. No torch."""

import json
from collections.abc import Sequence
from typing import Any

from engine.search import recovery, study
from engine.search.outcome import Measured, Outcome
from engine.search.study import ERROR, SPEC, Studies
from engine.spec.search.document import Cost
from engine.statistics.fronts import pareto_front


def front(outcomes: Sequence[Outcome], costs: Sequence[Cost]) -> list[Outcome]:
    """The feasible outcomes that no other beats, the cheapest first."""
    able = [each for each in outcomes if each.feasible]
    if not able:
        return []
    best = pareto_front([each.objectives(costs) for each in able])
    kept = [each for each, is_best in zip(able, best, strict=True) if is_best]
    return sorted(kept, key=lambda each: each.objectives(costs)[1:])


def report(studies: Studies, untouched: Measured | None, *, stopped: bool) -> dict[str, Any]:
    """The whole as `search --json` gives it; the front is of what was trained on, where anything was."""
    document = studies.document
    outcomes, recoveries = studies.outcomes(), studies.recoveries()
    failures = [trial for trial in studies.recovered.get_trials(deepcopy=False) if ERROR in trial.user_attrs]
    left = study.unfinished(studies.recovered) or study.in_state(studies.recovered, "WAITING")
    found = front(recoveries or outcomes, document.costs)
    return {
        "name": document.name,
        "file": str(studies.path),
        "trials": len(outcomes),
        "asked": document.trials,
        "feasible": sum(each.feasible for each in outcomes),
        "recovered": len(recoveries),
        "failures": [
            {"run_id": each.user_attrs.get(recovery.RUN), "error": each.user_attrs[ERROR]} for each in failures
        ],
        "finished": not stopped and not left,
        "costs": list(document.costs),
        "untouched": None if untouched is None else {"val_top1": untouched.accuracy, **untouched.costs},
        "front": [_entry(each, trained=bool(recoveries)) for each in found],
    }


def _entry(each: Outcome, *, trained: bool) -> dict[str, Any]:
    spec = json.loads(each.attributes[SPEC])
    run = {"point": each.attributes[recovery.RUN], "top1": each.attributes[recovery.TEST]} if trained else {}
    trial = each.attributes[recovery.TRIAL] if trained else each.number
    return {"trial": trial, "val_top1": each.accuracy, **each.costs, **run, "settings": each.params, "spec": spec}
