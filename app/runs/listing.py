"""Which runs the page lists, and what a row of its table says. Pure functions of the runs as the index has them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from app import escape, format, text, theme
from app.components import paging
from app.runs import details
from app.tables import points, selection

PAGE_ROWS = 50
_METRIC_LABELS = {"macs": "MACs", "params": "parameters"}
# Settings that a row says elsewhere: in what the run is, and in its targets.
_SAID = frozenset(("model", "data", "criterion", "order", "depth_method", "width_method", "seed", "lose", "at_least"))

Run = Mapping[str, Any]


def counts(runs: Sequence[Run]) -> dict[str, int]:
    """How many runs are in each state, of those states that occur, in the order of the page."""
    found = {state: sum(run["state"] == state for run in runs) for state in theme.STATE_LOOK}
    return {state: count for state, count in found.items() if count}


def matching(runs: Sequence[Run], states: Sequence[str], words: str) -> list[Run]:
    """The runs in one of the states (any, where none is named) whose texts have all the words, whatever their case."""
    wanted = words.casefold().split()
    listed = [run for run in runs if not states or run["state"] in states]
    return [run for run in listed if all(word in _texts(run) for word in wanted)] if wanted else listed


def page_count(total: int) -> int:
    """How many pages the table has, at least one."""
    return paging.page_count(total, PAGE_ROWS)


def page(runs: Sequence[Run], number: int) -> list[Run]:
    """The runs on a page, counted from 1; those of the last page for a number that is beyond it."""
    return list(runs[paging.rows_of(number, len(runs), PAGE_ROWS)])


def page_of(runs: Sequence[Run], run_id: str | None) -> int:
    """The page on which a run is; the first for one that is not listed."""
    place = next((number for number, run in enumerate(runs) if run["run_id"] == run_id), 0)
    return paging.page_of(place, PAGE_ROWS)


def position(shown: int, number: int, total: int, of_all: int) -> str:
    """Where in the list the page is: `51–100 of 1,234 runs`, and of how many the filters let these pass."""
    noun = "run" if of_all == 1 else "runs"
    where = paging.position(paging.rows_of(number, total, PAGE_ROWS), total)
    if total == of_all:
        return f"{where} {noun}"
    return f"{where} of {of_all:,} {noun}" if shown == total else f"{where}, out of {of_all:,} {noun}"


def rows(runs: Sequence[Run], sizes: Mapping[str, int]) -> pd.DataFrame:
    """A row for each run, with the settings in which they differ; columns of which nothing is known are left out."""
    table = pd.DataFrame([_row(run, sizes.get(run["run_id"])) for run in runs])
    differing = [key for key in selection.differing_settings(pd.DataFrame(runs)) if key not in _SAID]
    place = list(table).index("what") + 1
    for number, key in enumerate(differing):
        table.insert(place + number, points.SETTINGS[key], _column(key, [run[key] for run in runs]))
    return table.dropna(axis="columns", how="all")


def best(run: Run) -> str | None:
    """At which cost a run's best accuracy was measured: `0.80× MACs`; None where that is not known."""
    cost = run["best_cost"]
    return None if cost is None else f"{format.ratio(cost)} {metric_label(run['metric'])}"


def metric_label(metric: str) -> str:
    """What a target is stated in, in the words of the screen."""
    return _METRIC_LABELS.get(metric, metric)


def _row(run: Run, size: int | None) -> dict[str, Any]:
    baseline, top1 = run["baseline_top1"], run["best_top1"]
    return {
        "state": theme.STATE_LOOK[run["state"]][0],
        "name": escape.plain(run["name"]) or None,
        "what": details.title(run),
        "targets": text.targets(run) if details.is_readable(run) else None,
        "baseline": None if baseline is None else 100 * baseline,
        "best so far": None if top1 is None else 100 * top1,
        "at": best(run),
        "tags": escape.plain(", ".join(run["tags"])) or None,
        "note": escape.plain(run["note"]) or None,
        "when": pd.Timestamp(run["created"], unit="s", tz="UTC"),
        "took": details.duration(run),
        "disk": format.si(size, "B") if size else None,
    }


def _texts(run: Run) -> str:
    """All that a search looks through."""
    return " ".join((details.title(run), run["name"], run["note"], *run["tags"], run["run_id"])).casefold()


def _column(key: str, values: Sequence[Any]) -> list[Any]:
    """Numbers stay numbers, so that the table sorts by them; of all else its words."""
    numbers = all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values)
    return list(values) if numbers else [details.setting_text(key, value) for value in values]
