"""What the layers of models took on boards, by the profiles that timings keep."""

from collections.abc import Mapping, Sequence

import streamlit as st

from app.tables import store
from engine.errors import RequestError, WorkError
from engine.storage.timings.layers import LayerProfile


def profiles(token: str, ids: Sequence[str]) -> dict[str, dict[str, LayerProfile]]:
    """Board and precision → point → its newest profile, of those of these points that have one."""
    found: dict[str, dict[str, LayerProfile]] = {}
    for job in store.timings(token):
        timed = [f"{point['run']}.{point['point']}" for point in job["points"] or ()]
        if job["state"] != "done" or not set(timed) & set(ids):
            continue
        for profile in _read(str(store.results_root()), str(job["job_id"]), token):
            point = f"{profile.run}.{profile.point}"
            if point in ids and profile.layers:
                board = f"{job['device']}, {profile.precision.upper()}"
                found.setdefault(board, {}).setdefault(point, profile)
    return found


def by_layer(profile: LayerProfile) -> Mapping[str, float]:
    """Milliseconds of each convolution and linear layer; those that ran as one share its time equally."""
    times: dict[str, float] = {}
    for row in profile.layers:
        if row.kind == "layer":
            for name in row.layers:
                times[name] = times.get(name, 0.0) + row.ms / len(row.layers)
    return times


@st.cache_data(max_entries=32, show_spinner=False)
def _read(root: str, job_id: str, token: str) -> list[LayerProfile]:
    """The profiles of a timing; none of one that is damaged or was deleted, which its own page says."""
    try:
        return store.open_store().timing(job_id).layers()
    except (RequestError, WorkError):
        return []
