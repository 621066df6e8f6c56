"""The table beside the chart, with only the settings that differ, and its CSV."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app import escape, format, text, theme
from app.charts import axes, skyline
from app.components import paging
from app.explore import address, chosen, controls
from app.explore.table import order
from app.tables import points, selection
from app.tables.board_columns import BoardConditions
from engine.storage.records.measurement import Conditions
from engine.storage.records.remarks import NEAR_CHANCE

HEIGHT = 420
PAGE_ROWS = 100
_MOST_PICTURES = 5_000
_OF_STAGE = ["baseline", "stage", "phase", "final", "step", "top1", "int8"]  # what a stage is told by
_PAGE, _ORDER, _SOUGHT = "table_page", "table_order", "table_sought"  # in the session


def show(whole: pd.DataFrame, view: controls.View, selected: str | None = None) -> None:
    """One row a point, page by page, its latencies under the view's conditions; a tick selects its point.

    Several ticks choose models to compare, those on other pages among them.
    """
    host, board = view.host, view.board
    frame = whole.iloc[_page(whole, view, selected)]
    rows = escape.cells(display_rows(frame, board, whole))
    conditions = None if host is None else escape.markdown(text.host_conditions(host))
    ids = list(rows["point"])
    _tick(ids, chosen.ids(whole["id"]), selected, str(rows.columns[1]))
    st.dataframe(
        rows,
        hide_index=True,
        placeholder=format.MISSING,
        key="table",
        on_select=_select_row,
        selection_mode=["multi-row", "single-cell"],
        height=min(HEIGHT, 38 + 35 * max(1, len(rows))),
        column_config={
            "point": None,
            "skyline": st.column_config.ImageColumn("skyline", width="medium"),
            "top-1": _top1_column(frame),
            "source top-1": st.column_config.NumberColumn(
                format="%.1f %%", help="On the source's test split; the other top-1 is of the target's."
            ),
            "validation": st.column_config.NumberColumn(
                format="%.1f %%", help="On the validation split, which is all that tries of a search are measured on."
            ),
            "seeds": st.column_config.NumberColumn(format="%d", help="How many seeds the mean beside it is of."),
            "mean": st.column_config.NumberColumn(format="%.1f %%", help="Mean top-1 over the seeds."),
            "± 95 %": st.column_config.NumberColumn(
                format="%.1f", help=f"Half the mean's 95 % interval, from {selection.SEEDS_FOR_INTERVAL} seeds on."
            ),
            "change": st.column_config.NumberColumn(
                format="%+.1f", help="Percentage points from the run's own baseline."
            ),
            "MACs": st.column_config.NumberColumn(format="compact"),
            "parameters": st.column_config.NumberColumn(format="compact"),
            "size": st.column_config.NumberColumn(format="bytes"),
            "kept": st.column_config.NumberColumn(
                format="%.2f×", help="Share of the baseline's MACs, parameters or latency asked for."
            ),
            "latency": st.column_config.NumberColumn("latency p50", format="%.3g ms", help=conditions),
            "slower": st.column_config.NumberColumn(
                format="%.2f×",
                help="Of the baseline's latency. Widths that are no multiples of 8 are the likely reason; "
                "`--round-to 8` avoids them.",
            ),
            **_device_columns(board),
        },
        alt="The models in the chart with the settings in which they differ",
    )
    st.session_state["table_ids"] = ids


def _page(frame: pd.DataFrame, view: controls.View, selected: str | None) -> order.Places:
    """The places of the rows on the page that is turned to, with what turns it where there is more than one."""
    if len(frame) <= PAGE_ROWS:
        return order.places(frame, order.CHEAPEST, view.x, view.y)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        by = st.selectbox("Order", order.ORDERS, key=_ORDER, width=200, on_change=_turn_to_first)
        places = order.places(frame, by, view.x, view.y)
        _turn_to(frame, places, selected)
        count = paging.page_count(len(frame), PAGE_ROWS)
        st.session_state[_PAGE] = min(st.session_state.get(_PAGE, 1), count)
        rows = paging.rows_of(st.pagination(count, key=_PAGE, width=360), len(frame), PAGE_ROWS)
        st.caption(f"{paging.position(rows, len(frame))} models", width="content")
    return places[rows]


def _turn_to(frame: pd.DataFrame, places: order.Places, selected: str | None) -> None:
    """Turns to the page of a point that was selected since; the reader may turn away from it again."""
    sought = _asked(selected)
    if sought is not None and sought != st.session_state.get(_SOUGHT):
        ids = frame["id"].to_numpy()[places]
        st.session_state[_PAGE] = paging.page_of(int((ids == sought).argmax()), PAGE_ROWS)
    st.session_state[_SOUGHT] = sought


def _asked(selected: str | None) -> str | None:
    """The selected point where the user chose it; None where the page did, as nothing was chosen."""
    return selected if selected in address.values("point") else None


def _turn_to_first() -> None:
    st.session_state[_PAGE] = 1


def display_rows(
    frame: pd.DataFrame, board: BoardConditions | None = None, whole: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The tidy rows as the table shows them; with the settings in which those of the `whole` table differ."""
    whole = frame if whole is None else whole
    table: dict[str, Any] = {"point": frame["id"]}  # a data frame takes long for each column that is added to it
    for key in selection.differing_settings(whole):
        table[points.SETTINGS[key]] = _in_words(frame, key)
    table["kept"] = frame["keep"]
    kinds = selection.alike(*(frame[name] for name in _OF_STAGE if name != "top1"), frame["top1"].isna())
    _, first = np.unique(kinds, return_index=True)
    told = frame[_OF_STAGE].iloc[first].to_dict("records")
    table["measured"] = np.array([_measured(row) for row in told], dtype=object)[kinds]
    table["top-1"] = 100 * frame["top1"]
    table["change"] = 100 * (frame["top1"] - frame["base_top1"])
    table |= _repeated(frame, whole)
    if frame["source_top1"].notna().any():
        table["source top-1"] = 100 * frame["source_top1"]
    if frame["top1"].isna().any():
        table["validation"] = 100 * frame["val_top1"]
    table["MACs"] = frame["macs"]
    table["parameters"] = frame["params"]
    table["size"] = frame["bytes"]
    table["latency"] = frame["latency"]
    slower = points.slowdown(frame)
    if slower.notna().any():
        table["slower"] = slower
    if frame["at_chance"].any():
        table["doubt"] = frame["at_chance"].map({True: NEAR_CHANCE, False: None})
    if board is not None:
        for axis in axes.board_axes(board.name):
            if frame[axis.column].notna().any():
                table[axis.label] = frame[axis.column]
    pictured = zip(frame["widths"], frame["blocks_removed"], frame["criterion"], strict=True)
    table["skyline"] = [_picture(*each) for each in pictured]
    return pd.DataFrame(table)


