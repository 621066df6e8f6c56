"""Landscapes as the pages read them: which there are, the figures of one as a tidy table, and selections from it.

Everything here is read from files; no process of the engine is asked.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.tables import store
from engine.errors import WorkError
from engine.spec.images import domains
from engine.spec.landscape.request import MOST_SIDE
from engine.spec.run import RunSpec
from engine.spec.settings import columns_of, section_of
from engine.storage.landscapes.grid import Accuracy, Cell, Grid
from engine.storage.landscapes.job import Landscape

Values = NDArray[np.float64]
Quantity = Literal["reconstructed", "plain"]  # the network refitted, or cut and nothing else
BUDGETS = tuple(tenth / 10 for tenth in range(9, 0, -1))  # shares of the untouched network's MACs
# Compound scaling makes a network deeper by 1.2 and wider by 1.1 at a time (Tan & Le 2019), and MACs go with the square
# of the width: in reverse layers answer for this share of a cut, in log space, as `depth_share` has it.
COMPOUND_SHARE = math.log(1.2) / (math.log(1.2) + 2 * math.log(1.1))
_CLOSE = 1e-9
_SAME = ("metric", "grid", "least", "validation_images")  # of landscapes that can be held against each other
_SECTIONS = ("network", "data", "seeds")  # whose settings make the baseline, and its images
_COLUMNS = {
    "depth": float, "width": float, "kept_depth": float, "kept_width": float, "macs": float, "macs_share": float,
    "params": float, "params_share": float, "ms": float, "ms_share": float, "plain": float, "reconstructed": float,
    "images": float,
}  # fmt: skip
_OTHERS = ("why", "repeats", "removed", "widths")


def landscapes(token: str) -> list[dict[str, Any]]:
    """All landscapes, newest first, the shipped ones last, each with a `data_label` and whether it is shipped."""
    return _landscapes(str(store.results_root()), token)


@st.cache_data(max_entries=4, show_spinner=False)
def _landscapes(root: str, token: str) -> list[dict[str, Any]]:
    """The list; `root` and `token` only make the cache tell one state of one results folder from others."""
    folder = store.open_store()
    own = [{**job, "gallery": False} for job in folder.landscapes()]
    jobs = [*own, *({**job, "gallery": True} for job in folder.shipped_landscapes())]
    names = domains.shorten(job["data"] for job in jobs if job["data"])
    return [{**job, "data_label": names[job["data"]].label if job["data"] else None} for job in jobs]


def active(jobs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that still change, the one that is worked on first, then in the order in which they will start."""
    still = [job for job in jobs if job["state"] in store.ACTIVE and not job["gallery"]]
    return sorted(still, key=lambda job: (store.ACTIVE.index(job["state"]), job["created"]))


