"""The heat map of a landscape: accuracy over depth kept × width kept, or the difference of two landscapes.

Over the map lie lines of equal MACs and of equal time, the path of compound scaling in reverse, and the best cell for
each budget. Heat maps report no clicks, so the cells lie once more over it as marks that cannot be seen.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app import escape, theme
from app.charts.landscape.view import ABSENT, BEST, MACS, PATH, TIME, Side, View, hover
from app.tables.landscapes import Values, compound_path, matrix

# From little accuracy to much; each step is further from the page than the one before it.
_SEQUENTIAL = {
    theme.LIGHT: ["#f6ecd2", "#e3dfa4", "#b4d094", "#74b58c", "#35918a"],
    theme.DARK: ["#2b2730", "#3a4249", "#3d6a62", "#45997a", "#6fcf97"],
}
_MIDDLE = {theme.LIGHT: "#f4f4f2", theme.DARK: "#2a2a2c"}  # of differences: neither is ahead
_HIDES = 30.0  # points below the untouched network from which on all cells look alike, which would hide the others
_HEIGHT = 440  # px
_MOST_TICKS = 11
_LEVELS = {"start": 0.1, "end": 0.9, "size": 0.1}  # shares that the lines stand for


def figure(view: View, *, ink: theme.Ink) -> go.Figure:
    """The map with its lines and marks; every cell's `customdata` are its two shares and the words of its hover."""
    fig = go.Figure()
    _add_map(fig, view, ink)
    macs = {"color": theme.translucent(ink.line, 0.55), "width": 1}
    _add_lines(fig, view, "macs_share", macs, _switch(view, MACS) | {"name": "equal MACs (share kept)"})
    time = {"color": ink.line, "width": 1.2, "dash": "dot"}
    _add_lines(fig, view, "ms_share", time, _switch(view, TIME) | {"name": "equal time, predicted (share kept)"})
    _add_sides(fig, view)
    _add_path(fig, view, ink)
    _add_best(fig, view, ink)
    _add_absences(fig, view, ink)
    _add_targets(fig, view)
    _mark_selected(fig, view, ink)
    _lay_out(fig, view, ink)
    return fig


def _add_map(fig: go.Figure, view: View, ink: theme.Ink) -> None:
    values = matrix(view.cells, "value", view.depths, view.widths)
    look = _accuracy_look(values, view, ink) if view.sides is None else _difference_look(values, view.sides, ink)
    fig.add_heatmap(
        x=list(view.depths), y=list(view.widths), z=values, xgap=1, ygap=1, hoverinfo="skip", hoverongaps=False, **look
    )


def _accuracy_look(values: Values, view: View, ink: theme.Ink) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    top = max([view.untouched, *known])
    bottom = max(min([view.untouched, *known]), top - _HIDES)
    bottom = min(bottom, top - 1)  # cells that are all alike have a colour, too
    ticks = [float(tick) for tick in np.linspace(bottom, top, 5)]
    hidden = bool(len(known)) and known.min() < bottom
    words = [f"{tick:.0f} %" if top - bottom > 8 else f"{tick:.1f} %" for tick in ticks]
    words[0] = f"≤ {words[0]}" if hidden else words[0]
    return {
        "colorscale": _SEQUENTIAL[ink],
        "zmin": bottom,
        "zmax": top,
        "colorbar": _key(ticks, words),
    }


def _difference_look(values: Values, both: tuple[Side, Side], ink: theme.Ink) -> dict[str, Any]:
    known = np.abs(values[~np.isnan(values)])
    most = max(float(known.max()) if len(known) else 0.0, 0.1)
    first, second = both
    ticks = [-most, -most / 2, 0.0, most / 2, most]
    return {
        "colorscale": [[0.0, second.colour], [0.5, _MIDDLE[ink]], [1.0, first.colour]],
        "zmin": -most,
        "zmax": most,
        "colorbar": _key(ticks, [f"{abs(tick):.1f}" if tick else "0" for tick in ticks]),
    }


def _key(ticks: list[float], words: list[str]) -> dict[str, Any]:
    return {"thickness": 10, "x": 1.0, "xpad": 4, "tickvals": ticks, "ticktext": words, "tickfont": {"size": 11}}


def _switch(view: View, key: str) -> dict[str, Any]:
    """A trace's entry in the legend, which switches it off and on."""
    return {"legendgroup": key, "visible": "legendonly" if key in view.hidden else True}


def _add_lines(fig: go.Figure, view: View, column: str, line: dict[str, Any], entry: dict[str, Any]) -> None:
    """Lines on which a share of the untouched network's cost is the same."""
    shares = matrix(view.cells, column, view.depths, view.widths)
    if np.isnan(shares).sum() > shares.size - 4 or min(shares.shape) < 2:
        return
    fig.add_contour(
        x=list(view.depths),
        y=list(view.widths),
        z=shares,
        contours={
            **_LEVELS,
            "coloring": "none",
            "showlabels": True,
            "labelfont": {"size": 10, "color": line["color"]},
            "labelformat": ".1f",
        },
        line={**line, "smoothing": 0.6},
        connectgaps=False,
        showscale=False,
        hoverinfo="skip",
        showlegend=True,
        **entry,
    )


