"""Techniques: how points are parted by them, their means over seeds, and the best of each within one cost."""

from typing import Any

import pandas as pd
import pytest

from app.tables import points
from app.tables.techniques import means, names
from engine.spec.run import RunSpec
from engine.storage.store import Store
from tests.support import runs


def pruned(results: Store, *requests: dict[str, Any]) -> pd.DataFrame:
    """The points after recovery of these runs of two targets, and how accurate and large they are."""
    for request in requests:
        runs.finished(results, RunSpec.model_validate({"target": {"keep": [0.6, 0.3]}} | request), files=False)
    return final(results)


def final(results: Store) -> pd.DataFrame:
    frame = points.tidy(results.points())
    frame = frame[frame["final"] | frame["int8"]].assign(cost=lambda each: each["bytes"], base_cost=frame["base_bytes"])
    frame = frame.assign(quality=frame["top1"], base_quality=frame["base_top1"])
    return names.with_technique(frame.assign(at_x=frame["cost"], at_y=100 * frame["quality"]))


@pytest.mark.parametrize(
    ("request_", "technique"),
    [
        ({"criterion": "taylor"}, "Pruned"),
        ({"criterion": "taylor", "recover": {"distil": True}}, "Pruned + distilled"),
        ({"criterion": "taylor", "width": {"rank": "per-saving"}}, "Pruned + adaptive rates"),
        ({"criterion": "obs"}, "Pruned + adaptive rates"),
        ({"criterion": "obs", "width": {"rank": "score"}}, "Pruned"),
        ({"criterion": "obs", "width": {"scope": "uniform"}}, "Pruned"),
        ({"criterion": "obs", "order": "layers"}, "Pruned"),
        ({"criterion": "taylor", "keep_layers": ["layer1.*=0.7"]}, "Pruned + adaptive rates"),
        ({"criterion": "taylor", "keep_layers": ["layer1.*"]}, "Pruned"),
        ({"criterion": "taylor+l1", "recover": {"distil": True}}, "Pruned + distilled + ensemble"),
    ],
)
def test_a_run_is_placed_by_what_it_asks_for(results: Store, request_: dict[str, Any], technique: str) -> None:
    assert set(pruned(results, request_)["technique"]) == {technique}


def test_techniques_stand_in_one_order_and_8_bit_is_one_of_each_point(results: Store) -> None:
    request = {"criterion": "accuracy", "order": "layers", "depth": {"method": "direct"}, "int8": True}
    runs.stepwise(results, RunSpec.model_validate(request | {"recover": {"distil": True}}))
    runs.stepwise(results, RunSpec.model_validate(request | {"target": {"keep": [1.0]}}))
    frame = final(results)
    assert list(frame["technique"].cat.categories) == [
        "Not pruned",
        "Not pruned + INT8",
        "Pruned + distilled",
        "Pruned + distilled + INT8",
    ]
    assert set(frame.loc[frame["int8"], "technique"]) == {"Not pruned + INT8", "Pruned + distilled + INT8"}


def test_a_chart_of_techniques_is_offered_where_there_are_several(results: Store) -> None:
    runs.finished(results, runs.spec(criterion="l1"), files=False)
    runs.finished(results, runs.spec(criterion="taylor"), files=False)
    assert not names.are_several(points.tidy(results.points()))
    runs.finished(results, runs.spec(recover={"distil": True}), files=False)
    assert names.are_several(points.tidy(results.points()))


