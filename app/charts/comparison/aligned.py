"""Skylines under each other, layer by layer: what stands at one place is the same layer in every row. Pure functions.

A row is a network, a bar a layer. Its outline is the original width, or the most that the layer costs in any of them;
its filling is what this network has of it, and what it lacks is hatched.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import plotly.graph_objects as go

from app import escape, format, theme
from app.charts import skyline
from app.theme import NEUTRAL, translucent

_ROW_PX, _TITLE_PX, _GAP_PX = 104, 22, 10


@dataclass(frozen=True)
class Network:
    """A row: its title, colour and convolutions, and what its layers cost by name (empty: unknown), of `total`."""

    title: str
    colour: str
    widths: Mapping[str, Sequence[int]]
    blocks_removed: Sequence[str] = ()
    costs: Mapping[str, float] = field(default_factory=dict)
    total: float = 0.0


@dataclass(frozen=True)
class Bar:
    """A layer of a row: heights in 0..1, and its text on hover as HTML."""

    outline: float
    filling: float
    hover: str
    removed: bool


Bars = Mapping[str, Bar]


def merge(orders: Sequence[Sequence[str]]) -> list[str]:
    """All names once, each behind the one that it follows in the first list that has it."""
    merged: list[str] = []
    for names in orders:
        at = 0
        for name in names:
            if name in merged:
                at = merged.index(name) + 1
            else:
                merged.insert(at, name)
                at += 1
    return merged


def channel_bars(networks: Sequence[Network]) -> list[Bars]:
    """A row of bars a network by the channels of its convolutions; heights go with the square root, as a skyline's."""
    tallest = max((original for n in networks for original, _ in n.widths.values()), default=1)
    return [
        {
            bar.name: Bar(
                math.sqrt(bar.original / tallest),
                bar.share * math.sqrt(bar.original / tallest),
                f"{escape.html(bar.name)}<br>"
                + (f"removed ({bar.original})" if bar.removed else f"{bar.kept} of {bar.original} channels"),
                bar.removed,
            )
            for bar in skyline.bars(network.widths, network.blocks_removed)
        }
        for network in networks
    ]


def cost_bars(networks: Sequence[Network], write: Callable[[float], str]) -> list[Bars]:
    """The same by what layers cost, which `write` puts into words; no bars for a network of which that is not known."""
    most = {
        name: max(network.costs.get(name, 0.0) for network in networks)
        for name in merge([list(network.costs) for network in networks])
    }
    highest = max(most.values(), default=0.0) or 1.0
    return [
        {name: _cost_bar(name, network, limit, highest, write) for name, limit in most.items()} if network.costs else {}
        for network in networks
    ]


def figure(networks: Sequence[Network], rows: Sequence[Bars], *, ink: theme.Ink) -> go.Figure:
    """The rows under each other, a title above each, every layer at one place."""
    layers = merge([list(row) for row in rows])
    places = {bar.name: bar.at for bar in skyline.bars(dict.fromkeys(layers, (1, 1)))}
    fig, count = go.Figure(), len(networks)
    for number, (network, row) in enumerate(zip(networks, rows, strict=True)):
        axis = f"y{number + 1 if number else ''}"
        _add_row(fig, row, places, network.colour, axis)
        top = 1 - number / count
        bottom = 1 - (number + 1) / count
        fig.layout[f"yaxis{number + 1 if number else ''}"] = {
            "domain": [bottom + _GAP_PX / (_ROW_PX * count), top - _TITLE_PX / (_ROW_PX * count)],
            "visible": False,
            "fixedrange": True,
            "range": [0, 1.04],
        }
        fig.add_annotation(
            text=escape.html(network.title if row else f"{network.title}: not kept by its run"),
            x=0,
            y=top,
            xref="paper",
            yref="paper",
            xanchor="left",
            yanchor="top",
            showarrow=False,
            font={"size": 12, "color": ink.line},
        )
    fig.update_layout(
        barmode="overlay",
        bargap=0.25,
        height=_ROW_PX * count,
        margin={"l": 0, "r": 0, "t": 4, "b": 2},
        showlegend=False,
        dragmode=False,
        hoverlabel={"align": "left"},
        xaxis={"visible": False, "fixedrange": True, "range": [-0.6, max(places.values(), default=0) + 0.6]},
    )
    return fig


def describe(networks: Sequence[Network], noun: str | None = None) -> str:
    """The picture in words: which layer of each costs most of what `noun` says, or what is left of its channels."""
    say = [_describe_channels(network) if noun is None else _describe_costs(network, noun) for network in networks]
    return f"Layers under each other, by {noun or 'channels'}. {' '.join(say)}"


def _add_row(fig: go.Figure, row: Bars, places: Mapping[str, float], colour: str, axis: str) -> None:
    at, bars = [places[name] for name in row], list(row.values())
    fig.add_bar(
        x=at,
        y=[bar.filling for bar in bars],
        yaxis=axis,
        marker={"color": colour, "line": {"width": 0}},
        hoverinfo="skip",
    )
    fig.add_bar(
        x=at,
        y=[bar.outline for bar in bars],
        yaxis=axis,
        marker={
            "color": [translucent(NEUTRAL, 0.25) if bar.removed else "rgba(0,0,0,0)" for bar in bars],
            "line": {"width": 1, "color": NEUTRAL},
            "pattern": {"shape": ["/" if bar.removed else "" for bar in bars], "fgcolor": NEUTRAL, "size": 4},
        },
        customdata=[bar.hover for bar in bars],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _cost_bar(name: str, network: Network, most: float, highest: float, write: Callable[[float], str]) -> Bar:
    cost = network.costs.get(name)
    if cost is None:
        return Bar(most / highest, 0.0, f"{escape.html(name)}<br>not in this network", removed=True)
    share = f", {format.percent(cost / network.total)} of this network's" if network.total else ""
    return Bar(most / highest, cost / highest, f"{escape.html(name)}<br>{write(cost)}{share}", removed=False)


def _describe_channels(network: Network) -> str:
    bars = skyline.bars(network.widths, network.blocks_removed)
    return f"{network.title}: {skyline.describe(bars).removeprefix('Skyline: ')}" if bars else ""


def _describe_costs(network: Network, noun: str) -> str:
    if not network.costs or not network.total:
        return f"{network.title}: not known."
    name = max(network.costs, key=lambda layer: network.costs[layer])
    return f"{network.title}: most in {name}, {format.percent(network.costs[name] / network.total)} of its {noun}."