@lru_cache(maxsize=_MOST_PICTURES)
def _picture(widths: Mapping[str, tuple[int, int]], removed: tuple[str, ...], criterion: str) -> str:
    return skyline.data_uri(skyline.svg(skyline.bars(widths, removed), theme.criterion_colour(criterion)))


def _measured(row: Mapping[str, Any]) -> str:
    return "baseline" if row["baseline"] else text.stage_label(row)


def _in_words(frame: pd.DataFrame, key: str) -> pd.Series:
    """A setting of each point as a page shows it."""
    if key == "data":
        return frame["data_label"]
    return frame[key].map(text.NAMES[key]) if key in text.NAMES else frame[key]


def csv(frame: pd.DataFrame, host: Conditions | None, board: BoardConditions | None = None) -> bytes:
    """The shown points with all their settings and raw values, and the conditions of their latencies."""
    columns = [
        "run_id",
        "point",
        "gallery",
        "group",
        "host",
        *points.SETTINGS,
        "stage",
        "phase",
        "keep",
        "step",
        "final",
    ]
    columns += [*points.METRICS, "flops", "latency", "created"]
    table = frame[columns].rename(columns={"latency": "latency_p50_ms"})
    conditions = None if host is None else text.host_conditions(host)
    table["latency_conditions"] = frame["latency"].notna().map({True: conditions, False: None})
    if board is not None:
        table["device"] = frame["device_ms"].notna().map({True: board.name, False: None})
        table["device_latency_p50_ms"] = frame["device_ms"]
        table["device_energy_mj"] = frame["device_mj"]
        table["device_conditions"] = frame["device_ms"].notna().map({True: board.label, False: None})
    table = table.assign(blocks_removed=frame["blocks_removed"].map(" ".join))
    table["at_chance"] = frame["at_chance"]
    document: str = escape.cells(table).to_csv(index=False)
    return document.encode(errors="replace")


