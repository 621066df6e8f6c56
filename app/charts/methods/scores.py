"""A layer's scores as a histogram with a threshold, above a mark for each channel. Pure functions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app import theme
from app.methods.demonstration import Ranking

_BINS = 12
_WIDE = 50.0  # the largest score over the smallest: from here on the axis counts powers of ten


@dataclass(frozen=True)
class Scale:
    """Where a score stands on the axis."""

    powers: bool

    @classmethod
    def of(cls, scores: Sequence[float]) -> "Scale":
        """Powers of ten where scores differ by far and none is zero."""
        return cls(min(scores) > 0 and max(scores) / min(scores) > _WIDE)

    def place(self, score: float) -> float:
        """On the axis."""
        return math.log10(score) if self.powers else score

    def axis(self, places: Sequence[float]) -> dict[str, object]:
        """Ticks of an axis on which these places stand."""
        if not self.powers:
            return {"nticks": 6, "exponentformat": "power"}
        powers = range(math.floor(min(places)), math.ceil(max(places)) + 1)
        return {"tickvals": list(powers), "ticktext": [f"10<sup>{str(p).replace('-', '−')}</sup>" for p in powers]}


@dataclass(frozen=True)
class Bin:
    """A bar of the histogram: from where to where, and how many of it stay and go."""

    left: float
    right: float
    stay: int
    go: int


def bins(places: Sequence[float], going: frozenset[int], count: int = _BINS) -> tuple[Bin, ...]:
    """`count` bars of one width that hold all places; one bar where all are equal."""
    low, high = min(places), max(places)
    if low == high:
        return (Bin(low - 0.5, high + 0.5, len(places) - len(going), len(going)),)
    width = (high - low) / count
    held = [min(count - 1, int((place - low) / width)) for place in places]
    return tuple(
        Bin(
            low + number * width,
            low + (number + 1) * width,
            sum(at == number and channel not in going for channel, at in enumerate(held)),
            sum(at == number and channel in going for channel, at in enumerate(held)),
        )
        for number in range(count)
    )


def figure(ranking: Ranking, count: int, colour: str, what: str, *, ink: theme.Ink, height: int = 260) -> go.Figure:
    """The histogram with the `count` lowest hatched, and below it every one of them; `what` is "channel" or "block"."""
    scale, going = Scale.of(ranking.scores), ranking.lowest(count)
    places = [scale.place(score) for score in ranking.scores]
    fig = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.82, 0.18], vertical_spacing=0.04)
    _add_bars(fig, bins(places, going), colour, what)
    _add_marks(fig, ranking, places, going, colour, what)
    threshold = ranking.threshold(count)
    if threshold is not None:
        fig.add_vline(x=scale.place(threshold), line={"color": ink.line, "width": 2, "dash": "dash"})
    fig.update_layout(
        barmode="stack",
        height=height,
        margin={"l": 0, "r": 8, "t": 28, "b": 0},
        dragmode=False,
        uirevision="keep",
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"color": ink.line}},
    )
    fig.update_xaxes(fixedrange=True, zeroline=False)
    fig.update_xaxes(title=f"score of a {what}", row=2, col=1, **scale.axis(places))
    fig.update_yaxes(fixedrange=True, rangemode="tozero", title=f"{what}s", nticks=4, tickformat="d", row=1, col=1)
    fig.update_yaxes(visible=False, fixedrange=True, range=[-1, 1], row=2, col=1)
    return fig


def describe(ranking: Ranking, count: int, what: str) -> str:
    """The picture in one sentence."""
    of = f"{count} of {len(ranking.scores)} {what}s"
    threshold = ranking.threshold(count)
    below = "" if threshold is None else f", those with scores below {threshold:.3g}"
    return f"Histogram of {len(ranking.scores)} scores: {of} go{below}."


def _add_bars(fig: go.Figure, held: Sequence[Bin], colour: str, what: str) -> None:
    looks = (
        ("goes", [each.go for each in held], _hatched()),
        ("stays", [each.stay for each in held], {"color": colour, "line": {"width": 0}}),
    )
    for name, values, marker in looks:
        fig.add_bar(
            x=[(each.left + each.right) / 2 for each in held],
            width=[0.92 * (each.right - each.left) for each in held],
            y=values,
            name=name,
            marker=marker,
            hovertemplate=f"%{{y}} {what}s<extra>{name}</extra>",
            row=1,
            col=1,
        )


def _add_marks(
    fig: go.Figure, ranking: Ranking, places: Sequence[float], going: frozenset[int], colour: str, what: str
) -> None:
    fig.add_scatter(
        x=places,
        y=[0] * len(places),
        mode="markers",
        marker={
            "symbol": ["x-thin" if number in going else "line-ns" for number in range(len(places))],
            "size": 12,
            "line": {"width": 2, "color": [theme.NEUTRAL if n in going else colour for n in range(len(places))]},
        },
        customdata=[
            f"{what} {number + 1}: {score:.3g}, {'goes' if number in going else 'stays'}"
            for number, score in enumerate(ranking.scores)
        ],
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
        row=2,
        col=1,
    )


def _hatched() -> dict[str, object]:
    return {
        "color": theme.translucent(theme.NEUTRAL, 0.25),
        "line": {"width": 1, "color": theme.NEUTRAL},
        "pattern": {"shape": "/", "fgcolor": theme.NEUTRAL, "size": 4},
    }
