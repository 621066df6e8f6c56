"""Attempts give what a plain loop gives, from half the work; a race gives the same selection from less."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from engine.criteria.attempts.cka import linear_cka
from engine.criteria.attempts.evaluator import AttemptEvaluator, Tally
from engine.criteria.attempts.race import find_best
from engine.criteria.attempts.rank import rank_attempts
from engine.criteria.attempts.shared_prefix import Attempt, SharedPrefix
from engine.criteria.calibration import Calibration, Images, prepare_calibration
from engine.data.load import Data, load
from engine.errors import RequestError
from engine.graph.summarize import Structure, summarize
from engine.pipeline.start.inputs import load_network
from engine.spec import run as run_spec
from engine.spec.run import FEWEST_RACED, DataSpec, check_race
from engine.surgery.cut import bypassed_copy, masked_copy
from engine.train.evaluate import evaluate
from engine.zoo.build import construct

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def digits() -> Data:
    return load(DataSpec(name="digits", val_fraction=0.4, limit=264), seed=0)


@pytest.fixture(scope="module")
def network() -> tuple[nn.Module, Structure]:
    torch.manual_seed(0)
    module = construct("resnet20", 10).eval()
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.weight, 0.2, 2)
            nn.init.uniform_(m.bias, -0.5, 0.5)
    return module, summarize(module, (3, 16, 16))


def blocks_of(structure: Structure) -> list[Attempt]:
    return [Attempt(b.name, b.modules) for b in structure.summary.blocks if b.removable]


def channels_of(structure: Structure) -> list[Attempt]:
    """A third of every cell that may lose channels."""
    channel_groups = [(c, group) for c, group in enumerate(structure.summary.channel_groups) if group.removable]
    return [
        Attempt(group.producers[0], dropped=structure.identities_at({c: np.arange(group.size // 3)}))
        for c, group in channel_groups
        if group.size >= 3
    ]


def test_bypassed_blocks_count_exactly_as_in_a_plain_loop(network: tuple[nn.Module, Structure], digits: Data) -> None:
    module, structure = network
    attempts = blocks_of(structure)
    evaluator = AttemptEvaluator(structure.trace, Images(digits.val, digits, CPU), attempts)
    evaluator.run()
    plain = [evaluate(bypassed_copy(module, a.modules), digits.val, digits, "cpu") for a in attempts]
    assert [(t.correct, t.total) for t in evaluator.after] == [(e.correct, e.total) for e in plain]
    np.testing.assert_allclose([t.loss / t.total for t in evaluator.after], [e.loss for e in plain], rtol=1e-6)
    assert evaluator.before.correct == evaluate(module, digits.val, digits, "cpu").correct


def test_exact_accuracy_of_resnet56s_blocks_equals_a_plain_loop_on_real_images(
    shared: Callable[[str], Path],
) -> None:
    inputs = load_network(
        run_spec.parse(
            {
                "model": "resnet56",
                "weights": str(shared("weights/resnet56-4bfd9763.th")),
                "data": {"name": f"npz:{shared('data/cifar10-sample.npz')}", "limit": 64},
            }
        )
    )
    structure, data = inputs.network.structure, inputs.data
    attempts = blocks_of(structure)
    evaluator = AttemptEvaluator(structure.trace, Images(data.val, data, CPU), attempts)
    evaluator.run()
    for attempt, after in list(zip(attempts, evaluator.after, strict=True))[::6]:
        result = evaluate(bypassed_copy(inputs.network.module, attempt.modules), data.val, data, "cpu")
        assert (after.correct, after.total) == (result.correct, result.total)


@pytest.mark.parametrize("folded", [False, True], ids=["as it is", "folded"])
@pytest.mark.parametrize(
    "model", ["resnet20-a", "mobilenet_v2", "torchvision/shufflenet_v2_x0_5", "torchvision/squeezenet1_1"]
)
def test_masked_channels_give_what_the_masked_network_gives(model: str, folded: bool) -> None:
    _check_masked(model, (3, 32, 32), folded)


@pytest.mark.parametrize("folded", [False, True], ids=["as it is", "folded"])
def test_masked_channels_of_a_layer_norm_network_give_what_the_masked_network_gives(folded: bool) -> None:
    _check_masked("torchvision/convnext_tiny", (3, 32, 32), folded)


def _check_masked(model: str, image: tuple[int, int, int], folded: bool) -> None:
    torch.manual_seed(0)
    module = construct(model, 5).eval()
    structure = summarize(module, image)
    attempts = channels_of(structure)
    attempts = [*attempts[:: max(1, len(attempts) // 5)], attempts[-1]] * 2  # some begin at the same place
    prefix = SharedPrefix(structure.trace, CPU, folded=folded)
    images = torch.randn(2, *image)
    with torch.inference_mode():
        result = {i: o.logits.clone() for i, o in prefix.outputs(images, [prefix.prepare(a) for a in attempts])}
        torch.testing.assert_close(result[None], module(images), rtol=1e-4, atol=1e-5)
        for i, attempt in enumerate(attempts):
            expected = masked_copy(module, structure.trace, attempt.dropped)(images)
            torch.testing.assert_close(result[i], expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


class InPlace(nn.Module):
    """Writes into its own activations wherever torch allows it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.first, self.second = Adding(), Adding()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x), inplace=True)
        return self.fc(self.second(self.first(x)).mean((2, 3)))


