"""How much of the space of objectives a set of points is better than: one number for a whole front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.statistics.fronts import pareto_front

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


def hypervolume(objectives: ArrayLike, reference: ArrayLike) -> float:
    """The volume between points of shape (n, k), of which lower is better in all, and the `reference` of shape (k,).

    A point that is not better than the reference in every objective adds nothing (Zitzler & Thiele 1999). Exact, by
    slices along the last objective: for some hundred points and few objectives.
    """
    import numpy as np

    points, corner = np.asarray(objectives, dtype=float), np.asarray(reference, dtype=float)
    if points.size == 0:
        return 0.0
    if points.ndim != 2 or points.shape[1:] != corner.shape:
        raise ValueError(f"objectives need a shape (n, {corner.size}), not {points.shape}")
    return _volume(points[(points < corner).all(axis=1)], corner)


def _volume(points: NDArray[np.float64], corner: NDArray[np.float64]) -> float:
    import numpy as np

    if not len(points):
        return 0.0
    if corner.size == 1:
        return float(corner[0] - points[:, 0].min())
    points = np.unique(points[pareto_front(points)], axis=0)
    points = points[points[:, -1].argsort()]
    depths = np.diff(np.append(points[:, -1], corner[-1]))
    slices = (_volume(points[: n + 1, :-1], corner[:-1]) * depth for n, depth in enumerate(depths) if depth > 0)
    return float(sum(slices))


def subset(objectives: ArrayLike, reference: ArrayLike, count: int) -> list[int]:
    """The rows of at most `count` points that together keep much of the hypervolume, the best first.

    Greedy, so at least 63 % of what the best such subset keeps; when nothing adds any more the points that are beaten
    by the chosen ones alone follow, front by front.
    """
    import numpy as np

    points, corner = np.asarray(objectives, dtype=float), np.asarray(reference, dtype=float)
    chosen: list[int] = []
    left = list(range(len(points)))
    while left and len(chosen) < count:
        layer: list[int] = []
        candidates = [left[n] for n in np.flatnonzero(pareto_front(points[left]))]
        while candidates and len(chosen) + len(layer) < count:
            best = max(candidates, key=lambda n: (hypervolume(points[[*layer, n]], corner), -n))
            layer.append(best)
            candidates.remove(best)
        chosen += layer
        if not layer:
            break  # a point with a NaN is on no front
        left = [n for n in left if n not in layer]
    return chosen
