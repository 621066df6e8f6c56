"""The hypervolume of a set of points, against areas by hand and volumes by counting."""

import numpy as np
import pytest

from engine.statistics.hypervolume import hypervolume, subset


def test_areas_by_hand() -> None:
    assert hypervolume([[0.5, 0.5]], [1, 1]) == pytest.approx(0.25)
    assert hypervolume([[0.2, 0.8], [0.5, 0.5], [0.5, 0.5], [0.6, 0.6]], [1, 1]) == pytest.approx(0.16 + 0.15)
    assert hypervolume([[1.0, 0.0], [2.0, -5.0]], [1, 1]) == 0.0, "not better than the reference in everything"
    assert hypervolume([], [1, 1]) == 0.0 and hypervolume([[-1.0, 0.0]], [1, 1]) == pytest.approx(2.0)
    with pytest.raises(ValueError, match="shape"):
        hypervolume([[1.0, 2.0, 3.0]], [1, 1])


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_volumes_by_counting(objectives: int) -> None:
    random = np.random.default_rng(objectives)
    points = random.random((7, objectives))
    grid = random.random((60_000, objectives))
    beaten = (points[:, None] <= grid[None]).all(axis=2).any(axis=0).mean()
    assert hypervolume(points, [1.0] * objectives) == pytest.approx(beaten, abs=0.01)


def test_a_subset_is_the_front_spread_out_and_then_what_the_front_beats() -> None:
    points = [[0.1, 0.9], [0.12, 0.88], [0.5, 0.5], [0.9, 0.1], [0.6, 0.6], [0.95, 0.95]]
    assert subset(points, [1, 1], 1) == [2]
    assert set(subset(points, [1, 1], 3)) < {0, 1, 2, 3} and 2 in subset(points, [1, 1], 3)
    assert subset(points, [1, 1], 5)[-1] == 4 and subset(points, [1, 1], 9)[-1] == 5
    assert len(subset(points, [1, 1], 9)) == 6 and subset([[np.nan, 0.0]], [1, 1], 1) == []
