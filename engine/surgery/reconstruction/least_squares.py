"""Ridge regression in closed form, which pulls towards the weights that were there."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.surgery.reconstruction.products import add_products, mirror

RIDGE = 1e-3  # of the mean of a matrix's diagonal, where nothing else is said
MOST_ROWS = 8_192  # of a matrix that is solved: 512 MiB
_OUTPUTS = 512  # of a layer whose weights are solved for at a time, where it has more inputs than there are samples
_ROWS = 4_096  # of a product in single precision, before it is added up in double precision
_SUMMED = 256  # samples whose sum is single precision


@dataclass(frozen=True)
class Solution:
    """Weights (outputs × inputs) and biases, and how much of the outputs' variance is left over.

    `mean` and `variance` are of what the weights give for the samples, without the biases; where no biases were solved
    for, the means are zeros and the variances are about zero.
    """

    weight: Tensor
    bias: Tensor
    residual: float
    mean: Tensor
    variance: Tensor


@dataclass(frozen=True)
class Moments:
    """Means of samples × inputs and samples × outputs, and their centred products by sample, in double precision."""

    mean_in: Tensor
    mean_out: Tensor
    gram: Tensor  # inputs × inputs
    cross: Tensor  # inputs × outputs
    variance: float  # of the outputs, summed over them


def moments(inputs: Tensor, outputs: Tensor, *, centred: bool = True) -> Moments:
    """The moments of samples × inputs and samples × outputs; means are zeros where they are not `centred`."""
    double = {"dtype": torch.float64, "device": inputs.device}
    count, width, height = len(inputs), inputs.shape[1], outputs.shape[1]
    mean_in = _mean(inputs) if centred else torch.zeros(width, **double)  # type: ignore[call-overload]
    mean_out = _mean(outputs) if centred else torch.zeros(height, **double)  # type: ignore[call-overload]
    gram, cross = torch.zeros(width, width, **double), torch.zeros(width, height, **double)  # type: ignore[call-overload]
    squares = 0.0
    for rows, values in zip(torch.split(inputs, _ROWS), torch.split(outputs, _ROWS), strict=True):
        deviations, wanted = rows - mean_in.to(rows.dtype), values - mean_out.to(rows.dtype)
        add_products(gram, deviations)
        cross += deviations.T @ wanted
        squares += float(wanted.square().sum(dtype=torch.float64))
    mirror(gram)
    return Moments(mean_in, mean_out, gram / count, cross / count, squares / count)


def _mean(rows: Tensor) -> Tensor:
    """Over the samples, by single precision sums of a few at a time: several times as fast as a double one's."""
    return torch.stack([some.sum(0).double() for some in torch.split(rows, _SUMMED)]).sum(0) / len(rows)


def damped(gram: Tensor, ridge: float) -> Tensor:
    """A Gram matrix with `ridge` times the mean of its diagonal added to it."""
    out = gram.clone()
    out.diagonal().add_(max(float(gram.diagonal().mean()), torch.finfo(torch.float32).tiny) * ridge)
    return out


def solve(inputs: Tensor, outputs: Tensor, weight: Tensor, ridge: float, *, with_bias: bool = True) -> Solution:
    """The weights and biases that bring samples × inputs nearest to samples × outputs.

    A ridge of `ridge` times the mean of the Gram matrix's diagonal pulls towards `weight` (outputs × inputs); without
    a bias, biases are zeros. No matrix has more than `MOST_ROWS` rows: with more inputs than that only so many samples
    are looked at, evenly spread, and where there are fewer samples than inputs the samples' own matrix is solved.
    """
    if inputs.shape[1] > MOST_ROWS and len(inputs) > MOST_ROWS:
        spread = torch.linspace(0, len(inputs) - 1, MOST_ROWS, device=inputs.device).round().long()
        inputs, outputs = inputs[spread], outputs[spread]
    if len(inputs) < inputs.shape[1]:
        return _solve_by_samples(inputs, outputs, weight, ridge, with_bias)
    m = moments(inputs, outputs, centred=with_bias)
    before = weight.to(m.gram.dtype).T
    factor = torch.linalg.cholesky(damped(m.gram, ridge))
    after = before + torch.cholesky_solve(m.cross - m.gram @ before, factor)
    mean, variance = m.mean_in @ after, (after * (m.gram @ after)).sum(0).clamp(min=0)
    left = m.variance - 2 * float((after * m.cross).sum()) + float(variance.sum())
    return Solution(after.T, m.mean_out - mean, left / max(m.variance, 1e-30), mean, variance)


def _solve_by_samples(inputs: Tensor, outputs: Tensor, weight: Tensor, ridge: float, with_bias: bool) -> Solution:
    """The same through the samples × samples matrix, which is the smaller one where there are fewer samples."""
    x = inputs.double()
    mean_in = x.mean(0) if with_bias else torch.zeros_like(x[0])
    x -= mean_in
    kernel = x @ x.T
    damping = max(float(kernel.diagonal().sum()) / x.shape[1], torch.finfo(torch.float32).tiny) * ridge
    kernel.diagonal().add_(damping)
    factor = torch.linalg.cholesky(kernel)
    left = total = 0.0
    weights, biases, means, variances = [], [], [], []
    for values, part in zip(torch.split(outputs, _OUTPUTS, 1), torch.split(weight, _OUTPUTS), strict=True):
        y, before = values.double(), part.double().T
        mean_out = y.mean(0) if with_bias else torch.zeros_like(y[0])
        y -= mean_out
        after = before + x.T @ torch.cholesky_solve(y - x @ before, factor)
        given = x @ after
        left += float((y - given).square().sum())
        total += float(y.square().sum())
        weights.append(after.T.to(weight.dtype))
        means.append(mean_in @ after)
        variances.append(given.square().mean(0))
        biases.append(mean_out - means[-1])
    return Solution(
        torch.cat(weights), torch.cat(biases), left / max(total, 1e-30), torch.cat(means), torch.cat(variances)
    )
