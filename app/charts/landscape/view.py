"""What the map of a landscape shows, and the words for it: its cells, the two sides of a difference, a cell's hover."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from app import escape, format, theme
from app.charts import skyline
from app.tables.landscapes import Quantity

_PAIR = ("#0072B2", "#D55E00")  # where two landscapes differ in something else than their criterion
MACS, TIME, PATH, BEST, ABSENT = "macs", "time", "path", "best", "absent"  # marks over the map
QUANTITY_LABELS: dict[Quantity, str] = {"reconstructed": "after reconstruction", "plain": "cut and nothing else"}


@dataclass(frozen=True)
class Side:
    """One of the two landscapes of a difference: what tells it from the other, and its colour."""

    label: str
    colour: str


@dataclass(frozen=True)
class View:
    """What is drawn: the cells of `tidy` with a `value` each, and what is pointed out among them.

    Values are accuracies in per cent, or with two `sides` the points by which the first is ahead of the second.
    """

    cells: pd.DataFrame
    depths: Sequence[float]
    widths: Sequence[float]
    metric: str  # that the shares are of, in words
    untouched: float  # per cent
    quantity: Quantity
    best: pd.DataFrame | None = None  # of `best_cells`
    selected: tuple[float, float] | None = None
    sides: tuple[Side, Side] | None = None
    hidden: frozenset[str] = frozenset()  # the marks that are switched off in the legend


def sides(one: Mapping[str, Any], other: Mapping[str, Any], labels: tuple[str, str]) -> tuple[Side, Side]:
    """Two landscapes in the colours of their criteria, where they differ in these."""
    criteria = (str(one["criterion"]), str(other["criterion"]))
    colours = _PAIR
    if criteria[0] != criteria[1]:
        colours = (theme.criterion_colour(criteria[0]), theme.criterion_colour(criteria[1]))
    return Side(labels[0], colours[0]), Side(labels[1], colours[1])


def with_values(cells: pd.DataFrame, quantity: Quantity) -> pd.DataFrame:
    """The cells with their accuracy in per cent as `value`."""
    return cells.assign(value=100 * cells[quantity])


def describe(view: View) -> str:
    """The map in one sentence."""
    known = view.cells.dropna(subset=["value"])
    size = f"{len(view.depths)} × {len(view.widths)} shares of depth and width kept"
    if known.empty:
        return f"Nothing is measured yet of {size}."
    low, high = known["value"].min(), known["value"].max()
    if view.sides is not None:
        first, second = view.sides
        ahead, behind = (known["value"] > 0).sum(), (known["value"] < 0).sum()
        return (
            f"Difference in accuracy over {size}: {first.label} is ahead in {ahead} cells, {second.label} in {behind}, "
            f"from {low:+.1f} to {high:+.1f} points."
        )
    return (
        f"Accuracy {QUANTITY_LABELS[view.quantity]} over {size}: from {low:.1f} to {high:.1f} %, "
        f"the untouched network {view.untouched:.1f} %."
    )


def hover(row: Mapping[str, Any], view: View) -> str:
    """A cell in a few lines: its shares, its accuracies, its costs, what they are measured on, and its skyline."""
    title = f"<b>depth {format.ratio(row['depth'])} · width {format.ratio(row['width'])}</b>"
    if row["why"] is not None and not pd.isna(row["why"]):
        return f"{title}<br>No such network:<br>{escape.html(row['why'])}"
    accuracies = [
        f"{format.percent(row[quantity])} {QUANTITY_LABELS[quantity]}"
        for quantity in ("reconstructed", "plain")
        if not pd.isna(row[quantity])
    ]
    if view.sides is not None and not pd.isna(row.get("gain")):
        first, second = (escape.html(side.label) for side in view.sides)
        gain = f"{row['gain']:+.1f}".replace("-", "−")
        accuracies = [
            f"{first} {format.percent(row[view.quantity])}, {second} {format.percent(row['theirs'])} ({gain})"
        ]
    costs = f"MACs {format.si(row['macs'])} ({format.ratio(row['macs_share'])})"
    if not pd.isna(row["ms"]):
        costs += f" · {format.milliseconds(row['ms'])} predicted"
    images = f"{row['images']:,.0f} validation images" if not pd.isna(row["images"]) else ""
    bars = skyline.bars(row["widths"], row["removed"])
    lines = [title, " · ".join(accuracies), costs, images, *skyline.lines(bars)]
    return "<br>".join(line for line in lines if line)
