"""The attempts of an iterative method, step by step: a table and its heat map. Pure functions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app import escape, format, theme
from engine.storage.records.event import Attempt, Attempts, Tally

# From harmless to harmful; every colour stands out from the page, the most harmful one most.
_SCALES = {
    theme.LIGHT: ["#459485", "#3B82A8", "#4A4E9A", "#4A1A6B", "#26062F"],
    theme.DARK: ["#5A6FBC", "#3B8FB0", "#4DBB9B", "#A8DB5A", "#FDE725"],
}
_ROW_PX, _FRAME_PX, _MIN_PX, _MAX_PX = 15, 80, 190, 560  # px, a row and what is around them; the least and most height
_MANY = 20  # from so many attempts on, the colours leave out the worst tenth, which would hide the others
_SHARED_CHANNELS = re.compile(r" \(\+\d+\)$")  # how many layers share the channels: it changes while blocks are removed
_UNITS = {
    "accuracy": "errors per image",
    "loss": "nats per image",
    "divergence": "nats per image",
    "cka": "1 − CKA",
    "reconstruction": "share² of variance left over",
}


@dataclass(frozen=True)
class ColourUnit:
    """What the colour of an attempt says: its rise, or its rise for each per cent of the network that it saves."""

    measure: str
    per_saving: bool

    @property
    def unit(self) -> str:
        """Of the colour: `nats per image per % saved`."""
        return _UNITS.get(self.measure, self.measure) + (" per % saved" if self.per_saving else "")


def table(steps: Sequence[Attempts]) -> pd.DataFrame:
    """The steps of a run (`Run.attempts`) → one row an attempt, in the order in which they were made.

    `trajectory` names the steps that belong together, `at` is the step's place among them, from 1, and `passed` the
    number of targets behind them. `saved` is a share of the baseline, `rise` is per image;
    accuracies are shares and losses nats. They are missing for CKA, and where a race ended early: `least` marks
    those rises, which are lower bounds, from the hardest images only.
    """
    rows = []
    for step in steps:
        step_fields = {
            "trajectory": step.phase if step.trajectory == step.phase else f"{step.phase}, {format.ratio(step.keep)}",
            "phase": step.phase,
            "keep": step.keep,
            "step": step.step,
            "at": step.place,
            "passed": len(step.passed or ()),
            "measure": step.measure,
        }
        rows += [step_fields | _row(attempt, step.before) for attempt in step.attempts]
    return pd.DataFrame(rows)


def sort_by_depth(names: Sequence[str], layers: Sequence[str]) -> list[str]:
    """Names of layers and blocks in order of depth; `layers` are the network's, names of nothing in it come last."""
    places = {
        name: next((n for n, layer in enumerate(layers) if f"{layer}.".startswith(f"{name}.")), len(layers))
        for name in dict.fromkeys(names)
    }
    return sorted(places, key=places.__getitem__)


def figure(attempts: pd.DataFrame, layers: Sequence[str], colour_unit: ColourUnit, *, ink: theme.Ink) -> go.Figure:
    """A heat map: a column for each step, a row for each layer or block in order of depth, colour the harm it would do.

    `attempts` are rows of `table` of one trajectory; dots mark removals, thin lines where the next target begins.
    """
    attempts = attempts.assign(
        colour=_colours(attempts, colour_unit), hover=[_hover(row, colour_unit) for row in attempts.to_dict("records")]
    )
    names = sort_by_depth(list(attempts["place"]), layers)
    steps = sorted(set(attempts["at"]))
    by_place = attempts.drop_duplicates(["place", "at"], keep="last").set_index(["place", "at"])
    grid = pd.MultiIndex.from_product([names, steps])
    shape = (len(names), len(steps))
    colours = by_place["colour"].dropna()
    fig = go.Figure()
    fig.add_heatmap(
        x=steps,
        y=[escape.html(name) for name in names],
        z=by_place["colour"].reindex(grid).to_numpy().reshape(shape),
        text=by_place["hover"].reindex(grid, fill_value="").to_numpy().reshape(shape),
        hovertemplate="%{text}<extra></extra>",
        hoverongaps=False,
        colorscale=_SCALES[ink],
        zmin=float(colours.min()) if len(colours) else 0.0,
        zmax=_colour_limit(colours),
        xgap=1,
        ygap=1,
        colorbar={"thickness": 10, "tickformat": ".2~g", "x": 1.0, "xpad": 4},
    )
    removed = attempts[attempts["selected"]]
    fig.add_scatter(
        x=removed["at"],
        y=removed["place"].map(escape.html),
        mode="markers",
        marker={"symbol": "circle", "size": 7, "color": ink.paper, "line": {"width": 1.5, "color": ink.line}},
        hoverinfo="skip",
        name="removed",
    )
    for at in _target_borders(attempts):
        fig.add_vline(x=at, line={"width": 1, "dash": "dot", "color": ink.line})
    _lay_out(fig, len(names), ink)
    return fig


