"""Beside the launch form: what the request will cost, the command that does the same, and the press of the button."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import format, theme
from app.charts import skyline
from app.components import actions
from app.components import notes as decided
from app.launch import measured, request
from app.launch.form import HEAD_EPOCHS_KEY, FormState
from app.tables import loading, store
from engine.errors import RequestError, WorkError
from engine.graph.cost import widths
from engine.graph.summary import ModelSummary
from engine.jobs import preflight, worker
from engine.latency.table import read_for
from engine.pipeline.smallest.bisection import tries_expected
from engine.pipeline.smallest.candidate import candidates
from engine.prune.forecast import Forecast, forecast
from engine.spec.parts import USUAL_HEAD_EPOCHS
from engine.spec.run import RunSpec

_CHECKED = "checked"  # in the session: what was loaded by a press of the button


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
        loaded = loading.load_or_look_up(spec, asked=st.session_state.get(_CHECKED) == loading.key(spec))
    if isinstance(loaded, store.SummaryFailure):
        return request.Refusal.of(loaded.sentence, loaded.field)
    if loaded.new_head and spec.train.epochs == 0:
        return _ask_for_epochs(loaded.notes)
    summary = loaded.summary
    try:
        targets = forecast(summary, spec, read_for(spec.target.latency_table, summary))
    except RequestError as error:
        return request.Refusal.of(str(error), error.field)
    _row(_baseline(summary), theme.NEUTRAL)
    for target in targets:
        _row(target, theme.criterion_colour(spec.criterion))
    if spec.target.asks_accuracy:
        st.caption(_search_in_words(spec))
    elif not targets:
        st.caption("What each target will cost is known once this computer's layer latencies are measured.")
    measured.draw(spec)
    decided.show(loaded.notes)
    if loaded.by_name:
        st.button(
            "Check the data and the weights",
            icon=":material/fact_check:",
            type="tertiary",
            help="Loads them as a run would, which may take a while, and says what is decided about them.",
            on_click=_check,
            args=(loading.key(spec),),
        )
    return None


def _search_in_words(spec: RunSpec) -> str:
    """What will be done to find the smallest network, and how often."""
    ways = len(candidates(spec))
    tried = (
        f"about {tries_expected(ways)} ratios, by {ways} criteria and shares"
        if ways > 1
        else (f"about {tries_expected(ways)} ratios")
    )
    return (
        f"The smallest network that keeps this accuracy is looked for: {tried}. Each is cut from the baseline and "
        "measured on validation images; the one that is found is measured on test images, too."
    )


def _check(key: str) -> None:
    st.session_state[_CHECKED] = key


def _ask_for_epochs(notes: Sequence[str]) -> request.Refusal:
    """What was decided, and the button that trains the new head; the refusal of a request without epochs for it."""
    decided.show(notes)
    st.button(
        f"Train {USUAL_HEAD_EPOCHS} epochs before pruning",
        icon=":material/school:",
        width="stretch",
        on_click=_train_head,
    )
    return request.Refusal(
        "network",
        "The weights' head does not fit the data, so it is new and has to be trained: give it epochs before pruning "
        f"(Training; {USUAL_HEAD_EPOCHS} are a usual few).",
    )


def _train_head() -> None:
    st.session_state[HEAD_EPOCHS_KEY] = USUAL_HEAD_EPOCHS


def _baseline(summary: ModelSummary) -> Forecast:
    return Forecast(keep=1.0, params=summary.params, macs=summary.macs, removed=(), widths=widths(summary))


def _row(target: Forecast, colour: str) -> None:
    bars = skyline.bars(target.widths, target.removed)
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
        st.markdown(f"**{format.ratio(target.keep)}**", width=48)
        st.image(skyline.svg(bars, colour, width=190, height=44), width="stretch", alt=skyline.describe(bars))
        st.caption(f"{format.si(target.macs)} MACs  \n{format.si(target.params)} parameters", width=122)


def _prune_button(runs: Sequence[RunSpec], history: Sequence[Mapping[str, Any]]) -> None:
    """The button; what it queues is what the form holds in this very run of the page.

    A callback would get what the form held when the button was drawn: on a slow machine, before the last values typed.
    """
    durations = [store.expected_seconds(history, run) for run in runs]
    label = "Prune" if len(runs) == 1 else f"Prune, {len(runs)} runs"
    if st.button(label, type="primary", icon=":material/content_cut:", width="stretch", key="prune") and _submit(runs):
        st.switch_page("../pages/runs.py")
    if all(seconds is not None for seconds in durations):
        total = format.minutes(sum(filter(None, durations)))
        st.caption(f"About {total} on this machine, as measured in earlier runs like it.")


def _submit(runs: Sequence[RunSpec]) -> bool:
    """Queues the runs and starts a worker where none runs; a double click queues them once.

    False when nothing was queued.
    """
    queued = actions.submit_once("submitted", tuple(runs), lambda: _queue_and_start(runs))
    if not queued:
        actions.show_toasts()
    return queued


def _queue_and_start(runs: Sequence[RunSpec]) -> bool:
    """Whether any of the runs was queued."""
    queued, failure = _queue(runs)
    if failure is not None:
        prefix = f"{queued} of {len(runs)} runs are queued, then it stopped: " if len(runs) > 1 else ""
        actions.say_failure(prefix + failure)
    if queued == 0:
        return False
    if failure is None:
        actions.say_success("Queued" if len(runs) == 1 else f"{len(runs)} runs queued")
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
