"""What a trial says an error comes to at the outputs is about what cuts and refits really come to there."""

import copy
from collections.abc import Collection

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.criteria.attempts.shared_prefix import Attempt
from engine.criteria.reconstruction.leftover import Leftover
from engine.criteria.reconstruction.trials import Trials
from engine.graph.summarize import summarize
from engine.surgery import plan
from engine.surgery.plan import channel_step
from engine.surgery.reconstruction.grams import Gram, measure_grams
from engine.surgery.reconstruction.refit import reconstruct

RIDGE = 1e-3
IMAGE = (3, 8, 8)


class Net(nn.Module):
    """Two residual blocks, the first of which hardly changes what goes by it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.a1, self.a2 = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.b1, self.b2 = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        x = F.relu(x + self.a2(F.relu(self.a1(x))))
        x = F.relu(x + self.b2(F.relu(self.b1(x))))
        return self.fc(x.mean((2, 3)))


@pytest.fixture(scope="module")
def network() -> Net:
    torch.manual_seed(0)
    return Net().eval()


@pytest.fixture(scope="module")
def images() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(256, 3, 1, 1, generator=generator) + torch.randn(256, *IMAGE, generator=generator)


@torch.no_grad()
def error_of(network: Net, images: Tensor, layer: str, count: int) -> float:
    """At the outputs, as a share of their variance, once a layer's first channels are gone and the rest is refitted."""
    structure = summarize(network, IMAGE)
    dropped = frozenset(int(i) for i in structure.trace.layers[layer].outs[:count])
    step, smaller = channel_step(structure.trace, dropped), copy.deepcopy(network)
    plan.apply(step, smaller, structure)
    reconstruct(smaller, network, [step], images, RIDGE)
    wanted, given = network(images), smaller(images)
    return float((given - wanted).square().mean() / wanted.var(0, correction=0).mean())


@pytest.mark.parametrize("layer", ["a1", "b1", "stem"])
def test_what_is_expected_of_a_cut_is_about_what_it_comes_to(network: Net, images: Tensor, layer: str):
    structure = summarize(network, IMAGE)
    dropped = frozenset(int(i) for i in structure.trace.layers[layer].outs[:2])
    leftover = Leftover(structure, network, images, RIDGE, 0)
    (expected,) = leftover.rises([], structure, [Attempt(layer, dropped=dropped)])
    assert 0.4 < expected / error_of(network, images, layer, 2) < 2.5


def test_a_channel_that_is_always_zero_comes_to_nothing(network: Net, images: Tensor):
    silent = copy.deepcopy(network)
    silent.a1.weight.data[:] = 0
    silent.a1.bias.data[:] = -1.0
    structure = summarize(silent, IMAGE)
    attempt = Attempt("a1", dropped=frozenset(structure.trace.layers["a1"].outs.tolist()[:3]))
    (rise,) = Leftover(structure, silent, images, RIDGE, 0).rises([], structure, [attempt])
    assert 0 <= rise < 1e-9


def test_the_network_that_trials_are_made_of_stays_as_it_is(network: Net, images: Tensor):
    before = copy.deepcopy(network.state_dict())
    structure = summarize(network, IMAGE)
    dropped = frozenset([int(structure.trace.layers["b1"].outs[0])])
    Leftover(structure, network, images, RIDGE, 0).rises([], structure, [Attempt("b1", dropped=dropped)])
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def rate(network: nn.Module, images: Tensor, layer: str) -> float:
    structure = summarize(network, IMAGE)

    def moments(layers: Collection[str]) -> dict[str, Gram]:
        return {gram.layer: gram for gram in measure_grams(structure.trace, images, layers, 0)}

    return Trials(structure, network, images, RIDGE, 0, moments).rate(layer)


def test_one_trial_serves_all_layers_that_read_maps_of_one_size(network: Net, images: Tensor):
    rates = [rate(network, images, layer) for layer in ("a1", "a2", "b1", "b2")]
    assert len(set(rates)) == 1
    assert 0 < rates[0] < 1


def test_what_gives_the_outputs_itself_errs_there_by_what_it_leaves_over(network: Net, images: Tensor):
    assert rate(network, images, "fc") == 1.0


def test_images_that_are_too_few_for_a_refit_make_no_trial(network: Net, images: Tensor):
    assert rate(network, images[:32], "a2") < 1
    assert rate(network, images[:31], "a2") == 1.0
    assert rate(network, images[:1].repeat(64, 1, 1, 1), "a2") == 1.0