def describe(attempts: pd.DataFrame) -> str:
    """The heat map in one sentence."""
    steps, removed = attempts["at"].nunique(), attempts[attempts["selected"]]
    worst, best = attempts["rise"].max(), removed["rise"].min()
    text = f"{len(attempts)} attempts in {steps} steps, {len(removed)} of them removed"
    if removed.empty:
        return text + "."
    return f"{text}; the smallest rise among those was {_number(best)}, the largest of all {_number(worst)}."


def display_rows(attempts: pd.DataFrame) -> pd.DataFrame:
    """The rows as the page's table shows them, the last step first, without empty columns."""
    table = pd.DataFrame(
        {
            "step": attempts["at"],
            "target": attempts["keep"],
            "without": attempts["name"],
            "removed": attempts["selected"],
            "channels": attempts["channels"].where(attempts["channels"] > 0),
            "saves": 100 * attempts["saved"],
            "rise": attempts["rise"],
            "accuracy": 100 * attempts["accuracy"],
            "loss": attempts["loss"],
            "images": attempts["images"],
        }
    )
    return table.sort_values(["step", "rise"], ascending=[False, True]).dropna(axis="columns", how="all")


def _row(attempt: Attempt, before: Tally) -> dict[str, Any]:
    images = attempt.total
    least = images is not None and before.total is not None and images < before.total
    return {
        "name": attempt.name,
        "place": _SHARED_CHANNELS.sub("", attempt.name),
        "what": attempt.what,
        "channels": attempt.channels,
        "saved": attempt.saved,
        "rise": attempt.rise,
        "selected": attempt.selected,
        "accuracy": np.nan if least else _or_nan(attempt.accuracy),
        "accuracy_before": _or_nan(before.accuracy),
        "loss": np.nan if least else _or_nan(attempt.loss),
        "loss_before": _or_nan(before.loss),
        "images": _or_nan(images),
        "least": least,
    }


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _colours(attempts: pd.DataFrame, colour_unit: ColourUnit) -> pd.Series:
    saved = (100 * attempts["saved"]).where(attempts["saved"] > 0)
    return attempts["rise"] / saved if colour_unit.per_saving else attempts["rise"].astype(float)


def _colour_limit(colours: pd.Series) -> float:
    """The value from which on all attempts have the same colour."""
    if colours.empty:
        return 1.0
    most = float(colours.quantile(0.9)) if len(colours) >= _MANY else float(colours.max())
    return most if most > colours.min() else float(colours.min()) + 1e-9


def _target_borders(attempts: pd.DataFrame) -> list[float]:
    """Where on the axis of steps a target was passed and the next one begins."""
    steps = attempts.drop_duplicates("at").sort_values("at")
    starts = steps["passed"].ne(steps["passed"].shift())
    return [at - 0.5 for at in steps["at"][starts].iloc[1:]]


def _hover(row: Mapping[str, Any], colour_unit: ColourUnit) -> str:
    has_counts = not pd.isna(row["accuracy"])
    channels = f", {row['channels']} channels" if row["channels"] else ""
    bound = "at least " if row["least"] else ""
    saved = f"saves {100 * row['saved']:.2g} % of the untouched network"
    lines = [
        f"<b>{escape.html(row['name'])}</b>{channels}",
        f"step {row['step']} of {format.ratio(row['keep'])}: " + ("removed" if row["selected"] else "stays"),
        f"rise {bound}{_number(row['rise'])} {_UNITS.get(colour_unit.measure, '')}, {saved}",
        f"accuracy {format.percent(row['accuracy_before'])} → {format.percent(row['accuracy'])}" if has_counts else "",
        f"loss {row['loss_before']:.3f} → {row['loss']:.3f}" if has_counts else "",
        "" if pd.isna(row["images"]) else f"{row['images']:,.0f} images" + (", then dropped" if row["least"] else ""),
    ]
    return "<br>".join(line for line in lines if line)


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _lay_out(fig: go.Figure, rows: int, ink: theme.Ink) -> None:
    fig.update_layout(
        height=min(_MAX_PX, max(_MIN_PX, _FRAME_PX + _ROW_PX * rows)),
        margin={"l": 0, "r": 0, "t": 26, "b": 0},
        dragmode=False,
        hoverlabel={"align": "left"},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "font": {"color": ink.line}},
        showlegend=True,
        xaxis={"title": "step", "tickformat": "d", "nticks": 12, "fixedrange": True, "showgrid": False},
        yaxis={"autorange": "reversed", "fixedrange": True, "showgrid": False, "automargin": True},
    )
    if _FRAME_PX + _ROW_PX * rows <= _MAX_PX:
        fig.update_yaxes(dtick=1, tickfont={"size": 10})
