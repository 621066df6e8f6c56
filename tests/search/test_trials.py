"""The trials of a search, by arithmetic in place of networks: which are tried, done again, refused, and kept where."""

from typing import Any

import pytest
from sqlalchemy import event

from engine.errors import RequestError, WorkError
from engine.search import recovery, report, study, trials
from engine.search.outcome import Measured, Outcome
from engine.search.study import Studies
from engine.search.trials import Exploration, Standing
from engine.spec.run import RunSpec
from engine.spec.search.document import Document
from engine.storage.store import Store
from tests.support.searches import SPACE, document


class Formula:
    """In place of networks: accuracy by arithmetic, for what does not depend on them."""

    def __init__(self, stop_after: int = 10_000) -> None:
        self.specs: list[RunSpec] = []
        self.stop_after = stop_after

    def measure(self, spec: RunSpec) -> Measured:
        if len(self.specs) == self.stop_after:
            raise trials.Stopped
        if spec.criterion == "bn_scale":
            raise RequestError("bn_scale cannot be met")
        self.specs.append(spec)
        (keep,) = spec.target.keep
        return Measured(keep**0.5, 100, {"macs": 1e6 * keep, "params": 1e4 * keep})


def explore(store: Store, asked: Document, evaluator: Formula) -> tuple[list[Outcome], list[Standing]]:
    shown: list[Standing] = []
    with study.open_studies(store, asked) as studies:
        Exploration(studies, evaluator, dict(asked.spec), show=shown.append).work()
        return studies.outcomes(), shown


def stopped_trials(studies: Studies) -> list[Any]:
    return [trial for trial in studies.trials.trials if "stopped" in trial.user_attrs.get("error", "")]


def test_trials_that_cannot_be_met_count_as_none_and_say_why(store: Store, weights: str) -> None:
    evaluator = Formula()
    outcomes, shown = explore(store, document(weights, trials=12), evaluator)
    assert len(outcomes) == len(evaluator.specs) == 12 and shown[-1].done == shown[-1].total == 12
    assert shown[-1].refused > 0
    with study.open_studies(store, document(weights, trials=12)) as studies:
        errors = [trial.user_attrs["error"] for trial in studies.trials.trials if "error" in trial.user_attrs]
    assert errors == ["bn_scale cannot be met"] * shown[-1].refused


def test_the_first_trials_are_the_starts_of_all_settings_at_ratios_over_the_range(store: Store, weights: str) -> None:
    evaluator = Formula()
    explore(store, document(weights, trials=8), evaluator)
    keeps = [spec.target.keep[0] for spec in evaluator.specs]
    assert {(spec.criterion, spec.order, spec.target.depth_share) for spec in evaluator.specs} == {
        ("l1", "layers-channels", 0.5)
    }
    assert keeps == sorted(keeps) and keeps[0] < 0.35 and keeps[-1] > 0.85


def test_a_search_that_stops_in_the_middle_of_a_trial_repeats_that_one_alone(store: Store, weights: str) -> None:
    first = Formula(stop_after=3)
    asked = document(weights, trials=study.WARM_STARTS + 1, space={**SPACE, "criterion": ["l1"]})
    with study.open_studies(store, asked) as studies:
        exploration = Exploration(studies, first, dict(studies.document.spec))
        exploration.stopped = lambda: bool(stopped_trials(studies))
        exploration.work()
        (stopped,) = stopped_trials(studies)
    second = Formula()
    outcomes, _ = explore(store, asked, second)
    assert (len(outcomes), len(first.specs), len(second.specs)) == (9, 3, 6)
    assert stopped.params in [each.params for each in outcomes]
    assert not {spec.digest() for spec in first.specs} & {spec.digest() for spec in second.specs}


def test_a_trial_whose_process_was_killed_is_marked_and_done_again(store: Store, weights: str) -> None:
    asked = document(weights, trials=study.WARM_STARTS, space={**SPACE, "criterion": ["l1"]})
    with study.open_studies(store, asked) as studies:
        begun = studies.trials.ask()  # as a process leaves it that is killed now
        study.suggest(begun, asked.network_space())
        lost = begun.params
    evaluator = Formula()
    outcomes, _ = explore(store, asked, evaluator)
    assert len(outcomes) == 8 and lost in [each.params for each in outcomes]
    with study.open_studies(store, asked) as studies:
        assert "ended in the middle" in studies.trials.trials[0].user_attrs["error"]
        assert studies.trials.trials[0].state.name == "FAIL" and not study.unfinished(studies.trials)