class Adding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.conv(x))
        y += x
        return self.act(y)


def test_what_is_written_in_place_does_not_leak_from_one_attempt_into_another() -> None:
    torch.manual_seed(0)
    module = InPlace().eval()
    structure = summarize(module, (3, 8, 8))
    attempts = blocks_of(structure) * 2
    assert len(attempts) == 4
    images, prefix = (
        torch.randn(5, 3, 8, 8).contiguous(memory_format=torch.channels_last),
        SharedPrefix(structure.trace, CPU),
    )
    with torch.inference_mode():
        result = dict(prefix.outputs(images, [prefix.prepare(a) for a in attempts]))
        for i, attempt in enumerate(attempts):
            assert torch.equal(result[i].logits, bypassed_copy(module, attempt.modules)(images))
        assert torch.equal(result[None].logits, module(images))


@pytest.mark.parametrize("folded", [False, True], ids=["as it is", "folded"])
@pytest.mark.parametrize("include_current", [False, True])
def test_channels_that_hold_zeros_change_nothing_and_are_not_run(
    network: tuple[nn.Module, Structure], folded: bool, include_current: bool
) -> None:
    module = copy.deepcopy(network[0])
    dead: Any = module.get_submodule("layer1.1.bn1")
    with torch.no_grad():
        dead.weight[:5], dead.bias[:5] = 0.0, -1.0
    structure = summarize(module, (3, 16, 16))
    at = next(c for c, group in enumerate(structure.summary.channel_groups) if "layer1.1.conv1" in group.producers)
    attempts = [Attempt(str(n), dropped=structure.identities_at({at: np.arange(n)})) for n in (3, 5, 6)]
    prefix, calls = SharedPrefix(structure.trace, CPU, folded=folded), []
    module.get_submodule("fc").register_forward_hook(lambda *_: calls.append(1))
    images = torch.randn(4, 3, 16, 16)
    with torch.inference_mode():
        result = [
            (i, o.logits)
            for i, o in prefix.outputs(images, [prefix.prepare(a) for a in attempts], include_current=include_current)
        ]
    assert [i for i, _ in result] == ([2, 0, 1, None] if include_current else [2, 0, 1])
    assert len(calls) == 2  # the network as it is, and the attempt that drops a filter that lives
    logits = dict(result)
    torch.testing.assert_close(logits[0], module(images), rtol=1e-4, atol=1e-5)
    assert torch.equal(logits[0], logits[1]) and not torch.allclose(logits[0], logits[2], atol=1e-4)


def test_a_walk_leaves_the_network_and_its_trace_as_they_were(network: tuple[nn.Module, Structure]) -> None:
    module, structure = network
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    names = [node.name for node in structure.trace.graph.graph.nodes]
    prefix = SharedPrefix(structure.trace, CPU)
    list(prefix.outputs(torch.randn(2, 3, 16, 16), [prefix.prepare(a) for a in blocks_of(structure)]))
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert [node.name for node in structure.trace.graph.graph.nodes] == names


@pytest.mark.parametrize("measure", ["accuracy", "loss", "divergence"])
@pytest.mark.parametrize("best_count", [1, 3])
def test_a_race_selects_what_measuring_everything_selects(
    network: tuple[nn.Module, Structure], digits: Data, measure: Any, best_count: int
) -> None:
    module, structure = network
    calibration = prepare_calibration(module, structure.trace, digits.val, digits, "cpu", 0)
    attempts = [*blocks_of(structure), *channels_of(structure)]
    savings = np.random.default_rng(best_count).uniform(0.5, 2, len(attempts)).tolist()
    reference = rank_attempts(calibration, attempts, measure, savings=savings, count=best_count)
    race = rank_attempts(calibration, attempts, measure, savings=savings, count=best_count, race=True)
    assert race.best == reference.best
    assert sum(t.total for t in race.after) <= sum(t.total for t in reference.after)


