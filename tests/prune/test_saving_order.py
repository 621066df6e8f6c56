"""Channels by what they cost over what they free: exact savings, one order for all targets, aligned widths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.graph.cost import CostModel
from engine.graph.metric import Metric
from engine.graph.summarize import Structure, summarize
from engine.graph.summary import ModelSummary
from engine.latency.predictor import Predictor
from engine.prune.saving_order import _Counts, saving_order
from engine.prune.solver import removal_order, solve
from engine.prune.width import Ranking, select_channels
from engine.zoo.build import construct
from tests.support.latency_tables import made_up

NETWORKS: dict[str, Structure] = {
    name: summarize(construct(name, 10).eval(), (3, 32, 32), name) for name in ("resnet20", "mobilenet_v2", "vgg16_bn")
}
names = st.sampled_from(sorted(NETWORKS))


def random_keys(summary: ModelSummary, seed: int) -> dict[int, list[float]]:
    rng = np.random.default_rng(seed)
    groups = enumerate(summary.channel_groups)
    return {c: sorted(rng.random(group.size).tolist()) for c, group in groups if group.removable}


@pytest.mark.parametrize("metric", ["macs", "params"])
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_savings_are_what_the_cost_model_says(name: str, metric: str) -> None:
    summary = NETWORKS[name].summary
    model, rng = CostModel(summary), np.random.default_rng(0)
    kept = [int(rng.integers(3, n + 1)) if n >= 3 else n for n in model.full]
    counts = {c: 2 for c, group in enumerate(summary.channel_groups) if group.removable and kept[c] > 2}
    savings = _Counts.of(model, metric).savings(kept, counts)
    for group, count in counts.items():
        fewer = [n - count if c == group else n for c, n in enumerate(kept)]
        assert savings[group] * count == model(kept).of(metric) - model(fewer).of(metric)


@settings(max_examples=15, deadline=None)
@given(names, st.integers(0, 9), st.floats(0.1, 1), st.floats(0.1, 1), st.sampled_from([1, 8]))
def test_asking_for_more_never_gives_less(name: str, seed: int, a: float, b: float, round_to: int) -> None:
    summary, metric = NETWORKS[name].summary, Metric("macs")
    model = CostModel(summary)
    order = saving_order(summary, random_keys(summary, seed), metric, round_to)
    assert sorted(order) == sorted(removal_order(summary, random_keys(summary, seed), round_to))
    small, large = (share * summary.macs for share in sorted((max(a, 0.2), max(b, 0.2))))
    small_kept, large_kept = solve(model, order, metric, small), solve(model, order, metric, large)
    assert model(small_kept).macs <= model(large_kept).macs <= large


def test_what_frees_more_goes_first_at_the_same_key() -> None:
    summary = NETWORKS["vgg16_bn"].summary
    model = CostModel(summary)
    flat = {c: [1.0] * group.size for c, group in enumerate(summary.channel_groups) if group.removable}
    first, count = saving_order(summary, flat, Metric("macs"))[0]
    most = max(_Counts.of(model, "macs").savings(model.full, dict.fromkeys(flat, 1)).items(), key=lambda x: x[1])[0]
    assert (first, count) == (most, 1)


def test_milliseconds_are_a_unit_to_save_too() -> None:
    structure = NETWORKS["resnet20"]
    summary = structure.summary
    # Only reading costs here, and each layer's input channels as much as those of any other.
    metric = Metric("latency", Predictor(made_up(summary, lambda i, o: 0.001 * i)))
    model = CostModel(summary)
    order = saving_order(summary, random_keys(summary, 1), metric, shared_last=False)
    limit = 0.7 * metric.of(model)
    assert metric.of(model, solve(model, order, metric, limit)) <= limit
    assert sorted(order) == sorted(removal_order(summary, random_keys(summary, 1)))


def test_channels_of_the_stream_have_their_place_where_scores_compare_and_go_last_where_not() -> None:
    structure = NETWORKS["resnet20"]
    summary = structure.summary
    shared = {int(i) for c, g in enumerate(summary.channel_groups) if g.shared for i in structure.members[c]}
    removable = [int(i) for c, g in enumerate(summary.channel_groups) if g.removable for i in structure.members[c]]
    scores = {i: 0.0 if i in shared else 1.0 for i in removable}
    for rank in ("score", "per-saving"):
        dropped = {
            comparable: select_channels(
                structure, scores, Metric("macs"), 0.8 * summary.macs, "global", 1, ranking=Ranking(rank, comparable)
            )
            for comparable in (True, False)
        }
        assert dropped[True] <= shared
        assert not dropped[False] & shared


@pytest.mark.parametrize("scope", ["global", "uniform"])
def test_of_layers_alike_that_with_the_least_to_lose_rounds_down(scope: str) -> None:
    structure = NETWORKS["resnet20"]
    summary = structure.summary
    inner = [c for c, g in enumerate(summary.channel_groups) if g.removable and not g.shared and g.size == 64]
    scores = {int(i): 1.0 + c for c, members in enumerate(structure.members) for i in members}
    light = inner[-1]  # last in position, first by score
    scores |= {int(i): 0.1 + 0.01 * n for n, i in enumerate(structure.members[light])}
    model = CostModel(summary)
    limit = model([n - 8 if c == light else n for c, n in enumerate(model.full)]).macs
    dropped = select_channels(structure, scores, Metric("macs"), limit, scope, 8)
    assert dropped == {int(i) for i in structure.members[light][:8]}


def test_a_request_without_a_rank_has_that_of_its_criterion() -> None:
    assert Ranking.of("obs", None) == Ranking("per-saving", comparable=True)
    assert Ranking.of("obs", "score") == Ranking("score", comparable=True)
    assert Ranking.of("l1", None) == Ranking.of("obs+l1", None) == Ranking("score", comparable=False)
