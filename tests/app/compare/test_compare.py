"""Models beside each other: what the page says of those that a link names, and the arithmetic under it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from app import theme
from app.charts.comparison import aligned
from app.compare import classes, disagreement, groups, layers, metrics, per_image, seeds, selection
from app.compare.models import Model, Outcome, differing_data, read_models
from app.tables import points
from app.tables import store as tables
from engine.storage.outcomes.layers import LayerCost
from engine.storage.store import Store
from engine.storage.timings.layers import LayerProfile, LayerTime
from tests.support import outcomes, runs
from tests.support.screen import app, captions

RIGHT = outcomes.LABELS
FIRST = (0, 0, 0, 0, 1, 1, 1, 1, 2, 0)  # of the last owl it says cat
OTHER = (0, 0, 0, 1, 0, 0, 1, 1, 2, 2)  # it has the last owl right, two dogs and a cat wrong
ROW: dict[str, Any] = {
    "widths": {}, "blocks_removed": (),
    **dict.fromkeys((*points.SETTINGS, *points.METRICS, "latency", "step")),
    "id": "a.1", "data": "digits", "data_label": "digits", "baseline": False, "int8": False, "at_chance": False,
    "criterion": "l1", "keep": 0.5, "seed": 0, "top1": 0.9, "macs": 9_000_000, "params": 13_500,
    "stage": "recovered", "phase": "channels", "final": True,
}  # fmt: skip


def model(letter: str, named: Sequence[int] | None = None, digest: str = "a", **row: Any) -> Model:
    known = None if named is None else outcomes.image_list(digest)
    return Model(letter, ROW | row, Outcome(known, None if named is None else np.asarray(named)))


def test_a_link_is_read_as_it_is_written_and_repeats_count_once() -> None:
    ids = [f"20260101-000000-0000000{n}.3" for n in range(8)]
    written = selection.link(ids[:2])["points"]
    assert selection.parse([written, ids[0]], set(ids)) == selection.Request(tuple(ids[:2]))
    assert selection.parse(ids, set(ids)) == selection.Request(tuple(ids[:6]), left_out=2)
    assert not selection.parse([written], set(ids)).complaint()


def test_what_a_link_names_that_is_not_there_is_told_as_text() -> None:
    request = selection.parse(["**bold**,a.1", "../../etc/passwd"], {"a.1"})
    assert request.ids == ("a.1",)
    said = request.complaint()
    assert "\\*\\*bold\\*\\*, ../../etc/passwd are not among the results. The rest is shown." in said


def test_classes_that_lose_most_come_first() -> None:
    pair = [model("A", FIRST), model("B", OTHER)]
    table = classes.by_class(pair)
    assert table["class"].tolist() == ["dog", "cat", "owl"] and table["images"].tolist() == [4, 4, 2]
    assert table["A"].tolist() == [1, 1, 0.5] and table["B"].tolist() == [0.5, 0.75, 1]
    assert classes.describe(table, pair) == (
        "Class dog suffers most: 50.0 % of its 4 test images are right in B, 100.0 % in A. "
        "2 of 3 classes lose something."
    )
    same = [model("A", FIRST), model("B", FIRST)]
    assert classes.describe(classes.by_class(same), same) == "No class has fewer right in B than in A."


def test_images_of_disagreement_begin_with_those_that_have_pictures_and_were_lost() -> None:
    pair = [model("A", FIRST), model("B", OTHER)]
    table = disagreement.images(pair)
    assert table["number"].tolist() == [5, 3, 4, 9] and table["label"].tolist() == ["dog", "cat", "dog", "owl"]
    assert table["B"].tolist() == ["cat", "dog", "cat", "owl"] and table["right"].tolist() == ["A", "A", "A", "B"]
    assert table["picture"].notna().tolist() == [True, False, False, False]
    first, second = disagreement.sentences(pair)
    assert first == "A and B name different classes for 4 of 10 test images."
    assert second.startswith("B loses 3 images that A has right, and gains 1: −20.0 points, 95 % interval −")
    assert disagreement.images([pair[0], model("B", FIRST)]).empty


def test_only_predictions_of_the_same_images_are_compared_and_the_others_are_explained() -> None:
    models = [model("A"), model("B", FIRST), model("C", OTHER), model("D", OTHER, digest="b")]
    models.append(replace(model("E"), outcome=Outcome(damage="p1.predictions.npy is damaged")))
    comparable, reasons = per_image.split(models)
    assert [one.letter for one in comparable] == ["B", "C"]
    assert reasons[0] == "p1.predictions.npy is damaged"
    assert reasons[1].startswith("A: its run keeps no predictions") and "run it again" in reasons[1]
    assert reasons[2].startswith("D was tested on other images than B")


def test_models_of_other_data_or_another_limit_are_compared_in_costs_alone() -> None:
    both = [model("A"), model("B", limit=300, top1=0.5, macs=4_500_000)]
    table = metrics.table(both)
    assert table.loc["Top-1 accuracy"].tolist() == ["90.0 %", "50.0 %"]
    assert table.loc["MACs"].tolist() == ["9.00 M", "4.50 M (0.50×)"]
    assert table.loc["Limit"].tolist() == ["–", "300"]
    assert "only costs are compared with A" in str(differing_data(both))
    same = [model("A"), model("B", top1=0.5)]
    assert differing_data(same) is None
    assert metrics.table(same).loc["Top-1 accuracy"].tolist() == ["90.0 %", "50.0 % (−40.0 points)"]


def test_shares_of_layers_are_of_their_own_network_and_stand_in_one_order() -> None:
    costs = [LayerCost(name="conv1", macs=3, params=1), LayerCost(name="conv2", macs=6, params=2)]
    whole = replace(model("A", macs=9), outcome=Outcome(layers=tuple(costs)))
    cut = replace(model("B", macs=6), outcome=Outcome(layers=tuple(costs[1:])))
    known = layers.quantities([whole, cut], {})
    assert list(known) == ["MACs", "Parameters"] and not layers.quantities([model("A")], {})
    table = layers.shares([whole, cut], known["MACs"])
    assert table["layer"].tolist() == ["conv1", "conv2"]
    assert table["A"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert np.isnan(table["B"][0]) and table["B"][1] == 1


def test_layers_that_ran_as_one_on_a_board_share_its_time_and_a_board_without_the_model_says_nothing() -> None:
    times = [
        LayerTime(name="conv1 + relu", kind="layer", layers=("conv1", "conv2"), operators=(), ms=3.0, share=0.75),
        LayerTime(name="reformat", kind="copy", layers=("conv1",), operators=(), ms=1.0, share=0.25),
    ]
    profile = LayerProfile(
        run="a", point=1, tool="trtexec", precision="fp16", total_ms=4.0, named=0.75, layers=tuple(times)
    )
    pair = [model("A"), model("B", id="a.2")]
    latency = layers.quantities(pair, {"tx2, FP16": {"a.1": profile}})["Latency on tx2, FP16"]
    assert latency.is_latency and latency.layers == {"A": {"conv1": 1.5, "conv2": 1.5}} and latency.totals == {"A": 4.0}
    assert layers.shares(pair, latency)["A"].tolist() == [0.375, 0.375]
    assert aligned.cost_bars(layers.networks(pair, latency, theme.LIGHT), latency.write)[1] == {}


def test_beside_the_share_of_a_latency_stand_those_of_macs_and_parameters() -> None:
    costs = [LayerCost(name="conv1", macs=3, params=1), LayerCost(name="conv2", macs=1, params=3)]
    pair = [replace(model("A", macs=4, params=4), outcome=Outcome(layers=tuple(costs))), model("B", id="a.2")]
    rows = tuple(
        LayerTime(name=name, kind="layer", layers=(name,), operators=(), ms=1.0, share=0.5)
        for name in ("conv1", "conv2")
    )
    profile = LayerProfile(run="a", point=1, tool="onnxruntime", precision="fp32", host="x", total_ms=2.0, layers=rows)
    known = layers.quantities(pair, {"this computer, 1 thread": {"a.1": profile}})
    latency = "Latency on this computer, 1 thread"
    assert list(layers.paired(known, "MACs")) == ["MACs"] and "adds a little" in known[latency].note
    table = layers.share_table(pair, layers.paired(known, latency))
    assert list(table) == ["layer", "A · MACs", "A · Parameters", f"A · {latency}"]
    assert table.iloc[0].tolist() == ["conv1", 0.75, 0.25, 0.5]


def repeated(letter: str, shares: Sequence[float], key: str = "") -> seeds.Repetitions:
    return seeds.Repetitions(letter, f"{letter} · x", frozenset({key or letter}), dict(enumerate(shares)))


def test_a_difference_over_seeds_is_tested_as_the_command_line_does_and_what_has_one_seed_is_named() -> None:
    first, second = repeated("A", [0.90, 0.92, 0.94]), repeated("B", [0.88, 0.905, 0.915])
    said, too_few = seeds.sentences([first, second])
    assert said == (
        "B against A, paired by 3 seeds: −2.0 points, 95 % interval −3.2 to −0.8, p = 0.250 after Holm's correction."
    )
    assert too_few.startswith("No winner is called: n = 3 seeds is too few") and "It takes n = 6." in too_few
    lone, better, _ = seeds.sentences([second, first, repeated("C", [0.8])])
    assert lone == (
        "C has no second seed, so nothing is tested of it; of 3 models it takes 7 seeds each to call one the best."
    )
    (both,) = seeds.sentences([repeated("A", [0.9]), repeated("B", [0.8])])
    assert both.startswith("A and B have no second seed, so nothing is tested of them; of 2 models it takes 6 seeds")
    assert better.startswith("A against B, paired by 3 seeds: +2.0 points, 95 % interval +0.8 to +3.2, p = 0.250")
    (alike,) = seeds.sentences([first, repeated("B", [0.9], key="A")])
    assert "with another seed" in alike
    assert seeds.table([first, repeated("B", [0.8])]).loc["Top-1 accuracy"].tolist() == ["92.0 ± 5.0 %", "80.0 %"]


def test_seeds_in_which_models_differ_alike_call_a_winner_and_foreign_seeds_none() -> None:
    shares = [0.90, 0.92, 0.94, 0.93, 0.91, 0.95]
    clear = [repeated("A", [share - 0.02 - n / 1000 for n, share in enumerate(shares)]), repeated("B", shares)]
    said, winner = seeds.sentences(clear)
    assert "p = 0.031" in said and winner.startswith("B has the highest mean top-1 accuracy") and "n = 6" in winner
    foreign = seeds.Repetitions("B", "B · x", frozenset({"B"}), {8: 0.9, 9: 0.8})
    assert seeds.sentences([clear[0], foreign]) == [
        "No test: A, B have no seed in common; run them with the same seeds."
    ]
    one_in_common = seeds.Repetitions("B", "B · x", frozenset({"B"}), {0: 0.9, 9: 0.8})
    assert [text[:42] for text in seeds.sentences([clear[0], one_in_common])] == [
        "No winner is called: n = 1 seed is too few"
    ]


def test_of_ten_thousand_models_those_are_offered_in_which_every_word_occurs(results: Store) -> None:
    runs.finished(results, runs.spec(criterion="l1"))
    taylor = runs.finished(results, runs.spec(criterion="taylor", seed=3))
    frame = tables.points(results.token())
    assert set(selection.matching(frame, "TAYLOR seed 3")["run_id"]) == {taylor.id}
    assert selection.matching(frame, "taylor seed 4").empty


def test_a_short_list_has_room_for_models_beside_the_groups_over_seeds(
    results: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [runs.finished(results, runs.spec(seed=seed)) for seed in (0, 1)]
    monkeypatch.setattr(selection, "_MOST_OPTIONS", 2)
    (options,) = (choice.options for choice in app("compare").multiselect)
    assert len(options) == 2 and not any("over 2 seeds" in option for option in options)
    monkeypatch.setattr(selection, "_MOST_OPTIONS", 1000)
    frame = tables.points(results.token())
    heads = groups.heads(frame[frame["final"]])
    assert heads and all(point.startswith(made[0].id) for point in heads)


def test_repetitions_are_the_same_point_of_runs_with_other_seeds(results: Store) -> None:
    made = [runs.finished(results, runs.spec(criterion="l1", seed=seed)) for seed in (0, 1, 2)]
    runs.finished(results, runs.spec(criterion="taylor", seed=4))
    frame = tables.points(results.token())
    (one, base), _ = read_models(frame, [f"{made[1].id}.2", f"{made[1].id}.0"])
    assert list(seeds.repetitions(frame, one).by_seed) == [0, 1, 2]
    assert seeds.repetitions(frame, one).by_seed[1] == one.row["top1"]
    assert seeds.repetitions(frame, base).ids != seeds.repetitions(frame, one).ids


def test_a_group_in_the_link_is_the_mean_over_its_seeds_with_its_interval(results: Store) -> None:
    shares = {"l1": (FIRST, OTHER, FIRST), "taylor": (OTHER, OTHER, OTHER)}
    made = {}
    for name, by_seed in shares.items():
        for seed, named in enumerate(by_seed):
            loss = 0.05 + 0.01 * seed + (0.02 + 0.005 * seed) * (name == "taylor")
            run = runs.finished(results, runs.spec(criterion=name, seed=seed, data={"name": "digits"}), loss=loss)
            outcomes.keep(run, {2: named})
            made[name, seed] = f"{run.id}.2"
    lone = runs.finished(results, runs.spec(criterion="random", data={"name": "digits"}))
    at = app("compare", points=f"{made['l1', 1]}~seeds,{lone.id}.2,gone.1~seeds")
    assert "gone.1\\~seeds is not among the results" in captions(at)
    assert list(at.table[0].value.columns) == ["A · L1 norm 0.60× · 3 seeds", "B · Random 0.60×"]
    at.multiselect[0].set_value([made["l1", 0], made["taylor", 2], f"{lone.id}.2"]).run()
    next(button for button in at.button if button.label == "Over all seeds").click().run()
    groups_of_both = [f"{made['l1', 0]}~seeds", f"{made['taylor', 2]}~seeds"]
    assert at.multiselect[0].value == [*groups_of_both, f"{lone.id}.2"]
    assert set(groups_of_both[:1]) <= {f"{point}~seeds" for point in made.values()}
    figures: pd.DataFrame = at.table[0].value
    frame = tables.points(results.token()).set_index("id")
    mean = 100 * frame.loc[[made["l1", seed] for seed in range(3)], "top1"].mean()
    assert figures.loc["Top-1 accuracy"].iloc[0].startswith(f"{mean:.1f} ± ")
    assert figures.loc["Latency p50"].iloc[0] == "0.800 ms", "of equal numbers no interval"
    assert at.multiselect[0].options[0].startswith("Taylor 0.30× over 3 seeds · layers → channels · resnet20 on digits")
    assert "Taylor 0.60× over 3 seeds · layers → channels · resnet20 on digits" in at.multiselect[0].options
    assert "points)" in figures.loc["Top-1 accuracy"].iloc[1] and " ± " not in figures.loc["MACs"].iloc[0]
    assert "those of A are of seed 0 and those of B are of seed 2" in captions(at)
    said = " ".join(markdown.value for markdown in at.markdown)
    assert "B against A, paired by 3 seeds: " in said and "C has no second seed, so nothing is tested of it" in said
    right_of_dogs = next(each.value for each in at.dataframe if "dog" in each.value.to_string()).set_index("class")
    assert right_of_dogs.loc["dog", "A"] == pytest.approx(100 * (1 + 0.5 + 1) / 3)
    next(button for button in at.button if button.label == "One seed each").click().run()
    assert at.multiselect[0].value == [made["l1", 0], made["taylor", 2], f"{lone.id}.2"] and not at.exception


def three_models(results: Store) -> list[str]:
    """The ids of two models with predictions and of a third one whose run is of an earlier version."""
    made = [runs.finished(results, runs.spec(criterion=name, data={"name": "digits"})) for name in ("l1", "taylor")]
    for run, named in zip(made, (FIRST, OTHER), strict=True):
        outcomes.keep(run, {2: named})
    older = runs.finished(results, runs.spec(criterion="random", data={"name": "digits"}))
    return [f"{run.id}.2" for run in (*made, older)]


def test_the_page_shows_what_a_link_names_without_an_engine_process(
    results: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "ask_engine", lambda *_: pytest.fail("a page that compares asks no engine"))
    ids = three_models(results)
    at = app("compare")
    next(button for button in at.button if button.label == "Show an example").click().run()
    assert [point.partition(".")[2] for point in at.multiselect[0].value] == ["0", "4", "4"]
    at.query_params["points"] = ",".join([*ids, "gone.7"])
    at.run()
    assert not at.exception
    assert at.multiselect[0].value == ids
    assert "gone.7 is not among the results" in captions(at)
    figures: pd.DataFrame = at.table[0].value
    assert list(figures.columns) == ["A · L1 norm 0.60×", "B · Taylor 0.60×", "C · Random 0.60×"]
    assert figures.loc["MACs"].tolist() == ["24.0 M", "24.0 M (1.00×)", "24.0 M (1.00×)"]
    assert "Criterion" in figures.index and "Model" not in figures.index
    said = " ".join(markdown.value for markdown in at.markdown)
    assert "Class dog suffers most" in said and "A and B name different classes for 4 of 10" in said
    assert "C: its run keeps no predictions" in captions(at) and "C: its run keeps no costs" in captions(at)
    assert "A, B and C have no second seed, so nothing is tested of them; of 3 models it takes 7 seeds each" in said
    assert all(element.proto.alt.strip() for element in (*at.get("plotly_chart"), *at.get("arrow_data_frame")))
    at.segmented_control(key="layers_by").set_value("MACs").run()
    assert not at.exception and any("conv1" in frame.value.to_string() for frame in at.dataframe)
    at.multiselect[0].set_value(ids[:1]).run()
    assert at.query_params["points"] == ids[0] and not at.table and not at.exception
