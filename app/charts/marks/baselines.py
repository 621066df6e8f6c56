"""The baselines of the trade-off chart: a dashed line for each network there was before pruning, and its name."""

import math
from dataclasses import dataclass

import pandas as pd

from app import escape, theme
from app.charts.marks.canvas import Canvas, Dots

_LONGEST_NAME = 40  # characters
_LEFT, _RIGHT = {"x": 0.005, "xanchor": "left"}, {"x": 0.995, "xanchor": "right"}
_ABOVE, _BELOW = {"yanchor": "bottom"}, {"yanchor": "top"}
# Where the names of lines stand, from the highest line down: lines may lie close, and no name is to cover another.
_PLACES = (_LEFT | _ABOVE, _RIGHT | _ABOVE, _LEFT | _BELOW, _RIGHT | _BELOW)
MOST_LINES = len(_PLACES)  # more dashed lines say nothing


@dataclass(frozen=True)
class Line:
    """A dashed line: its name, and where it lies on y."""

    name: str
    at_y: float


def lines(baselines: pd.DataFrame, *, relative: bool) -> list[Line]:
    """A line for each network of placed baselines, the highest first; none where they are too many.

    On a `relative` axis each is compared with itself: there is one line for all.
    """
    first = baselines.drop_duplicates("baseline_key")
    if relative:
        return [Line("baselines" if len(first) > 1 else "baseline", 0.0)]
    if len(first) > MOST_LINES:
        return []
    named = [Line(name, at_y) for name, at_y in zip(_names(first), first["at_y"].tolist(), strict=True)]
    return sorted(named, key=lambda line: line.at_y, reverse=True)


def add(c: Canvas, baselines: pd.DataFrame) -> None:
    """Adds the lines, and a mark for each place of a network on the axes: latencies of one network may differ."""
    if baselines.empty:
        return
    once = baselines.drop_duplicates(["baseline_key", "at_x", "at_y"])
    for line, where in zip(lines(once, relative=c.y.of is not None), _PLACES, strict=False):
        if line.at_y > 0 or not c.log[1]:
            _add_line(c, line, where)
    edge = {"width": 1, "color": c.ink.paper}
    c.add_dots(
        Dots.of(once),
        marker={"symbol": theme.BASELINE_SYMBOL, "size": 11, "color": c.ink.line, "line": edge},
        name="baseline",
        showlegend=True,
    )


def _add_line(c: Canvas, line: Line, where: dict[str, object]) -> None:
    style = {"dash": "dash", "width": 1.2, "color": c.ink.line}
    c.add_line(y=line.at_y, line=style, opacity=0.7)
    c.fig.add_annotation(
        text=escape.html(line.name),
        font={"size": 11, "color": c.ink.line},
        showarrow=False,
        xref="x domain",
        y=math.log10(line.at_y) if c.log[1] else line.at_y,  # a logarithmic axis has lines at values, but texts at logs
        **where,
    )


def _names(first: pd.DataFrame) -> list[str]:
    """`baseline`, or where there are several what tells one from the others."""
    if len(first) == 1:
        return ["baseline"]
    told = {
        "model": first["model"].astype(str),
        "data_label": "on " + first["data_label"].astype(str),
        "limit": [
            "all images" if pd.isna(limit) else f"the first {limit:,.0f} images" for limit in first["limit"].tolist()
        ],
        "weights": ["from scratch" if w == "none" else str(w).rsplit("/", 1)[-1] for w in first["weights"]],
        "seed": "seed " + first["seed"].astype(str),
    }
    words = pd.DataFrame(told, index=first.index)
    differing = [name for name in words if words[name].nunique() > 1] or ["model"]
    return [escape.plain(f"{' '.join(row)}, baseline", _LONGEST_NAME) for row in words[differing].to_numpy()]
