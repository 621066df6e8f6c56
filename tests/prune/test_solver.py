"""Targets are met, not approached: exact, monotone, never emptier than the floor."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from engine.errors import RequestError
from engine.graph.cost import CostModel, cost, widths
from engine.graph.metric import Metric
from engine.graph.summarize import summarize
from engine.graph.summary import ModelSummary
from engine.latency.predictor import Predictor
from engine.prune import depth
from engine.prune.forecast import forecast
from engine.prune.solver import TargetUnreachable, removal_order, solve, split_target, uniform_keys
from engine.spec.run import parse
from engine.zoo.build import construct
from tests.support.latency_tables import made_up

SHEETS = {
    name: summarize(construct(name, 10).eval(), (3, 32, 32), name).summary
    for name in ("resnet20", "resnet20-a", "mobilenet_v2", "vgg16_bn")
}
TABLES = {name: made_up(summary, lambda i, o: 0.001 * i * o + 0.01, slower=3.0) for name, summary in SHEETS.items()}
sheets = st.sampled_from(sorted(SHEETS)).map(SHEETS.__getitem__)
ratios = st.floats(0.05, 1.0)


def random_chain(summary: ModelSummary, seed: int, round_to: int = 1) -> list[tuple[int, int]]:
    rng = np.random.default_rng(seed)
    channel_groups = {
        c: sorted(rng.random(group.size).tolist()) for c, group in enumerate(summary.channel_groups) if group.removable
    }
    return removal_order(summary, channel_groups, round_to)


@settings(max_examples=60, deadline=None)
@given(sheets, ratios, st.integers(0, 9), st.sampled_from(["macs", "params"]))
def test_what_comes_out_is_at_most_two_percent_below_what_was_asked(
    summary: ModelSummary, keep: float, seed: int, metric: str
) -> None:
    model = CostModel(summary)
    limit = keep * model().of(metric)
    got = model(solve(model, random_chain(summary, seed), Metric(metric), limit)).of(metric)
    assert 0.98 * limit <= got <= limit


@settings(max_examples=60, deadline=None)
@given(sheets, ratios, ratios, st.integers(0, 9), st.sampled_from([1, 2, 4, 8]))
def test_asking_for_more_never_gives_less(summary: ModelSummary, a: float, b: float, seed: int, round_to: int) -> None:
    model = CostModel(summary)
    order = random_chain(summary, seed, round_to)
    least, full_cost = model(_emptied(summary, order)).macs, model().macs
    small, large = (least + share * (full_cost - least) for share in sorted((a, b)))
    assert (
        model(solve(model, order, Metric("macs"), small)).macs <= model(solve(model, order, Metric("macs"), large)).macs
    )


@settings(max_examples=40, deadline=None)
@given(sheets, ratios, st.integers(0, 9), st.sampled_from([1, 2, 4, 8]))
def test_widths_are_multiples_of_round_to_and_never_empty(
    summary: ModelSummary, share: float, seed: int, round_to: int
) -> None:
    model = CostModel(summary)
    order = random_chain(summary, seed, round_to)
    least = model(_emptied(summary, order)).macs
    kept = solve(model, order, Metric("macs"), least + share * (model().macs - least))
    for group, count in zip(summary.channel_groups, kept, strict=True):
        assert count == group.size or (count % round_to == 0 and count >= round_to)


def test_below_the_floor_is_refused_with_the_least_that_is_possible() -> None:
    model = CostModel(SHEETS["resnet20"])
    order = random_chain(SHEETS["resnet20"], 0)
    with pytest.raises(TargetUnreachable) as refused:
        solve(model, order, Metric("macs"), 1.0)
    assert refused.value.least == model(_emptied(SHEETS["resnet20"], order)).macs


@given(ratios, st.floats(0, 1))
def test_the_shares_of_depth_and_width_multiply_to_the_target(keep: float, share: float) -> None:
    base = 10**9
    shares = split_target(base, keep, share, "layers-channels")
    assert shares.layers / base * shares.channels / base == pytest.approx(keep)
    assert shares.total == pytest.approx(base * keep, rel=1e-6)


def test_a_network_of_exactly_what_was_asked_meets_it_whatever_the_floats_say() -> None:
    assert split_target(2950, 0.58, 0.5, "channels").total == 1711


def test_blocks_go_lowest_score_first_until_the_target_and_no_further() -> None:
    summary = SHEETS["resnet20"]
    scores = {block.name: float(i) for i, block in enumerate(summary.blocks)}
    full_cost = cost(summary).macs
    removed = depth.select_blocks(summary, scores, Metric("macs"), 0.7 * full_cost)
    assert removed == ["layer1.0", "layer1.1", "layer1.2"]
    assert cost(summary, removed=removed).macs <= 0.7 * full_cost < cost(summary, removed=removed[:-1]).macs


def test_equal_scores_go_by_the_larger_saving_then_by_name() -> None:
    summary = SHEETS["mobilenet_v2"]
    alike = dict.fromkeys((b.name for b in summary.blocks), 0.0)
    savings = {b.name: cost(summary).macs - cost(summary, removed=[b.name]).macs for b in depth.candidates(summary)}
    removed = depth.select_blocks(summary, alike, Metric("macs"), 0.75 * cost(summary).macs)
    assert removed == sorted(savings, key=lambda n: (-savings[n], n))[: len(removed)]


def test_a_block_that_would_undershoot_the_whole_target_is_passed_over() -> None:
    summary = SHEETS["resnet20"]
    alike = dict.fromkeys((b.name for b in summary.blocks), 0.0)
    full_cost = cost(summary).macs
    assert depth.select_blocks(summary, alike, Metric("macs"), 0.975 * full_cost, not_below=0.95 * full_cost) == []


def test_too_few_blocks_for_the_target_is_refused_with_the_least() -> None:
    summary = SHEETS["resnet20"]
    alike = dict.fromkeys((b.name for b in summary.blocks), 0.0)
    with pytest.raises(TargetUnreachable) as refused:
        depth.select_blocks(summary, alike, Metric("macs"), 0.1 * cost(summary).macs)
    assert refused.value.least == cost(summary, removed=[block.name for block in depth.candidates(summary)]).macs


@pytest.mark.parametrize("order", ["layers-channels", "channels-layers", "layers", "channels"])
@pytest.mark.parametrize("metric", ["macs", "params"])
def test_a_forecast_meets_every_target(order: str, metric: str) -> None:
    summary = SHEETS["resnet20"]
    spec = parse({"order": order, "target": {"keep": [0.9, 0.5, 0.3], "metric": metric}})
    for prediction in forecast(summary, spec):
        got = getattr(prediction, metric) / getattr(summary, metric)
        assert got <= prediction.keep
        if order.endswith("channels"):
            assert got >= 0.98 * prediction.keep
        assert all(kept == 0 for layer, (_, kept) in prediction.widths.items() if layer.startswith(prediction.removed))


def test_an_order_with_layers_is_refused_for_a_model_without_removable_blocks() -> None:
    summary = summarize(construct("torchvision/squeezenet1_1", 10).eval(), (3, 64, 64)).summary
    with pytest.raises(RequestError, match="no removable block"):
        forecast(summary, parse({"model": "torchvision/squeezenet1_1", "order": "layers"}))


def test_a_refusal_names_the_least_as_a_share_of_the_baseline() -> None:
    spec = parse({"order": "layers", "target": {"keep": [0.05]}})
    with pytest.raises(RequestError, match=r"keep 0\.05 of the macs .* at least 0\.191× remains"):
        forecast(SHEETS["resnet20"], spec)
    assert forecast(SHEETS["resnet20"], parse({"order": "layers", "target": {"keep": [0.191]}}))


def test_channels_first_is_refused_where_no_layer_could_go_afterwards() -> None:
    with pytest.raises(RequestError, match="no skips"):
        forecast(SHEETS["vgg16_bn"], parse({"model": "vgg16_bn", "order": "channels-layers"}))


def test_bn_scale_is_refused_before_the_run_where_nothing_is_normalised() -> None:
    summary = summarize(construct("torchvision/vgg11", 10).eval(), (3, 64, 64)).summary
    for order, reason in (("channels", "needs batch norm"), ("layers", "no batch norm")):
        spec = parse({"model": "torchvision/vgg11", "order": order, "criterion": "l1+bn_scale"})
        with pytest.raises(RequestError, match=reason):
            forecast(summary, spec)


def test_channels_of_a_residual_stream_go_last() -> None:
    summary = SHEETS["resnet20"]
    model = CostModel(summary)
    order = removal_order(summary, uniform_keys(summary, model.present), shared_last=True)
    kept = solve(model, order, Metric("macs"), 0.3 * model().macs)
    assert all(count == group.size for group, count in zip(summary.channel_groups, kept, strict=True) if group.shared)
    least = solve(model, order, Metric("macs"), 0.02 * model().macs)
    assert any(count < group.size for group, count in zip(summary.channel_groups, least, strict=True) if group.shared)


def test_a_gate_does_not_make_the_channels_it_gates_a_stream() -> None:
    """Squeeze-and-excitation multiplies; only sums make channels shared."""
    summary = summarize(construct("torchvision/mobilenet_v3_small", 10).eval(), (3, 64, 64)).summary
    shared = {name for group in summary.channel_groups if group.shared for name in group.producers}
    gates = {layer.name for layer in summary.layers if layer.name.endswith("fc2")}
    assert gates
    assert shared
    assert len(gates & shared) <= 1  # the first block's input is both gated and added


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(SHEETS)), ratios, ratios, st.integers(0, 9), st.sampled_from([1, 4, 8]))
def test_a_target_in_milliseconds_is_met_and_asking_for_more_never_gives_less(
    name: str, a: float, b: float, seed: int, round_to: int
) -> None:
    """Although single channels less may take longer: odd widths take three times as long here."""
    model, metric = CostModel(SHEETS[name]), Metric("latency", Predictor(TABLES[name]))
    order = random_chain(SHEETS[name], seed, round_to)
    least, full_cost = metric.of(model, _emptied(SHEETS[name], order)), metric.of(model)
    limits = [least + share * (full_cost - least) for share in sorted((a, b))]
    small, large = (solve(model, order, metric, limit) for limit in limits)
    for kept, limit in zip((small, large), limits, strict=True):
        assert metric.of(model, kept) <= limit
    assert all(one <= other for one, other in zip(small, large, strict=True))


def test_a_target_in_milliseconds_takes_no_channel_more_than_it_must() -> None:
    model, metric = CostModel(SHEETS["resnet20"]), Metric("latency", Predictor(TABLES["resnet20"]))
    order = random_chain(SHEETS["resnet20"], 0)
    limit = 0.6 * metric.of(model)
    kept = solve(model, order, metric, limit)
    removed_channels = sum(model.full) - sum(kept)
    for fewer in range(removed_channels):
        assert metric.of(model, _emptied(SHEETS["resnet20"], order[:fewer])) > limit


def test_milliseconds_below_the_floor_are_refused_with_the_least_along_the_way() -> None:
    model, metric = CostModel(SHEETS["resnet20"]), Metric("latency", Predictor(TABLES["resnet20"]))
    order = random_chain(SHEETS["resnet20"], 0)
    with pytest.raises(TargetUnreachable) as refused:
        solve(model, order, metric, 0.0)
    prefixes = (_emptied(SHEETS["resnet20"], order[:n]) for n in range(len(order) + 1))
    assert refused.value.least == min(metric.of(model, kept) for kept in prefixes)


def test_milliseconds_are_not_rounded_to_whole_ones() -> None:
    assert split_target(1.0, 0.4, 0.5, "channels").total == 0.4
    assert split_target(1.25, 0.4, 0.5, "layers-channels").total == 0.5


@pytest.mark.parametrize("order", ["layers-channels", "channels-layers", "layers", "channels"])
def test_a_forecast_in_milliseconds_meets_every_target_of_a_table(order: str) -> None:
    summary, table = SHEETS["resnet20"], TABLES["resnet20"]
    spec = parse({"order": order, "target": {"keep": [0.9, 0.6], "metric": "latency"}})
    forecasts = forecast(summary, spec, table)
    assert [one.keep for one in forecasts] == [0.9, 0.6]
    assert forecasts[1].macs < forecasts[0].macs < summary.macs


def test_without_a_table_there_is_no_forecast_in_milliseconds() -> None:
    spec = parse({"target": {"metric": "latency"}})
    assert forecast(SHEETS["resnet20"], spec) == []
    with pytest.raises(RequestError, match="does not fit resnet20"):
        forecast(SHEETS["resnet20"], spec, TABLES["vgg16_bn"])


@given(st.integers(1, 64))
def test_equal_scores_leave_multiples_of_round_to(round_to: int) -> None:
    summary = SHEETS["vgg16_bn"]
    group = next(c for c, x in enumerate(summary.channel_groups) if x.removable and x.size == 512)
    takes = [take for _, take in removal_order(summary, {group: [0.1] * 512}, round_to)]
    remaining = 512
    for take in takes:
        remaining -= take
        assert remaining % round_to == 0
    assert remaining >= 1


def test_a_removed_plain_unit_reroutes_its_readers() -> None:
    """VGG's units have no skip: what follows reads what the removed unit read."""
    module = construct("vgg16_bn", 10).eval()
    summary = SHEETS["vgg16_bn"]
    block = depth.candidates(summary)[-1]
    for path in block.modules:
        parent, _, name = path.rpartition(".")
        setattr(module.get_submodule(parent), name, nn.Identity())
    assert cost(summary, removed=[block.name]).macs == summarize(module, (3, 32, 32)).summary.macs


def test_widths_list_every_convolution_and_zero_in_removed_blocks() -> None:
    listed = widths(SHEETS["resnet20"], removed=["layer1.1"])
    assert listed["layer1.1.conv1"] == (16, 0)
    assert listed["conv1"] == (16, 16)
    assert "fc" not in listed


def test_a_uniform_chain_takes_the_same_share_of_every_cell() -> None:
    summary = SHEETS["resnet20"]
    model = CostModel(summary)
    kept = solve(
        model, removal_order(summary, uniform_keys(summary, model.present)), Metric("macs"), 0.5 * model().macs
    )
    shares = [k / c.size for k, c in zip(kept, summary.channel_groups, strict=True) if c.removable]
    assert max(shares) - min(shares) < 0.13


def _emptied(summary: ModelSummary, order: list[tuple[int, int]]) -> list[int]:
    kept = [group.size for group in summary.channel_groups]
    for group, take in order:
        kept[group] -= take
    return kept
