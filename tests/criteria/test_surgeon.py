"""The optimal brain surgeon's scores belong to channels, and compare across layers as they are."""

import dataclasses
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.criteria import surgeon
from engine.criteria.calibration import Calibration
from engine.criteria.reconstruction.trials import Trials
from engine.criteria.registry import score_blocks, score_channels, score_filters
from engine.errors import RequestError, WorkError
from engine.graph.summarize import Structure, summarize
from engine.surgery.reconstruction.elimination import SEVERAL
from engine.surgery.reconstruction.grams import measure_grams
from engine.surgery.reconstruction.reference import Reference
from engine.surgery.reconstruction.removal import Removal

IMAGE = (3, 8, 8)


class Branches(nn.Module):
    """Two branches joined by a concatenation; a depthwise convolution between one and those that read it."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)
        self.depthwise = nn.Conv2d(5, 5, 3, padding=1, groups=5)
        self.joined, self.alone = nn.Conv2d(9, 3, 1), nn.Conv2d(5, 3, 1)
        self.fc = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.depthwise(F.relu(self.left(x))), F.relu(self.right(x))
        both = torch.cat([self.joined(torch.cat([left, right], 1)), self.alone(left)], 1)
        return self.fc(F.relu(both).mean((2, 3)))


def branches() -> tuple[Branches, Structure]:
    torch.manual_seed(3)
    network = Branches().eval()
    return network, summarize(network, IMAGE)


def calibration(network: nn.Module, structure: Structure, images: Tensor) -> Calibration:
    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        return iter([(images, torch.zeros(len(images), dtype=torch.int64))])

    return Calibration(network, structure.trace, batches, torch.device("cpu"), seed=0)


def noise(count: int = 24) -> Tensor:
    return torch.randn(count, *IMAGE, generator=torch.Generator().manual_seed(4))


def test_a_channel_costs_what_all_lose_that_read_it_past_depthwise_convolutions_and_concatenations() -> None:
    network, structure = branches()
    scores = score_channels(calibration(network, structure, noise()), "obs")
    layers = structure.trace.layers
    costs = {g.layer: Removal(g, layers[g.layer], 1e-3).costs() for g in measure_grams(structure.trace, noise())}
    both = {i: SEVERAL * (costs["joined"][i] + costs["alone"][i]) for i in layers["left"].outs.tolist()}
    one = {i: costs["joined"][i] for i in layers["right"].outs.tolist()}
    for alone in (both, one):
        cheapest = min(alone, key=lambda identity: alone[identity])
        assert scores[cheapest] == pytest.approx(alone[cheapest])
    assert not set(scores) & structure.trace.frozen


def test_filters_have_their_channels_scores_undivided_and_blocks_their_mean() -> None:
    network, structure = branches()
    given = calibration(network, structure, noise())
    scores, filters = score_channels(given, "obs"), score_filters(given, "obs")
    assert "fc" not in filters  # classes are no channels that may go
    assert filters["left"].tolist() == [scores[i] for i in structure.trace.layers["left"].outs.tolist()]
    assert score_blocks(given, [b for b in structure.summary.blocks if b.removable], "obs") == {}


def test_a_channel_that_others_can_stand_in_for_costs_next_to_nothing() -> None:
    network, structure = branches()
    with torch.no_grad():
        for tensor in (network.right.weight, network.right.bias):
            tensor[1] = 2 * tensor[0]
    scores = score_channels(calibration(network, structure, noise()), "obs")
    twins, others = structure.trace.layers["right"].outs[:2].tolist(), structure.trace.layers["right"].outs[2:].tolist()
    assert min(scores[i] for i in twins) < 0.05 * min(scores[i] for i in others)
    assert max(scores[i] for i in twins) > min(scores[i] for i in others)  # the other one, then, has no twin any more


def test_unlabelled_images_are_looked_at_where_there_are_some() -> None:
    network, structure = branches()
    plain = calibration(network, structure, noise())
    with_more = Calibration(
        plain.module, plain.trace, plain.batches, plain.device, plain.seed, unlabelled=lambda: noise(32)
    )
    assert score_channels(with_more, "obs") != score_channels(plain, "obs")
    assert score_channels(with_more, "obs") == score_channels(calibration(network, structure, noise(32)), "obs")


class Stages(nn.Module):
    """Blocks at two sizes, the second of which adds more to the outputs than the first."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.a1, self.a2 = nn.Conv2d(8, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.b1, self.b2 = nn.Conv2d(8, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        x = F.avg_pool2d(F.relu(x + self.a2(F.relu(self.a1(x)))), 2)
        x = F.relu(x + self.b2(F.relu(self.b1(x))))
        return self.fc(x.mean((2, 3)))


def test_where_the_network_will_be_refitted_a_loss_counts_as_it_comes_through_to_the_outputs() -> None:
    torch.manual_seed(0)
    network = Stages().eval()
    structure = summarize(network, IMAGE)
    images = noise(256) + torch.randn(256, 3, 1, 1, generator=torch.Generator().manual_seed(1))
    trace, reference = structure.trace, Reference(structure, images, seed=0)
    plain = score_channels(calibration(network, structure, images), "obs")
    given = dataclasses.replace(calibration(network, structure, images), reference=reference)
    refitted = score_channels(given, "obs")
    grams = {gram.layer: gram for gram in measure_grams(trace, images, count=8_192)}
    trials = Trials(structure, network, images, 1e-3, 0, lambda _: grams)
    early, late = (trials.rate(reader) for reader in ("a2", "b2"))
    assert late > 1.5 * early > 0
    for layer, rate in (("a1", early), ("b1", late)):
        for channel in trace.layers[layer].outs.tolist():
            assert refitted[channel] == pytest.approx(rate * plain[channel], rel=1e-6)
    several = torch.tensor([trials.rate(reader) for reader in ("a1", "b1", "fc")]).mean()
    for channel in trace.layers["stem"].outs.tolist():
        assert refitted[channel] == pytest.approx(float(several) * plain[channel], rel=1e-6)
    assert not set(refitted) & trace.frozen and set(refitted) == set(plain)


def test_of_a_large_network_losses_count_alike_as_trials_of_it_would_take_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, structure = branches()
    images = noise(64)
    given = dataclasses.replace(calibration(network, structure, images), reference=Reference(structure, images, seed=0))
    with_rates = score_channels(given, "obs")
    monkeypatch.setattr(surgeon, "MOST_MACS", structure.summary.macs - 1)
    assert score_channels(given, "obs") == score_channels(calibration(network, structure, images), "obs") != with_rates


def test_images_that_are_all_alike_are_refused() -> None:
    network, structure = branches()
    with pytest.raises(RequestError, match="alike"):
        score_channels(calibration(network, structure, torch.zeros(24, *IMAGE)[:, :, :1, :1].expand(24, *IMAGE)), "obs")


def test_weights_that_are_not_numbers_are_refused() -> None:
    network, structure = branches()
    with torch.no_grad():
        network.left.weight[0, 0, 0, 0] = torch.nan
    with pytest.raises(WorkError, match="not finite"):
        score_channels(calibration(network, structure, noise()), "obs")
