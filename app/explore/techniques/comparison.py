"""The table below the charts by technique: what each comes to within one cost, beside pruning alone."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from app import escape, format, text
from app.charts import axes
from app.charts.techniques import panel
from app.compare import groups
from app.explore import answer
from app.explore.controls import View
from app.tables import selection
from app.tables.techniques import means
from app.tables.techniques.means import Best

_NONE = "none so cheap"


def show(rows: pd.DataFrame, table: pd.DataFrame, baselines: pd.DataFrame, view: View, at_most: float | None) -> None:
    """Of each technique the best within the budget's cost, or else within the least that all of them come down to."""
    cost = means.common_cost(table) if at_most is None else at_most
    best = means.best_within(rows, table, cost, better=view.y.better)
    bound = escape.markdown(answer.amount(cost, view.x))
    why = "the least that every one comes down to" if at_most is None else "your bound"
    st.markdown(f"**The best of each technique with at most {bound}**, {why}")
    shown = rows_of(best, baselines, view).map(escape.markdown)
    shown.columns = [escape.markdown(column) for column in shown.columns]
    st.table(shown, border="horizontal", alt="What each technique comes to within one cost, beside pruning alone")


def rows_of(best: list[Best], baselines: pd.DataFrame, view: View) -> pd.DataFrame:
    """A row a technique, the untouched network first: its quality, what it costs, and its change from pruning alone."""
    rows = {} if baselines.empty else {"Untouched": _untouched(baselines, view)}
    rows |= {each.technique: _cells(each, view) for each in best}
    columns = [view.y.label, view.x.label, "against pruned alone", "network", "seeds"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _untouched(baselines: pd.DataFrame, view: View) -> list[str]:
    alike = baselines.assign(cell=0)
    quality, cost = (selection.mean_over_seeds(alike, name, ["cell"]).iloc[0] for name in ("quality", "cost"))
    return [
        panel.quality_label(quality["mean"], quality["half_width"], view.y),
        axes.value_label(cost["mean"], view.x),
        "",
        "",
        groups.numbers(sorted(set(baselines["seed"]))),
    ]


def _cells(best: Best, view: View) -> list[str]:
    if best.row is None:
        return [format.MISSING, _NONE, "", "", ""]
    row = {str(name): value for name, value in best.row.items()}
    return [
        panel.quality_label(row["quality"], row["quality_half"], view.y),
        _cost(row, view.x),
        _change(best, view.y),
        f"{text.title(row)}, {text.order_label(row['order'])}",
        groups.numbers(row["seeds"]),
    ]


def _cost(row: Mapping[str, Any], x: axes.Axis) -> str:
    share = f" ({format.ratio(row['cost'] / row['base_cost'])})" if row["base_cost"] > 0 else ""
    return axes.value_label(row["cost"], x) + share


def _change(best: Best, y: axes.Axis) -> str:
    """`+1.2 ± 0.4 points`, by the seeds that both have."""
    if best.change is None:
        return ""
    change = axes.change_label(best.change, 0.0, y)
    if best.half_width is None:
        return change
    number, _, unit = change.partition(" ")
    half = f"{y.factor * best.half_width:{'.1f' if y.factor == 100 else '.3f'}}"
    return f"{number} ± {half} {unit}".rstrip()
