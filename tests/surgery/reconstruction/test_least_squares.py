"""Ridge regression in closed form, beside the same thing written out."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.surgery.reconstruction import least_squares
from engine.surgery.reconstruction.least_squares import solve


def problem(samples: int, inputs: int, outputs: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = ((samples, inputs), (samples, outputs), (outputs, inputs))
    x, y, weight = (torch.randn(*size, generator=generator, dtype=torch.float32) for size in sizes)
    return x + 0.5, y - 0.25, weight


def by_hand(
    x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor, ridge: float, with_bias: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """argmin ‖X(W−W₀)ᵀ − (Y − XW₀ᵀ)‖² / n + λ‖W − W₀‖² on centred values, as an augmented system."""
    x, y, weight = x.double(), y.double(), weight.double()
    mean_in, mean_out = (t.mean(0) if with_bias else torch.zeros(t.shape[1]).double() for t in (x, y))
    xc, yc = x - mean_in, y - mean_out
    strength = ridge * float((xc.square().sum(0) / len(x)).mean())
    rows = torch.cat([xc / len(x) ** 0.5, torch.eye(x.shape[1]).double() * strength**0.5])
    wanted = torch.cat([(yc - xc @ weight.T) / len(x) ** 0.5, torch.zeros(x.shape[1], y.shape[1]).double()])
    after = weight + torch.linalg.lstsq(rows, wanted).solution.T
    return after, mean_out - after @ mean_in


@settings(max_examples=25, deadline=None)
@given(
    samples=st.integers(2, 40),
    inputs=st.integers(1, 30),
    outputs=st.integers(1, 5),
    ridge=st.sampled_from([1e-4, 1e-2, 1.0]),
    with_bias=st.booleans(),
    seed=st.integers(0, 999),
)
def test_solutions_are_those_of_the_whole_system_written_out(
    samples: int, inputs: int, outputs: int, ridge: float, with_bias: bool, seed: int
) -> None:
    x, y, weight = problem(samples, inputs, outputs, seed)
    solution = solve(x, y, weight, ridge, with_bias=with_bias)
    after, bias = by_hand(x, y, weight, ridge, with_bias)
    # What rounds to float32 counts as often as the matrix is ill-conditioned, which the ridge bounds.
    close = 2e-3 if ridge > 1e-4 else 2e-2
    torch.testing.assert_close(solution.weight.double(), after, rtol=close, atol=close)
    torch.testing.assert_close(solution.bias.double(), bias, rtol=close, atol=close)
    given = x.double() @ solution.weight.double().T
    centred = given - given.mean(0) if with_bias else given
    torch.testing.assert_close(solution.variance, centred.square().mean(0), rtol=1e-4, atol=1e-5)
    if with_bias:
        torch.testing.assert_close(solution.mean, given.mean(0), rtol=1e-4, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(samples=st.integers(4, 40), inputs=st.integers(1, 30), seed=st.integers(0, 999))
def test_what_is_left_over_is_measured_on_the_samples(samples: int, inputs: int, seed: int) -> None:
    x, y, weight = problem(samples, inputs, 3, seed)
    solution = solve(x, y, weight, 1e-2)
    left = y.double() - (x.double() @ solution.weight.double().T + solution.bias)
    share = float(left.square().sum() / (y.double() - y.double().mean(0)).square().sum())
    assert solution.residual == pytest.approx(share, rel=1e-3, abs=1e-5)


def test_a_huge_ridge_leaves_the_weights_as_they_are() -> None:
    x, y, weight = problem(50, 8, 4, 0)
    torch.testing.assert_close(solve(x, y, weight, 1e9).weight.float(), weight, atol=1e-5, rtol=1e-5)


def test_black_images_leave_the_weights_as_they_are() -> None:
    x, y, weight = torch.zeros(30, 6), torch.ones(30, 4), torch.randn(4, 6)
    solution = solve(x, y, weight, 1e-3)
    torch.testing.assert_close(solution.weight.float(), weight)
    torch.testing.assert_close(solution.bias.float(), torch.ones(4))


def test_more_inputs_than_the_largest_matrix_are_solved_through_their_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, weight = problem(60, 40, 4, 0)
    whole = solve(x[::2], y[::2], weight, 1e-2)
    monkeypatch.setattr(least_squares, "MOST_ROWS", 30)
    spread = torch.linspace(0, 59, 30).round().long()
    bounded = solve(x, y, weight, 1e-2)
    expected = solve(x[spread], y[spread], weight, 1e-2)
    torch.testing.assert_close(bounded.weight, expected.weight)
    assert bounded.weight.shape == whole.weight.shape
