"""What channels cost one after the other is what the layer's best refit loses with each, and memory is bounded."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from engine.graph.channel_ids import Trace
from engine.graph.trace import trace
from engine.surgery.reconstruction import elimination
from engine.surgery.reconstruction.elimination import SEVERAL, ChannelCosts, eliminate
from engine.surgery.reconstruction.grams import Gram, measure_grams
from engine.surgery.reconstruction.removal import Removal

IMAGE = (3, 6, 6)
RIDGE = 1e-3


class Readers(nn.Module):
    """A convolution that three others read, one of them in groups, and a head that reads a whole map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.grouped = nn.Conv2d(channels, 4, 3, padding=1, groups=2)
        self.narrow, self.wide = nn.Conv2d(channels, 3, 1), nn.Conv2d(channels, 5, 3, padding=1)
        self.fc = nn.Linear(12 * 36, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        return self.fc(torch.cat([self.grouped(x), self.narrow(x), self.wide(x)], 1).relu().flatten(1))


def moments(seed: int, channels: int = 6) -> tuple[Trace, dict[str, Gram]]:
    torch.manual_seed(seed)
    traced = trace(Readers(channels).eval(), IMAGE)
    return traced, {gram.layer: gram for gram in measure_grams(traced, torch.randn(16, *IMAGE))}


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1_000), name=st.sampled_from(["grouped", "narrow", "wide"]))
def test_each_costs_what_the_best_refit_loses_when_it_goes_after_those_before_it(seed: int, name: str) -> None:
    traced, found = moments(seed)
    identities = sorted(set(traced.layers["stem"].outs.tolist()))
    removal = Removal(found[name], traced.layers[name], RIDGE)
    costs = eliminate(identities, [removal])
    assert set(costs) == set(identities)
    order = sorted(costs, key=lambda identity: costs[identity])
    gone, lost, so_far = list[int](), 0.0, 0.0
    for identity in order:
        gone.append(identity)
        so_far, lost = max(so_far, removal.cost_of(gone) - lost), removal.cost_of(gone)
        assert costs[identity] == pytest.approx(so_far, rel=1e-6, abs=1e-9)


def test_readers_lose_together() -> None:
    traced, found = moments(3)
    identities = sorted(set(traced.layers["stem"].outs.tolist()))
    readers = [Removal(found[name], traced.layers[name], RIDGE) for name in ("grouped", "narrow", "wide")]
    costs = eliminate(identities, readers)
    first = min(costs, key=lambda identity: costs[identity])
    assert costs[first] == pytest.approx(sum(reader.cost_of([first]) for reader in readers))
    given = ChannelCosts({name: traced.layers[name] for name in ("grouped", "narrow", "wide")}, identities, RIDGE)
    taken = [given.take(found[name]) for name in ("grouped", "narrow", "wide")]
    assert taken[:2] == [{}, {}] and taken[2] == {i: SEVERAL * cost for i, cost in costs.items()}


def test_where_matrices_are_too_many_or_not_whole_each_channel_costs_what_it_costs_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traced, found = moments(5)
    identities = sorted(set(traced.layers["stem"].outs.tolist()))
    layers = {name: traced.layers[name] for name in ("grouped", "narrow", "wide")}
    alone = [Removal(found[name], layer, RIDGE).costs() for name, layer in layers.items()]
    monkeypatch.setattr(elimination, "MOST_HELD", 0)
    costs = ChannelCosts(layers, identities, RIDGE)
    taken = [costs.take(found[name]) for name in layers]
    assert taken[2] == pytest.approx({i: SEVERAL * sum(each[i] for each in alone) for i in identities})


def test_many_channels_go_several_at_a_time_and_never_cost_less_than_those_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traced, found = moments(7, channels=12)
    identities = sorted(set(traced.layers["stem"].outs.tolist()))
    removal = Removal(found["wide"], traced.layers["wide"], RIDGE)
    exact = eliminate(identities, [removal])
    monkeypatch.setattr(elimination, "ROUNDS", 4)
    monkeypatch.setattr(elimination, "FEWEST_ROUNDS", 1)
    coarse = eliminate(identities, [removal])
    assert list(coarse.values()) == sorted(coarse.values())
    assert sum(coarse.values()) == pytest.approx(sum(exact.values()), rel=0.5)