def _add_sides(fig: go.Figure, view: View) -> None:
    """The key of a difference: which colour says that which of the two is ahead."""
    for side in view.sides or ():
        fig.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            marker={"symbol": "square", "size": 11, "color": side.colour},
            hoverinfo="skip",
            name=f"{escape.html(side.label)} is ahead, by points",
        )


def _add_path(fig: go.Figure, view: View, ink: theme.Ink) -> None:
    depth, width = compound_path(min(*view.depths, *view.widths))
    fig.add_scatter(
        x=depth,
        y=width,
        mode="lines",
        line={"color": ink.line, "width": 2, "dash": "dash"},
        hoverinfo="skip",
        name="compound scaling in reverse",
        **_switch(view, PATH),
    )


def _add_best(fig: go.Figure, view: View, ink: theme.Ink) -> None:
    if view.best is None or view.best.empty:
        return
    fig.add_scatter(
        x=list(view.best["depth"]),
        y=list(view.best["width"]),
        mode="markers",
        marker={"symbol": "circle", "size": 11, "color": ink.paper, "line": {"width": 2, "color": ink.line}},
        hoverinfo="skip",
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        name="most accurate within 0.9×, 0.8×, … of the MACs",
        **_switch(view, BEST),
    )


def _add_absences(fig: go.Figure, view: View, ink: theme.Ink) -> None:
    missing = view.cells[view.cells["why"].notna()]
    if missing.empty:
        return
    fig.add_scatter(
        x=list(missing["depth"]),
        y=list(missing["width"]),
        mode="markers",
        marker={"symbol": "x-thin", "size": 7, "line": {"width": 1.2, "color": theme.translucent(ink.line, 0.5)}},
        hoverinfo="skip",
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        name="no such network",
        **_switch(view, ABSENT),
    )


def _add_targets(fig: go.Figure, view: View) -> None:
    """What is pointed at and clicked: a mark over every cell, which cannot be seen."""
    rows = view.cells.to_dict("records")
    fig.add_scatter(
        x=[row["depth"] for row in rows],
        y=[row["width"] for row in rows],
        mode="markers",
        marker={"symbol": "square", "size": 26, "color": theme.NEUTRAL, "opacity": 0},
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        customdata=[[row["depth"], row["width"], hover(row, view)] for row in rows],
        hovertemplate="%{customdata[2]}<extra></extra>",
        showlegend=False,
        name="cells",
    )


def _mark_selected(fig: go.Figure, view: View, ink: theme.Ink) -> None:
    if view.selected is None:
        return
    (left, right), (bottom, top) = (
        _edges(side, share) for side, share in zip((view.depths, view.widths), view.selected, strict=True)
    )
    fig.add_shape(
        type="rect", x0=left, x1=right, y0=bottom, y1=top, line={"width": 3, "color": ink.line}, layer="above"
    )


def _edges(side: Sequence[float], share: float) -> tuple[float, float]:
    """Between which places on its axis a cell lies: half way to its neighbours."""
    shares = sorted(side)
    place = shares.index(share)
    steps = [after - before for before, after in pairwise(shares)] or [0.1]
    below = steps[place - 1] if place else steps[0]
    above = steps[place] if place < len(steps) else steps[-1]
    return share - below / 2, share + above / 2


def _axis(side: Sequence[float], what: str, metric: str) -> dict[str, Any]:
    shares = sorted(side)
    every = -(-len(shares) // _MOST_TICKS)
    shown = shares[::-1][::every][::-1]
    low, _ = _edges(side, shares[0])
    _, high = _edges(side, shares[-1])
    return {
        "title": {"text": f"{what} kept, share of {escape.html(metric)}", "standoff": 12},
        "automargin": True,
        "tickvals": shown,
        "ticktext": [f"{share:.3g}×" for share in shown],
        "range": [low, high],
        "fixedrange": True,
        "showgrid": False,
        "zeroline": False,
        "ticks": "",
    }


def _lay_out(fig: go.Figure, view: View, ink: theme.Ink) -> None:
    fig.update_layout(
        height=_HEIGHT,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        dragmode=False,
        clickmode="event+select",
        hovermode="closest",
        hoverdistance=60,
        hoverlabel={"align": "left"},
        legend={
            "orientation": "h",
            "y": 1.0,
            "yanchor": "bottom",
            "x": 0,
            "font": {"color": ink.line, "size": 11},
        },
        showlegend=True,
        xaxis=_axis(view.depths, "depth", view.metric),
        yaxis=_axis(view.widths, "width", view.metric),
    )
