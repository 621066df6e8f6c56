import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from engine.errors import WorkError
from engine.train.evaluate import evaluate
from engine.train.fit import EpochResult, fit, fit_batches
from engine.train.recipe import Recipe
from tests.support import tiny

RECIPE = Recipe(epochs=6, lr=0.05, batch_size=32)


def batch_sizes(module: nn.Module) -> list[int]:
    """Fills with the size of each batch that the network sees."""
    sizes: list[int] = []
    module.register_forward_hook(lambda m, inputs, output: sizes.append(len(output)))
    return sizes


@pytest.mark.parametrize(
    ("images", "batches", "expected"),
    [
        (100, 1, [32]),
        (100, 4, [32, 32, 32, 4]),
        (100, 6, [32, 32, 32, 4, 32, 32]),
        (97, 7, [32, 32, 33, 32, 32, 33, 32]),  # a single image left over is no batch of its own
        (2, 3, [2, 2, 2]),
    ],
)
def test_a_short_recovery_takes_exactly_the_batches_asked_for(images: int, batches: int, expected: list[int]):
    module = tiny.network()
    sizes = batch_sizes(module)
    fit_batches(module, tiny.data(images), RECIPE, "cpu", 0, batches=batches)
    assert sizes == expected
    assert module[1].num_batches_tracked == batches


def test_a_short_recovery_passes_over_all_images_before_one_comes_again_in_another_order():
    data = replace(tiny.data(), crop=0)
    module = tiny.network()
    seen: list[Tensor] = []
    module.register_forward_hook(lambda m, inputs, output: seen.append(inputs[0].clone()))
    fit_batches(module, data, RECIPE, "cpu", 0, batches=8)
    first, second = (torch.cat(seen[start : start + 4]).flatten(1) for start in (0, 4))
    assert not torch.equal(first, second)
    assert len(first.unique(dim=0)) == 100
    assert torch.equal(first.unique(dim=0), second.unique(dim=0))


def test_a_short_recovery_keeps_one_rate_whatever_the_schedule():
    data = replace(tiny.data(train=32), crop=0)
    recipe = replace(RECIPE, momentum=0.0)
    at_once, one_by_one, other_epochs = (tiny.network() for _ in range(3))
    fit_batches(at_once, data, recipe, "cpu", 0, batches=3)
    for seed in range(3):
        fit_batches(one_by_one, data, recipe, "cpu", seed, batches=1)
    fit_batches(other_epochs, data, replace(recipe, epochs=1, schedule="step"), "cpu", 0, batches=3)
    assert tiny.same(tiny.state(at_once), tiny.state(other_epochs))
    torch.testing.assert_close(tiny.state(at_once), tiny.state(one_by_one), rtol=1e-3, atol=1e-4)


def test_a_short_recovery_of_one_batch_is_a_step_of_fit():
    data, recipe = tiny.data(train=32), replace(RECIPE, epochs=1)
    short, whole = tiny.network(dropout=0.3), tiny.network(dropout=0.3)
    results: list[EpochResult] = []
    fit(whole, data, recipe, "cpu", 5, on_epoch=results.append)
    loss = fit_batches(short, data, replace(recipe, lr=recipe.lr_at(0.5)), "cpu", 5, batches=1)
    assert tiny.same(tiny.state(short), tiny.state(whole))
    assert loss == results[0].loss


def test_a_short_recovery_learns():
    module = tiny.network()
    before = evaluate(module, tiny.data().val, tiny.data(), "cpu").loss
    fit_batches(module, tiny.data(), RECIPE, "cpu", 0, batches=24)
    assert evaluate(module, tiny.data().val, tiny.data(), "cpu").loss < 0.5 * before


def test_a_short_recovery_is_the_same_for_the_same_seed_and_leaves_the_global_generator_alone():
    first, second, other = (tiny.network(dropout=0.5) for _ in range(3))
    losses = [fit_batches(first, tiny.data(), RECIPE, "cpu", 3, batches=6)]
    drawn = torch.get_rng_state()
    torch.rand(17)
    losses.append(fit_batches(second, tiny.data(), RECIPE, "cpu", 3, batches=6))
    torch.set_rng_state(drawn)
    fit_batches(other, tiny.data(), RECIPE, "cpu", 4, batches=6)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert losses[0] == losses[1]
    assert tiny.same(tiny.state(first), tiny.state(second))
    assert not tiny.same(tiny.state(first), tiny.state(other))


def test_a_short_recovery_that_diverges_stops_in_one_sentence_and_leaves_plain_memory():
    module = tiny.network()
    with torch.no_grad():
        module[9].weight[0, 0] = math.nan
    with pytest.raises(WorkError, match=r"the loss is not finite at learning rate 0\.05") as caught:
        fit_batches(module, tiny.data(), RECIPE, "cpu", 0, batches=2)
    assert "\n" not in str(caught.value)
    assert not any(m.training for m in module.modules())
    assert all(p.is_contiguous() for p in module.parameters())


def test_a_short_recovery_ends_in_evaluation_mode_with_plain_memory():
    module = tiny.network().train()
    fit_batches(module, tiny.data(), RECIPE, "cpu", 0, batches=2)
    assert not any(m.training for m in module.modules())
    assert all(p.is_contiguous() for p in module.parameters())


def test_a_short_recovery_needs_two_images_and_a_batch():
    with pytest.raises(WorkError, match="at least two images"):
        fit_batches(tiny.network(), tiny.data(train=1), RECIPE, "cpu", 0, batches=1)
    with pytest.raises(ValueError, match="at least one batch"):
        fit_batches(tiny.network(), tiny.data(), RECIPE, "cpu", 0, batches=0)
