"""What trials say of settings that were not tried: a Gaussian process over settings, for one value. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_RELEVANCES = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)  # of a setting: what a difference of 1 takes from the log of likeness
_NOISES = (0.0003, 0.003, 0.03, 0.1, 0.3)  # variances, as shares of that of the values
_USUAL, _WIDTH = 0.5, 1.5  # the log-normal prior of a relevance: its median, and its spread in natural logarithms
_SWEEPS = 2  # over all settings, each time the relevance that the values are likeliest with


@dataclass(frozen=True)
class Process:
    """A Gaussian process with a squared-exponential kernel (Rasmussen & Williams 2006, chapters 2 and 5).

    How much each setting matters is what makes the values likeliest, so that settings that do nothing are ignored.
    """

    relevances: Floats  # (k,)
    noise: float
    factor: Floats  # (n, n) Cholesky
    weights: Floats  # (n,)
    mean: float
    scale: float

    def predict(self, apart: Floats) -> tuple[Floats, Floats]:
        """Means and standard deviations, of shape (m,), where `apart` (k, m, n) is squared distances to the trials."""
        import numpy as np

        likeness = _likeness(apart, self.relevances)
        spread = 1 - (np.linalg.solve(self.factor, likeness.T) ** 2).sum(0)
        return self.mean + self.scale * (likeness @ self.weights), self.scale * np.sqrt(spread.clip(0))


def fit(apart: Floats, values: Floats) -> Process:
    """To values (n,) of trials whose settings are `apart` (k, n, n), as squared distances along each setting."""
    import numpy as np

    mean, scale = float(values.mean()), float(values.std()) or 1.0
    heights = (values - mean) / scale
    relevances, noise = np.full(len(apart), _USUAL), 0.03
    best = _evidence(apart, heights, relevances, noise)
    for _ in range(_SWEEPS):
        for setting in range(len(apart)):
            for relevance in _RELEVANCES:
                tried = relevances.copy()
                tried[setting] = relevance
                found = _evidence(apart, heights, tried, noise)
                if found > best:
                    best, relevances = found, tried
        for other in _NOISES:
            found = _evidence(apart, heights, relevances, other)
            if found > best:
                best, noise = found, other
    factor = np.linalg.cholesky(_covariance(apart, relevances, noise))
    weights = np.linalg.solve(factor.T, np.linalg.solve(factor, heights))
    return Process(relevances, noise, factor, weights, mean, scale)


def _evidence(apart: Floats, heights: Floats, relevances: Floats, noise: float) -> float:
    """The logarithm of the values' likelihood and the relevances' prior, up to a constant."""
    import numpy as np

    factor = np.linalg.cholesky(_covariance(apart, relevances, noise))
    fitted = np.linalg.solve(factor, heights)
    prior = (np.log((relevances + 0.03) / _USUAL) / _WIDTH) ** 2
    return float(-0.5 * fitted @ fitted - np.log(factor.diagonal()).sum() - 0.5 * prior.sum())


def _covariance(apart: Floats, relevances: Floats, noise: float) -> Floats:
    import numpy as np

    return _likeness(apart, relevances) + (noise + 1e-9) * np.eye(apart.shape[-1])


def _likeness(apart: Floats, relevances: Floats) -> Floats:
    import numpy as np

    likeness: Floats = np.exp(-np.tensordot(relevances, apart, 1))
    return likeness
