"""Figures that are equal on paper and differ in the last bit, as means of the same shares do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FIGURES = 10  # significant ones


def to_figures(values: NDArray[np.float64], largest: float) -> NDArray[np.float64]:
    """`values` rounded to ten significant figures of `largest`, the largest of the figures that they come from."""
    import numpy as np

    if not largest or not math.isfinite(largest):
        return values
    rounded: NDArray[np.float64] = np.round(values, _FIGURES - math.ceil(math.log10(largest)))
    return rounded
