"""Beside the launch form: what the request will cost, the command that does the same, and the press of the button."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import escape, format, theme
from app.charts import skyline
from app.components import actions
from app.launch import request
from app.launch.form import FormState
from app.tables import store
from engine.errors import RequestError, WorkError
from engine.graph.cost import widths
from engine.graph.summary import ModelSummary
from engine.jobs import preflight, worker
from engine.latency.table import read_for
from engine.prune.forecast import Forecast, forecast
from engine.spec.run import RunSpec


def draw(runs: list[RunSpec] | request.Refusal, form: FormState, history: Sequence[Mapping[str, Any]]) -> None:
    """The preview, the command that does the same, and the button."""
    refusal = runs if isinstance(runs, request.Refusal) else None
    with st.container(border=True):
        if isinstance(runs, list):
            refusal = _preview(runs[0])
        if refusal is not None:
            st.caption("What each target will cost appears here as soon as the request can be met.")
    if refusal is not None:
        form.errors[refusal.section].error(refusal.sentence, icon=":material/error:")
        st.button("Prune", type="primary", icon=":material/content_cut:", width="stretch", disabled=True, key="refused")
        return
    assert isinstance(runs, list)
    _prune_button(runs, history)
    with st.expander("The command line that does the same", icon=":material/terminal:", expanded=len(runs) < 3):
        st.code(request.commands(runs), language="bash", wrap_lines=True)


def _preview(spec: RunSpec) -> request.Refusal | None:
    """Draws what each target will cost; or returns why the request cannot be met, and in which section."""
    try:
        preflight.check_request(spec)
    except RequestError as error:
        return request.Refusal.of(str(error), error.field)
    with st.skeleton(height=260):
        summary = store.summary(spec)
    if isinstance(summary, store.SummaryFailure):
        return request.Refusal.of(summary.sentence, summary.field)
    try:
        targets = forecast(summary, spec, read_for(spec.target.latency_table, summary))
    except RequestError as error:
        return request.Refusal.of(str(error), error.field)
    _row(_baseline(summary), theme.NEUTRAL)
    for target in targets:
        _row(target, theme.criterion_colour(spec.criterion))
    if not targets:
        st.caption("What each target will cost is known once this computer's layer latencies are measured.")
    return None


def _baseline(summary: ModelSummary) -> Forecast:
    return Forecast(keep=1.0, params=summary.params, macs=summary.macs, removed=(), widths=widths(summary))


def _row(target: Forecast, colour: str) -> None:
    bars = skyline.bars(target.widths, target.removed)
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
        st.markdown(f"**{format.ratio(target.keep)}**", width=48)
        st.image(skyline.svg(bars, colour, width=190, height=44), width="stretch", alt=skyline.describe(bars))
        st.caption(f"{format.si(target.macs)} MACs  \n{format.si(target.params)} parameters", width=122)


def _prune_button(runs: Sequence[RunSpec], history: Sequence[Mapping[str, Any]]) -> None:
    durations = [store.expected_seconds(history, run) for run in runs]
    label = "Prune" if len(runs) == 1 else f"Prune, {len(runs)} runs"
    st.button(
        label,
        type="primary",
        icon=":material/content_cut:",
        width="stretch",
        key="prune",
        on_click=_submit,
        args=(tuple(runs),),
    )
    if st.session_state.pop("launched", False):
        st.switch_page("../pages/runs.py")
    if all(seconds is not None for seconds in durations):
        total = format.minutes(sum(filter(None, durations)))
        st.caption(f"About {total} on this machine, as measured in earlier runs like it.")


def _submit(runs: tuple[RunSpec, ...]) -> None:
    """Queues the runs and starts a worker where none runs; a double click queues them once."""
    actions.submit_once("submitted", runs, lambda: _queue_and_start(runs))


def _queue_and_start(runs: Sequence[RunSpec]) -> bool:
    """Whether any of the runs was queued."""
    queued, failure = _queue(runs)
    if failure is not None:
        prefix = f"{queued} of {len(runs)} runs are queued, then it stopped: " if len(runs) > 1 else ""
        st.toast(prefix + escape.message(failure), icon=":material/error:", duration="long")
    if queued == 0:
        return False
    if failure is None:
        st.toast("Queued" if len(runs) == 1 else f"{len(runs)} runs queued", icon=":material/check:")
    st.session_state["launched"] = True
    actions.run_action(lambda: worker.start_detached(store.open_store()))
    return True


def _queue(runs: Sequence[RunSpec]) -> tuple[int, str | None]:
    """How many of the runs were queued, and why not all of them."""
    queued = 0
    try:
        queue = store.queue()
        for run in runs:
            queue.submit(run)
            queued += 1
    except (RequestError, WorkError) as error:
        return queued, str(error)
    return queued, None
