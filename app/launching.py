"""Beside the launch form: what the request will cost, the command that does the same, and the press of the button."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import acting, data, forms, skyline, theme
from app.fields import Asked
from engine import preflight
from engine.errors import RequestError, WorkError
from engine.graph.cost import widths
from engine.graph.latency import given
from engine.graph.sheet import ModelSheet
from engine.jobs import worker
from engine.prune.forecast import Forecast, forecast
from engine.spec import RunSpec

TWICE_SECONDS = 3.0


def aside(runs: list[RunSpec] | forms.Refusal, asked: Asked, past: Sequence[Mapping[str, Any]]) -> None:
    """The preview, the command that does the same, and the button."""
    refusal = runs if isinstance(runs, forms.Refusal) else None
    with st.container(border=True):
        if isinstance(runs, list):
            refusal = _preview(runs[0])
        if refusal is not None:
            st.caption("What each target will cost appears here as soon as the request can be met.")
    if refusal is not None:
        asked.errors[refusal.section].error(refusal.sentence, icon=":material/error:")
        st.button("Prune", type="primary", icon=":material/content_cut:", width="stretch", disabled=True, key="refused")
        return
    assert isinstance(runs, list)
    _button(runs, past)
    with st.expander("The command line that does the same", icon=":material/terminal:", expanded=len(runs) < 3):
        st.code(forms.commands(runs), language="bash", wrap_lines=True)


def _preview(spec: RunSpec) -> forms.Refusal | None:
    """What each target will cost; or why the request cannot be met, and where on the form to say so."""
    try:
        preflight.check_request(spec)
    except RequestError as error:
        return forms.Refusal(forms.section_of(str(error)), forms.sentence(str(error)))
    with st.skeleton(height=260):
        sheet = data.sheet(spec)
    if isinstance(sheet, data.SheetFailure):
        return forms.Refusal(forms.section_of_sheet(sheet.sentence, spec), forms.sentence(sheet.sentence))
    try:
        targets = forecast(sheet, spec, given(spec.target.latency_table, sheet))
    except RequestError as error:
        return forms.Refusal(forms.section_of_forecast(str(error)), forms.sentence(str(error)))
    _row(_untouched(sheet), theme.NEUTRAL)
    for target in targets:
        _row(target, theme.criterion_colour(spec.criterion))
    if not targets:
        st.caption("What each target will cost is known once this computer's layer latencies are measured.")
    return None


def _untouched(sheet: ModelSheet) -> Forecast:
    return Forecast(keep=1.0, params=sheet.params, macs=sheet.macs, removed=(), widths=widths(sheet))


def _row(target: Forecast, colour: str) -> None:
    drawn = skyline.bars(target.widths, target.removed)
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
        st.markdown(f"**{theme.ratio(target.keep)}**", width=48)
        st.image(skyline.svg(drawn, colour, width=190, height=44), width="stretch", alt=skyline.describe(drawn))
        st.caption(f"{theme.si(target.macs)} MACs  \n{theme.si(target.params)} parameters", width=122)


def _button(runs: Sequence[RunSpec], past: Sequence[Mapping[str, Any]]) -> None:
    known = [data.expected_seconds(past, run) for run in runs]
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
    if all(seconds is not None for seconds in known):
        st.caption(
            f"About {theme.minutes(sum(filter(None, known)))} on this machine, as measured in earlier runs like it."
        )


def _submit(runs: tuple[RunSpec, ...]) -> None:
    """Queues the runs and sees that someone works on them; a double click asks only once."""
    last = st.session_state.get("submitted")
    now = time.monotonic()
    if last and last[0] == runs and now - last[1] < TWICE_SECONDS:
        return
    queued, stopped = _queue(runs)
    if stopped is not None:
        before = f"{queued} of {len(runs)} runs are queued, then it stopped: " if len(runs) > 1 else ""
        st.toast(before + stopped, icon=":material/error:", duration="long")
    if queued == 0:
        return
    if stopped is None:
        st.toast("Queued" if len(runs) == 1 else f"{len(runs)} runs queued", icon=":material/check:")
    st.session_state["submitted"] = (runs, now)
    st.session_state["launched"] = True
    acting.attempt(lambda: worker.start_detached(data.store()))


def _queue(runs: Sequence[RunSpec]) -> tuple[int, str | None]:
    """How many of the runs were queued, and why not all of them."""
    queued = 0
    try:
        queue = data.queue()
        for run in runs:
            queue.submit(run)
            queued += 1
    except (RequestError, WorkError) as error:
        return queued, str(error)
    return queued, None
