"""Landscapes in words: what each is of, what tells two apart, and what their figures come to. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from app import format, text
from app.tables.landscapes import Quantity, best_within, even_within

_HALF = 0.5  # the share of the MACs that the sentence is about, where cells have so few
METRIC_LABELS = {"macs": "MACs", "params": "parameters", "latency": "time"}


def title(job: Mapping[str, Any]) -> str:
    """A landscape in a few words; one whose request cannot be read goes by its id."""
    if not is_readable(job):
        return str(job["run_id"])
    criterion, order = text.criterion_label(job["criterion"]), text.order_label(job["order"])
    return f"{job['model']} on {job['data_label']} · {criterion} · {order} · {job['grid']} × {job['grid']}"


def is_readable(job: Mapping[str, Any]) -> bool:
    """Whether the list has what a landscape's request says."""
    return all(job[key] is not None for key in ("model", "data", "criterion", "order", "grid"))


def labels(jobs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """A landscape's id → its words in a list of others, with its state where it is not done, and distinct from all."""
    words = {job["run_id"]: _with_state(job) for job in jobs}
    found = list(words.values())
    return {job_id: f"{label} · {job_id}" if found.count(label) > 1 else label for job_id, label in words.items()}


def _with_state(job: Mapping[str, Any]) -> str:
    state = "shipped" if job["gallery"] else job["state"]
    return title(job) if state == "done" else f"{title(job)} ({state})"


def apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, str]:
    """What two landscapes are told apart by: their criteria, their orders, or both; else their ids."""
    pairs = [
        (text.criterion_label(one["criterion"]), text.criterion_label(other["criterion"])),
        (text.order_label(one["order"]), text.order_label(other["order"])),
    ]
    different = [pair for pair in pairs if pair[0] != pair[1]]
    if not different:
        return str(one["run_id"]), str(other["run_id"])
    first, second = (", ".join(parts) for parts in zip(*different, strict=True))
    return first, second


def answer(cells: pd.DataFrame, untouched: float, quantity: Quantity, images: int, *, path: bool = True) -> str:
    """What half of the MACs costs at best, and with `path` scaled evenly; `untouched` is an accuracy as a share."""
    best = best_within(cells, quantity, _HALF)
    if best is None:
        return f"Nothing with half the MACs is measured yet; the untouched network has {format.percent(untouched)}."
    loss = format.percentage_points(best[quantity], untouched)
    sentence = (
        f"Half the MACs costs {_unsigned(loss)} at best ({format.percent(untouched)} → "
        f"{format.percent(best[quantity])}): {format.ratio(best['depth'])} of the depth, "
        f"{format.ratio(best['width'])} of the width."
    )
    even = even_within(cells, quantity, _HALF) if path else None
    if even is not None and (even["depth"], even["width"]) != (best["depth"], best["width"]):
        sentence += f" Compound scaling in reverse keeps {format.percent(even[quantity])} there."
    return f"{sentence} One of the {images:,} validation images is {100 / max(images, 1):.2g} points."


def _unsigned(points: str) -> str:
    """`−3.0 points` as what it costs: `3.0 points`; a gain stays signed, as a cost below nothing."""
    if points.startswith("−"):
        return points[1:]
    return "nothing" if points.startswith("+0.0") else f"less than nothing ({points})"


def answer_of_difference(cells: pd.DataFrame, labels: tuple[str, str], images: int) -> str:
    """Who is ahead where; `cells` are those of `difference`."""
    gains = cells["gain"].dropna()
    if gains.empty:
        return "These two landscapes have no measured cell in common yet."
    sentence = _lead(cells, gains, labels[0], 1) + " " + _lead(cells, gains, labels[1], -1)
    alike = int((gains == 0).sum())
    sentence += f" In {alike} they are alike." if alike else ""
    return f"{sentence} One of the {images:,} validation images is {100 / max(images, 1):.2g} points."


def _lead(cells: pd.DataFrame, gains: pd.Series, label: str, sign: int) -> str:
    ahead = (sign * gains)[sign * gains > 0]
    label = label[:1].upper() + label[1:]
    if ahead.empty:
        return f"{label} is ahead in none of {len(gains)} cells."
    most = cells.loc[ahead.idxmax()]
    place = f"depth {format.ratio(most['depth'])}, width {format.ratio(most['width'])}"
    return f"{label} is ahead in {len(ahead)} of {len(gains)} cells, by up to {ahead.max():.1f} points ({place})."
