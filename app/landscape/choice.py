"""Which landscape is shown, against which other one, and of which networks; and what is drawn of that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import streamlit as st

from app import text
from app.charts.landscape.view import PATH, Side, View, sides, with_values
from app.components import chart_view
from app.landscape import address, names
from app.landscape.address import AGAINST, LANDSCAPE, NETWORKS
from app.tables import landscapes
from app.tables.landscapes import Quantity, best_cells, best_within, difference, tidy
from engine.errors import RequestError, WorkError
from engine.storage.landscapes.grid import Grid

CHART = "landscape-map"
_QUANTITIES: dict[Quantity, str] = {"reconstructed": "Reconstructed", "plain": "Cut alone"}
_HALF = 0.5


@dataclass(frozen=True)
class Other:
    """The landscape that another one is held against: its figures, and what tells the two apart."""

    grid: Grid
    sides: tuple[Side, Side]


@dataclass(frozen=True)
class Choice:
    """What the address says, with the figures; `damage` in their place where they cannot be read."""

    job: Mapping[str, Any]
    quantity: Quantity
    grid: Grid | None = None
    other: Other | None = None
    damage: str | None = None


def draw(jobs: Sequence[Mapping[str, Any]]) -> Choice:
    """The three widgets, side by side."""
    by_id = {str(job["run_id"]): job for job in jobs}
    words = names.labels(jobs)
    default = next((job_id for job_id, job in by_id.items() if job["state"] == "done"), next(iter(by_id)))
    job = by_id[address.pick(LANDSCAPE, list(by_id), default, "the landscape")]
    others = [str(other["run_id"]) for other in landscapes.comparable(job, jobs)] if names.is_readable(job) else []
    against = address.pick(AGAINST, [*others, None], None, "the other landscape")
    grid, damage = _read(str(job["run_id"]))
    kinds = _kinds(grid)
    quantity = address.pick(NETWORKS, kinds, kinds[0], "the networks")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.selectbox("Landscape", list(by_id), format_func=words.__getitem__, width=420, **address.bound(LANDSCAPE))
        if others:
            st.selectbox(
                "Difference to", others, index=None, placeholder="none", format_func=words.__getitem__, width=360,
                help="Of the same network, data and cells: another criterion, or the other order.",
                **address.bound(AGAINST),
            )  # fmt: skip
        if len(kinds) > 1:
            st.segmented_control(
                "Networks", kinds, required=True, format_func=_QUANTITIES.__getitem__, **address.bound(NETWORKS)
            )
    other = None
    if grid is not None and against is not None:
        other = _other(job, grid, by_id[against])
    return Choice(job, quantity, grid, other, damage)


def _read(job_id: str) -> tuple[Grid | None, str | None]:
    """The figures of a landscape, or why they cannot be read."""
    try:
        return landscapes.grid(job_id), None
    except (RequestError, WorkError) as error:
        return None, str(error)


def _kinds(grid: Grid | None) -> list[Quantity]:
    """Which networks were measured; the cut ones alone where nothing was reconstructed."""
    return ["plain"] if grid is not None and grid.calibration_images is None else ["reconstructed", "plain"]


def _other(job: Mapping[str, Any], grid: Grid, other: Mapping[str, Any]) -> Other | None:
    """The other landscape's figures; None, and one line that says why, where they cannot be held against these."""
    figures, damage = _read(str(other["run_id"]))
    if figures is None:
        reason = text.sentence(damage) if damage else "Nothing of it is measured yet."
        st.caption(f":material/error: No difference is shown. {reason}")
        return None
    if figures.untouched.accuracy != grid.untouched.accuracy or figures.images != grid.images:
        st.caption(
            ":material/error: No difference is shown: the two untouched networks are not the same one, as the images "
            "that they have right say."
        )
        return None
    return Other(figures, sides(job, other, names.apart(job, other)))


def make_view(chosen: Choice) -> View:
    """What is drawn, without a chosen cell."""
    grid, quantity = chosen.grid, chosen.quantity
    assert grid is not None
    cells = tidy(grid)
    best = best_cells(cells, quantity)
    view = View(
        with_values(cells, quantity),
        grid.depths,
        grid.widths,
        names.METRIC_LABELS.get(grid.metric, grid.metric),
        100 * grid.untouched.accuracy.top1,
        quantity,
        best,
        hidden=chart_view.hidden(CHART),
    )
    if chosen.other is None:
        return view
    compared = difference(cells, tidy(chosen.other.grid), quantity)
    return replace(view, cells=compared.assign(value=compared["gain"]), sides=chosen.other.sides, best=None)


def first_cell(view: View, grid: Grid) -> tuple[float, float]:
    """The cell that is shown before one is chosen: the best with half the MACs, else the untouched network."""
    best: pd.Series | None = best_within(view.cells, view.quantity, _HALF)
    return (max(grid.depths), max(grid.widths)) if best is None else (best["depth"], best["width"])


def answer(view: View, chosen: Choice) -> str:
    """What the map comes to, in a sentence or two."""
    assert chosen.grid is not None
    if view.sides is not None:
        return names.answer_of_difference(view.cells, (view.sides[0].label, view.sides[1].label), chosen.grid.images)
    return names.answer(
        view.cells, chosen.grid.untouched.accuracy.top1, view.quantity, chosen.grid.images, path=PATH not in view.hidden
    )


def select(view: View, cell: tuple[float, float]) -> View:
    """The view with a cell pointed out."""
    return replace(view, selected=cell)


def select_clicked() -> None:
    """Writes the clicked cell into the address; the chart loses its selection when it is drawn again."""
    address.choose_clicked(CHART)