def test_means_are_of_the_seeds_and_one_front_is_of_all_techniques(results: Store) -> None:
    plain = [{"criterion": "taylor", "seed": seed} for seed in range(3)]
    frame = pruned(results, *plain, {"criterion": "taylor", "recover": {"distil": True}})
    table = means.means(frame)
    assert [(row["technique"], row["keep"], row["seeds"]) for _, row in table.iterrows()] == [
        ("Pruned", 0.3, (0, 1, 2)),
        ("Pruned", 0.6, (0, 1, 2)),
        ("Pruned + distilled", 0.3, (0,)),
        ("Pruned + distilled", 0.6, (0,)),
    ]
    alone = table[table["technique"] == "Pruned"]
    assert alone["quality"].tolist() == pytest.approx([0.856, 0.874]) and alone["at_y"].iloc[0] == pytest.approx(85.6)
    assert alone["half_width"].tolist() == pytest.approx([0.4968, 0.4968], abs=1e-3), "Student's t, of 0.2 points"
    assert alone["quality_half"].tolist() == pytest.approx([0.004968] * 2, abs=1e-5)
    assert table["half_width"].isna().tolist() == [False, False, True, True], "one seed has no interval"
    front = means.on_front(table, x_better="low", y_better="high")
    assert front.tolist() == [False, False, True, True], "of one size, and seed 0 is the best"
    assert means.on_front(table, x_better="high", y_better="low").tolist() == [True, True, False, False]


def test_the_best_within_a_cost_is_held_against_pruning_alone_seed_by_seed(results: Store) -> None:
    for seed in range(3):
        for distil, loss in ((False, 0.06), (True, 0.04)):
            spec = runs.spec(seed=seed, criterion="taylor", recover={"distil": distil})
            runs.finished(results, spec, loss=loss, files=False)
    frame = final(results)
    table = means.means(frame)
    cheap, dear = sorted(table["cost"].unique())
    assert means.common_cost(table) == cheap
    alone, distilled = means.best_within(frame, table, dear, better="high")
    assert alone.row is not None and distilled.row is not None
    assert (alone.technique, alone.change, alone.row["keep"]) == ("Pruned", None, 0.6)
    assert distilled.technique == "Pruned + distilled" and distilled.row["cost"] == dear
    assert distilled.change == pytest.approx(0.02 * 0.4) and distilled.half_width == pytest.approx(0, abs=1e-9)
    alone, distilled = means.best_within(frame, table, cheap, better="high")
    assert alone.row is not None and alone.row["keep"] == 0.3 and distilled.change == pytest.approx(0.02 * 0.7)
    assert [each.row for each in means.best_within(frame, table, cheap - 1, better="high")] == [None, None]
    (worst, _) = means.best_within(frame, table, dear, better="low")
    assert worst.row is not None and worst.row["keep"] == 0.3, "of a loss the lower one is better"


def test_one_lucky_seed_is_not_the_best_of_a_technique_that_has_means_of_three(results: Store) -> None:
    for seed in range(3):
        runs.finished(results, runs.spec(seed=seed, criterion="taylor"), files=False)
    runs.finished(results, runs.spec(criterion="l1"), loss=0.0, files=False)
    frame = final(results)
    (best,) = means.best_within(frame, means.means(frame), 1e9, better="high")
    assert best.row is not None and best.row["criterion"] == "taylor"
    lone = frame[(frame["criterion"] == "l1") | (frame["seed"] == 0)]
    (best,) = means.best_within(lone, means.means(lone), 1e9, better="high")
    assert best.row is not None and best.row["criterion"] == "l1", "where no mean is of three"


def test_a_kind_with_one_repetition_near_chance_is_left_out_whole(results: Store) -> None:
    frame = pruned(results, *({"criterion": "taylor", "seed": seed} for seed in range(3)))
    doubted = frame.assign(at_chance=(frame["seed"] == 1) & (frame["keep"] == 0.3))
    assert set(means.without_doubt(doubted)["keep"]) == {0.6} and len(means.without_doubt(frame)) == 6


def test_only_one_networks_points_are_compared_and_a_change_needs_a_common_seed(results: Store) -> None:
    frame = pruned(
        results,
        {"criterion": "taylor", "seed": 0},
        {"criterion": "taylor", "seed": 1, "recover": {"distil": True}},
        {"model": "resnet56"},
    )
    own = means.of_one_network(frame)
    assert set(own["model"]) == {"resnet20"} and len(own) == 4
    _, distilled = means.best_within(own, means.means(own), 1e9, better="high")
    assert distilled.row is not None and (distilled.change, distilled.half_width) == (None, None)
