"""A figure as the plain document that a browser draws.

Plotly's own classes check each property as it is set and copy all of it more than once: a chart of many traces takes
them ten times as long as all else that is done for it. What they would say is for tests to hear: `checked`.
"""

import base64
from collections.abc import Iterable
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.basedatatypes import BaseFigure

from app.plotly_code import KINDS

Trace = dict[str, Any]
_MOST_WHOLE = 2**31


class Drawing(BaseFigure):  # type: ignore[misc]
    """Traces and a layout; of Plotly's figures it is one only as far as `st.plotly_chart` asks for its document.

    One-dimensional arrays of numbers become what Plotly's JavaScript reads without looking at each number.
    """

    def __init__(self) -> None:  # not that of the class above, which makes a checked figure
        self._traces: list[Trace] = []
        self._look: dict[str, Any] = {"shapes": [], "annotations": []}
        self._document: dict[str, Any] | None = None

    def add_traces(self, data: Iterable[Trace]) -> None:
        """Adds traces, of the type scatter where none is named."""
        self._traces += [{"type": "scatter", **trace} for trace in data]

    def add_shape(self, **shape: Any) -> None:
        """Adds a line or another shape."""
        self._look["shapes"].append(shape)

    def add_annotation(self, **annotation: Any) -> None:
        """Adds a text."""
        self._look["annotations"].append(annotation)

    def lay_out(self, **properties: Any) -> None:
        """Sets properties of the layout."""
        self._look |= properties

    def to_dict(self) -> dict[str, Any]:
        """The document, which is made once: nothing is added afterwards."""
        if self._document is None:
            self._document = {"data": _written(self._traces), "layout": _written(self._look)}
        return self._document

    def checked(self) -> go.Figure:
        """The same as a figure of Plotly's own; ValueError where a property is none, or a browser could not draw it."""
        others = {str(trace["type"]) for trace in self._traces} - {*KINDS}
        if others:
            raise ValueError(f"no page can draw {', '.join(sorted(others))}; KINDS has what they can")
        return go.Figure(data=self._traces, layout=self._look)


def _written(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _written(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list) and any(isinstance(inner, dict | np.ndarray | np.generic) for inner in value):
        return [_written(inner) for inner in value]
    return value


def _array(values: NDArray[Any]) -> Any:
    """Numbers as bytes, all else as a list."""
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        return values.tolist()
    whole = values.dtype.kind != "f" and (not len(values) or int(np.abs(values).max()) < _MOST_WHOLE)
    kind = "i4" if whole else "f8"
    return {"dtype": kind, "bdata": base64.b64encode(values.astype(f"<{kind}").tobytes()).decode()}