def comparable(job: Mapping[str, Any], jobs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The other landscapes of the same baseline, on the same images and with the same cells."""
    columns = [
        column
        for column, field in columns_of(RunSpec).items()
        if section_of(RunSpec, field.name) in _SECTIONS and column != "run_on"
    ]
    return [
        other
        for other in jobs
        if other["run_id"] != job["run_id"] and all(other[key] == job[key] for key in (*columns, *_SAME))
    ]


def folder_of(job_id: str) -> Landscape:
    """The folder of a landscape; RequestError where there is none of that id."""
    return store.open_store().landscape(job_id)


def grid(job_id: str) -> Grid | None:
    """What is measured so far; None before the baseline is. WorkError where the file is damaged."""
    folder = folder_of(job_id)
    try:
        state = folder.file.lstat()
    except OSError:
        return None
    return _grid(str(folder.path), (state.st_mtime_ns, state.st_size, state.st_ino))


@st.cache_data(max_entries=16, show_spinner=False)
def _grid(folder: str, stamp: tuple[int, int, int]) -> Grid | None:
    """The figures; `stamp` only makes the cache tell a changed file from an unchanged one."""
    landscape = Landscape(Path(folder))
    figures = landscape.grid()
    if figures is not None:
        _check_sides(figures, landscape.file)
    return figures


def _check_sides(figures: Grid, file: Path) -> None:
    """WorkError for sides that no landscape has: whoever draws them relies on few and different shares."""
    for name, side in (("depths", figures.depths), ("widths", figures.widths)):
        if not 1 <= len(side) <= MOST_SIDE or len(set(side)) != len(side) or min(side) <= 0:
            raise WorkError(f"{file} is damaged: its {name} are not 1 to {MOST_SIDE} different shares above 0")


def tidy(figures: Grid) -> pd.DataFrame:
    """One row for each cell that is measured: `depth` and `width` as asked, and what came of them.

    Accuracies (`plain`, `reconstructed`) and `*_share` are shares, `ms` is predicted, `images` the validation images.
    `why` says why there is no network, `repeats` of which other cell the network is, `removed` which blocks went, and
    `widths` how many output channels each layer had and keeps.
    """
    shares = {(depth, width) for depth in figures.depths for width in figures.widths}
    rows: dict[tuple[float, float], dict[str, Any]] = {}
    for cell in figures.cells:
        place = (cell.asked.depth, cell.asked.width)
        if place in shares:
            rows.setdefault(place, _row(cell))
    frame = pd.DataFrame(list(rows.values()), columns=[*_COLUMNS, *_OTHERS])
    return frame.astype(_COLUMNS)


def _row(cell: Cell) -> dict[str, Any]:
    kept, got = cell.kept, cell.got
    return {
        "depth": cell.asked.depth,
        "width": cell.asked.width,
        "kept_depth": kept.depth if kept else None,
        "kept_width": kept.width if kept else None,
        "macs": cell.macs,
        "macs_share": got.macs if got else None,
        "params": cell.params,
        "params_share": got.params if got else None,
        "ms": cell.predicted_ms,
        "ms_share": got.latency if got else None,
        "plain": _share(cell.plain),
        "reconstructed": _share(cell.reconstructed),
        "images": cell.plain.total if cell.plain else None,
        "why": cell.why,
        "repeats": (cell.repeats.depth, cell.repeats.width) if cell.repeats else None,
        "removed": cell.blocks_removed,
        "widths": {name: pair for name, pair in cell.widths.items() if pair[0] > 0},
    }


def _share(accuracy: Accuracy | None) -> float | None:
    return None if accuracy is None else accuracy.top1


def matrix(frame: pd.DataFrame, column: str, depths: Sequence[float], widths: Sequence[float]) -> Values:
    """A column of a tidy table as an array of widths × depths; NaN where there is no value."""
    values = frame.set_index(["width", "depth"])[column]
    grid_of_places = pd.MultiIndex.from_product([widths, depths])
    drawn: Values = values.reindex(grid_of_places).to_numpy(dtype=float).reshape(len(widths), len(depths))
    return drawn


def difference(one: pd.DataFrame, other: pd.DataFrame, quantity: Quantity) -> pd.DataFrame:
    """The cells of `one` with `gain`: how many points its accuracy is above that of `other` there; NaN if unknown."""
    places = ["depth", "width"]
    theirs = other.set_index(places)[quantity].rename("theirs")
    frame = one.join(theirs, on=places)
    return frame.assign(gain=(100 * (frame[quantity] - frame["theirs"])).round(6))


def best_cells(frame: pd.DataFrame, quantity: Quantity, budgets: Sequence[float] = BUDGETS) -> pd.DataFrame:
    """For each budget of MACs that can be met its most accurate cell (ties: fewer MACs): a row each, with `budget`."""
    rows = [best for budget in budgets if (best := best_within(frame, quantity, budget)) is not None]
    return pd.DataFrame(rows) if rows else frame.head(0).assign(budget=pd.Series(dtype=float))


def best_within(frame: pd.DataFrame, quantity: Quantity, budget: float) -> pd.Series | None:
    """The most accurate cell with at most that share of the MACs, and the `budget`; None where there is none."""
    fits = _within(frame, quantity, budget)
    if fits.empty:
        return None
    best = fits.sort_values([quantity, "macs_share"], ascending=[False, True], kind="stable").iloc[0]
    return pd.concat([best, pd.Series({"budget": budget})])


def even_within(frame: pd.DataFrame, quantity: Quantity, budget: float) -> pd.Series | None:
    """The cell with at most that share of the MACs that lies nearest to compound scaling in reverse."""
    fits = _within(frame, quantity, budget)
    if fits.empty:
        return None
    depth, width = budget**COMPOUND_SHARE, budget ** (1 - COMPOUND_SHARE)
    away = np.abs(np.log(fits["depth"] / depth)) + np.abs(np.log(fits["width"] / width))
    return fits.loc[away.idxmin()]


def compound_path(least: float, points: int = 33) -> tuple[list[float], list[float]]:
    """Depth kept and width kept along compound scaling in reverse, from the untouched network to the edge `least`."""
    # The side that shrinks faster ends the path.
    smallest = least ** (1 / max(COMPOUND_SHARE, 1 - COMPOUND_SHARE))
    keep = np.geomspace(1.0, smallest, points)
    return list(keep**COMPOUND_SHARE), list(keep ** (1 - COMPOUND_SHARE))


def _within(frame: pd.DataFrame, quantity: Quantity, budget: float) -> pd.DataFrame:
    known = frame.dropna(subset=[quantity, "macs_share"])
    return known[known["macs_share"] <= budget + _CLOSE]
