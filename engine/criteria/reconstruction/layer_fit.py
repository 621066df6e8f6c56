"""How well a layer can do what it is to do with what is left of its inputs, from the moments of what it read."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from engine.graph.channel_ids import Ids, Layer
from engine.surgery.reconstruction.grams import Gram


@dataclass(frozen=True)
class Addition:
    """What an ungrouped layer is to give besides what it gave: the columns of `Gram.cross` from `start` on, one for
    each output, and the variance of each output."""

    start: int
    variance: Tensor


class LayerFit:
    """An untouched layer with some of its inputs and outputs alone, refitted to what it gave with all inputs.

    `reads` and `gives` are the positions that are left. `ridge` times the mean of the matrix's diagonal is added to
    the matrix.
    """

    def __init__(self, gram: Gram, layer: Layer, reads: Ids, gives: Ids, ridge: float) -> None:
        inputs, outputs = len(layer.ins) // layer.groups, len(layer.outs) // layer.groups
        device = gram.weight.device
        self._untouched = gram
        self._rows = _each(gives[gives < outputs], gram.weight.shape[1] // outputs).to(device)  # alike in all groups
        self._columns = _each(reads[reads < inputs], gram.taps).to(device)
        self._reads_all = len(self._columns) == gram.weight.shape[2]
        self._damping = gram.diagonal.mean(1).clamp_min(torch.finfo(torch.float32).tiny) * ridge
        self._weight = gram.weight[:, self._rows]

    def left(self, addition: Addition | None) -> float:
        """The variance that the best weights leave over, summed over outputs; an `addition` is to be given, too."""
        if addition is None:
            if self._reads_all:
                return 0.0
            wanted, reached = self._variance, (self._aim * self._best).sum()
        else:
            cross = self._cross(addition)
            wanted = self._variance + 2 * (self._weight[0].T * cross).sum() + addition.variance[self._rows].sum()
            reached = ((self._aim[0] + cross[self._columns]) * self._best_with(addition)).sum()
        return max(float(wanted - reached), 0.0)

    def moments(self, addition: Addition | None) -> Gram:
        """Of the inputs and outputs that are left, with the best weights."""
        weight = self._best if addition is None else self._best_with(addition)[None]
        return replace(self._kept, weight=weight.transpose(1, 2))

    @cached_property
    def _kept(self) -> Gram:
        """The moments of the inputs that are left."""
        gram, at = self._untouched, self._columns
        if self._reads_all:
            return gram
        matrix = None if gram.matrix is None else gram.matrix[:, at[:, None], at]
        return replace(gram, matrix=matrix, samples=None if gram.samples is None else gram.samples[:, :, at])

    @cached_property
    def _target(self) -> Tensor:
        """What the untouched matrix makes of the untouched weights: groups × columns × outputs."""
        gram, weight = self._untouched, self._weight.transpose(1, 2)
        if gram.matrix is not None:
            return gram.matrix @ weight + self._damping[:, None, None] * weight
        assert gram.samples is not None
        product = gram.samples.transpose(1, 2) @ (gram.samples @ weight)
        return product + self._damping[:, None, None] * weight

    @cached_property
    def _variance(self) -> Tensor:
        """What the untouched weights give."""
        return (self._weight.transpose(1, 2) * self._target).sum()

    @cached_property
    def _aim(self) -> Tensor:
        return self._target[:, self._columns]

    @cached_property
    def _best(self) -> Tensor:
        """The best weights without an addition: groups × columns × outputs."""
        return self._weight.transpose(1, 2) if self._reads_all else self._solve(self._aim)

    @cached_property
    def _best_beside(self) -> Tensor:
        """What every column of the cross moments adds to the best weights: columns × numbers."""
        cross = self._untouched.cross
        assert cross is not None
        return self._solve(cross[None, self._columns])[0]

    def _best_with(self, addition: Addition) -> Tensor:
        """Columns × outputs."""
        return self._best[0] + self._best_beside[:, addition.start + self._rows]

    def _cross(self, addition: Addition) -> Tensor:
        """All columns × outputs."""
        cross = self._untouched.cross
        assert cross is not None
        return cross[:, addition.start + self._rows]

    def _solve(self, right: Tensor) -> Tensor:
        """What the damped matrix takes to groups × columns × numbers; by samples through Woodbury's identity."""
        if self._kept.matrix is not None:
            return torch.cholesky_solve(right, _factor(self._kept.matrix, self._damping))
        samples = self._kept.samples
        assert samples is not None
        inner = torch.cholesky_solve(samples @ right, _factor(samples @ samples.transpose(1, 2), self._damping))
        return (right - samples.transpose(1, 2) @ inner) / self._damping[:, None, None]


def _each(positions: Ids, count: int) -> Tensor:
    """`count` numbers in a row for each position."""
    return torch.from_numpy((positions[:, None] * count + np.arange(count)).reshape(-1))


def _factor(matrices: Tensor, damping: Tensor) -> Tensor:
    """Lower Cholesky factors; a matrix that has none, as one of not-a-numbers has not, gives not-a-numbers."""
    damped = matrices.clone()
    damped.diagonal(dim1=1, dim2=2).add_(damping[:, None])
    factor: Tensor
    factor, info = torch.linalg.cholesky_ex(damped)
    return torch.where((info == 0)[:, None, None], factor, torch.nan)