def _top1_column(frame: pd.DataFrame) -> Any:
    """The accuracy that is drawn, which says that it is of the target where networks are carried over to one."""
    carried_over = [each.target is not None for each in frame["domains"]]
    return st.column_config.NumberColumn(
        "target top-1" if all(carried_over) else "top-1",
        format="%.1f %%",
        help="Of data SOURCE>TARGET on the target's test split." if any(carried_over) else None,
    )


def _device_columns(board: BoardConditions | None) -> dict[str, Any]:
    if board is None:
        return {}
    latency, energy = axes.board_axes(board.name)
    note = escape.markdown(board.label)
    return {
        latency.label: st.column_config.NumberColumn(f"p50 on {board.name}", format="%.3g ms", help=note),
        energy.label: st.column_config.NumberColumn(f"energy on {board.name}", format="%.3g mJ", help=note),
    }


def _repeated(frame: pd.DataFrame, whole: pd.DataFrame) -> dict[str, pd.Series]:
    """The means over the seeds of the whole table, where any point has several."""
    needed = ["seed", "top1", *selection.REPETITION]
    groups = whole.loc[whole["group"].isin(frame["group"].unique()), needed]
    repeated = selection.over_seeds(groups, "top1").loc[frame.index]
    several = repeated["n"] > 1
    if not several.any():
        return {}
    half = 100 * repeated["half_width"]
    columns = {"seeds": repeated["n"], "mean": (100 * repeated["mean"]).where(several)}
    return columns if half.isna().all() else {**columns, "± 95 %": half}


def _tick(ids: list[str], together: tuple[str, ...], selected: str | None, column: str) -> None:
    """Has those rows be ticked that are chosen, wherever that was done; left alone where they are already.

    What the user has ticked on other pages is kept beside what is ticked on this one.

    One of the selected row's cells, in `column` where the user is in no other, is where the arrow keys begin: with a
    row ticked and no cell they do nothing.
    """
    ticked = chosen.ticked(together, selected)
    wanted = [row for row, point in enumerate(ids) if point in ticked]
    row = ids.index(selected) if selected in ids else None
    state = st.session_state.get("table", {"selection": {"rows": [], "cells": []}})["selection"]
    begin = [] if row is None else [(row, column)]
    cells = [cell for cell in state["cells"] if cell[0] == row] or begin
    if sorted(state["rows"]) != wanted or list(state["cells"]) != cells:
        st.session_state["table"] = {"selection": {"rows": wanted, "columns": [], "cells": cells}}
        st.session_state["table_overruled"] = _rows_and_cells(state)
    st.session_state["table_ticked"] = [ids[row] for row in wanted]
    by_user = chosen.ticked(together, _asked(selected))
    st.session_state["table_elsewhere"] = [point for point in by_user if point not in ids]
    st.session_state["table_row"], st.session_state["table_selected"] = row, selected


def _select_row() -> None:
    """Takes the ticks as they are now, and selects the row that was ticked, or whose cell was stepped to.

    A browser that has not heard yet of ticks that the page set may report those from before once more.
    """
    now = st.session_state["table"]["selection"]
    if st.session_state.pop("table_overruled", None) == _rows_and_cells(now):
        return
    keys = ("table_ids", "table_row", "table_ticked", "table_elsewhere", "table_selected")
    ids, shown, before, elsewhere, selected = (st.session_state[key] for key in keys)
    ticks = [ids[row] for row in now["rows"] if row < len(ids)]
    changed = chosen.change((*elsewhere, *before), (*elsewhere, *ticks), selected)
    if changed is not None:
        chosen.remember(changed.ids)
        if changed.turned_to is not None:
            st.session_state[_SOUGHT] = changed.turned_to  # which may be on another page: the reader stays on this one
            controls.select_in_table(changed.turned_to)
        return
    row = next((cell[0] for cell in now["cells"] if cell[0] != shown and cell[0] < len(ids)), None)
    if row is not None:
        controls.select_in_table(ids[row])


def _rows_and_cells(selection: Any) -> tuple[list[int], list[Any]]:
    return sorted(selection["rows"]), [tuple(cell) for cell in selection["cells"]]
