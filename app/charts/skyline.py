"""The skyline: a network as one bar per convolution, its outline the original width, its filling the kept one.

Bars stand in order of depth; a removed block's layers are hatched; a thin gap separates stages. A bar's height goes
with the square root of its original width, so that a stem of 64 and a last stage of 2,048 can both be seen, and the
filled share of a bar is exactly the share of its channels that is kept.
"""

import base64
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app import escape
from app.charts import legend
from app.charts.drawing import Drawing
from app.theme import NEUTRAL, translucent

KEY = "Filled: channels that are kept. Outline only: channels that are cut. Hatched: a removed block's."
_GAP = 0.6  # between stages, in bar widths
_KEY_PX = 24  # what the key adds to the height
_EIGHTHS, _GONE = "▁▂▃▄▅▆▇█", "·"
_LONGEST_LINE = 40  # letters: what a phone has room for
_MARGIN = 3  # px around the small picture, clear of rounded corners
_OUTLINE: dict[str, Any] = {"color": "rgba(0,0,0,0)", "line": {"width": 1, "color": NEUTRAL}}
_HATCHED: dict[str, Any] = {
    "color": translucent(NEUTRAL, 0.25),
    "line": _OUTLINE["line"],
    "pattern": {"shape": "/", "fgcolor": NEUTRAL, "size": 4},
}
_CONTAINERS = ("features", "trunk_output")  # modules that hold stages instead of being one


@dataclass(frozen=True)
class Bar:
    """One convolution: where it stands, how wide it was and is, and whether its block is removed."""

    name: str
    at: float
    height: float  # 0..1
    original: int
    kept: int
    removed: bool

    @property
    def share(self) -> float:
        return 0.0 if self.removed else self.kept / self.original


def bars(widths: Mapping[str, Sequence[int]], blocks_removed: Iterable[str] = ()) -> tuple[Bar, ...]:
    """The bars of a point's `widths` ({layer: (original, kept)}, in order of depth)."""
    prefixes = tuple(f"{block}." for block in blocks_removed)
    tallest = max((original for original, _ in widths.values()), default=1)
    out: list[Bar] = []
    at, stage = 0.0, None
    for name, (original, kept) in widths.items():
        if stage not in (None, stage_of(name)):
            at += _GAP
        stage = stage_of(name)
        removed = kept == 0 or f"{name}.".startswith(prefixes)
        out.append(Bar(name, at, math.sqrt(original / tallest), original, kept, removed))
        at += 1
    return tuple(out)


def stage_of(layer: str) -> str:
    """The stage in a layer's name: `layer1` of `layer1.0.conv1`, `denseblock2` of `features.denseblock2.…`."""
    first, _, rest = layer.partition(".")
    second = rest.partition(".")[0]
    return second if first in _CONTAINERS and second and not second[0].isdigit() else first


def describe(bars: Sequence[Bar]) -> str:
    """The picture in one sentence, for those who cannot see it."""
    channels = sum(bar.original for bar in bars)
    kept = sum(0 if bar.removed else bar.kept for bar in bars)
    removed = sum(bar.removed for bar in bars)
    layers = f"{len(bars) - removed} of {len(bars)} convolutions" if removed else f"all {len(bars)} convolutions"
    return f"Skyline: {layers} and {kept:,} of {channels:,} channels are kept."


def lines(bars: Sequence[Bar]) -> list[str]:
    """The picture in letters, for what can show nothing else: a block a convolution, as high as the share it keeps.

    A removed one is a dot; stages stand apart. A line has at most `_LONGEST_LINE` letters.
    """
    letters = ""
    for before, bar in zip((None, *bars), bars, strict=False):
        letters += " " if before is not None and stage_of(before.name) != stage_of(bar.name) else ""
        letters += _GONE if bar.removed else _EIGHTHS[max(0, math.ceil(8 * bar.share) - 1)]
    return textwrap.wrap(letters, _LONGEST_LINE)


def figure(bars: Sequence[Bar], colour: str, *, height: int = 110) -> Drawing:
    """The skyline as a chart whose bars name their layer on hover, `height` px high, and below it what they mean."""
    at = [bar.at for bar in bars]
    hover = [_hover(bar) for bar in bars]
    fig = Drawing()
    _add(
        fig,
        x=at,
        y=[bar.height * bar.share for bar in bars],
        marker={"color": colour, "line": {"width": 0}},
        hoverinfo="skip",
        showlegend=False,
    )
    _add(
        fig,
        x=at,
        y=[bar.height for bar in bars],
        marker={
            "color": [_HATCHED["color"] if bar.removed else _OUTLINE["color"] for bar in bars],
            "line": _OUTLINE["line"],
            "pattern": _HATCHED["pattern"] | {"shape": ["/" if bar.removed else "" for bar in bars]},
        },
        customdata=hover,
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
    )
    _add_key(fig, "kept", {"color": colour, "line": {"width": 0}})
    if any(bar.kept < bar.original and not bar.removed for bar in bars):
        _add_key(fig, "cut", _OUTLINE)
    if any(bar.removed for bar in bars):
        _add_key(fig, "block removed", _HATCHED)
    fig.lay_out(
        barmode="overlay",
        bargap=0.25,
        height=height + _KEY_PX,
        margin={"l": 0, "r": 0, "t": 4, "b": 2},
        showlegend=True,
        legend=legend.BELOW | {"itemclick": False, "itemdoubleclick": False},
        dragmode=False,
        xaxis={"visible": False, "fixedrange": True},
        yaxis={"visible": False, "fixedrange": True, "range": [0, 1.04]},
    )
    return fig


def svg(bars: Sequence[Bar], colour: str, *, width: int = 180, height: int = 32) -> str:
    """The same picture as a small SVG, for previews and table cells."""
    step = (width - 2 * _MARGIN) / (bars[-1].at + 1) if bars else width
    bar_width, bottom = step * 0.75, height - _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        '<defs><pattern id="gone" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="1.4" height="4" fill="{NEUTRAL}"/></pattern></defs>',
    ]
    for bar in bars:
        left, bar_height = _MARGIN + bar.at * step, bar.height * (bottom - _MARGIN)
        geometry = f'x="{left:.2f}" width="{bar_width:.2f}"'
        outline = "url(#gone)" if bar.removed else "none"
        if bar.share:
            fill_height = bar_height * bar.share
            parts.append(
                f'<rect {geometry} y="{bottom - fill_height:.2f}" height="{fill_height:.2f}" fill="{colour}"/>'
            )
        parts.append(
            f'<rect {geometry} y="{bottom - bar_height:.2f}" height="{bar_height:.2f}" fill="{outline}" '
            f'stroke="{NEUTRAL}" stroke-width="0.7"/>'
        )
    return "".join([*parts, "</svg>"])


def data_uri(picture: str) -> str:
    """An SVG as the URI that an image column takes."""
    return "data:image/svg+xml;base64," + base64.b64encode(picture.encode()).decode()


def _add_key(fig: Drawing, name: str, marker: dict[str, Any]) -> None:
    _add(fig, x=[None], y=[None], name=name, marker=marker, hoverinfo="skip")


def _add(fig: Drawing, **bars: Any) -> None:
    fig.add_traces([{"type": "bar", **bars}])


def _hover(bar: Bar) -> str:
    return f"{escape.html(bar.name)}<br>" + (
        f"removed ({bar.original})" if bar.removed else f"{bar.kept} of {bar.original} channels"
    )
