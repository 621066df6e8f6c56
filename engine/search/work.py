"""A search, start to end: the untouched network, the trials, then runs that train what is worth it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.errors import WorkError
from engine.jobs.executors.executor import Executor
from engine.jobs.sweep import inventory
from engine.jobs.sweep.driver import Driver, Ended, Tally
from engine.search import recovery, study, trials
from engine.search.evaluation import Evaluator
from engine.search.outcome import Measured
from engine.search.study import Studies
from engine.search.trials import Exploration, Standing, Stopped
from engine.spec import catalog
from engine.spec import run as run_spec
from engine.spec.run import RunSpec
from engine.spec.search import space
from engine.spec.search.document import Document
from engine.storage.store import Store


@dataclass
class Search:
    """What a search is done with. `show` hears how far trials are, `tally` and `ended` how far runs are."""

    store: Store
    studies: Studies
    executor: Executor
    stopped: Callable[[], bool] = lambda: False
    show: Callable[[Standing], None] = lambda standing: None
    tally: Callable[[Tally], None] = lambda tally: None
    ended: Callable[[Ended, Tally], None] = lambda ended, tally: None
    failures: list[Ended] = field(default_factory=list)
    untouched: Measured | None = None

    @property
    def document(self) -> Document:
        return self.studies.document

    def work(self) -> None:
        """Do it, or the rest of it; what was stopped goes on when it is done again.

        RequestError where the request cannot be met; WorkError where no trial keeps the constraints, or a disk is full.
        """
        base = self._base()
        if base is None:
            return
        evaluator = Evaluator(self.store.root, self._listen)
        try:
            self.untouched = evaluator.measure(untouched_spec(self.document, base))
            Exploration(self.studies, evaluator, base, self.stopped, self.show).work()
        except Stopped:
            return
        if self.stopped():
            return
        trials.refuse_infeasible(self.studies.outcomes(), self.document)
        recovery.choose_networks(self.studies, self.untouched)
        while recovery.begin(self.studies, base, self.executor.places):
            self._drive(recovery.specs(self.studies), recovery.counts(self.studies))
            recovery.tell(self.studies, self.store, self.untouched)
            if study.unfinished(self.studies.recovered):  # stopped, or cancelled by somebody else
                return

    def _base(self) -> dict[str, Any] | None:
        """The fixed part of every spec, once the untouched network is there; None where that was stopped.

        One that nobody has trained yet is trained by a run of the search's own. Of images that the user named as files
        it is that run's first point that trials begin with: such images may change, and what others trained is not
        taken for the same.
        """
        fixed = dict(self.document.spec)
        spec = untouched_spec(self.document, fixed)
        if spec.weights != "none":
            return fixed
        own_files = bool(catalog.paths_of(spec.data.name) or spec.data.root)
        if not own_files and is_trained(self.store, spec):
            return fixed
        self._drive([spec])
        (entry,) = inventory.entries(self.store, self.document.name, [spec])
        if entry.standing == "failed":
            raise WorkError(f"the untouched network could not be trained: {entry.error}")
        if entry.standing != "done" or entry.run_id is None:
            return None
        return {**fixed, "weights": f"{entry.run_id}:0"} if own_files else fixed

    def _drive(self, specs: Sequence[RunSpec], around: recovery.Counts = recovery.NOTHING) -> None:
        """Works on runs until all have ended, or a signal to stop; what was before and comes later is counted."""
        from engine.jobs.sweep import forecast

        listed = inventory.entries(self.store, self.document.name, specs)
        left = inventory.to_do(listed, retry_failed=False)
        if not left:
            return
        known: Mapping[str, Any] = forecast.jobs_of([entry.spec for entry in left], self.store.root)
        driver = Driver(
            self.store,
            self.document.name,
            self.document.threads,
            sum(entry.standing == "done" for entry in listed) + around.done,
            sum(entry.standing == "failed" for entry in listed) + around.failed,
            left,
            forecast.room_check(self.store.root, known),
            self.stopped,
            self.ended,
            self.tally,
            around.later,
        )
        self.executor.execute(driver)
        self.failures += driver.failures
        if driver.problem is not None:
            raise driver.problem

    def _listen(self, stage: str) -> None:
        if self.stopped():
            raise Stopped


def untouched_spec(document: Document, fixed: Mapping[str, Any]) -> RunSpec:
    """The run in which the network stays as it is: nothing is cut, nothing trained after that."""
    starts = {each.name: each.value(each.start()) for each in document.network_space()}
    request = space.request(fixed, {**starts, "target.keep": 1.0, "recover.epochs": 0})
    recover = {key: value for key, value in request.get("recover", {}).items() if not key.startswith("distil")}
    return run_spec.parse({**request, "recover": recover})


def is_trained(store: Store, spec: RunSpec) -> bool:
    """Whether a run of the results folder has trained this network."""
    from engine.pipeline.start.same_baseline import find_trained

    return find_trained(store.root, spec) is not None
