"""The sampler of a search: fronts, gaps, crosses within the space, and more found than by its parts alone."""

import random
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection

from engine.search.sampler import FrontSampler, Member, Space, TrainingSampler, cross, front_of, gaps
from engine.statistics.hypervolume import hypervolume

SPACE: Space = {
    "criterion": CategoricalDistribution(("l1", "obs", None, True)),
    "keep": FloatDistribution(0.1, 0.9, log=True),
    "share": FloatDistribution(0.0, 1.0),
    "images": IntDistribution(16, 512, log=True),
    "step": IntDistribution(1, 8),
}


def members() -> st.SearchStrategy[Member]:
    params = st.fixed_dictionaries(
        {
            "criterion": st.sampled_from(("l1", "obs", None, True)),
            "keep": st.floats(0.1, 0.9),
            "share": st.floats(0.0, 1.0),
            "images": st.integers(16, 512),
            "step": st.integers(1, 8),
        }
    )
    return st.builds(Member, params, st.tuples(st.floats(-1, 0), st.floats(0, 1e9), st.floats(0, 1e9)))


@given(st.lists(members(), min_size=2, max_size=6), st.integers(0, 2**31))
def test_a_cross_of_any_two_lies_in_the_space(front: list[Member], seed: int) -> None:
    child = cross(front, SPACE, random.Random(seed))
    assert child.keys() == SPACE.keys()
    for name, distribution in SPACE.items():
        assert distribution._contains(distribution.to_internal_repr(child[name])), (name, child[name])


def test_most_crosses_lie_where_the_front_has_its_widest_gap() -> None:
    def at(keep: float, wrong: float) -> Member:
        return Member({"keep": keep}, (wrong, keep))

    front = [at(0.9, 0.05), at(0.8, 0.06), at(0.3, 0.3), at(0.25, 0.33)]
    assert gaps(front)[1] > 10 * max(gaps(front)[0], gaps(front)[2])
    others = {f"other {n}": 0.5 for n in range(9)}
    space: Space = {name: FloatDistribution(0.0, 1.0) for name in ("keep", *others)}
    front = [Member({**each.params, **others}, each.losses) for each in front]
    keeps = [cross(front, space, random.Random(seed))["keep"] for seed in range(200)]
    assert sum(0.3 < keep < 0.8 for keep in keeps) > 100  # of neighbours drawn alike it would be 55


def test_a_front_is_of_trials_that_keep_their_constraints_and_counts_equal_ones_once() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    for accuracy, macs, over in (
        (0.9, 10.0, 0.0),
        (0.9, 10.0, -1.0),
        (0.8, 5.0, -1.0),
        (0.95, 4.0, 0.5),
        (0.7, 6.0, 0),
    ):
        trial = study.ask()
        trial.set_constraint("macs", over)
        study.tell(trial, [accuracy, macs])
    front = front_of(study.trials, [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE])
    assert [each.losses for each in front] == [(-0.9, 10.0), (-0.8, 5.0)]


def test_the_same_seed_draws_the_same_settings() -> None:
    assert found(FrontSampler(3), 30) == found(FrontSampler(3), 30) != found(FrontSampler(4), 30)


def test_it_finds_more_than_chance_on_a_trade_off_with_many_settings() -> None:
    def mean(make: Callable[[int], BaseSampler]) -> float:
        return sum(hypervolume(found(make(seed), 40), [1.0, 1.0]) for seed in range(2)) / 2

    assert mean(FrontSampler) > 1.1 * mean(RandomSampler)


def test_settings_of_training_draw_near_those_that_brought_back_most_and_the_networks_own_are_left_alone() -> None:
    study = optuna.create_study(sampler=TrainingSampler(1, ["epochs", "rate"], "gain"))
    drawn = []
    for number in range(40):
        study.enqueue_trial({"keep": number / 40})
        trial = study.ask()
        epochs, rate = trial.suggest_int("epochs", 1, 9), trial.suggest_float("rate", 0.001, 0.1, log=True)
        assert trial.suggest_float("keep", 0.0, 1.0) == number / 40
        drawn.append(epochs)
        if number % 5:  # what failed says nothing
            trial.set_user_attr("gain", epochs - abs(rate - 0.01))
            study.tell(trial, epochs)
    assert sum(drawn[20:]) / 20 > 6.5 > sum(drawn[:2]) / 2  # at random it would be 5


def found(sampler: BaseSampler, trials: int) -> list[tuple[float, float]]:
    """What trials come to whose accuracy falls with the cost, the faster the farther other settings are from theirs."""
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    study.optimize(_trade_off, n_trials=trials)
    return [(trial.values[0], trial.values[1]) for trial in study.trials]


def _trade_off(trial: optuna.Trial) -> tuple[float, float]:
    keep = trial.suggest_float("keep", 0.1, 0.9, log=True)
    lost = (1 - keep) ** 3
    lost += {"obs": 0.0, "taylor": 0.1, "l1": 0.3}[trial.suggest_categorical("criterion", ["l1", "taylor", "obs"])]
    lost += 0.2 if trial.suggest_categorical("refit", [False, True]) is False else 0.0
    for name, best in (("share", 0.2 + 0.5 * keep), ("ridge", 0.7), ("least", 0.3)):
        lost += 0.4 * (trial.suggest_float(name, 0.0, 1.0) - best) ** 2
    return min(lost, 1.0), keep


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)
