"""Each criterion equals its definition, written out plainly, on a tiny network."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.criteria.calibration import Calibration, block_scores, identity_scores
from engine.criteria.declare import IDENTITY_SCORERS, SCORERS
from engine.criteria.registry import EXACT, score_blocks, score_channels, score_filters
from engine.errors import RequestError
from engine.graph.summarize import summarize
from engine.spec import catalog

IMAGE = (3, 8, 8)


class Tiny(nn.Module):
    """A stem, one residual block and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(6)
        self.block = Residual(6)
        self.fc = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block(F.relu(self.bn(self.stem(x))))
        return self.fc(x.mean((2, 3)))


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5)
        self.conv2, self.bn2 = nn.Conv2d(5, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + x)


@pytest.fixture
def tiny() -> Tiny:
    torch.manual_seed(1)
    module = Tiny()
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.weight, -1, 2)
            nn.init.uniform_(m.bias, -0.5, 0.5)
    return module.eval()


@pytest.fixture
def batches() -> list[tuple[Tensor, Tensor]]:
    torch.manual_seed(2)
    return [(torch.randn(4, *IMAGE), torch.randint(4, (4,))) for _ in range(3)]


@pytest.fixture
def calibration(tiny: Tiny, batches: list[tuple[Tensor, Tensor]]) -> Calibration:
    def again() -> Iterator[tuple[Tensor, Tensor]]:
        return iter(batches)

    return Calibration(tiny, summarize(tiny, IMAGE).trace, again, torch.device("cpu"), seed=3)


def test_every_criterion_of_the_catalogue_is_implemented() -> None:
    assert SCORERS.keys() | IDENTITY_SCORERS.keys() | EXACT.keys() == catalog.CRITERIA.keys()
    assert EXACT.keys() == {c.name for c in catalog.CRITERIA.values() if c.scope == "blocks"}


@pytest.mark.parametrize("name", sorted(SCORERS))
def test_a_criterion_scores_every_filter_and_is_repeatable(name: str, calibration: Calibration) -> None:
    first, second = SCORERS[name](calibration), SCORERS[name](calibration)
    layers = {"stem", "block.conv1", "block.conv2"} | (set() if catalog.CRITERIA[name].batch_norm else {"fc"})
    assert first.keys() == layers
    for layer, scores in first.items():
        assert scores.shape == (len(calibration.trace.layers[layer].outs),)
        assert np.isfinite(scores).all()
        assert np.array_equal(scores, second[layer])


def test_random_depends_on_the_seed(calibration: Calibration) -> None:
    other = Calibration(calibration.module, calibration.trace, calibration.batches, calibration.device, seed=4)
    assert not np.array_equal(SCORERS["random"](calibration)["stem"], SCORERS["random"](other)["stem"])


def test_weight_criteria_equal_their_definitions(tiny: Tiny, calibration: Calibration) -> None:
    w = tiny.stem.weight.detach().double().flatten(1)
    squares = w.square().sum(1)
    expected = {
        "l1": w.abs().sum(1),
        "l2": squares.sqrt(),
        "bn_scale": tiny.bn.weight.detach().double().abs(),
        "fpgm": torch.stack([sum(((c - j).norm() for j in w), torch.tensor(0.0)) for c in w]),
        "lamp": torch.stack([s / squares[squares >= s].sum() for s in squares]),
    }
    for name, scores in expected.items():
        np.testing.assert_allclose(SCORERS[name](calibration)["stem"], scores.numpy(), rtol=1e-6)


def test_taylor_is_the_squared_sum_of_weight_times_gradient_averaged_over_batches(
    tiny: Tiny, calibration: Calibration, batches: list[tuple[Tensor, Tensor]]
) -> None:
    expected = torch.zeros(6)
    for images, labels in batches:
        tiny.zero_grad()
        F.cross_entropy(tiny(images), labels).backward()
        expected += (tiny.stem.weight * tiny.stem.weight.grad).sum((1, 2, 3)).square().detach() / len(batches)
    tiny.zero_grad()
    np.testing.assert_allclose(SCORERS["taylor"](calibration)["stem"], expected.numpy(), rtol=1e-4)
    assert all(p.grad is None for p in tiny.parameters())


def test_obd_takes_the_expectation_over_single_samples(
    tiny: Tiny, calibration: Calibration, batches: list[tuple[Tensor, Tensor]]
) -> None:
    images, labels = torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])
    fisher = torch.zeros_like(tiny.stem.weight)
    for i in range(len(labels)):
        loss = F.cross_entropy(tiny(images[i : i + 1]), labels[i : i + 1])
        fisher += torch.autograd.grad(loss, tiny.stem.weight)[0].square() / len(labels)
    expected = 0.5 * (tiny.stem.weight.square() * fisher).sum((1, 2, 3)).detach()
    np.testing.assert_allclose(SCORERS["obd"](calibration)["stem"], expected.numpy(), rtol=1e-4)


