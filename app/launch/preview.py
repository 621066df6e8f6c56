"""Beside the launch form: what each shape of network that the request makes will cost, and what is decided about it."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import format, theme
from app.charts import skyline
from app.components import notes as decided
from app.launch import measured, request, submit
from app.launch.form import HEAD_EPOCHS_KEY, FormState
from app.launch.plan import Plan, Shape, shapes_of
from app.tables import loading, store
from engine import words
from engine.errors import RequestError
from engine.graph.cost import widths
from engine.graph.summary import ModelSummary
from engine.jobs import preflight
from engine.latency.table import read_for
from engine.pipeline.preview.answer import Tally
from engine.pipeline.smallest.bisection import tries_expected
from engine.pipeline.smallest.candidate import candidates
from engine.prune.forecast import Forecast, forecast
from engine.spec.parts import USUAL_HEAD_EPOCHS
from engine.spec.run import RunSpec

_CHECKED = "checked"  # in the session: what was loaded by a press of the button
_SHAPE_KEY = "launch_shape"


def draw(runs: list[RunSpec] | request.Refusal, form: FormState, history: Sequence[Mapping[str, Any]]) -> None:
    """The preview, the button, and the command that does the same."""
    planned: Plan | request.Refusal
    with st.container(border=True):
        planned = runs if isinstance(runs, request.Refusal) else _preview(runs)
        if isinstance(planned, request.Refusal):
            st.caption("What each target will cost appears here as soon as the request can be met.")
    if isinstance(planned, request.Refusal):
        if not planned.missing:
            form.errors[planned.section].error(planned.sentence, icon=":material/error:")
        submit.draw_refused(planned)
    else:
        submit.draw(planned, history)


def _preview(runs: list[RunSpec]) -> Plan | request.Refusal:
    """Draws what each target will cost; or says why the request cannot be met, and in which section."""
    spec = runs[0]
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
        table = read_for(spec.target.latency_table, summary)
        shapes = shapes_of(runs, lambda run: forecast(summary, run, table))
    except RequestError as error:
        return request.Refusal.of(str(error), error.field)
    _draw_shape(_chosen(shapes), summary)
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
    return Plan(tuple(runs), tuple(shapes), summary, trains=spec.weights == "none" or loaded.new_head)


def _chosen(shapes: Sequence[Shape]) -> Shape:
    """The shape that is shown: of several the one that was picked."""
    if len(shapes) == 1:
        return shapes[0]
    if st.session_state.get(_SHAPE_KEY, 0) >= len(shapes):
        del st.session_state[_SHAPE_KEY]
    number = st.selectbox(
        f"{len(shapes)} shapes of networks",
        range(len(shapes)),
        format_func=lambda n: f"{shapes[n].label}, {words.count(len(shapes[n].runs), 'run')}",
        key=_SHAPE_KEY,
    )
    return shapes[number]


def _draw_shape(shape: Shape, summary: ModelSummary) -> None:
    spec = shape.runs[0]
    rows = st.container(gap="xsmall")
    if spec.target.asks_accuracy:
        st.caption(_search_in_words(spec))
    elif not shape.targets:
        st.caption("What each target will cost is known once this computer's layer latencies are measured.")
    answer = measured.draw(spec)
    with rows:
        _row(_baseline(summary), theme.NEUTRAL, None if answer is None else answer.untouched)
        for target in shape.targets:
            _row(target, theme.criterion_colour(spec.criterion), measured.tally_of(answer, target.keep))


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
    st.session_state[HEAD_EPOCHS_KEY] = str(USUAL_HEAD_EPOCHS)


def _baseline(summary: ModelSummary) -> Forecast:
    return Forecast(keep=1.0, params=summary.params, macs=summary.macs, removed=(), widths=widths(summary))


def _row(target: Forecast, colour: str, tally: Tally | None) -> None:
    """A network's skyline and what it costs; and its accuracy on validation images, where that was measured."""
    bars = skyline.bars(target.widths, target.removed)
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
        st.markdown(f"**{format.ratio(target.keep)}**", width=48)
        st.image(skyline.svg(bars, colour, width=190, height=44), width="stretch", alt=skyline.describe(bars))
        costs = f"{format.si(target.macs)} MACs  \n{format.si(target.params)} parameters"
        st.caption(costs if tally is None else f"{costs}  \n**{format.percent(tally.top1)}** measured", width=122)
