"""The demonstration's numbers belong together, and to the network that is shipped beside its script."""

import json

import pytest

from app import theme
from app.charts import skyline
from app.charts.methods import costs, scores
from app.methods import demonstration, live, steps
from app.methods.demonstration import BLOCKS, Ranking, Removal
from benchmarks.demonstration import experiments, network
from benchmarks.demonstration.bench import Bench
from engine.criteria.calibration import Calibration
from engine.criteria.registry import score_filters
from engine.graph.cost import CostModel
from engine.graph.summarize import summarize
from engine.spec.catalog import CRITERIA
from engine.spec.run import ORDERS

SHOWN = demonstration.load()


def ranking(*values: float) -> Ranking:
    removals = [Removal(count=n, macs=100 - n, plain=50 - n, reconstructed=50) for n in range(len(values))]
    return Ranking(scores=values, removals=tuple(removals))


def test_every_criterion_is_shown_on_every_layer_or_on_the_blocks() -> None:
    assert list(SHOWN.rankings) == list(CRITERIA)
    names, widths = [layer.name for layer in SHOWN.layers], SHOWN.widths()
    for criterion, places in SHOWN.rankings.items():
        assert list(places) == ([BLOCKS] if CRITERIA[criterion].scope == "blocks" else names), criterion
        for place, each in places.items():
            width = len(SHOWN.blocks) if place == BLOCKS else widths[place][0]
            assert len(each.scores) == width, (criterion, place)
    assert demonstration.FILE.stat().st_size <= 150_000


def test_removals_are_counts_of_images_that_begin_with_the_untouched_network() -> None:
    for places in SHOWN.rankings.values():
        for each in places.values():
            first = each.removals[0]
            assert (first.count, first.macs, first.plain) == (0, SHOWN.macs, SHOWN.correct)
            assert list(each.counts) == sorted(set(each.counts)) and len(each.counts) >= 5
            assert all(0 <= n <= SHOWN.validation_images for r in each.removals for n in (r.plain, r.reconstructed))
            assert [r.macs for r in each.removals] == sorted((r.macs for r in each.removals), reverse=True)
            assert len(each.lowest(each.counts[-1])) == each.counts[-1]


def test_macs_are_those_of_the_networks_arithmetic() -> None:
    summary = summarize(network.construct(), (3, 24, 24)).summary
    assert (SHOWN.macs, SHOWN.params) == (summary.macs, summary.params)
    assert SHOWN.blocks == tuple(block.name for block in summary.blocks if block.removable)
    model, full = CostModel(summary), [group.size for group in summary.channel_groups]
    for name, ranked in SHOWN.rankings["l1"].items():
        ((group, _),) = next(each.outs for each in summary.layers if each.name == name)
        for removal in ranked.removals:
            kept = [size - removal.count * (number == group) for number, size in enumerate(full)]
            assert model(kept).macs == removal.macs, (name, removal.count)


def test_what_is_shown_was_measured_of_the_weights_that_are_shipped() -> None:
    assert network.digest() == SHOWN.weights
    module = network.read()
    structure = summarize(module, (3, 24, 24))
    weights_alone = Calibration(module, structure.trace, lambda: iter(()), next(module.parameters()).device, 0)
    for criterion in ("l1", "bn_scale", "fpgm"):
        made_anew = score_filters(weights_alone, criterion)
        for name, shown in SHOWN.rankings[criterion].items():
            assert list(shown.scores) == pytest.approx(made_anew[name].tolist(), rel=1e-4), (criterion, name)


def test_a_removal_that_is_measured_anew_comes_out_as_it_is_shown() -> None:
    """On one layer: counts may differ by an image or two, as machines round differently."""
    bench = Bench.of(network.read(), network.images())
    layer, shown = SHOWN.layers[-1].name, SHOWN.rankings["l1"][SHOWN.layers[-1].name]
    assert abs(bench.validation.correct(bench.module) - SHOWN.correct) <= 2
    count = shown.counts[5]
    again = bench.remove_channels(layer, shown.scores, count)
    assert again.macs == shown.removal(count).macs
    assert abs(again.plain - shown.removal(count).plain) <= 3
    assert abs(again.reconstructed - shown.removal(count).reconstructed) <= 12
    assert again.reconstructed > again.plain


