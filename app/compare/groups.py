"""Groups: a model as it came out under every seed, in a link the id of one of its repetitions with `SUFFIX` behind it.

Pure functions.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from app import format, text
from app.tables import selection

SUFFIX = "~seeds"


def is_group(entry: str) -> bool:
    """Whether an entry of a link asks for a model over all its seeds."""
    return entry.endswith(SUFFIX)


def point_of(entry: str) -> str:
    """The id in an entry of a link, `<run_id>.<point>`."""
    return entry.removesuffix(SUFFIX)


def members(frame: pd.DataFrame, point: str) -> pd.DataFrame:
    """The rows of `frame`, all points, that differ from a point in nothing but the seed, by ascending seed.

    Of several runs with one seed the newest counts. The point's own row alone where its run has no group; none where it
    was not measured on test images.
    """
    rows = frame[frame["id"] == point]
    group = rows["group"].iloc[0]
    if not pd.isna(group):
        rows = frame[frame["group"] == group]
        cells = selection.repetition(rows)
        rows = rows[cells == cells[rows["id"] == point].iloc[0]]
    rows = rows.dropna(subset=["top1", "seed"]).sort_values("created", kind="stable")
    return rows.drop_duplicates("seed", keep="last").sort_values("seed", kind="stable")


def heads(frame: pd.DataFrame) -> list[str]:
    """Of each model that was made with several seeds the id of the first of its repetitions."""
    known = frame.dropna(subset=["top1", "seed", "group"])
    cells = selection.repetition(known)
    seeds = cells.map(known["seed"].groupby(cells).nunique())
    return list(known.loc[(seeds > 1) & ~cells.duplicated(), "id"])


def label(row: Mapping[str, Any], seeds: int) -> str:
    """A group in one line of a list."""
    what = "Not pruned" if row["baseline"] else text.title(row)
    return f"{what} over {seeds} seeds · {text.method(row)} · {row['model']} on {row['data_label']}"


def over_seeds(frame: pd.DataFrame, entries: Sequence[str]) -> tuple[str, ...]:
    """The entries with each model that has several seeds as its group, and each group once."""
    found: dict[frozenset[str], str] = {}
    for entry in entries:
        point = point_of(entry)
        repeated = frozenset(members(frame, point)["id"])
        several = len(repeated) > 1
        found.setdefault(repeated if several else frozenset({entry}), f"{point}{SUFFIX}" if several else entry)
    return tuple(found.values())


def single(entries: Iterable[str]) -> tuple[str, ...]:
    """The entries with each group as the one network that its entry names."""
    return tuple(dict.fromkeys(map(point_of, entries)))


def numbers(seeds: Iterable[int]) -> str:
    """Seeds in a cell: `0, 1, 2`; a missing mark for none."""
    return ", ".join(map(str, seeds)) or format.MISSING
