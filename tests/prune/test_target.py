"""Targets are met, not approached: exact, monotone, never emptier than the floor."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from engine.errors import RequestError
from engine.graph.cost import CostModel, cost, widths
from engine.graph.describe import describe
from engine.graph.metric import Metric
from engine.graph.sheet import ModelSheet
from engine.prune import depth
from engine.prune.forecast import forecast
from engine.prune.target import CannotMeet, chain, solve, split, uniform_keys
from engine.spec import parse
from engine.zoo.build import construct
from tests.graph.latency_tables import made_up

SHEETS = {
    name: describe(construct(name, 10).eval(), (3, 32, 32), name).sheet
    for name in ("resnet20", "resnet20-a", "mobilenet_v2", "vgg16_bn")
}
TABLES = {name: made_up(sheet, lambda i, o: 0.001 * i * o + 0.01, slower=3.0) for name, sheet in SHEETS.items()}
sheets = st.sampled_from(sorted(SHEETS)).map(SHEETS.__getitem__)
ratios = st.floats(0.05, 1.0)


def random_chain(sheet: ModelSheet, seed: int, round_to: int = 1) -> list[tuple[int, int]]:
    rng = np.random.default_rng(seed)
    cells = {c: sorted(rng.random(cell.size).tolist()) for c, cell in enumerate(sheet.cells) if cell.removable}
    return chain(sheet, cells, round_to)


@settings(max_examples=60, deadline=None)
@given(sheets, ratios, st.integers(0, 9), st.sampled_from(["macs", "params"]))
def test_what_comes_out_is_at_most_two_percent_below_what_was_asked(
    sheet: ModelSheet, keep: float, seed: int, metric: str
) -> None:
    model = CostModel(sheet)
    limit = keep * model().of(metric)
    got = model(solve(model, random_chain(sheet, seed), Metric(metric), limit)).of(metric)
    assert 0.98 * limit <= got <= limit


@settings(max_examples=60, deadline=None)
@given(sheets, ratios, ratios, st.integers(0, 9), st.sampled_from([1, 2, 4, 8]))
def test_asking_for_more_never_gives_less(sheet: ModelSheet, a: float, b: float, seed: int, round_to: int) -> None:
    model = CostModel(sheet)
    order = random_chain(sheet, seed, round_to)
    least, whole = model(_emptied(sheet, order)).macs, model().macs
    small, large = (least + share * (whole - least) for share in sorted((a, b)))
    assert (
        model(solve(model, order, Metric("macs"), small)).macs <= model(solve(model, order, Metric("macs"), large)).macs
    )


@settings(max_examples=40, deadline=None)
@given(sheets, ratios, st.integers(0, 9), st.sampled_from([1, 2, 4, 8]))
def test_widths_are_multiples_of_round_to_and_never_empty(
    sheet: ModelSheet, share: float, seed: int, round_to: int
) -> None:
    model = CostModel(sheet)
    order = random_chain(sheet, seed, round_to)
    least = model(_emptied(sheet, order)).macs
    kept = solve(model, order, Metric("macs"), least + share * (model().macs - least))
    for cell, count in zip(sheet.cells, kept, strict=True):
        assert count == cell.size or (count % round_to == 0 and count >= round_to)


def test_below_the_floor_is_refused_with_the_least_that_is_possible() -> None:
    model = CostModel(SHEETS["resnet20"])
    order = random_chain(SHEETS["resnet20"], 0)
    with pytest.raises(CannotMeet) as refused:
        solve(model, order, Metric("macs"), 1.0)
    assert refused.value.least == model(_emptied(SHEETS["resnet20"], order)).macs


@given(ratios, st.floats(0, 1))
def test_the_shares_of_depth_and_width_multiply_to_the_target(keep: float, share: float) -> None:
    base = 10**9
    shares = split(base, keep, share, "layers-channels")
    assert shares.layers / base * shares.channels / base == pytest.approx(keep)
    assert shares.total == pytest.approx(base * keep, rel=1e-6)


def test_a_network_of_exactly_what_was_asked_meets_it_whatever_the_floats_say() -> None:
    assert split(2950, 0.58, 0.5, "channels").total == 1711


def test_blocks_go_lowest_score_first_until_the_target_and_no_further() -> None:
    sheet = SHEETS["resnet20"]
    scores = {block.name: float(i) for i, block in enumerate(sheet.blocks)}
    whole = cost(sheet).macs
    removed = depth.choose(sheet, scores, Metric("macs"), 0.7 * whole)
    assert removed == ["layer1.0", "layer1.1", "layer1.2"]
    assert cost(sheet, removed=removed).macs <= 0.7 * whole < cost(sheet, removed=removed[:-1]).macs


def test_equal_scores_go_by_the_larger_saving_then_by_name() -> None:
    sheet = SHEETS["mobilenet_v2"]
    alike = dict.fromkeys((b.name for b in sheet.blocks), 0.0)
    savings = {b.name: cost(sheet).macs - cost(sheet, removed=[b.name]).macs for b in depth.candidates(sheet)}
    removed = depth.choose(sheet, alike, Metric("macs"), 0.75 * cost(sheet).macs)
    assert removed == sorted(savings, key=lambda n: (-savings[n], n))[: len(removed)]


def test_a_block_that_would_undershoot_the_whole_target_is_passed_over() -> None:
    sheet = SHEETS["resnet20"]
    alike = dict.fromkeys((b.name for b in sheet.blocks), 0.0)
    whole = cost(sheet).macs
    assert depth.choose(sheet, alike, Metric("macs"), 0.975 * whole, not_below=0.95 * whole) == []


def test_too_few_blocks_for_the_target_is_refused_with_the_least() -> None:
    sheet = SHEETS["resnet20"]
    alike = dict.fromkeys((b.name for b in sheet.blocks), 0.0)
    with pytest.raises(CannotMeet) as refused:
        depth.choose(sheet, alike, Metric("macs"), 0.1 * cost(sheet).macs)
    assert refused.value.least == cost(sheet, removed=[block.name for block in depth.candidates(sheet)]).macs


@pytest.mark.parametrize("order", ["layers-channels", "channels-layers", "layers", "channels"])
@pytest.mark.parametrize("metric", ["macs", "params"])
def test_a_forecast_meets_every_target(order: str, metric: str) -> None:
    sheet = SHEETS["resnet20"]
    asked = parse({"order": order, "target": {"keep": [0.9, 0.5, 0.3], "metric": metric}})
    for told in forecast(sheet, asked):
        got = getattr(told, metric) / getattr(sheet, metric)
        assert got <= told.keep
        if order.endswith("channels"):
            assert got >= 0.98 * told.keep
        assert all(kept == 0 for layer, (_, kept) in told.widths.items() if layer.startswith(told.removed))


def test_an_order_with_layers_is_refused_for_a_model_without_removable_blocks() -> None:
    sheet = describe(construct("torchvision/squeezenet1_1", 10).eval(), (3, 64, 64)).sheet
    with pytest.raises(RequestError, match="no removable block"):
        forecast(sheet, parse({"model": "torchvision/squeezenet1_1", "order": "layers"}))


def test_a_refusal_names_the_least_as_a_share_of_the_baseline() -> None:
    asked = parse({"order": "layers", "target": {"keep": [0.05]}})
    with pytest.raises(RequestError, match=r"keep 0\.05 of the macs .* at least 0\.191× remains"):
        forecast(SHEETS["resnet20"], asked)
    assert forecast(SHEETS["resnet20"], parse({"order": "layers", "target": {"keep": [0.191]}}))


def test_channels_first_is_refused_where_no_layer_could_go_afterwards() -> None:
    with pytest.raises(RequestError, match="no skips"):
        forecast(SHEETS["vgg16_bn"], parse({"model": "vgg16_bn", "order": "channels-layers"}))


def test_bn_scale_is_refused_before_the_run_where_nothing_is_normalised() -> None:
    sheet = describe(construct("torchvision/vgg11", 10).eval(), (3, 64, 64)).sheet
    for order, reason in (("channels", "needs batch norm"), ("layers", "no batch norm")):
        asked = parse({"model": "torchvision/vgg11", "order": order, "criterion": "l1+bn_scale"})
        with pytest.raises(RequestError, match=reason):
            forecast(sheet, asked)


def test_channels_of_a_residual_stream_go_last() -> None:
    sheet = SHEETS["resnet20"]
    model = CostModel(sheet)
    order = chain(sheet, uniform_keys(sheet, model.present), shared_last=True)
    kept = solve(model, order, Metric("macs"), 0.3 * model().macs)
    assert all(count == cell.size for cell, count in zip(sheet.cells, kept, strict=True) if cell.shared)
    least = solve(model, order, Metric("macs"), 0.02 * model().macs)
    assert any(count < cell.size for cell, count in zip(sheet.cells, least, strict=True) if cell.shared)


def test_a_gate_does_not_make_the_channels_it_gates_a_stream() -> None:
    """Squeeze-and-excitation multiplies; only sums make channels shared."""
    sheet = describe(construct("torchvision/mobilenet_v3_small", 10).eval(), (3, 64, 64)).sheet
    shared = {name for cell in sheet.cells if cell.shared for name in cell.producers}
    gates = {layer.name for layer in sheet.layers if layer.name.endswith("fc2")}
    assert gates
    assert shared
    assert len(gates & shared) <= 1  # the first block's input is both gated and added


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(SHEETS)), ratios, ratios, st.integers(0, 9), st.sampled_from([1, 4, 8]))
def test_a_target_in_milliseconds_is_met_and_asking_for_more_never_gives_less(
    name: str, a: float, b: float, seed: int, round_to: int
) -> None:
    """Although single channels less may take longer: odd widths take three times as long here."""
    model, metric = CostModel(SHEETS[name]), Metric("latency", TABLES[name])
    order = random_chain(SHEETS[name], seed, round_to)
    least, whole = metric.of(model, _emptied(SHEETS[name], order)), metric.of(model)
    limits = [least + share * (whole - least) for share in sorted((a, b))]
    small, large = (solve(model, order, metric, limit) for limit in limits)
    for kept, limit in zip((small, large), limits, strict=True):
        assert metric.of(model, kept) <= limit
    assert all(one <= other for one, other in zip(small, large, strict=True))


def test_a_target_in_milliseconds_takes_no_channel_more_than_it_must() -> None:
    model, metric = CostModel(SHEETS["resnet20"]), Metric("latency", TABLES["resnet20"])
    order = random_chain(SHEETS["resnet20"], 0)
    limit = 0.6 * metric.of(model)
    kept = solve(model, order, metric, limit)
    taken = sum(model.full) - sum(kept)
    for fewer in range(taken):
        assert metric.of(model, _emptied(SHEETS["resnet20"], order[:fewer])) > limit


def test_milliseconds_below_the_floor_are_refused_with_the_least_along_the_way() -> None:
    model, metric = CostModel(SHEETS["resnet20"]), Metric("latency", TABLES["resnet20"])
    order = random_chain(SHEETS["resnet20"], 0)
    with pytest.raises(CannotMeet) as refused:
        solve(model, order, metric, 0.0)
    prefixes = (_emptied(SHEETS["resnet20"], order[:n]) for n in range(len(order) + 1))
    assert refused.value.least == min(metric.of(model, kept) for kept in prefixes)


def test_milliseconds_are_not_rounded_to_whole_ones() -> None:
    assert split(1.0, 0.4, 0.5, "channels").total == 0.4
    assert split(1.25, 0.4, 0.5, "layers-channels").total == 0.5


@pytest.mark.parametrize("order", ["layers-channels", "channels-layers", "layers", "channels"])
def test_a_forecast_in_milliseconds_meets_every_target_of_a_table(order: str) -> None:
    sheet, table = SHEETS["resnet20"], TABLES["resnet20"]
    asked = parse({"order": order, "target": {"keep": [0.9, 0.6], "metric": "latency"}})
    told = forecast(sheet, asked, table)
    assert [one.keep for one in told] == [0.9, 0.6]
    assert told[1].macs < told[0].macs < sheet.macs


def test_without_a_table_there_is_no_forecast_in_milliseconds() -> None:
    asked = parse({"target": {"metric": "latency"}})
    assert forecast(SHEETS["resnet20"], asked) == []
    with pytest.raises(RequestError, match="does not fit resnet20"):
        forecast(SHEETS["resnet20"], asked, TABLES["vgg16_bn"])


@given(st.integers(1, 64))
def test_equal_scores_leave_multiples_of_round_to(round_to: int) -> None:
    sheet = SHEETS["vgg16_bn"]
    cell = next(c for c, x in enumerate(sheet.cells) if x.removable and x.size == 512)
    takes = [take for _, take in chain(sheet, {cell: [0.1] * 512}, round_to)]
    left = 512
    for take in takes:
        left -= take
        assert left % round_to == 0
    assert left >= 1


def test_a_removed_plain_unit_reroutes_its_readers() -> None:
    """VGG's units have no skip: what follows reads what the removed unit read."""
    module = construct("vgg16_bn", 10).eval()
    sheet = SHEETS["vgg16_bn"]
    block = depth.candidates(sheet)[-1]
    for path in block.modules:
        parent, _, name = path.rpartition(".")
        setattr(module.get_submodule(parent), name, nn.Identity())
    assert cost(sheet, removed=[block.name]).macs == describe(module, (3, 32, 32)).sheet.macs


def test_widths_list_every_convolution_and_zero_in_removed_blocks() -> None:
    listed = widths(SHEETS["resnet20"], removed=["layer1.1"])
    assert listed["layer1.1.conv1"] == (16, 0)
    assert listed["conv1"] == (16, 16)
    assert "fc" not in listed


def test_a_uniform_chain_takes_the_same_share_of_every_cell() -> None:
    sheet = SHEETS["resnet20"]
    model = CostModel(sheet)
    kept = solve(model, chain(sheet, uniform_keys(sheet, model.present)), Metric("macs"), 0.5 * model().macs)
    shares = [k / c.size for k, c in zip(kept, sheet.cells, strict=True) if c.removable]
    assert max(shares) - min(shares) < 0.13


def _emptied(sheet: ModelSheet, order: list[tuple[int, int]]) -> list[int]:
    kept = [cell.size for cell in sheet.cells]
    for cell, take in order:
        kept[cell] -= take
    return kept
