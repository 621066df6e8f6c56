import copy
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from engine.data.load import Data
from engine.data.loader import batches
from engine.errors import WorkError
from engine.train.distil import Teacher, divergence
from engine.train.fit import EpochResult, fit, fit_batches
from engine.train.recipe import Recipe
from tests.support import tiny

RECIPE = Recipe(epochs=6, lr=0.05, batch_size=32)


class Says(nn.Module):
    """A network that gives the same logits whatever it sees."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, images: Tensor) -> Tensor:
        return self.logits


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def trained() -> nn.Sequential:
    module = tiny.network(seed=9)
    fit(module, tiny.data(), RECIPE, "cpu", 9, on_epoch=tiny.ignore)
    return module


def relabelled(data: Data) -> Data:
    return replace(data, train=replace(data.train, labels=(data.train.labels + 1) % 4))


def distance(student: nn.Module, teacher: nn.Module) -> float:
    """Mean divergence on the validation split, at temperature 1."""
    data = tiny.data()
    ((images, _),) = batches(data.val, data, 100, "cpu")
    with torch.no_grad():
        return float(divergence(student(images), teacher(images), 1.0).mean())


def test_the_loss_is_the_one_written_down_by_hand():
    student, taught = drawn(5, 4), drawn(5, 4, seed=1)
    labels = torch.tensor([0, 3, 1, 1, 2])
    temperature, weight, smoothing = 4.0, 0.7, 0.2
    expected = 0.0
    for s, t, label in zip(student.tolist(), taught.tolist(), labels.tolist(), strict=True):
        log_q = [x - math.log(sum(math.exp(y) for y in s)) for x in s]
        truth = [0.8 * (c == label) + 0.2 / 4 for c in range(4)]
        hard = -sum(p * q for p, q in zip(truth, log_q, strict=True))
        soft_p, soft_q = ([math.exp(x / 4) / sum(math.exp(y / 4) for y in row) for x in row] for row in (t, s))
        soft = sum(p * math.log(p / q) for p, q in zip(soft_p, soft_q, strict=True))
        expected += (0.3 * hard + 0.7 * 16 * soft) / 5
    teacher = Teacher(Says(taught), temperature, weight)
    assert float(teacher.loss(student, torch.empty(5), labels, smoothing)) == pytest.approx(expected, rel=1e-12)


def test_divergence_is_one_number_an_image_and_agrees_with_torch():
    student, reference = drawn(6, 3), drawn(6, 3, seed=1)
    got = divergence(student, reference, 2.0)
    p, q = (torch.distributions.Categorical(logits=x / 2) for x in (reference, student))
    assert got.shape == (6,)
    torch.testing.assert_close(got, torch.distributions.kl_divergence(p, q))


@given(seed=st.integers(0, 2**31), temperature=st.floats(0.5, 20), spread=st.floats(0, 30))
def test_divergence_is_never_negative_zero_from_itself_and_blind_to_a_shift(
    seed: int, temperature: float, spread: float
):
    a, b = spread * drawn(3, 5, seed=seed), spread * drawn(3, 5, seed=seed + 1)
    assert (divergence(a, b, temperature) >= -1e-12).all()
    assert torch.equal(divergence(a, a, temperature), torch.zeros(3, dtype=torch.float64))
    shifted = divergence(a + 7, b - 3, temperature)
    torch.testing.assert_close(shifted, divergence(a, b, temperature), rtol=1e-9, atol=1e-9)


def test_logits_far_apart_have_a_finite_divergence():
    certain = torch.tensor([[1000.0, 0.0], [0.0, 1000.0]])
    assert divergence(certain, certain.flip(1), 1.0).tolist() == [1000.0, 1000.0]


@pytest.mark.parametrize(
    ("logits", "reference", "expected"),
    [
        (torch.bfloat16, torch.bfloat16, torch.float32),
        (torch.bfloat16, torch.float32, torch.float32),
        (torch.float16, torch.bfloat16, torch.float32),
        (torch.float32, torch.float64, torch.float64),
    ],
)
def test_divergence_is_computed_in_single_precision_at_least(
    logits: torch.dtype, reference: torch.dtype, expected: torch.dtype
):
    assert divergence(drawn(2, 3).to(logits), drawn(2, 3).to(reference), 4.0).dtype == expected


def test_at_high_temperature_the_gradient_is_the_difference_of_the_logits():
    """Hinton et al. 2015, equation 4, times T²: without that factor it would vanish as the temperature rises."""
    student, taught = (x - x.mean(dim=1, keepdim=True) for x in (drawn(5, 4), drawn(5, 4, seed=1)))
    student.requires_grad_()
    teacher = Teacher(Says(taught), temperature=1e4, weight=1.0)
    loss = teacher.loss(student, torch.empty(5), torch.zeros(5, dtype=torch.long), 0.0)
    (gradient,) = torch.autograd.grad(loss, student)
    torch.testing.assert_close(gradient, (student.detach() - taught) / 4 / 5, rtol=1e-2, atol=1e-4)


def test_a_small_weight_leaves_nearly_the_cross_entropy():
    student, labels = drawn(5, 4), torch.tensor([0, 3, 1, 1, 2])
    loss = Teacher(Says(drawn(5, 4, seed=1)), 4.0, 1e-9).loss(student, torch.empty(5), labels, 0.1)
    torch.testing.assert_close(loss, F.cross_entropy(student, labels, label_smoothing=0.1))


def test_under_autocast_the_teacher_is_as_coarse_as_the_student_and_the_loss_is_not():
    teacher = Teacher(tiny.network(seed=1), 4.0, 0.9)
    images = torch.randn(4, 3, 16, 16)
    student = tiny.network().eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = student(images)
        assert teacher.logits(images).dtype == logits.dtype == torch.bfloat16
        loss = teacher.loss(logits, images, torch.zeros(4, dtype=torch.long), 0.0)
    assert loss.dtype == torch.float32
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in student.parameters() if p.grad is not None)


def test_a_teacher_stays_as_it_is():
    network = tiny.network(seed=1, dropout=0.5).train()
    network[1].eval()
    network[3].weight.requires_grad_(False)
    before, modes = tiny.state(network), [m.training for m in network.modules()]
    flags = [p.requires_grad for p in network.parameters()]
    fit(tiny.network(), tiny.data(), RECIPE, "cpu", 0, on_epoch=tiny.ignore, teacher=Teacher(network, 4.0, 0.9))
    fit_batches(tiny.network(), tiny.data(), RECIPE, "cpu", 0, batches=3, teacher=Teacher(network, 4.0, 0.9))
    assert tiny.same(before, tiny.state(network))
    assert [m.training for m in network.modules()] == modes
    assert [p.requires_grad for p in network.parameters()] == flags
    assert all(p.grad is None for p in network.parameters())


def test_a_teacher_teaches_in_evaluation_mode_whatever_its_own():
    teacher = Teacher(tiny.network(seed=1, dropout=0.5).train(), 4.0, 0.9)
    images = torch.randn(4, 3, 16, 16)
    assert torch.equal(teacher.logits(images), copy.deepcopy(teacher.module).eval()(images))


def test_a_student_comes_close_to_its_teacher():
    teacher, student = trained(), tiny.network()
    before, results = distance(student, teacher), list[EpochResult]()
    recipe = replace(RECIPE, epochs=8)
    fit(student, tiny.data(), recipe, "cpu", 0, on_epoch=results.append, teacher=Teacher(teacher, 2.0, 1.0))
    assert results[-1].loss < 0.2 * results[0].loss
    assert distance(student, teacher) < 0.2 * before


def test_a_short_recovery_learns_from_the_teacher_too():
    teacher, student = trained(), tiny.network()
    before = distance(student, teacher)
    first = fit_batches(student, tiny.data(), RECIPE, "cpu", 0, batches=4, teacher=Teacher(teacher, 2.0, 1.0))
    later = fit_batches(student, tiny.data(), RECIPE, "cpu", 1, batches=24, teacher=Teacher(teacher, 2.0, 1.0))
    assert later < 0.5 * first
    assert distance(student, teacher) < 0.3 * before


def test_a_weight_of_one_ignores_the_labels_and_less_does_not():
    def students(weight: float) -> list[dict[str, Tensor]]:
        teacher = Teacher(tiny.network(seed=1), 4.0, weight)
        found = []
        for data in (tiny.data(), relabelled(tiny.data())):
            student = tiny.network()
            fit(student, data, replace(RECIPE, epochs=2), "cpu", 0, on_epoch=tiny.ignore, teacher=teacher)
            found.append(tiny.state(student))
        return found

    assert tiny.same(*students(1.0))
    assert not tiny.same(*students(0.9))


def test_a_resumed_distillation_equals_an_undisturbed_one_bit_for_bit(tmp_path: Path):
    teacher = Teacher(tiny.network(seed=1, dropout=0.3).train(), 4.0, 0.9)
    undisturbed, stopped, resumed = (tiny.network(dropout=0.3) for _ in range(3))
    heard: list[EpochResult] = []
    fit(undisturbed, tiny.data(), RECIPE, "cpu", 1, on_epoch=heard.append, teacher=teacher)

    path, again = tmp_path / "train.safetensors", list[EpochResult]()
    with pytest.raises(tiny.Stopped):
        fit(stopped, tiny.data(), RECIPE, "cpu", 1, on_epoch=tiny.stop_at(4), checkpoint=path, teacher=teacher)
    fit(resumed, tiny.data(), RECIPE, "cpu", 1, on_epoch=again.append, checkpoint=path, teacher=teacher)

    assert [r.epoch for r in again] == [4, 5, 6]
    assert tiny.same(tiny.state(undisturbed), tiny.state(resumed))
    assert [replace(r, seconds=0) for r in again] == [replace(r, seconds=0) for r in heard[3:]]


@pytest.mark.parametrize(
    ("first", "second"),
    [((4.0, 0.9), (2.0, 0.9)), ((4.0, 0.9), (4.0, 0.8)), ((4.0, 0.9), None), (None, (4.0, 0.9))],
)
def test_a_checkpoint_of_another_distillation_is_refused(
    tmp_path: Path, first: tuple[float, float] | None, second: tuple[float, float] | None
):
    path = tmp_path / "train.safetensors"
    before, after = (how and Teacher(tiny.network(seed=1), *how) for how in (first, second))
    with pytest.raises(tiny.Stopped):
        fit(tiny.network(), tiny.data(), RECIPE, "cpu", 1, on_epoch=tiny.stop_at(3), checkpoint=path, teacher=before)
    with pytest.raises(WorkError, match="another training"):
        fit(tiny.network(), tiny.data(), RECIPE, "cpu", 1, on_epoch=tiny.ignore, checkpoint=path, teacher=after)


def test_a_teacher_whose_outputs_are_not_finite_stops_the_training():
    network = tiny.network(seed=1)
    with torch.no_grad():
        network[9].bias[0] = math.nan
    with pytest.raises(WorkError, match="the loss is not finite"):
        fit(tiny.network(), tiny.data(), RECIPE, "cpu", 0, on_epoch=tiny.ignore, teacher=Teacher(network, 4.0, 0.9))
