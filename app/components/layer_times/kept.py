"""The layer times that files have of a point and of its untouched network: of this computer, and of boards."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from app import text
from app.components.layer_times import boards
from app.tables import store
from engine.errors import WorkError
from engine.latency.layers.reasons import Explanation, explain
from engine.measure import machine
from engine.storage.folders.run import Run
from engine.storage.outcomes import layer_times, layers
from engine.storage.outcomes.layer_times import LayerTimesPair
from engine.storage.timings.layers import LayerProfile

HERE = "This computer"


@dataclass(frozen=True)
class Comparison:
    """Both profiles of one place, and why the pruned network takes its time; None where its MACs are not kept."""

    where: str
    untouched: LayerProfile
    pruned: LayerProfile
    explanation: Explanation | None


@dataclass(frozen=True)
class Kept:
    """What there is, that of this computer first; `damage` says what cannot be read."""

    comparisons: tuple[Comparison, ...] = ()
    damage: str = ""


def read(token: str, run_id: str, point: int) -> Kept:
    """What was measured of a point, and of the network that its run began with, under the same conditions."""
    run = store.run_or_none(run_id)
    if run is None:
        return Kept()
    try:
        here = host_pair(run, point)
        costs = _macs(run, 0), _macs(run, point)
    except WorkError as error:
        return Kept(damage=str(error))
    found = [] if here is None else [_comparison(HERE, here, costs)]
    ids = f"{run_id}.0", f"{run_id}.{point}"
    for where, of_points in boards.profiles(token, ids).items():
        if ids[0] in of_points and ids[1] in of_points:
            pair = LayerTimesPair(untouched=of_points[ids[0]], pruned=of_points[ids[1]])
            found.append(_comparison(where, pair, costs))
    return Kept(tuple(found))


def host_pair(run: Run, point: int) -> LayerTimesPair | None:
    """What a host measured of a point; None where none did, WorkError where that is damaged."""
    return _pair(str(run.layer_times_file(point)), run, point, store.stamp(run.layer_times_file(point)))


def host_profiles(ids: Sequence[str]) -> dict[str, dict[str, LayerProfile]]:
    """Place → point → what a host measured of it, of those of these points that have it; as boards' profiles are.

    An untouched network comes from the newest measurement of another one of its run. What is damaged is left out, which
    the dialog of its point says.
    """
    found: dict[str, dict[str, LayerProfile]] = {}
    for point_id in ids:
        run_id, _, number = point_id.rpartition(".")
        run = store.run_or_none(run_id)
        pair = None if run is None else _pair_or_none(run, int(number))
        if pair is None:
            continue
        of_place = found.setdefault(_place(pair.pruned), {})
        of_place[point_id] = pair.pruned
        untouched, base = f"{run_id}.0", of_place.get(f"{run_id}.0")
        if untouched in ids and (base is None or (base.at or 0) < (pair.untouched.at or 0)):
            of_place[untouched] = pair.untouched
    return found


def of_other_machine(profile: LayerProfile) -> str | None:
    """The processor of a host's profile where this computer has another; None for one of this, or a board's."""
    return profile.host if profile.host is not None and profile.host != machine.cpu_model() else None


def _pair_or_none(run: Run, point: int) -> LayerTimesPair | None:
    try:
        return host_pair(run, point)
    except WorkError:
        return None


def _place(profile: LayerProfile) -> str:
    return f"{of_other_machine(profile) or HERE.lower()}, {text.threads(profile.threads or 0)}"


def _comparison(where: str, pair: LayerTimesPair, costs: tuple[dict[str, int], dict[str, int]]) -> Comparison:
    explanation = explain(pair.untouched, pair.pruned, *costs) if all(costs) else None
    return Comparison(where, pair.untouched, pair.pruned, explanation)


def _macs(run: Run, point: int) -> dict[str, int]:
    path = run.path / "models" / f"p{point}.{layers.SUFFIX}"
    return _read_macs(str(path), store.stamp(path))


@st.cache_data(max_entries=64, show_spinner=False)
def _read_macs(path: str, stamp: tuple[int, int] | None) -> dict[str, int]:
    return {layer.name: layer.macs for layer in layers.read(Path(path))}


@st.cache_resource(max_entries=64, show_spinner=False)
def _pair(file: str, _run: Run, point: int, stamp: tuple[int, int] | None) -> LayerTimesPair | None:
    """`file` and `stamp` only make the cache tell one file from the next."""
    return layer_times.read(_run, point)