class Scripted(AttemptEvaluator):
    """AttemptEvaluator whose harm on every image is given."""

    def __init__(self, harms: np.ndarray[Any, Any], before: np.ndarray[Any, Any]) -> None:
        self.harms, self.each = harms, before
        self.images: Any = before
        self.after = [Tally() for _ in harms]
        self.before = Tally()
        self.reference = None

    def measure_current(self) -> Tensor:
        self.before = Tally(total=len(self.each), loss=float(self.each.sum()))
        return self.logits()

    def logits(self) -> Tensor:
        return torch.stack([torch.from_numpy(self.each), torch.zeros(len(self.each))], dim=1)

    def measure_more(self, positions: Any, indices: Tensor, *, include_current: bool = False) -> None:
        if include_current:
            self.before.total += len(indices)
            self.before.loss += float(self.each[indices.numpy()].sum())
        for i in positions:
            self.after[i].total += len(indices)
            self.after[i].loss += float(self.harms[i, indices.numpy()].sum())


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(2, 12),
    best_count=st.integers(1, 12),
    ties=st.booleans(),
    given_reference=st.booleans(),
)
def test_a_race_is_exact_for_any_losses(
    seed: int, count: int, best_count: int, ties: bool, given_reference: bool
) -> None:
    rng = np.random.default_rng(seed)
    losses = rng.exponential(size=(count, FEWEST_RACED + 50)) * rng.uniform(0.1, 3, (count, 1))
    losses = np.round(losses) if ties else losses
    savings = rng.choice([1.0, 0.5, 2.0], count).tolist()
    scripted = Scripted(losses, rng.exponential(size=losses.shape[1]))
    before = scripted.each.sum()
    if given_reference:
        scripted.reference = scripted.logits()
    totals = losses.sum(1)
    expected = sorted(range(count), key=lambda i: ((totals[i] - before) / savings[i], i))[:best_count]
    result = find_best(scripted, "loss", savings, min(best_count, count))
    rise = lambda i: (totals[i] - before) / savings[i]  # noqa: E731
    np.testing.assert_allclose([rise(i) for i in result], [rise(i) for i in expected], atol=1e-9)
    assert result == expected or not ties


def test_a_race_over_too_few_images_is_refused_in_one_sentence() -> None:
    with pytest.raises(RequestError, match="at least 256 validation images and there are 255"):
        check_race(FEWEST_RACED - 1)


def test_cka_is_one_for_what_is_rotated_or_scaled_and_less_for_what_is_not() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 6, generator=generator)
    rotation, _ = torch.linalg.qr(torch.randn(6, 6, generator=generator))
    assert linear_cka(x, 3 * x @ rotation + 7) == pytest.approx(1, abs=1e-6)
    assert linear_cka(x, torch.randn(200, 6, generator=generator)) < 0.3
    assert linear_cka(x, torch.zeros(200, 6)) == 0


def test_cka_is_the_same_by_gram_matrices_and_by_covariances() -> None:
    x, y = torch.randn(40, 5), torch.randn(40, 7)
    wide = torch.cat([y, torch.zeros(40, 60)], dim=1)
    assert linear_cka(x, y) == pytest.approx(linear_cka(x, wide), rel=1e-9)


def test_a_block_that_does_nothing_costs_nothing_by_any_measure(digits: Data) -> None:
    torch.manual_seed(0)
    module = construct("resnet20", 10).eval()
    block: Any = module.get_submodule("layer2.1")
    nn.init.zeros_(block.bn2.weight)
    nn.init.zeros_(block.bn2.bias)
    structure = summarize(module, (3, 16, 16))
    calibration: Calibration = prepare_calibration(module, structure.trace, digits.val, digits, "cpu", 0)
    attempts = [a for a in blocks_of(structure) if a.name == "layer2.1"]
    for measure in ("accuracy", "loss", "divergence", "cka"):
        assert rank_attempts(calibration, attempts, measure).rises[0] == pytest.approx(0, abs=1e-6)  # type: ignore[arg-type]