def test_experiments_are_of_the_criteria_and_orders_that_the_page_names() -> None:
    made = {(each.criterion, each.order) for each in SHOWN.experiments}
    assert {(criterion, experiments.ORDER) for criterion in experiments.CRITERIA} <= made
    assert {(experiments.CRITERION, order) for order in experiments.ORDERS} <= made
    assert (steps.CRITERION, steps.ORDER) in made and (steps.CRITERION, steps.OTHER_ORDER) in made
    assert set(ORDERS) - {order for _, order in made} == set(live.NOT_MEASURED), "of these the page says why not"
    for each in SHOWN.experiments:
        assert steps.KEEP in [target.keep for target in each.targets]
        for target in each.targets:
            assert target.macs <= target.keep * SHOWN.macs * 1.001, (each.criterion, each.order, target.keep)
            gone = {name for name, (_, kept) in SHOWN.widths_at(target).items() if kept == 0}
            assert all(name.startswith(target.removed) for name in gone)


def test_the_lowest_go_first_and_the_threshold_lies_between_them_and_the_rest() -> None:
    some = ranking(3.0, 1.0, 2.0, 1.0)
    assert some.lowest(1) == {1} and some.lowest(2) == {1, 3} and some.lowest(0) == frozenset()
    assert (some.threshold(0), some.threshold(2), some.threshold(4)) == (None, 1.5, None)
    with pytest.raises(KeyError):
        some.removal(9)
    assert demonstration.counts(10, (0.1, 0.14, 0.5)) == (0, 1, 5, 9)


def test_the_histogram_holds_every_channel_and_hatches_those_that_go() -> None:
    some = ranking(*(float(n) for n in range(1, 11)))
    figure = scores.figure(some, 4, "#009E73", "channel", ink=theme.LIGHT)
    bars = {trace.name: sum(trace.y) for trace in figure.data if trace.type == "bar"}
    assert bars == {"goes": 4, "stays": 6}
    assert next(shape.x0 for shape in figure.layout.shapes if shape.x0 == shape.x1) == pytest.approx(4.5)
    far = scores.figure(ranking(1e-6, 1e-4, 1.0), 1, "#009E73", "channel", ink=theme.DARK)
    assert "10<sup>−6</sup>" in far.layout.xaxis2.ticktext
    assert scores.bins([2.0, 2.0], frozenset({0})) == (scores.Bin(1.5, 2.5, 1, 1),)
    assert scores.describe(some, 4, "channel") == (
        "Histogram of 10 scores: 4 of 10 channels go, those with scores below 4.5."
    )


def test_every_mark_of_a_layers_chart_is_a_measurement() -> None:
    each = SHOWN.rankings["taylor"][SHOWN.layers[2].name]
    figure = costs.of_layer(SHOWN, each, each.counts[2], "#009E73", "channel", ink=theme.LIGHT)
    for trace, stage in zip(figure.data, ("reconstructed", "plain"), strict=True):
        assert tuple(trace.x) == each.counts
        assert list(trace.y) == pytest.approx([100 * SHOWN.share(getattr(r, stage)) for r in each.removals])
    (line,) = costs.of_experiments(SHOWN, SHOWN.experiments[:1], ["plain"], ink=theme.LIGHT).data
    assert (line.x[-1], line.y[-1]) == (SHOWN.macs, 100 * SHOWN.share(SHOWN.correct)), "it ends at the whole network"
    assert list(line.x) == sorted(line.x)
    bars = live.bars_without(SHOWN, SHOWN.layers[2].name, each, each.counts[2])
    assert skyline.describe(bars).startswith("Skyline: all 7 convolutions")


def test_the_tour_has_six_steps_with_numbers_of_the_demonstration_and_a_picture_each() -> None:
    made = [step(SHOWN, theme.LIGHT) for step in steps.STEPS]
    assert [step.title for step in made] == [
        "A network", "A criterion", "An order", "The cut", "Reconstruct and recover", "Measure and compare",
    ]  # fmt: skip
    assert all(step.pictures and all(picture.alt for picture in step.pictures) for step in made)
    assert f"{100 * SHOWN.share(SHOWN.correct):.1f} %" in made[0].text
    assert json.loads(made[-1].pictures[0].figure.to_json())["data"]