def test_a_network_that_comes_up_again_is_not_measured_again(store: Store, weights: str) -> None:
    space = {"target": {"keep": [0.5, 0.6]}, "criterion": ["l1"]}
    evaluator = Formula()
    outcomes, shown = explore(store, document(weights, space=space, trials=3), evaluator)
    assert len(outcomes) == len(evaluator.specs) == 2 and shown[-1].done == 2
    with study.open_studies(store, document(weights, space=space, trials=3)) as studies:
        assert sum("same as trial" in trial.user_attrs for trial in studies.trials.trials) == 13


def test_constraints_mark_trials_and_one_that_nothing_keeps_names_the_nearest(store: Store, weights: str) -> None:
    asked = document(weights, trials=12, constraints={"macs": "0.5 M"}, space={**SPACE, "criterion": ["l1"]})
    outcomes, shown = explore(store, asked, Formula())
    kept = [each for each in outcomes if each.costs["macs"] <= 5e5]
    assert [each.feasible for each in outcomes] == [each in kept for each in outcomes]
    assert shown[-1].feasible == len(kept) > 0
    untouched = Measured(1.0, 100, {"macs": 1e6, "params": 1e4})
    assert all(each.feasible for each in recovery.choose(outcomes, 12, ["macs"], untouched))
    assert all(each.feasible for each in report.front(outcomes, ["macs"]))
    strict = document(weights, name="strict", trials=3, constraints={"macs": 1000})
    outcomes, _ = explore(store, strict, Formula())
    with pytest.raises(WorkError, match=r"none of 3 trials keeps macs at most 1\.00 k; the nearest is trial \d"):
        trials.refuse_infeasible(outcomes, strict)


def test_a_space_that_nothing_of_can_be_met_ends_with_the_reason(store: Store, weights: str) -> None:
    asked = document(weights, trials=2, recover=0, space={**SPACE, "criterion": ["bn_scale"]})
    with pytest.raises(WorkError, match="none of 10 trials can be met, the last one because bn_scale cannot be met"):
        explore(store, asked, Formula())


def test_another_search_of_the_same_name_is_refused_and_more_trials_are_not(store: Store, weights: str) -> None:
    explore(store, document(weights, trials=2), Formula())
    with (
        pytest.raises(RequestError, match="has begun with another spec, space"),
        study.open_studies(store, document(weights, constraints={"macs": 5})),
    ):
        pass
    with (
        pytest.raises(RequestError, match="has begun with another spec, space"),
        study.open_studies(store, document(weights, objectives=["accuracy", "macs", "params"])),
    ):
        pass
    assert len(explore(store, document(weights, trials=3, seed=5), Formula())[0]) == 3


def test_a_damaged_file_is_one_sentence(store: Store, weights: str) -> None:
    asked = document(weights)
    store.prepare()
    path = study.path_of(store, asked.name)
    path.parent.mkdir()
    path.write_bytes(b"no database at all, and long enough to be looked at" * 40)
    with pytest.raises(WorkError, match=r"small\.db is damaged or no search's"), study.open_studies(store, asked):
        pass


def test_a_full_disk_is_one_sentence_and_the_search_goes_on_later(store: Store, weights: str) -> None:
    asked = document(weights, trials=4)

    class Full(Formula):
        def measure(self, spec: RunSpec) -> Measured:
            if len(self.specs) == 2:
                fill(studies)
            return super().measure(spec)

    with (
        pytest.raises(WorkError, match=r"the disk is full: .* give the same command again"),
        study.open_studies(store, asked) as studies,
    ):
        Exploration(studies, Full(), dict(asked.spec)).work()
    assert len(explore(store, asked, Formula())[0]) == 4


def test_names_that_are_no_files_have_one_all_the_same(store: Store) -> None:
    assert study.path_of(store, "a b-1.2").name == "a b-1.2.db"
    for name in ("../up", "a/b", "ä", ".hidden"):
        path = study.path_of(store, name)
        assert path.parent == store.root / "searches" and len(path.stem) == 8


def fill(studies: Studies) -> None:
    """The database may not grow any more, as on a full disk, and has no room left in it."""
    storage: Any = studies.trials._storage
    engine = storage._backend.engine
    with engine.begin() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    storage.remove_session()
    engine.dispose()
    event.listen(engine, "connect", lambda connection, _: connection.execute(f"PRAGMA max_page_count = {pages}"))
    studies.trials.set_user_attr("filler", "x" * 100_000)
