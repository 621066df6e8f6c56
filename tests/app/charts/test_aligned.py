import pandas as pd
import pytest

from app import theme
from app.charts.comparison import aligned, class_changes
from app.charts.comparison.aligned import Network
from tests.support import runs

WHOLE = Network("A", "#111111", runs.widths(1.0))
CUT = Network("B <b>", "#222222", runs.widths(0.5, ("layer2.1",)), ["layer2.1"])


def test_a_layer_stands_at_the_same_place_in_every_row() -> None:
    rows = aligned.channel_bars([WHOLE, CUT])
    figure = aligned.figure([WHOLE, CUT], rows, ink=theme.LIGHT)
    filled, _, cut, outline = figure.data
    assert list(filled.x) == list(cut.x) and (filled.yaxis, cut.yaxis) == ("y", "y2")
    assert list(outline.marker.pattern.shape).count("/") == 2
    assert max(cut.y) == pytest.approx(0.5 * max(filled.y))
    assert [note.text for note in figure.layout.annotations] == ["A", "B &lt;b&gt;"]


def test_networks_with_other_layers_are_put_into_one_order() -> None:
    assert aligned.merge([["a", "c", "d"], ["a", "b", "c", "e"]]) == ["a", "b", "c", "e", "d"]
    assert aligned.merge([[], ["x", "y"]]) == ["x", "y"]


def test_costs_are_drawn_by_the_costliest_layer_and_what_is_missing_is_hatched() -> None:
    networks = [
        Network("A", "#111111", {}, costs={"conv1": 4, "conv2": 8}, total=12),
        Network("B", "#222222", {}, costs={"conv1": 2}, total=2),
        Network("C", "#333333", {}),
    ]
    first, second, third = aligned.cost_bars(networks, "{:.0f} MACs".format)
    assert (first["conv1"].outline, first["conv1"].filling, second["conv1"].filling) == (0.5, 0.5, 0.25)
    assert second["conv2"].removed and second["conv2"].filling == 0 and not third
    assert first["conv2"].hover == "conv2<br>8 MACs, 66.7 % of this network's"
    figure = aligned.figure(networks, [first, second, third], ink=theme.DARK)
    assert figure.layout.annotations[2].text == "C: not kept by its run"
    assert "A: most in conv2, 66.7 % of its MACs. B: most in conv1" in aligned.describe(networks, "MACs")


def test_class_changes_are_bars_from_nought_in_percentage_points() -> None:
    table = pd.DataFrame({"class": ["<i>", "b"], "images": [4, 2], "A": [1.0, 0.5], "B": [0.5, 1.0]})
    first, other = (class_changes.Series(letter, letter, "#111111") for letter in "AB")
    figure = class_changes.figure(table, first, [other], ink=theme.LIGHT)
    assert list(figure.data[0].x) == [-50, 50]
    assert list(figure.layout.yaxis.ticktext) == ["&lt;i&gt;", "b"]
