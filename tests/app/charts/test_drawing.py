"""A figure as a plain document, and what Plotly's own classes say of it."""

import base64
import json

import numpy as np
import plotly.io
import pytest

from app.charts.drawing import Drawing


def drawing(**more: object) -> Drawing:
    made = Drawing()
    made.add_traces(
        [{"x": np.array([1.5, np.nan]), "y": np.array([3, 2**40]), "customdata": np.array(["a", "b"], object)}]
    )
    made.add_traces([{"type": "bar", "x": np.array([True]), "marker": {"color": np.array([1, 2], np.int8)}, **more}])
    made.add_shape(type="line", y0=np.float64(1.0))
    made.lay_out(height=390)
    return made


def test_numbers_go_as_bytes_and_all_else_as_it_is() -> None:
    document = json.loads(plotly.io.to_json(drawing(), validate=False))
    first, second = document["data"]
    assert (first["type"], first["customdata"], second["x"]) == ("scatter", ["a", "b"], [True])
    for written, values in ((first["x"], [1.5, np.nan]), (first["y"], [3, 2**40]), (second["marker"]["color"], [1, 2])):
        read = np.frombuffer(base64.b64decode(written["bdata"]), f"<{written['dtype']}")
        assert np.array_equal(read, values, equal_nan=True)
    assert document["layout"] == {"shapes": [{"type": "line", "y0": 1.0}], "annotations": [], "height": 390}


def test_what_no_figure_has_is_found_where_it_is_checked() -> None:
    assert drawing().checked().data[0].type == "scatter"
    with pytest.raises(ValueError, match="colour"):
        drawing(colour="red").checked()
