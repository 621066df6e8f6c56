"""Several models at a time: ticks of the table, a box or lasso on the chart, and the press that compares them."""

from app.explore import chosen
from app.explore.chosen import Ticks
from engine.spec import run as specs
from engine.storage.store import Store
from tests.support import runs
from tests.support.screen import app


def test_a_row_that_is_ticked_is_turned_to_and_one_that_loses_its_tick_hands_over_to_another() -> None:
    assert chosen.change(("a",), ("a",), "a") is None
    assert chosen.change(("a",), ("a", "b"), "a") == Ticks(("a", "b"), "b")
    assert chosen.change(("a", "b", "c"), ("a", "c"), "b") == Ticks(("a", "c"), "c")
    assert chosen.change(("a", "b", "c"), ("a", "c"), "c") == Ticks(("a", "c"), None)
    assert chosen.change(("a",), (), "a") == Ticks((), None)
    assert chosen.ticked((), "a") == ("a",) and chosen.ticked(("b", "c"), "a") == ("b", "c")
    assert chosen.ticked((), None) == ()


def test_points_chosen_together_are_ticked_ringed_and_compared_by_one_press(results: Store) -> None:
    run = runs.finished(results, specs.parse({"target": {"keep": [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]}}))
    ids = [f"{run.id}.{number}" for number in (0, 2, 4, 6, 8, 10, 12, 14)]
    at = app(point=ids[1])
    assert at.button(key="compare_chosen").disabled
    at.session_state["explore_chosen"] = (*ids, "gone.7")
    at.run()
    assert at.button(key="compare_chosen").disabled and "At most 6 models" in " ".join(c.value for c in at.caption)
    at.session_state["explore_chosen"] = (ids[2], ids[4], "gone.7")
    at.run()
    assert sorted(at.session_state["table_ticked"]) == sorted([ids[2], ids[4]])
    button = at.button(key="compare_chosen")
    assert button.label == "Compare · 2" and not button.disabled
    button.click().run()
    assert not at.exception and at.title[0].value == "Compare models"
    assert at.multiselect[0].value == [ids[2], ids[4]] and at.query_params["points"] == f"{ids[2]},{ids[4]}"
