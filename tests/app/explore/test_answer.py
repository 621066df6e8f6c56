"""The sentence above the chart: what a smaller network costs, of which data and baseline, and how sure it is."""

import pandas as pd
import pytest

from app.charts import axes
from app.explore.answer import Answer, answer
from app.explore.budget import Bound, Budget, cost_range, other_costs, quality_range
from app.tables import points
from engine.storage.store import Store
from tests.support import runs
from tests.support.runs import spec

MACS, LATENCY, TOP1, LOSS = axes.X_AXES["macs"], axes.X_AXES["latency"], axes.Y_AXES["top1"], axes.Y_AXES["loss"]


def tidy(results: Store) -> pd.DataFrame:
    frame = points.tidy(results.points())
    frame = points.with_latency(frame, next(iter(points.host_conditions(frame)), None))
    return frame[frame["baseline"] | frame["final"]]


def ask(
    frame: pd.DataFrame,
    x: axes.Axis = MACS,
    y: axes.Axis = TOP1,
    budget: Budget = Budget(),  # noqa: B008 - frozen
    chosen: str | None = None,
) -> Answer:
    return answer(frame, x, y, budget, chosen)


def test_the_answer_is_what_half_the_cost_takes_with_its_time(results: Store) -> None:
    run = runs.finished(results, spec(criterion="l1", target={"keep": [0.8, 0.5, 0.3]}))
    frame = tidy(results)
    found = ask(frame)
    assert found.sentence == "Half the MACs costs 3.0 points (90.0 → 87.0 %) and takes 0.58× the time."
    assert found.about == "resnet20 on clutter: L1 norm 0.50×, layers → channels, after recovery, one seed"
    assert found.point == f"{run.id}.4"
    by_time = ask(frame, LATENCY).sentence
    assert by_time == "0.42× the latency costs 4.2 points (90.0 → 85.8 %) and leaves 0.30× the MACs."
    assert ask(frame, y=LOSS).sentence.startswith("Half the MACs raises the loss by 0.030 (0.300 → 0.330)")


def test_a_budget_rewrites_the_answer_and_names_every_bound(results: Store) -> None:
    runs.finished(results, spec(criterion="l1"))
    frame = tidy(results)
    assert ask(frame, budget=Budget(at_most=25e6)).sentence == (
        "With at most 25.0 M MACs: 0.60× the MACs costs 2.4 points (90.0 → 87.6 %) and takes 0.67× the time."
    )
    cheap = ask(frame, budget=Budget(at_least=0.85)).sentence
    assert cheap.startswith("With at least 85.0 %: 0.30× the MACs costs 4.2 points")
    both = Budget(at_most=25e6, also=(Bound(LATENCY, 0.6),))
    assert ask(frame, budget=both).sentence.startswith("With at most 25.0 M MACs and 0.600 ms: 0.30× the MACs")


def test_where_nothing_fits_the_answer_says_so_and_how_near_it_comes(results: Store) -> None:
    runs.finished(results, spec(criterion="l1"))
    frame = tidy(results)
    none = ask(frame, budget=Budget(at_most=1e6))
    assert (none.sentence, none.point) == ("No pruned model shown has at most 1.00 M MACs.", None)
    near = ask(frame, budget=Budget(at_most=12e6, at_least=0.87)).sentence
    assert near == (
        "No pruned model shown has at most 12.0 M MACs and at least 87.0 %; within that cost the best has 85.8 %."
    )
    small = ask(frame, budget=Budget(at_most=1e6, at_least=0.87)).sentence
    assert small.endswith("; at that quality the cheapest has 24.0 M MACs.")
    assert ask(frame[frame["baseline"]]).sentence == (
        "Not pruned: 90.0 % with 40.0 M MACs. Nothing pruned is shown yet."
    )
    big = ask(frame[frame["baseline"] | (frame["keep"] == 0.6)]).sentence
    assert big.startswith("Nothing shown has half the MACs or less; the smallest: 0.60× the MACs costs 2.4 points")


def test_of_several_data_and_baselines_the_answer_speaks_of_one_and_says_which(results: Store) -> None:
    runs.finished(results, spec(criterion="l1"))
    runs.finished(results, spec(criterion="fpgm"))
    other = runs.finished(results, spec(criterion="taylor", data={"name": "digits", "limit": 300}), loss=0.01)
    frame = tidy(results)
    found = ask(frame)
    assert found.about.startswith("resnet20 on clutter: ") and found.about.endswith("1 other baseline is shown, too")
    assert not str(found.point).startswith(other.id), "it is the best, and of other images"
    chosen = ask(frame, chosen=f"{other.id}.2")
    assert chosen.about.startswith("resnet20 on digits, first 300 images: Taylor 0.30×")


def test_the_answer_says_how_many_seeds_bear_it_out_and_what_was_not_recovered(results: Store) -> None:
    for seed in range(3):
        runs.finished(results, spec(criterion="l1", seed=seed))
    assert "mean 85.6 ± 0.5 % over 3 seeds" in ask(tidy(results)).about
    frame = points.with_latency(points.tidy(results.points()), None)
    before = ask(frame[frame["baseline"] | frame["before"]])
    assert "before recovery" in before.about and "the time" not in before.sentence


def test_a_network_that_lost_nothing_costs_no_accuracy_and_one_without_baseline_is_not_compared(results: Store) -> None:
    runs.finished(results, spec(criterion="l1"), loss=0.0)
    assert ask(tidy(results)).sentence.startswith("0.30× the MACs costs no accuracy (90.0 → 90.0 %)")
    lone = results.create(spec(criterion="taylor"))
    lone.append_point(runs.point(1, "recovered", 0.5, 0.99))
    found = ask(tidy(results), chosen=f"{lone.id}.1")
    assert found.sentence.endswith("99.0 % with 20.0 M MACs; its baseline was not measured.")


@pytest.mark.parametrize(
    ("values", "expected"),
    [([32.0, 7.0], (0.0, 32.0, 0.2)), ([0.83], (0.0, 0.83, 0.005)), ([4110.0], (0.0, 4150.0, 50.0)), ([0.0], None)],
)
def test_a_cost_slider_begins_at_nothing_and_ends_where_all_fit(
    values: list[float], expected: tuple[float, float, float] | None
) -> None:
    found = cost_range(pd.Series(values))
    assert (found and (found.low, found.high, found.step)) == (expected and pytest.approx(expected))


def test_a_quality_slider_ends_at_what_can_be_asked_for(results: Store) -> None:
    reach = quality_range(pd.Series([87.6, 93.2, float("nan")]), TOP1)
    assert reach is not None and (reach.low, reach.high) == (85.0, 100.0)
    assert quality_range(pd.Series([100.0]), TOP1) is None and quality_range(pd.Series([], dtype=float), TOP1) is None
    loss = quality_range(pd.Series([0.3, 0.4]), LOSS)
    assert loss is not None and (loss.low, loss.high) == (0.0, pytest.approx(0.4))
    runs.finished(results, spec())
    assert [axis.column for axis in other_costs(tidy(results), MACS)] == ["params", "bytes", "latency"]
