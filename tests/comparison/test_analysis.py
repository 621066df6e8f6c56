"""What is found: means, pairs and ranks of figures whose answers are known, and when a winner is called."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.comparison import verdict
from engine.comparison.analysis import of_seeds
from engine.errors import RequestError
from tests.support.measured import compared, criteria, figure

SEVEN = [0.80, 0.82, 0.81, 0.84, 0.83, 0.79, 0.85]
FOR_SEVEN = {
    "l1": SEVEN,
    "l2": [value - 0.01 - number / 1000 for number, value in enumerate(SEVEN)],
    "fpgm": [value - 0.03 - number / 1000 for number, value in enumerate(SEVEN)],
}


def test_a_winner_is_called_where_each_pair_can_and_does_differ() -> None:
    found = compared(criteria(FOR_SEVEN))
    assert [kind.name for kind in found.kinds] == ["l1", "l2", "fpgm"]
    assert (found.places, found.repetitions, found.least) == (7, 7, 7)
    assert verdict.winner(found) == "l1"
    assert verdict.sentence(found) == (
        "l1 has the highest mean top-1 accuracy, and differs from each other kind (n = 7 seeds)."
    )
    pair = next(pair for pair in found.pairs if (pair.first, pair.second) == ("l1", "l2"))
    assert pair.student.mean == pytest.approx(-0.013) and pair.test.rank_biserial == -1
    assert pair.adjusted == pytest.approx(3 * 2**-6) and pair.test.exact
    assert pair.effect == pytest.approx(-0.013 / (sum((n - 3) ** 2 for n in range(7)) / 6 / 1e6) ** 0.5)


def test_no_winner_is_called_from_too_few_seeds_however_clear_they_are() -> None:
    found = compared(criteria({name: values[:6] for name, values in FOR_SEVEN.items()}))
    assert verdict.winner(found) is None and found.repetitions == 6
    assert verdict.sentence(found) == (
        "No winner is called: n = 6 seeds is too few, as p cannot fall below 0.0938 then, after Holm over 3 pairs. "
        "It takes n = 7. By the differences seen about n = 7 would find them in four of five cases."
    )
    single = compared(criteria({name: values[:1] for name, values in FOR_SEVEN.items()}))
    assert all(pair.needed is None for pair in single.pairs)
    assert verdict.sentence(single).endswith("It takes n = 7.")


def test_differences_that_chance_explains_are_not_called_and_it_is_said_how_many_runs_would() -> None:
    found = compared(criteria({"l1": SEVEN, "l2": [value + (-1) ** n * 0.01 for n, value in enumerate(SEVEN)]}))
    assert verdict.winner(found) is None
    assert verdict.sentence(found).startswith(
        "No winner is called: chance may explain what is between l2, with the highest mean top-1 accuracy, and l1 (n"
    )
    alike = compared(criteria({"l1": SEVEN, "l2": SEVEN}))
    assert verdict.sentence(alike).endswith(
        "(n = 7 seeds). Where all figures are equal there is no difference to go by."
    )


def test_targets_of_one_network_are_no_more_repetitions() -> None:
    rows = [
        row
        for target in ("0.7× MACs", "0.5× MACs", "0.3× MACs")
        for row in criteria({name: values[:3] for name, values in FOR_SEVEN.items()}, target=target)
    ]
    found = compared(rows)
    assert (found.places, found.repetitions) == (9, 3) and verdict.winner(found) is None
    assert found.ranks is not None and found.ranks.problems == 3
    assert found.ranks.ranks == (1.0, 2.0, 3.0)
    assert "Places that share network, images and seed" in verdict.assumptions(found)[1]
    assert found.least_problems == 3 and verdict.of_ranks(found).startswith("Friedman over 3 problems: χ² = 6.00")
    assert verdict.assumptions(found)[-1].endswith("targets of one network: it says nothing of others.")


def test_seeds_on_several_data_sets_are() -> None:
    rows = [
        row
        for data in ("clutter", "digits")
        for row in criteria({name: values[:4] for name, values in FOR_SEVEN.items()}, changes={"data": {"name": data}})
    ]
    found = compared(rows)
    assert found.repetitions == 8 and verdict.winner(found) == "l1"
    assert verdict.sentence(found).endswith("(n = 8 networks and seeds).")


def test_of_costs_the_lowest_is_the_best() -> None:
    found = compared(criteria({"l1": [30.0, 31.0], "l2": [20.0, 21.0]}), "macs")
    assert [kind.name for kind in found.kinds] == ["l2", "l1"]
    assert found.metric.write_change(-2e7) == "−20.0 M" and found.metric.write_change(0) == "0"


def test_one_kind_has_means_and_nothing_to_test() -> None:
    found = compared(criteria({"l1": [0.8, 0.9, 0.7]}))
    assert [(mean.student.mean, mean.student.n) for mean in found.means] == [(pytest.approx(0.8), 3)]
    assert not found.pairs and found.ranks is None and verdict.winner(found) is None
    assert verdict.sentence(found).startswith("There is one kind of run here")
    assert verdict.of_ranks(found).endswith("here: 1 and 1.")


def test_settings_beside_are_averaged_before_seeds_are_counted() -> None:
    rows = [
        figure(value, seed, changes={"criterion": name, "order": order})
        for order, shift in (("channels", 0.0), ("layers-channels", 0.1))
        for name, values in FOR_SEVEN.items()
        for seed, value in enumerate(value + shift for value in values[:2])
    ]
    found = compared(rows, by=["criterion"])
    assert (found.places, found.repetitions) == (4, 2)
    assert found.means[0].student.mean == pytest.approx(0.86) and found.means[0].student.n == 2
    assert "order" in verdict.assumptions(found)[0]


def test_figures_that_a_page_has_by_seed_are_compared_by_the_same_rules() -> None:
    by_seed = {name: dict(enumerate(values)) for name, values in FOR_SEVEN.items()}
    found, expected = of_seeds(by_seed), compared(criteria(FOR_SEVEN))
    assert found.pairs == expected.pairs and verdict.sentence(found) == verdict.sentence(expected)
    fewer = of_seeds({**by_seed, "l2": {0: 0.8, 9: 0.7}})
    assert fewer.seeds == (0,) and len(fewer.left_out) == 7
    with pytest.raises(RequestError, match="l1, l2 have no seed in common"):
        of_seeds({"l1": {0: 0.8}, "l2": {1: 0.8}})


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(9)))
def test_the_order_of_runs_changes_nothing(order: list[int]) -> None:
    rows = criteria({name: values[:3] for name, values in FOR_SEVEN.items()})
    found, shuffled = compared(rows), compared([rows[place] for place in order])
    assert shuffled.pairs == found.pairs and shuffled.means == found.means and shuffled.kinds == found.kinds
