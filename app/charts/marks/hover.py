"""What a chart says of a point under the pointer: at most four short lines. Made for the points that are drawn only."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app import escape, format, text
from app.charts.axes import X_AXES, Axis, change_label, value_label
from app.tables import selection
from engine.storage.records.remarks import NEAR_CHANCE

TEMPLATE = "%{hovertext}: its card has more<extra></extra>"  # where `texts` are that
Texts = NDArray[np.object_]
# Characters. A line of all of them together with its numbers fits a phone, and the card has the rest.
_LONGEST_NAME, _LONGEST_STAGE = 24, 30
_OF_HEAD = ("model", "criterion", "keep", "baseline", "stage", "phase", "final", "step", "int8")


def texts(rows: pd.DataFrame, x: Axis, y: Axis, beside: Axis = X_AXES["macs"]) -> Texts:
    """For each row what it is, how good, what it costs on the axis and `beside` that, and whose it is."""
    x, y = x.amount, y.amount
    cost = _cost(rows, x)
    if x.column not in (beside.column, "flops"):  # FLOPs are MACs, only twice as many
        cost = _join(cost, ", ", _cost(rows, beside))
    return _join(_head(rows), "<br>", _quality(rows, y), "<br>", cost, "<br>", _origin(rows))


def _join(*parts: Texts | str) -> Texts:
    """Texts of as many rows, part by part in one."""
    joined: Any = ""
    for part in parts:
        joined = joined + part
    return cast(Texts, joined)


def _head(rows: pd.DataFrame) -> Texts:
    """`BN scale 0.50×, after recovery`, or `resnet20, not pruned`."""
    tried = rows["step"].notna() & rows["top1"].isna()
    kinds = selection.alike(*(rows[name] for name in _OF_HEAD), tried)
    _, first = np.unique(kinds, return_index=True)
    told = rows[list(_OF_HEAD)].iloc[first].assign(tried=tried.iloc[first]).to_dict("records")
    heads: Texts = np.array([*map(_head_of, told)], dtype=object)[kinds]
    return heads


def _head_of(row: dict[str, Any]) -> str:
    if row["baseline"]:
        return f"<b>{escape.html(row['model'], _LONGEST_NAME)}</b>, not pruned"
    told = {"step": None if pd.isna(row["step"]) else row["step"], "top1": None if row["tried"] else 0.0}
    stage = text.stage_label(row | told)
    name = escape.html(text.criterion_label(row["criterion"]), _LONGEST_NAME)
    return f"<b>{name} {format.ratio(row['keep'])}</b>, {escape.html(stage, _LONGEST_STAGE)}"


def _quality(rows: pd.DataFrame, y: Axis) -> Texts:
    """`Top-1 90.3 % (−3.0 points)`; of what guessing may have given that it says so."""
    values = rows[y.column]
    base = rows[f"base_{y.column}"].where(~rows["baseline"])
    changes = _worded(values - base, lambda change: f" ({change_label(change, 0.0, y)})")
    notes = np.where(rows["at_chance"], f", {NEAR_CHANCE}", changes)
    name = escape.html(y.label, _LONGEST_NAME)
    return _join(f"{name} ", _worded(values, lambda value: value_label(value, y)), notes)


def _cost(rows: pd.DataFrame, cost: Axis) -> Texts:
    """`MACs 11.5 M (0.50×)`."""
    base = rows[f"base_{cost.column}"].where(~rows["baseline"])
    shares = rows[cost.column] / base.where(base > 0)
    name = escape.html(cost.label, _LONGEST_NAME)
    amounts = _worded(rows[cost.column], lambda value: value_label(value, cost))
    return _join(f"{name} ", amounts, _worded(shares, lambda share: f" ({format.ratio(share)})"))


def _origin(rows: pd.DataFrame) -> Texts:
    """`seed 0, run 234eed9a`."""
    kind = np.where(rows["gallery"], "gallery run ", "run ").astype(object)
    names = _worded(rows["run_id"], _short)
    return _join(_worded(rows["seed"], lambda seed: f"seed {seed}, "), kind, names)


@lru_cache(maxsize=100_000)
def _short(run: object) -> str:
    return escape.html(str(run).rpartition("-")[2], _LONGEST_NAME)


def _worded(values: pd.Series, word: Callable[[Any], str]) -> Texts:
    """Each value in words, every distinct one put into words once; "" for a missing one."""
    codes, distinct = pd.factorize(values)
    words: Texts = np.array([*map(word, distinct), ""], dtype=object)[codes]
    return words
