"""What dropping channels of a layer's input costs once the others have made up for it as well as they can."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from engine.graph.channel_ids import Ids, Layer
from engine.surgery.reconstruction.grams import Gram

_NUMBERS = 2**24  # of the matrices that are worked on at a time


class Removal:
    """Optimal brain surgeon for groups of weights (Hassibi & Stork 1993; Frantar & Alistarh 2022, eq. 6).

    With G the covariance of what the layer reads, `ridge` times the mean of its diagonal added to it, and W its weights
    (inputs × outputs), dropping the inputs q changes the output by tr(W_qᵀ ((G⁻¹)_qq)⁻¹ W_q) at least. Costs are shares
    of the variance of the value that the output ends in, so that layers compare; a layer that gives the same for all
    images costs nothing.
    """

    def __init__(self, gram: Gram, layer: Layer, ridge: float) -> None:
        self._gram, self._layer = gram, layer
        mean = gram.diagonal.mean(1)
        self._damping = mean.clamp_min(torch.finfo(torch.float32).tiny) * ridge  # one for each group

    def costs(self) -> dict[int, float]:
        """What each channel costs that the layer reads, by identity."""
        total: dict[int, float] = {}
        for group, ids in enumerate(np.split(self._layer.ins, self._layer.groups)):
            identities, counts = np.unique(ids, return_counts=True)
            order = np.argsort(ids, kind="stable")
            places = np.split(order, np.cumsum(counts)[:-1])
            for count in np.unique(counts):
                alike = np.flatnonzero(counts == count)
                columns = self._columns(np.stack([places[i] for i in alike]))
                for identity, cost in zip(identities[alike].tolist(), self._changes(group, columns), strict=True):
                    total[identity] = total.get(identity, 0.0) + cost
        return {identity: cost / self.variance for identity, cost in total.items()}

    def cost_of(self, dropped: Sequence[int]) -> float:
        """What dropping all of these identities together costs."""
        cost = 0.0
        for group, ids in enumerate(np.split(self._layer.ins, self._layer.groups)):
            places = np.flatnonzero(np.isin(ids, np.asarray(dropped)))
            if len(places):
                cost += sum(self._changes(group, self._columns(places[None])))
        return cost / self.variance

    def columns_of(self, identities: Sequence[int]) -> list[dict[int, Tensor]]:
        """For each group of the layer the columns of those channels that it reads, by their places in `identities`."""
        found = []
        for ids in np.split(self._layer.ins, self._layer.groups):
            at = {place: np.flatnonzero(ids == identity) for place, identity in enumerate(identities)}
            found.append({place: self._columns(where[None])[0] for place, where in at.items() if len(where)})
        return found

    def weight(self, group: int) -> Tensor:
        """Columns × outputs of a group, a copy."""
        return self._gram.weight[group].T.clone(memory_format=torch.contiguous_format)

    @property
    def bytes(self) -> int:
        """Of the matrix, or of the samples that stand for it."""
        numbers = self._gram.samples if self._gram.matrix is None else self._gram.matrix
        return 0 if numbers is None else numbers.nbytes

    @property
    def is_whole(self) -> bool:
        """Whether there is a matrix of all columns, and not samples alone."""
        return self._gram.matrix is not None

    @property
    def variance(self) -> float:
        """Of the value that the output ends in; where it is the same for all images nothing costs anything."""
        return self._gram.variance if self._gram.variance > 0 else float("inf")

    def _columns(self, places: Ids) -> Tensor:
        """Sets × channel positions as sets × columns."""
        taps = self._gram.taps
        columns = places[:, :, None] * taps + np.arange(taps)
        return torch.from_numpy(columns.reshape(len(places), -1)).to(self._gram.weight.device)

    def _changes(self, group: int, columns: Tensor) -> list[float]:
        """What dropping each set of columns (sets × columns) of a group changes, squared and summed over outputs."""
        size, outputs = columns.shape[1], self._gram.weight.shape[1]
        at_once = max(1, _NUMBERS // (size * max(size, outputs)))
        changes = []
        for start in range(0, len(columns), at_once):
            some = columns[start : start + at_once]
            weight = self._gram.weight[group].T[some]  # sets × columns × outputs
            solved, _ = torch.linalg.solve_ex(self._inverse_at(group, some), weight)
            changes += (weight * solved).sum((1, 2)).tolist()
        return changes

    def _inverse_at(self, group: int, columns: Tensor) -> Tensor:
        """(G⁻¹)_qq of each set of columns."""
        if self._gram.samples is None:
            return self.inverse[group][columns[:, :, None], columns[:, None, :]]
        z = self._whitened[group].T[columns]  # sets × columns × samples
        eye = torch.eye(columns.shape[1], dtype=z.dtype, device=z.device)
        return (eye - z @ z.transpose(1, 2)) / self._damping[group]

    @cached_property
    def inverse(self) -> Tensor:
        """G⁻¹, groups × columns × columns, where the matrix is whole."""
        assert self._gram.matrix is not None
        damped = self._gram.matrix.clone()
        damped.diagonal(dim1=1, dim2=2).add_(self._damping[:, None])
        return torch.cholesky_inverse(_factor(damped))

    @cached_property
    def _whitened(self) -> Tensor:
        """Z with G⁻¹ = (1 − ZᵀZ) / damping (Woodbury): groups × samples × columns."""
        samples = self._gram.samples
        assert samples is not None
        kernel = samples @ samples.transpose(1, 2)
        kernel.diagonal(dim1=1, dim2=2).add_(self._damping[:, None])
        whitened: Tensor = torch.linalg.solve_triangular(_factor(kernel), samples, upper=False)
        return whitened


def _factor(matrices: Tensor) -> Tensor:
    """The lower Cholesky factors; not-a-number where a matrix has none, as one of not-a-numbers has not."""
    factors, info = torch.linalg.cholesky_ex(matrices)
    return torch.where((info == 0)[:, None, None], factors, torch.nan)
