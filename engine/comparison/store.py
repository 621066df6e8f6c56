"""Comparisons of what a results folder holds."""

from collections.abc import Iterable

from engine.comparison import choice
from engine.comparison.analysis import Comparison, Question, compare
from engine.storage.store import Store


def of_runs(
    store: Store, ids: Iterable[str] = (), groups: Iterable[str] = (), question: Question | None = None
) -> Comparison:
    """The runs of some groups, and of those that the runs `ids` belong to, compared; RequestError where they cannot."""
    return _of(store, choice.repetitions(store.runs(), ids, groups), question)


def of_experiment(store: Store, name: str, question: Question | None = None) -> Comparison:
    """The runs that were launched under a name, or the shipped ones for `gallery`, compared."""
    return _of(store, choice.of_experiment(store.runs(), name), question)


def _of(store: Store, runs: list[choice.Summary], question: Question | None) -> Comparison:
    return compare(runs, store.columns([str(run["run_id"]) for run in runs]), question or Question())
