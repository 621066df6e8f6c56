"""With which techniques a network was made smaller: pruned, distilled, in 8 bit, at adaptive rates, by an ensemble."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.spec import catalog

PRUNED = "Pruned"  # and nothing else
# What may come to pruning, and the bit of each in a technique's number: the numbers' order is that of the charts.
_DISTILLED, _INT8, _ADAPTIVE, _ENSEMBLE = 1, 2, 4, 8
_WORDS: Mapping[int, str] = {
    _DISTILLED: "distilled",
    _INT8: "INT8",
    _ADAPTIVE: "adaptive rates",
    _ENSEMBLE: "ensemble",
}
_WHOLE = -16  # added where nothing was removed
_ORDERS_BY_RANK = ("layers-channels", "channels-layers", "channels")  # of which one-shot ranks all channels together

Numbers = NDArray[np.int64]


def are_several(frame: pd.DataFrame) -> bool:
    """Whether these points, which may be baselines, were made with more than one technique."""
    return len(np.unique(numbers(frame)[~frame["baseline"].to_numpy()])) > 1


def with_technique(frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` with `technique`, a categorical whose categories stand in the order of the charts."""
    every = numbers(frame)
    used, codes = np.unique(every, return_inverse=True)
    return frame.assign(technique=pd.Categorical.from_codes(codes, [label(int(number)) for number in used]))


def label(number: int) -> str:
    """A technique in words: `Pruned + distilled + INT8`."""
    bits = number if number >= 0 else number - _WHOLE
    head = PRUNED if number >= 0 else "Not pruned"
    return " + ".join([head, *(word for bit, word in _WORDS.items() if bits & bit)])


def numbers(frame: pd.DataFrame) -> Numbers:
    """The number of each point's technique, shape (n,); `frame` as `points.tidy` has it."""
    whole = (frame["macs"] >= frame["base_macs"]) & (frame["params"] >= frame["base_params"])
    parts = {
        _DISTILLED: frame["distil"].eq(True),
        _INT8: frame["int8"],
        _ADAPTIVE: _at_adaptive_rates(frame),
        _ENSEMBLE: frame["criterion"].isin([name for name in _names(frame["criterion"]) if "+" in name]),
        _WHOLE: whole,
    }
    found: Numbers = np.zeros(len(frame), dtype=np.int64)
    for bit, mask in parts.items():
        found += bit * mask.to_numpy(dtype=np.int64)
    return found


def _at_adaptive_rates(frame: pd.DataFrame) -> pd.Series:
    """Where layers lose unlike shares by what their channels save, or by shares that stages keep.

    A criterion whose scores compare across layers ranks per saving where nothing else is said.
    """
    comparable = frame["criterion"].isin([name for name in _names(frame["criterion"]) if catalog.is_comparable(name)])
    per_saving = frame["rank"].eq("per-saving") | (frame["rank"].isna() & comparable)
    ranked = frame["order"].isin(_ORDERS_BY_RANK) & frame["width_method"].eq("one-shot") & frame["scope"].eq("global")
    shares = frame["keep_layers"].isin([rules for rules in _names(frame["keep_layers"]) if "=" in rules])
    return (per_saving & ranked) | shares


def _names(words: pd.Series) -> list[str]:
    return [str(name) for name in words.dropna().unique()]
