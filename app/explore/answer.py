"""What a smaller network costs, in one sentence, computed from the rows that are shown. Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from app import format, text
from app.charts import axes
from app.explore import repeats
from app.explore.budget import Bound, Budget
from app.tables import selection

_ABOUT_HALF = 0.47  # of the cost; one that keeps less of it is said with its share
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """The sentence, what it is about, and the id of the network it speaks of; plain text, as it was written by others.

    `point` is None where nothing fits.
    """

    sentence: str
    about: str
    point: str | None


def answer(rows: pd.DataFrame, x: axes.Axis, y: axes.Axis, budget: Budget, chosen: str | None) -> Answer:
    """Speaks of the networks that may be compared with the chosen one: of the same data, image limit and baseline.

    Without a budget of the best at half the cost or less, or else of the smallest; with one of the best within it.
    `rows` have values on both axes.
    """
    own = selection.comparable(_narrow(rows, x, y, budget), chosen)
    pruned = own[~own["baseline"] & ~own["at_chance"]]
    if pruned.empty:
        return _nothing_pruned(rows, own, x, y)
    smallest = str(pruned["id"].iloc[int(pruned[x.column].argmin())])
    point = _best(pruned, x, y, budget)
    if point is not None:
        sentence = _capital(_within(budget, x, y) + _cost_of(selection.row(rows, point), x, y))
    elif budget:
        sentence = _nothing_within(rows, pruned, x, y, budget)
    else:
        row = selection.row(rows, smallest)
        point = smallest
        sentence = f"Nothing shown has half {noun(x)} or less; the smallest: {_cost_of(row, x, y)}"
    return Answer(sentence, _about(rows, own, point), point)


def noun(x: axes.Axis) -> str:
    """A cost as a sentence names it: the MACs, the latency on tx2."""
    first = x.label if x.label[:2].isupper() else x.label[:1].lower() + x.label[1:]
    return f"the {first}"


def amount(value: float, x: axes.Axis) -> str:
    """So much of a cost: 12.0 M MACs, 0.500 ms on tx2."""
    words = {"macs": " MACs", "flops": " FLOPs", "params": " parameters"}.get(x.column, "")
    return axes.value_label(value, x) + words + (f" on {x.board}" if x.board else "")


def level(value: float, y: axes.Axis) -> str:
    """A quality: 90.3 %, or a loss of 0.312."""
    return axes.value_label(value, y) if y.factor == 100 else f"{value:.3f}"


def _best(pruned: pd.DataFrame, x: axes.Axis, y: axes.Axis, budget: Budget) -> str | None:
    if budget:
        at_most, at_least, also = budget.at_most, budget.at_least, budget.more_costs
    else:
        pruned = pruned[pruned[x.column] <= 0.5 * pruned[f"base_{x.column}"]]
        at_most, at_least, also = float("inf"), None, {}
    return selection.best_within_budget(
        pruned, x.column, y.column, y_better=y.better, at_most=at_most, at_least=at_least, also=also
    )


def _narrow(rows: pd.DataFrame, x: axes.Axis, y: axes.Axis, budget: Budget) -> pd.DataFrame:
    """The columns by which networks are compared: each selection of rows copies all there are."""
    columns = ["id", "baseline", "at_chance", x.column, f"base_{x.column}", y.column, *budget.more_costs]
    return rows[list(dict.fromkeys(columns))].assign(baseline_key=selection.baseline_key(rows))


def _cost_of(row: Row, x: axes.Axis, y: axes.Axis) -> str:
    """What a network costs beside its baseline: `half the MACs costs 3.0 points (93.3 → 90.3 %) and takes 0.74× …`."""
    base = row[f"base_{x.column}"]
    ratio = None if pd.isna(base) or base <= 0 else row[x.column] / base
    if ratio is None or pd.isna(row[f"base_{y.column}"]):
        return f"{level(row[y.column], y)} with {amount(row[x.column], x)}; its baseline was not measured."
    share = f"half {noun(x)}" if _ABOUT_HALF <= ratio <= 0.5 else f"{format.ratio(ratio)} {noun(x)}"
    return f"{share} {_change(row, y)}{_beside(row, x)}."


def _change(row: Row, y: axes.Axis) -> str:
    base, value = row[f"base_{y.column}"], row[y.column]
    if y.factor != 100:
        verb = "raises" if value > base else "lowers"
        return f"{verb} the {y.label.lower()} by {abs(value - base):.3f} ({base:.3f} → {value:.3f})"
    points = round(100 * (base - value), 1)
    of = "" if y.label == "Top-1" else f" of {y.label[:1].lower()}{y.label[1:]}"
    levels = f"({100 * base:.1f} → {format.percent(value)})"
    if points == 0:
        return f"costs no accuracy{of} {levels}"
    return f"{'costs' if points > 0 else 'gains'} {abs(points):.1f} points{of} {levels}"


def _beside(row: Row, x: axes.Axis) -> str:
    """Another cost, so that neither is taken for the other: the time, or the MACs where a time is drawn."""
    if x.column in ("latency", "device_ms", "device_mj"):
        ratio = row["macs"] / row["base_macs"] if row["base_macs"] else None
        return "" if ratio is None or pd.isna(ratio) else f" and leaves {format.ratio(ratio)} the MACs"
    base = row["base_latency"]
    if pd.isna(base) or pd.isna(row["latency"]) or base <= 0:
        return ""
    return f" and takes {format.ratio(row['latency'] / base)} the time"


def _within(budget: Budget, x: axes.Axis, y: axes.Axis) -> str:
    return f"with {_bounds(budget, x, y)}: " if budget else ""


def _bounds(budget: Budget, x: axes.Axis, y: axes.Axis) -> str:
    drawn = [] if budget.at_most is None else [Bound(x, budget.at_most)]
    costs = " and ".join(amount(bound.most, bound.axis) for bound in (*drawn, *budget.also))
    parts = [f"at most {costs}"] if costs else []
    if budget.at_least is not None:
        which = "at least" if y.better == "high" else f"a {y.label.lower()} of at most"
        parts.append(f"{which} {level(budget.at_least, y)}")
    return " and ".join(parts)


def _nothing_within(rows: pd.DataFrame, pruned: pd.DataFrame, x: axes.Axis, y: axes.Axis, budget: Budget) -> str:
    """That nothing fits, and how near the networks come that keep one side of the budget."""
    sentence = f"No pruned model shown has {_bounds(budget, x, y)}"
    if budget.at_least is None:
        return sentence + "."
    costs = Budget(at_most=budget.at_most, also=budget.also)
    nearest = _best(pruned, x, y, costs) if costs else None
    if nearest is not None:
        return f"{sentence}; within that cost the best has {level(selection.row(rows, nearest)[y.column], y)}."
    nearest = _best(pruned, x, y, Budget(at_least=budget.at_least))
    if nearest is not None:
        return f"{sentence}; at that quality the cheapest has {amount(selection.row(rows, nearest)[x.column], x)}."
    return sentence + "."


def _nothing_pruned(rows: pd.DataFrame, own: pd.DataFrame, x: axes.Axis, y: axes.Axis) -> Answer:
    """That there is no pruned network to speak of: none yet, or none that is better than guessing."""
    row = selection.row(rows, own["id"].iloc[0])
    if not own["baseline"].all():
        return Answer(f"No pruned model shown is better than chance at {y.label}.", where(row), None)
    sentence = f"Not pruned: {level(row[y.column], y)} with {amount(row[x.column], x)}. Nothing pruned is shown yet."
    return Answer(sentence, where(row), None)


def where(row: Row) -> str:
    """Of which network and data a row is: `resnet20 on clutter, first 300 images`."""
    limit = row["limit"]
    first = f", first {limit:,.0f} images" if isinstance(limit, int | float) and not pd.isna(limit) and limit else ""
    return f"{row['model']} on {row['data_label']}{first}"


def _about(rows: pd.DataFrame, own: pd.DataFrame, point: str | None) -> str:
    """Of which model this is said, how it was made, by how many seeds it is borne out, and what else is shown."""
    others = selection.baseline_key(rows).nunique() - 1
    of_one = f"; {others} other {'baseline is' if others == 1 else 'baselines are'} shown, too" if others else ""
    if point is None:
        return where(selection.row(rows, own["id"].iloc[0])) + of_one
    row = selection.row(rows, point)
    made = f"{text.title(row)}, {text.method(row)}, {text.stage_label(row)}"
    return f"{where(row)}: {made}, {repeats.in_words(rows, point) or 'one seed'}{of_one}"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
