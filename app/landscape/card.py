"""The card of one cell: two sliders that choose it, its skyline and numbers, and the run that makes its network."""

from dataclasses import dataclass
from functools import partial

import pandas as pd
import streamlit as st

from app import escape, format, text, theme
from app.charts import skyline
from app.components import actions
from app.landscape import address
from app.landscape.address import DEPTH, WIDTH
from app.tables import store
from app.tables.landscapes import Quantity
from engine.errors import RequestError, WorkError
from engine.pipeline.landscape.same_network import run_of
from engine.spec.flags import command_line
from engine.spec.run import RunSpec
from engine.storage.landscapes.grid import Cell, Grid

_SUBMITTED = "landscape_point"  # in the session: the last cell that was launched, and when


@dataclass(frozen=True)
class Chosen:
    """A cell of a landscape: its shares, its row of the tidy table, and its record; None where it is not measured."""

    depth: float
    width: float
    row: pd.Series | None
    cell: Cell | None


def choose(grid: Grid, cells: pd.DataFrame, default: tuple[float, float]) -> Chosen:
    """The cell that the address names."""
    depth = address.pick(DEPTH, grid.depths, default[0], "the depth kept")
    width = address.pick(WIDTH, grid.widths, default[1], "the width kept")
    rows = cells[(cells["depth"] == depth) & (cells["width"] == width)]
    return Chosen(depth, width, None if rows.empty else rows.iloc[0], grid.cell(depth, width))


def show(grid: Grid, chosen: Chosen, quantity: Quantity, criterion: str) -> None:
    """The sliders and the card below them."""
    sliders = ((DEPTH, "Depth kept", grid.depths), (WIDTH, "Width kept", grid.widths))
    for column, (key, label, side) in zip(st.columns(2), sliders, strict=True):
        column.select_slider(label, sorted(side), format_func=_exact, **address.bound(key))
    if chosen.row is None or chosen.cell is None:
        st.caption("This network is not measured yet.")
        return
    if chosen.cell.why is not None:
        st.markdown(f":material/block: No such network: {escape.message(chosen.cell.why)}.")
        return
    _metrics(grid, chosen.row, quantity)
    _skyline(chosen, criterion)
    _facts(grid, chosen.row)
    _launch(grid, chosen)


def _exact(share: float) -> str:
    """A share with as many digits as it has: two that differ little are two places of a slider."""
    return f"{share:g}×"


def _metrics(grid: Grid, row: pd.Series, quantity: Quantity) -> None:
    base = grid.untouched
    other: Quantity = "plain" if quantity == "reconstructed" else "reconstructed"
    words = {"reconstructed": "Reconstructed", "plain": "Cut alone"}
    numbers = [
        (words[name], format.percent(row[name]), format.percentage_points(row[name], base.accuracy.top1))
        for name in (quantity, other)
        if not pd.isna(row[name])
    ]
    numbers.append(("MACs", format.si(row["macs"]), format.ratio(row["macs_share"])))
    if pd.isna(row["ms"]):
        numbers.append(("Parameters", format.si(row["params"]), format.ratio(row["params_share"])))
    else:
        numbers.append(("Predicted latency", format.milliseconds(row["ms"]), format.ratio(row["ms_share"])))
    with st.grid(2, gap=("xsmall", "small"), min_column_width=110):
        for label, value, delta in numbers:
            st.metric(label, value, delta, delta_color="off", delta_arrow="off")


def _skyline(chosen: Chosen, criterion: str) -> None:
    assert chosen.cell is not None
    widths = {name: pair for name, pair in chosen.cell.widths.items() if pair[0] > 0}
    bars = skyline.bars(widths, chosen.cell.blocks_removed)
    if bars:
        st.plotly_chart(
            skyline.figure(bars, theme.criterion_colour(criterion), height=84),
            key="landscape-skyline",
            config={"displayModeBar": False},
            alt=skyline.describe(bars),
        )


def _facts(grid: Grid, row: pd.Series) -> None:
    kept = f"Kept {format.ratio(row['kept_depth'])} of the depth, {format.ratio(row['kept_width'])} of the width"
    blocks = len(row["removed"])
    gone = f"; {blocks} block{'s' if blocks != 1 else ''} gone" if blocks else ""
    lines = [f"{kept}{gone}. {row['images']:,.0f} validation images."]
    if row["repeats"] is not None:
        depth, width = row["repeats"]
        lines.append(f"The same network as at depth {format.ratio(depth)}, width {format.ratio(width)}.")
    if grid.latency is not None:
        source = grid.latency
        threads = f"{source.threads} thread" + ("s" if source.threads != 1 else "")
        lines.append(f"Latency predicted from {source.where}'s layers: {source.tool}, {source.provider}, {threads}.")
    st.caption("  \n".join(map(escape.markdown, lines)))


def _launch(grid: Grid, chosen: Chosen) -> None:
    """The button that queues the run, and the command that does the same."""
    assert chosen.cell is not None
    if not chosen.cell.blocks_removed and all(kept == whole for whole, kept in chosen.cell.widths.values()):
        st.caption("This is the untouched network.")
        return
    try:
        spec = run_of(grid, chosen.cell)
    except (RequestError, WorkError) as error:
        st.caption(f"It cannot be launched: {text.sentence(str(error))}")
        return
    st.button(
        "Launch this very point",
        icon=":material/content_cut:",
        type="primary",
        width="stretch",
        on_click=partial(_submit, spec),
        help=f"A run with this network as its target, {spec.recover.epochs} epochs of recovery, and the test split.",
    )
    with st.expander("The command line that does the same", icon=":material/terminal:"):
        st.code(command_line("submit", spec), language=None, wrap_lines=True)


def _submit(spec: RunSpec) -> None:
    """Queues the run once, however often it is clicked within a moment."""
    said = "Queued; Runs shows how it goes"
    actions.submit_once(_SUBMITTED, spec, lambda: actions.enqueue(lambda: store.queue().submit(spec), said))
