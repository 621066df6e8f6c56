import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from engine.errors import WorkError
from engine.train import fit as loop
from engine.train.fit import EpochResult, fit
from engine.train.recipe import Recipe, Sgd, sgd
from tests.support import tiny

RECIPE = Recipe(epochs=6, lr=0.05, batch_size=32)


def test_a_learnable_toy_is_learned():
    results: list[EpochResult] = []
    fit(tiny.network(), tiny.data(), replace(RECIPE, epochs=8), "cpu", 0, on_epoch=results.append)
    assert [r.epoch for r in results] == list(range(1, 9))
    assert all(r.epochs == 8 and r.seconds > 0 for r in results)
    assert results[-1].loss < 0.5 * results[0].loss
    assert results[-1].train_top1 > 0.9
    assert results[-1].val_top1 > 0.9


def test_a_listener_hears_of_every_batch_how_many_epochs_are_behind():
    behind: list[float] = []
    fit(tiny.network(), tiny.data(), replace(RECIPE, epochs=2), "cpu", 0, on_epoch=tiny.ignore, on_batch=behind.append)
    assert behind == pytest.approx([0.32, 0.64, 0.96, 1.0, 1.32, 1.64, 1.96, 2.0])
    behind.clear()
    loop.fit_batches(tiny.network(), tiny.data(), RECIPE, "cpu", 0, batches=6, on_batch=behind.append)
    assert behind == [1, 2, 3, 4, 5, 6]


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before():
    first, second = tiny.network(dropout=0.5), tiny.network(dropout=0.5)
    fit(first, tiny.data(), RECIPE, "cpu", 3, on_epoch=tiny.ignore)
    torch.rand(17)
    fit(second, tiny.data(), RECIPE, "cpu", 3, on_epoch=tiny.ignore)
    assert tiny.same(tiny.state(first), tiny.state(second))


def test_another_seed_gives_other_weights():
    first, second = tiny.network(), tiny.network()
    fit(first, tiny.data(), RECIPE, "cpu", 3, on_epoch=tiny.ignore)
    fit(second, tiny.data(), RECIPE, "cpu", 4, on_epoch=tiny.ignore)
    assert not tiny.same(tiny.state(first), tiny.state(second))


def test_the_global_generator_is_left_as_it_was():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    module = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(768, 4))
    torch.manual_seed(5)
    fit(module, tiny.data(), replace(RECIPE, epochs=1), "cpu", 0, on_epoch=tiny.ignore)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("stopped_at", [2, 4, 6])
def test_a_resumed_training_equals_an_undisturbed_one_bit_for_bit(tmp_path: Path, stopped_at: int):
    undisturbed, stopped, resumed = (tiny.network(dropout=0.3) for _ in range(3))
    heard: list[EpochResult] = []
    fit(undisturbed, tiny.data(), RECIPE, "cpu", 1, on_epoch=heard.append)

    path = tmp_path / "train.safetensors"
    with pytest.raises(tiny.Stopped):
        fit(stopped, tiny.data(), RECIPE, "cpu", 1, on_epoch=tiny.stop_at(stopped_at), checkpoint=path)
    again: list[EpochResult] = []
    fit(resumed, tiny.data(), RECIPE, "cpu", 1, on_epoch=again.append, checkpoint=path)

    assert [r.epoch for r in again] == list(range(stopped_at, 7))
    assert tiny.same(tiny.state(undisturbed), tiny.state(resumed))
    assert [replace(r, seconds=0) for r in again] == [replace(r, seconds=0) for r in heard[stopped_at - 1 :]]


def test_a_training_stopped_before_its_first_checkpoint_starts_again(tmp_path: Path):
    undisturbed, stopped, resumed = (tiny.network() for _ in range(3))
    fit(undisturbed, tiny.data(), RECIPE, "cpu", 1, on_epoch=tiny.ignore)
    path = tmp_path / "train.safetensors"
    with pytest.raises(tiny.Stopped):
        fit(stopped, tiny.data(), RECIPE, "cpu", 1, on_epoch=tiny.stop_at(1), checkpoint=path)
    assert not path.exists()
    fit(resumed, tiny.data(), RECIPE, "cpu", 1, on_epoch=tiny.ignore, checkpoint=path)
    assert tiny.same(tiny.state(undisturbed), tiny.state(resumed))


def test_quick_epochs_write_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 3600.0)
    fit(tiny.network(), tiny.data(), RECIPE, "cpu", 0, on_epoch=tiny.ignore, checkpoint=tmp_path / "c.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("recipe", "seed", "images"), [(replace(RECIPE, lr=0.06), 1, 100), (RECIPE, 2, 100), (RECIPE, 1, 96)]
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path, recipe: Recipe, seed: int, images: int):
    path = tmp_path / "train.safetensors"
    with pytest.raises(tiny.Stopped):
        fit(tiny.network(), tiny.data(), RECIPE, "cpu", 1, on_epoch=tiny.stop_at(3), checkpoint=path)
    with pytest.raises(WorkError, match="another training"):
        fit(tiny.network(), tiny.data(images), recipe, "cpu", seed, on_epoch=tiny.ignore, checkpoint=path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path):
    path = tmp_path / "train.safetensors"
    with pytest.raises(tiny.Stopped):
        fit(tiny.network(), tiny.data(), RECIPE, "cpu", 1, on_epoch=tiny.stop_at(3), checkpoint=path)
    narrower = tiny.network()
    narrower[0] = nn.Conv2d(3, 8, 1, stride=2, bias=False)
    with pytest.raises(WorkError, match="another training"):
        fit(narrower, tiny.data(), RECIPE, "cpu", 1, on_epoch=tiny.ignore, checkpoint=path)