def test_feature_taylor_is_the_size_of_each_images_mean_of_map_times_gradient(
    tiny: Tiny, calibration: Calibration, batches: list[tuple[Tensor, Tensor]]
) -> None:
    images, labels = torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])
    expected = torch.zeros(6)
    for image, label in zip(images.split(1), labels.split(1), strict=True):
        maps = F.relu(tiny.bn(tiny.stem(image))).detach().requires_grad_()
        loss = F.cross_entropy(tiny.fc(tiny.block(maps).mean((2, 3))), label)
        (gradient,) = torch.autograd.grad(loss, maps)
        expected += (maps * gradient).mean((0, 2, 3)).abs().detach() / len(images)
    np.testing.assert_allclose(SCORERS["feature_taylor"](calibration)["stem"], expected.numpy(), rtol=1e-4)


def test_gate_taylor_is_the_squared_scale_times_gradient_averaged_over_batches(
    tiny: Tiny, calibration: Calibration, batches: list[tuple[Tensor, Tensor]]
) -> None:
    expected = torch.zeros(6)
    for images, labels in batches:
        (gradient,) = torch.autograd.grad(F.cross_entropy(tiny(images), labels), tiny.bn.weight)
        expected += (tiny.bn.weight * gradient).square().detach() / len(batches)
    np.testing.assert_allclose(SCORERS["gate_taylor"](calibration)["stem"], expected.numpy(), rtol=1e-4)
    assert all(p.grad is None for p in tiny.parameters())


def test_activation_criteria_look_after_norm_and_activation(
    tiny: Tiny, calibration: Calibration, batches: list[tuple[Tensor, Tensor]]
) -> None:
    with torch.no_grad():
        maps = F.relu(tiny.bn(tiny.stem(torch.cat([x for x, _ in batches]))))
    np.testing.assert_allclose(
        SCORERS["activation"](calibration)["stem"], maps.abs().mean((0, 2, 3)).numpy(), rtol=1e-5
    )
    ranks = [[np.linalg.matrix_rank(c) for c in image] for image in maps.numpy()]
    np.testing.assert_allclose(SCORERS["feature_rank"](calibration)["stem"], np.mean(ranks, axis=0), rtol=1e-6)


def test_coupled_channels_get_the_mean_over_their_producers_each_divided_by_its_mean(calibration: Calibration) -> None:
    filters = SCORERS["l1"](calibration)
    combined = identity_scores(calibration.trace, filters)
    stem, conv2 = filters["stem"], filters["block.conv2"]
    expected = (stem / stem.mean() + conv2 / conv2.mean()) / 2
    assert [combined[int(i)] for i in calibration.trace.layers["stem"].outs] == pytest.approx(expected.tolist())


def test_a_block_scores_the_mean_of_its_filters_undivided(tiny: Tiny, calibration: Calibration) -> None:
    filters = SCORERS["l1"](calibration)
    blocks = summarize(tiny, IMAGE).summary.blocks
    expected = np.concatenate([filters["block.conv1"], filters["block.conv2"]]).mean()
    assert block_scores(blocks, filters) == {"block": pytest.approx(expected)}
    assert score_blocks(calibration, blocks, "l1") == {"block": pytest.approx(expected)}


def test_an_ensemble_is_the_mean_of_percentile_ranks(calibration: Calibration) -> None:
    l1, l2 = score_channels(calibration, "l1"), score_channels(calibration, "l2")
    both = score_channels(calibration, "l1+l2")
    for identity, score in both.items():
        ranks = [sum(v <= s[identity] for v in s.values()) / len(s) for s in (l1, l2)]
        assert score == pytest.approx(np.mean(ranks))


def test_listed_ensemble_scores_are_the_channels_ranks(calibration: Calibration) -> None:
    ranks = score_channels(calibration, "l1+bn_scale")
    listed = score_filters(calibration, "l1+bn_scale")
    assert set(listed) == {"stem", "block.conv1", "block.conv2"}
    assert listed["stem"].tolist() == [ranks[int(i)] for i in calibration.trace.layers["stem"].outs]


def test_bn_scale_without_batch_norm_says_what_to_use_instead() -> None:
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2)).eval()
    calibration = Calibration(plain, summarize(plain, IMAGE).trace, lambda: iter(()), torch.device("cpu"), 0)
    with pytest.raises(RequestError, match="needs batch norm"):
        score_channels(calibration, "bn_scale")
