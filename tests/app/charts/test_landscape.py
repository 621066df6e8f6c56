from dataclasses import replace
from typing import Any

import numpy as np

from app import theme
from app.charts.landscape import heat_map
from app.charts.landscape.view import View, describe, sides, with_values
from app.tables.landscapes import best_cells, difference, tidy
from engine.spec.landscape.request import parse
from tests.support.landscapes import figures

REQUEST = parse({"grid": 5, "spec": {"data": {"name": "digits"}, "criterion": "l1"}})


def view(timed: bool = True) -> View:
    grid = figures(REQUEST, timed=timed)
    cells = with_values(tidy(grid), "reconstructed")
    best = best_cells(cells, "reconstructed")
    return View(cells, grid.depths, grid.widths, "MACs", 95.0, "reconstructed", best, (0.6, 0.8))


def traces(fig: Any) -> dict[str | None, Any]:
    return {trace.name: trace for trace in fig.data}


def test_the_map_has_lines_of_equal_cost_the_path_and_the_best_cells_each_with_a_key() -> None:
    shown = view()
    harmed = shown.cells["value"].where(shown.cells["depth"] + shown.cells["width"] > 0.7, 40.0)
    known = shown.cells["value"].notna()
    drawn = traces(
        heat_map.figure(replace(shown, cells=shown.cells.assign(value=harmed.where(known))), ink=theme.LIGHT)
    )
    macs, time = drawn["equal MACs (share kept)"], drawn["equal time, predicted (share kept)"]
    heat = next(trace for trace in drawn.values() if trace.type == "heatmap")
    assert heat.z.shape == macs.z.shape == (5, 5)
    assert macs.z[0, 0] == time.z[0, 0] == 1.0 and macs.contours.coloring == "none" and macs.contours.showlabels
    assert np.isnan(heat.z[4, 4]) and heat.zmax == 95.0 and heat.zmin == 65.0
    assert heat.colorbar.ticktext[0] == "≤ 65 %" and heat.colorbar.ticktext[-1] == "95 %"
    keys = [trace.name for trace in drawn.values() if trace.showlegend is not False and trace.type != "heatmap"]
    assert keys[2:] == [
        "compound scaling in reverse",
        "most accurate within 0.9×, 0.8×, … of the MACs",
        "no such network",
    ]


def test_no_line_of_equal_time_is_drawn_where_none_is_predicted() -> None:
    assert "equal time, predicted (share kept)" not in traces(heat_map.figure(view(timed=False), ink=theme.DARK))


def test_every_cell_can_be_pointed_at_and_says_what_it_is() -> None:
    cells = traces(heat_map.figure(view(), ink=theme.LIGHT))["cells"]
    assert len(cells.customdata) == 25 and cells.marker.opacity == 0 and cells.selected.marker.opacity == 0
    words = {(depth, width): hover for depth, width, hover in cells.customdata}
    assert words[0.6, 0.6].split("<br>") == [
        "<b>depth 0.60× · width 0.60×</b>",
        "79.0 % after reconstruction · 39.5 % cut and nothing else",
        "MACs 300 k (0.30×) · 1.20 ms predicted",
        "200 validation images",
        "█ · ▅",
    ]
    assert words[0.2, 0.2].endswith("No such network:<br>at least 0.3× of the MACs remains")


def test_what_is_switched_off_in_the_legend_keeps_its_key() -> None:
    drawn = heat_map.figure(replace(view(), hidden=frozenset({"path", "time"})), ink=theme.LIGHT).data
    switches = {trace.legendgroup: trace.visible for trace in drawn if trace.legendgroup}
    assert switches == {"macs": True, "time": "legendonly", "path": "legendonly", "best": True, "absent": True}


def test_a_chosen_cell_is_framed_half_way_to_its_neighbours() -> None:
    (frame,) = heat_map.figure(view(), ink=theme.LIGHT).layout.shapes
    assert np.allclose([frame.x0, frame.x1, frame.y0, frame.y1], [0.5, 0.7, 0.7, 0.9])


def test_a_difference_has_a_key_of_its_own_in_the_colours_of_its_criteria() -> None:
    one, other = tidy(figures(REQUEST, tilt=0.1)), tidy(figures(REQUEST))
    both = sides({"criterion": "fpgm"}, {"criterion": "l1"}, ("FPGM", "L1 <b>"))
    assert [side.colour for side in both] == [theme.criterion_colour("fpgm"), theme.criterion_colour("l1")]
    compared = difference(one, other, "reconstructed")
    shown = replace(view(), cells=compared.assign(value=compared["gain"]), sides=both, best=None)
    fig = heat_map.figure(shown, ink=theme.DARK)
    heat = next(trace for trace in fig.data if trace.type == "heatmap")
    assert heat.zmax == -heat.zmin == 8.0
    assert heat.colorbar.ticktext == ("8.0", "4.0", "0", "4.0", "8.0")
    keys = {trace.name: trace.marker.color for trace in fig.data if str(trace.name).endswith("is ahead, by points")}
    assert list(keys) == ["FPGM is ahead, by points", "L1 &lt;b&gt; is ahead, by points"]
    assert list(keys.values()) == [side.colour for side in both]
    assert heat.colorscale[0][1] == both[1].colour and heat.colorscale[-1][1] == both[0].colour
    assert "FPGM is ahead in 19 cells" in describe(shown)
    hover = next(hover for depth, width, hover in traces(fig)["cells"].customdata if (depth, width) == (1.0, 0.2))
    assert "FPGM 79.0 %, L1 &lt;b&gt; 71.0 % (+8.0)" in hover
    same = sides({"criterion": "l1"}, {"criterion": "l1"}, ("a", "b"))
    assert same[0].colour != same[1].colour


def test_a_landscape_of_a_single_cell_or_of_none_is_drawn() -> None:
    whole = view()
    for cells in (whole.cells.iloc[:1], whole.cells.iloc[:0]):
        shown = replace(whole, cells=cells, best=None)
        assert heat_map.figure(shown, ink=theme.LIGHT).data
        assert describe(shown)
