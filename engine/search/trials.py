"""Trials one after the other, until there are as many as the search asks for. No torch by itself."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from engine.errors import RequestError, WorkError
from engine.search import study
from engine.search.outcome import Measured, Outcome
from engine.search.study import DIGEST, SAME, SPEC, Studies
from engine.spec.run import RunSpec
from engine.spec.search import space
from engine.spec.search.document import Document, limits
from engine.units import si

if TYPE_CHECKING:
    from optuna.trial import Trial

MOST_ASKED = 5  # times the number of trials: what cannot be met, or was measured already, counts as none of them


class Stopped(Exception):
    """The search was asked to stop in the middle of a trial."""


class Measure(Protocol):
    """Anything that measures a spec: RequestError where it cannot be met."""

    def measure(self, spec: RunSpec) -> Measured: ...


@dataclass(frozen=True)
class Standing:
    """How far the trials are: of `total` so many are measured, of those so many feasible; seconds that are left."""

    total: int
    done: int
    feasible: int
    refused: int
    left: float | None


@dataclass
class Exploration:
    """The trials of a search: each asks the study for settings, is measured, and tells what it came to."""

    studies: Studies
    evaluator: Measure
    base: "dict[str, Any]"  # the fixed part of every spec
    stopped: Callable[[], bool] = lambda: False
    show: Callable[[Standing], None] = lambda standing: None
    refused: int = 0
    _known: dict[str, Outcome] = field(default_factory=dict)  # by the digest of a spec

    @property
    def document(self) -> Document:
        return self.studies.document

    def work(self) -> None:
        """Until all trials are measured, or a signal to stop. WorkError where none of very many can be met."""
        study.give_back(self.studies.trials)
        self._known = {each.attributes[DIGEST]: each for each in self.studies.outcomes()}
        before, began, last = len(self._known), time.monotonic(), ""
        asked = 0
        while len(self._known) < self.document.trials and not self.stopped():
            self.show(self._standing(before, began))
            if asked == MOST_ASKED * self.document.trials:
                if not self._known:
                    raise WorkError(f"none of {asked:,} trials can be met, the last one because {last}")
                return  # the space has no more networks than these
            asked += 1
            last = self._one() or last
        self.show(self._standing(before, began))

    def _one(self) -> str:
        """One trial; why it came to nothing, where it did."""
        trial = self.studies.trials.ask()
        values = study.suggest(trial, self.document.network_space())
        try:
            spec = space.parse(self.base, values)
            trial.set_user_attr(SPEC, json.dumps(space.request(self.base, values)))
            trial.set_user_attr(DIGEST, spec.digest())
            known = self._known.get(spec.digest())
            if known is not None:
                self._repeat(trial, known)
                return ""
            measured = self.evaluator.measure(spec)
        except RequestError as error:
            self.refused += 1
            study.fail(self.studies.trials, trial, str(error))
            return str(error)
        except WorkError as error:
            study.fail(self.studies.trials, trial, str(error))
            raise
        except Stopped:
            study.fail(self.studies.trials, trial, "stopped in the middle; it is done again")
            self.studies.trials.enqueue_trial(trial.params)
            return ""
        self._known[spec.digest()] = study.tell(self.studies.trials, trial, self.document, measured)
        return ""

    def _repeat(self, trial: "Trial", known: Outcome) -> None:
        """The same network was measured before: its values are taken, and it counts as no trial."""
        trial.set_user_attr(SAME, known.number)
        for name, over in known.excess.items():
            trial.set_constraint(name, over)
        costs = [known.costs[cost] for cost in self.document.costs]
        self.studies.trials.tell(trial, [known.accuracy, *costs])

    def _standing(self, before: int, began: float) -> Standing:
        here = len(self._known) - before
        left = (time.monotonic() - began) / here * (self.document.trials - len(self._known)) if here else None
        feasible = sum(each.feasible for each in self._known.values())
        return Standing(self.document.trials, len(self._known), feasible, self.refused, left)


def refuse_infeasible(outcomes: list[Outcome], document: Document) -> None:
    """WorkError where no trial keeps the constraints, which names the nearest."""
    if not outcomes or any(each.feasible for each in outcomes):
        return
    nearest = min(outcomes, key=lambda each: max(each.excess.values()))
    worst = max(nearest.excess, key=lambda name: nearest.excess[name])
    value = nearest.costs[worst]
    shown = f"{value:.3g} ms" if worst == "latency" else si(value)
    raise WorkError(
        f"none of {len(outcomes):,} trials keeps {' and '.join(limits(document.constraints))}; the nearest is trial "
        f"{nearest.number} with {worst} {shown}: allow more, or let target.keep go lower"
    )
