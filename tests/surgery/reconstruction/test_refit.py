"""The refit of cut networks of every kind: nearer to the untouched one, of the same shapes, exact where it can be."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from engine.errors import RequestError, WorkError
from engine.graph.summarize import Structure, summarize
from engine.measure.counters import count
from engine.spec.parts import FEWEST_CALIBRATION_IMAGES
from engine.surgery import plan
from engine.surgery.reconstruction import refit as module_of_refit
from engine.surgery.reconstruction.refit import Reconstruction, reconstruct
from engine.zoo.build import construct
from tests.support.strangers import IMAGE, KINDS


def images(number: int, seed: int, image: tuple[int, int, int] = IMAGE) -> Tensor:
    """Smooth ones, as real images are."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(number, image[0], 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=image[1:], mode="bilinear")
    return smooth + 0.1 * torch.randn(number, *image, generator=generator)


def lively(module: nn.Module) -> nn.Module:
    """With norms that do something."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if tensor.dim() == 1 and tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5) if "var" in name or "weight" in name else tensor.add_(0.1)
    return module.eval()


def residual(width: int = 8) -> nn.Module:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
            self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(x + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))

    stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 3))
    return nn.Sequential(stem, Block(), Block(), Block(), *head)


def plain(groups: int = 1) -> nn.Module:
    units: list[nn.Module] = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()]
    for _ in range(3):
        units += [nn.Conv2d(8, 8, 3, padding=1, groups=groups), nn.ReLU()]
    return nn.Sequential(*units, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 3))


NETWORKS: dict[str, Any] = {"residual": residual, "plain": plain, "grouped": lambda: plain(4), **KINDS}


@pytest.fixture(scope="module")
def networks() -> dict[str, tuple[nn.Module, Structure]]:
    modules = {name: lively(kind()) for name, kind in NETWORKS.items()}
    return {name: (module, summarize(module, IMAGE, name)) for name, module in modules.items()}


def channels(structure: Structure, share: float, seed: int = 0) -> plan.Step:
    rng = np.random.default_rng(seed)
    dropped = {
        c: np.sort(rng.permutation(group.size)[: int(share * group.size)])
        for c, group in enumerate(structure.summary.channel_groups)
        if group.removable
    }
    return plan.channel_step(structure.trace, structure.identities_at(dropped))


def blocks(structure: Structure, *numbers: int) -> plan.Step:
    removable = [block.name for block in structure.summary.blocks if block.removable]
    return plan.Step(blocks=tuple(removable[n] for n in numbers))


def cut(module: nn.Module, *steps: plan.Step) -> nn.Module:
    smaller = copy.deepcopy(module)
    for step in steps:
        plan.apply(step, smaller, summarize(smaller, IMAGE, "net"))
    return smaller


@torch.no_grad()
def error(module: nn.Module, untouched: nn.Module, seed: int = 9) -> float:
    """Mean squared error at the logits on images that no refit here has seen."""
    held_out = images(64, seed)
    return float((module(held_out) - untouched(held_out)).square().mean())


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.15, 0.6), seed=st.integers(0, 99))
def test_a_refit_is_no_further_from_the_untouched_network_and_keeps_shapes_and_costs(
    networks: dict[str, tuple[nn.Module, Structure]], name: str, share: float, seed: int
) -> None:
    module, structure = networks[name]
    step = channels(structure, share, seed)
    if not step.removes_something():
        return
    before = cut(module, step)
    after = copy.deepcopy(before)
    reconstruct(after, module, [step], images(96, seed + 100))
    plain_error = error(before, module)
    assert error(after, module) <= 1.05 * plain_error + 1e-10
    assert [p.shape for p in after.parameters()] == [p.shape for p in before.parameters()]
    assert count(after, IMAGE) == count(before, IMAGE)


@pytest.mark.parametrize("name", ["residual", "plain", "grouped"])
def test_the_layer_before_removed_blocks_takes_over(
    networks: dict[str, tuple[nn.Module, Structure]], name: str
) -> None:
    module, structure = networks[name]
    for numbers in ((1,), (0, 1)):
        step = blocks(structure, *numbers)
        before = cut(module, step)
        after = copy.deepcopy(before)
        reconstruct(after, module, [step], images(256, 1))
        assert error(after, module) < 0.7 * error(before, module)


def test_channels_that_others_repeat_are_made_up_for_without_loss() -> None:
    module = lively(residual())
    conv, norm, reader = module[1].conv1, module[1].bn1, module[1].conv2
    with torch.no_grad():
        for tensor in (conv.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var):
            tensor[4:] = tensor[:4]
    structure = summarize(module, IMAGE, "net")
    ids = frozenset(int(i) for i in structure.trace.layers["1.conv1"].outs[4:])
    step = plan.channel_step(structure.trace, ids)
    before = cut(module, step)
    after = copy.deepcopy(before)
    reconstruct(after, module, [step], images(256, 1), ridge=1e-9)
    assert error(after, module) < 1e-6 * error(before, module)
    assert reader.weight.shape[1] == 8 and after[1].conv2.weight.shape[1] == 4


def test_after_other_channels_went_a_removed_unit_is_taken_over_by_its_own_numbers() -> None:
    """In a plain network a unit and the one before it lose different channels before the unit goes."""
    module = lively(plain())
    first = channels(summarize(module, IMAGE, "net"), 0.4, seed=3)
    once = cut(module, first)
    second = blocks(summarize(once, IMAGE, "net"), 1)
    before = cut(module, first, second)
    after = copy.deepcopy(before)
    result = reconstruct(after, module, [first, second], images(256, 1))
    assert result.kept and error(after, module) < 0.5 * error(before, module)


def test_layers_behind_what_was_refitted_are_fitted_to_what_they_read_now_and_those_before_it_stay() -> None:
    network = nn.Sequential(*(nn.Conv2d(3 if n == 0 else 6, 6, 3, padding=1) for n in range(4)), nn.Flatten())
    network.append(nn.Linear(6 * IMAGE[1] * IMAGE[2], 5)).eval()
    structure = summarize(network, IMAGE)
    second = next(g for g, group in enumerate(structure.members) if structure.trace.layers["1"].outs[0] in group)
    dropped = structure.members[second][:2]
    step = plan.channel_step(structure.trace, frozenset(dropped.tolist()))
    small = cut(network, step)
    done = reconstruct(small, network, [step], images(64, 1))
    assert list(done.layers) == ["2", "3", "5"]  # the one that reads fewer, the next, and the head
    for name in ("0", "1"):
        kept = small.get_submodule(name).weight
        assert torch.isin(kept, network.get_submodule(name).weight).all()


def test_the_same_images_and_seed_give_the_same_weights(networks: dict[str, tuple[nn.Module, Structure]]) -> None:
    module, structure = networks["residual"]
    step = channels(structure, 0.5)
    twins = [cut(module, step) for _ in range(2)]
    for twin in twins:
        reconstruct(twin, module, [step], images(64, 1), seed=5)
    first, second = (twin.state_dict() for twin in twins)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_cannot_be_refitted_is_named() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.twice = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
            self.up, self.head = nn.ConvTranspose2d(8, 8, 2), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = self.twice(torch.relu(self.twice(torch.relu(self.stem(x)))))
            return self.head(torch.relu(self.up(x)).mean((2, 3)))

    module = lively(Net())
    step = channels(summarize(module, IMAGE, "net"), 0.5)
    smaller = cut(module, step)
    result = reconstruct(smaller, module, [step], images(64, 1))
    assert set(result.layers) == {"head"}
    assert result.left == (
        "twice is left as it was cut: it is called more than once",
        "up is left as it was cut: it is a transposed convolution",
    )


def test_a_removed_block_that_nothing_takes_over_is_named() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.scale = nn.Conv2d(8, 8, 3, padding=1), nn.Parameter(torch.full((8, 1, 1), 0.5))

        def forward(self, x: Tensor) -> Tensor:
            return x + self.scale * self.conv(x)

    module = lively(nn.Sequential(nn.Conv2d(3, 8, 1), Block(), Block(), nn.Flatten(), nn.Linear(8 * 64, 3)))
    step = blocks(summarize(module, IMAGE, "net"), 1)
    result = reconstruct(cut(module, step), module, [step], images(64, 1))
    assert result.left == ("2 is gone and no layer before it could be refitted to what it gave",)


def test_a_refit_that_is_worse_on_images_kept_back_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    module = lively(plain())
    step = channels(summarize(module, IMAGE, "net"), 0.5)
    smaller = cut(module, step)
    before = {name: tensor.clone() for name, tensor in smaller.state_dict().items()}

    def spoil(layer: Any, *_: object) -> float:
        layer.weight.add_(1.0)
        return 0.0

    monkeypatch.setattr(module_of_refit, "_solve_into", spoil)
    result = reconstruct(smaller, module, [step], images(64, 1))
    assert not result.kept and result.before == result.after
    assert all(torch.equal(tensor, before[name]) for name, tensor in smaller.state_dict().items())


def test_without_a_cut_nothing_changes() -> None:
    module = lively(plain())
    twin = copy.deepcopy(module)
    assert reconstruct(twin, module, [plan.Step()], images(32, 1)) == Reconstruction({}, (), 32, 0, 0.0, 0.0, True)
    assert all(torch.equal(a, b) for a, b in zip(twin.parameters(), module.parameters(), strict=True))


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (images(0, 0), f"needs at least {FEWEST_CALIBRATION_IMAGES} training images \\(got 0\\)"),
        (
            images(FEWEST_CALIBRATION_IMAGES - 1, 0),
            f"needs at least {FEWEST_CALIBRATION_IMAGES} training images \\(got {FEWEST_CALIBRATION_IMAGES - 1}\\)",
        ),
        (torch.full((20, *IMAGE), -1.7), "the 20 training images .* are all alike"),
    ],
)
def test_images_that_will_not_do_are_refused_before_anything_changes(bad: Tensor, sentence: str) -> None:
    module = lively(plain())
    step = channels(summarize(module, IMAGE, "net"), 0.5)
    smaller = cut(module, step)
    weights = [p.clone() for p in smaller.parameters()]
    with pytest.raises(RequestError, match=sentence):
        reconstruct(smaller, module, [step], bad)
    assert all(torch.equal(a, b) for a, b in zip(weights, smaller.parameters(), strict=True))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named(value: float) -> None:
    module = lively(plain())
    step = channels(summarize(module, IMAGE, "net"), 0.5)
    smaller = cut(module, step)
    with torch.no_grad():
        smaller[2].weight[0, 0, 0, 0] = value
    with pytest.raises(WorkError, match="2 cannot be refitted: its weights, or what it reads, are not finite"):
        reconstruct(smaller, module, [step], images(32, 1))


def test_a_real_network_comes_back() -> None:
    module = lively(construct("resnet20", 10))
    structure = summarize(module, (3, 16, 16), "resnet20")
    step = channels(structure, 0.4)
    before = copy.deepcopy(module)
    plan.apply(step, before, structure)
    after = copy.deepcopy(before)
    result = reconstruct(after, module, [step], images(128, 1, (3, 16, 16)))
    held_out = images(64, 9, (3, 16, 16))
    with torch.no_grad():
        first, second = ((net(held_out) - module(held_out)).square().mean() for net in (before, after))
    assert second < 0.2 * first and not result.left