def test_a_damaged_checkpoint_is_refused_in_one_sentence(tmp_path: Path):
    path = tmp_path / "train.safetensors"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(WorkError, match="cannot be read") as caught:
        fit(tiny.network(), tiny.data(), RECIPE, "cpu", 1, on_epoch=tiny.ignore, checkpoint=path)
    assert "\n" not in str(caught.value)


def test_weight_decay_acts_on_convolutions_and_linear_weights_only():
    module = tiny.network()
    module.append(nn.LayerNorm(4))
    decayed, rest = sgd(module, RECIPE).param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(8, 3, 3, 3), (16, 8, 3, 3), (4, 64)]
    assert decayed["weight_decay"] == RECIPE.weight_decay
    assert [tuple(p.shape) for p in rest["params"]] == [(8,), (8,), (16,), (16,), (4,), (4,), (4,)]
    assert rest["weight_decay"] == 0
    assert decayed["nesterov"] and decayed["momentum"] == 0.9


def test_frozen_parameters_stay_frozen():
    module = tiny.network()
    module[0].weight.requires_grad_(False)
    before = module[0].weight.clone()
    fit(module, tiny.data(), replace(RECIPE, epochs=1), "cpu", 0, on_epoch=tiny.ignore)
    assert torch.equal(module[0].weight, before)
    assert not module[0].weight.requires_grad


def test_one_step_is_sgd_with_nesterov_momentum():
    data = tiny.data(train=16)
    recipe = Recipe(epochs=1, lr=0.1, batch_size=16, weight_decay=0.0)
    torch.manual_seed(0)
    module = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 4))
    plain = replace(data, crop=0)
    weight = module[2].weight.detach().clone().requires_grad_()
    images = (plain.train.images.float() / 255 - 0.5) / 0.25
    pooled = nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)
    logits = nn.functional.linear(pooled, weight, module[2].bias.detach())
    (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(logits, plain.train.labels), weight)
    fit(module, plain, recipe, "cpu", 0, on_epoch=tiny.ignore)
    expected = weight - recipe.lr_at(0.5) * 1.9 * gradient  # the first step's momentum is the gradient itself
    torch.testing.assert_close(module[2].weight, expected)


def test_label_smoothing_raises_the_loss_of_a_trained_network():
    def last_loss(smoothing: float) -> float:
        results: list[EpochResult] = []
        fit(
            tiny.network(),
            tiny.data(),
            replace(RECIPE, label_smoothing=smoothing),
            "cpu",
            0,
            on_epoch=results.append,
        )
        return results[-1].loss

    assert last_loss(0.3) > last_loss(0.0)


def test_the_cosine_schedule_warms_up_for_one_epoch_and_ends_at_zero():
    recipe = Recipe(epochs=11, lr=0.2)
    assert recipe.lr_at(0.5) == pytest.approx(0.1)
    assert recipe.lr_at(1) == pytest.approx(0.2)
    assert recipe.lr_at(6) == pytest.approx(0.1)
    assert recipe.lr_at(11) == pytest.approx(0, abs=1e-12)
    rates = [recipe.lr_at(1 + i / 10) for i in range(101)]
    assert rates == sorted(rates, reverse=True)


def test_short_trainings_have_no_warm_up():
    assert Recipe(epochs=4, lr=0.2).lr_at(0) == 0.2


def test_the_step_schedule_divides_by_ten_at_a_half_and_three_quarters():
    recipe = Recipe(epochs=4, lr=1.0, schedule="step")
    assert [recipe.lr_at(t) for t in (0, 1.9, 2.1, 2.9, 3.1, 4)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_a_loss_that_is_not_finite_stops_the_training_in_one_sentence():
    module = tiny.network()
    with torch.no_grad():
        module[9].weight[0, 0] = math.nan
    with pytest.raises(WorkError, match="diverged in epoch 1: the loss is not finite") as caught:
        fit(module, tiny.data(), RECIPE, "cpu", 0, on_epoch=tiny.ignore)
    assert "\n" not in str(caught.value)


def test_the_network_ends_in_evaluation_mode_with_plain_memory():
    module = tiny.network()
    with pytest.raises(tiny.Stopped):
        fit(module, tiny.data(), RECIPE, "cpu", 0, on_epoch=tiny.stop_at(1))
    assert not any(m.training for m in module.modules())
    assert all(p.is_contiguous() for p in module.parameters())


def test_no_epochs_change_nothing():
    module = tiny.network()
    before = tiny.state(module)
    fit(module, tiny.data(), replace(RECIPE, epochs=0), "cpu", 0, on_epoch=tiny.stop_at(0))
    assert tiny.same(before, tiny.state(module))


def test_a_single_image_is_too_few():
    with pytest.raises(WorkError, match="at least two images"):
        fit(tiny.network(), tiny.data(train=1), RECIPE, "cpu", 0, on_epoch=tiny.ignore)


@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_a_step_is_that_of_torch_bit_for_bit(momentum: float):
    outcomes = []
    for step in (Sgd.step, torch.optim.SGD.step):
        network = tiny.network()
        optimizer = sgd(network, replace(RECIPE, momentum=momentum))
        for images in torch.randn(4, 8, 3, 16, 16, generator=torch.Generator().manual_seed(1)):
            optimizer.zero_grad()
            network(images).square().sum().backward()
            network[0].weight.grad = None  # of a layer that is not trained
            step(optimizer)
        outcomes.append((network.state_dict(), optimizer.state_dict()["state"]))
    (weights, buffers), (expected, expected_buffers) = outcomes
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights.items())
    assert str(buffers) == str(expected_buffers)
