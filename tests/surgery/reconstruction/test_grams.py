"""What layers read, measured in one pass, and what dropping channels of it costs at least."""

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.graph.summarize import summarize
from engine.graph.trace import trace
from engine.surgery.reconstruction import grams, products, reference
from engine.surgery.reconstruction.grams import Gram, measure_grams
from engine.surgery.reconstruction.reference import Reference
from engine.surgery.reconstruction.removal import Removal
from engine.surgery.reconstruction.sites import endings

IMAGE = (3, 6, 6)
RIDGE = 1e-3


class Mixed(nn.Module):
    """A residual sum, a grouped, a depthwise and a transposed convolution, and a head that reads a whole map."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.inner = nn.Conv2d(6, 6, 3, padding=1, groups=2)
        self.outer = nn.Conv2d(6, 6, 1)
        self.depthwise = nn.Conv2d(6, 6, 3, stride=2, padding=1, groups=6)
        self.up = nn.ConvTranspose2d(6, 4, 2, stride=2)
        self.fc = nn.Linear(4 * 36, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(x)))
        x = self.outer(F.relu(self.inner(x))) + x
        return self.fc(self.up(self.depthwise(x)).flatten(1))


@pytest.fixture
def network() -> Mixed:
    torch.manual_seed(0)
    module = Mixed()
    nn.init.uniform_(module.norm.weight, 0.5, 2)
    return module.eval()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(12, *IMAGE, generator=torch.Generator().manual_seed(1))


def measured(network: nn.Module, images: Tensor) -> dict[str, Gram]:
    return {gram.layer: gram for gram in measure_grams(trace(network, IMAGE), images)}


def covariance(columns: Tensor) -> Tensor:
    return torch.cov(columns.double().T, correction=0)


def test_a_convolutions_matrix_is_the_covariance_of_its_unfolded_input(network: Mixed, images: Tensor) -> None:
    found = measured(network, images)
    columns = F.unfold(images, 3, padding=1).movedim(1, 2).flatten(0, 1)
    assert found["stem"].matrix is not None
    torch.testing.assert_close(found["stem"].matrix[0], covariance(columns), rtol=1e-5, atol=1e-6)
    assert set(found) == {"stem", "inner", "outer", "up", "fc"}  # a depthwise convolution mixes nothing


def test_each_group_has_a_matrix_of_its_own(network: Mixed, images: Tensor) -> None:
    gram = measured(network, images)["inner"]
    with torch.no_grad():
        read = F.relu(network.norm(network.stem(images)))
    columns = F.unfold(read, 3, padding=1).movedim(1, 2).flatten(0, 1)
    assert gram.matrix is not None and gram.matrix.shape == (2, 27, 27) and gram.weight.shape == (2, 3, 27)
    torch.testing.assert_close(gram.matrix[1], covariance(columns[:, 27:]), rtol=1e-5, atol=1e-6)


def test_the_batch_norm_behind_is_folded_in_and_the_variance_is_that_of_the_sum(network: Mixed, images: Tensor) -> None:
    found = measured(network, images)
    with torch.no_grad():
        normed = network.norm(network.stem(images))
        total = network.outer(F.relu(network.inner(F.relu(normed)))) + F.relu(normed)
    for name, values in (("stem", normed), ("outer", total)):
        expected = values.double().var((0, 2, 3), correction=0).sum()
        assert found[name].variance == pytest.approx(float(expected), rel=1e-5)


def test_a_transposed_convolutions_taps_share_one_matrix_of_channels(network: Mixed, images: Tensor) -> None:
    gram = measured(network, images)["up"]
    assert gram.matrix is not None
    assert (gram.taps, gram.matrix.shape, gram.weight.shape) == (1, (1, 6, 6), (1, 16, 6))
    torch.testing.assert_close(
        gram.weight.square().sum((0, 1)), network.up.weight.detach().double().square().sum((1, 2, 3))
    )


def test_the_same_images_and_seed_give_the_same_matrices_in_one_pass_or_in_several(
    network: Mixed, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = measured(network, images)
    monkeypatch.setattr(grams, "MATRICES", 1)
    in_turn = measured(network, images)
    assert list(at_once) == list(in_turn)
    for one, other in zip(at_once.values(), in_turn.values(), strict=True):
        assert one.matrix is not None and other.matrix is not None
        assert torch.equal(one.matrix, other.matrix) and one.variance == other.variance


def test_wide_matrices_that_are_summed_in_strips_are_the_same(
    network: Mixed, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = measured(network, images)
    monkeypatch.setattr(products, "NARROW", 5)
    in_strips = measured(network, images)
    for one, other in zip(at_once.values(), in_strips.values(), strict=True):
        assert one.matrix is not None and other.matrix is not None
        torch.testing.assert_close(other.matrix, one.matrix, rtol=1e-5, atol=1e-7)


def test_a_reference_learns_from_that_pass_what_it_would_look_for_itself(network: Mixed, images: Tensor) -> None:
    structure = summarize(network, IMAGE)
    told, alone = Reference(structure, images), Reference(structure, images)
    matrices = list(measure_grams(structure.trace, images, reference=told))
    wanted = {ending.value: name == "fc" for name, ending in endings(structure.trace).items() if name != "depthwise"}
    alone.compute(wanted.items())
    passes = list[Any]()
    with torch.nn.modules.module.register_module_forward_pre_hook(lambda module, inputs: passes.append(module)):
        told.compute(wanted.items())
    assert passes == []
    for node in wanted:
        assert torch.equal(told.samples(node), alone.samples(node))
    for gram, other in zip(matrices, measured(network, images).values(), strict=True):
        assert gram.matrix is not None and other.matrix is not None and torch.equal(gram.matrix, other.matrix)


def test_a_reference_that_could_not_remember_it_all_looks_for_itself(
    network: Mixed, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    structure = summarize(network, IMAGE)
    told, nodes = Reference(structure, images), endings(structure.trace)
    monkeypatch.setattr(reference, "MOST_REMEMBERED", 4 * len(images))
    list(measure_grams(structure.trace, images, reference=told))
    with pytest.raises(KeyError):
        told.samples(nodes["outer"].value)
    told.compute([(nodes["outer"].value, False)])
    assert len(told.samples(nodes["outer"].value)) == 12 * 36


def test_matrices_that_would_be_too_large_give_the_same_costs_through_samples(
    network: Mixed, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = trace(network, IMAGE).layers
    direct = Removal(measured(network, images)["fc"], layers["fc"], RIDGE).costs()
    monkeypatch.setattr(grams, "LARGEST", 50)
    found = measured(network, images)
    assert found["fc"].matrix is None and found["fc"].samples is not None
    assert Removal(found["fc"], layers["fc"], RIDGE).costs() == pytest.approx(direct, rel=1e-3)
    assert found["stem"].taps == 9 and found["inner"].taps == 9
    monkeypatch.setattr(grams, "LARGEST", 20)
    shared = measured(network, images)["inner"]
    assert shared.matrix is not None and shared.matrix.shape == (2, 3, 3) and shared.weight.shape == (2, 27, 3)


@pytest.mark.parametrize("layer", ["inner", "outer", "fc"])
def test_a_channel_costs_what_is_left_after_the_others_are_fitted_anew(
    network: Mixed, images: Tensor, layer: str
) -> None:
    traced = trace(network, IMAGE)
    gram = measured(network, images)[layer]
    costs = Removal(gram, traced.layers[layer], RIDGE).costs()
    per_group = len(traced.layers[layer].ins) // gram.weight.shape[0]
    for identity in list(costs)[:2]:
        expected = 0.0
        for group in range(gram.weight.shape[0]):
            ids = torch.from_numpy(traced.layers[layer].ins[group * per_group : (group + 1) * per_group])
            gone = (ids == identity).repeat_interleave(gram.taps)
            expected += least_change(gram, group, gone) if gone.any() else 0.0
        assert costs[identity] == pytest.approx(expected / gram.variance, rel=1e-6)


def test_dropping_several_together_costs_at_least_as_much_as_any_one(network: Mixed, images: Tensor) -> None:
    layers = trace(network, IMAGE).layers
    removal = Removal(measured(network, images)["outer"], layers["outer"], RIDGE)
    ids = layers["outer"].ins.tolist()
    together = [removal.cost_of(ids[:n]) for n in range(1, 7)]
    assert removal.cost_of(ids[:1]) == pytest.approx(removal.costs()[ids[0]])
    assert all(fewer <= more for fewer, more in pairwise(together))
    assert removal.cost_of([]) == 0


def test_weights_that_are_not_numbers_cost_what_is_no_number(network: Mixed, images: Tensor) -> None:
    with torch.no_grad():
        network.stem.weight[0, 0, 0, 0] = torch.nan
    removal = Removal(measured(network, images)["outer"], trace(network, IMAGE).layers["outer"], RIDGE)
    assert all(math.isnan(cost) for cost in removal.costs().values())


def least_change(gram: Gram, group: int, gone: Tensor) -> float:
    """How far outputs must move, in the damped metric, once the columns `gone` are without weights: by elimination."""
    assert gram.matrix is not None
    matrix = gram.matrix[group]
    damped = matrix + torch.eye(len(matrix)) * RIDGE * matrix.diagonal().mean()
    weight, kept = gram.weight[group].T, ~gone
    best = torch.linalg.solve(damped[kept][:, kept], damped[kept] @ weight)
    change = weight.clone()
    change[kept] -= best
    return float((change * (damped @ change)).sum())
