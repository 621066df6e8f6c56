"""The dialog "Why is it not faster?" of one model: the answer, its reasons, all layers in both networks, a way on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from app import escape, format, text, theme
from app.charts.comparison import layer_times
from app.components import actions
from app.components.error_boundary import error_boundary
from app.components.layer_times import child, kept, view
from app.components.layer_times.kept import Comparison

TITLE = "Why is it not faster?"
_OPEN = "layer_times_open"  # in the session: on which page, and of which model
_REFRESH_SECONDS = 0.5
_CHART_PX = 420  # of the chart, or of the table


@dataclass(frozen=True)
class _Subject:
    page: str
    run_id: str
    point: int

    @property
    def id(self) -> str:
        return f"{self.run_id}.{self.point}"


def offer(point: Mapping[str, Any], page: str, place: str, label: str = TITLE) -> None:
    """The button that opens the dialog of a row of the tidy table; none for a network that was not pruned, or a try."""
    if point["baseline"] or text.is_try(point):
        return
    subject = _Subject(page, str(point["run_id"]), int(point["point"]))
    st.button(
        label,
        key=f"layer-times-{place}-{subject.id}",
        icon=":material/speed:",
        type="tertiary",
        on_click=_open,
        args=(subject,),
    )


def show(frame: pd.DataFrame, page: str, token: str) -> None:
    """The dialog where it is open on this page; the last thing that a page draws."""
    subject: _Subject | None = st.session_state.get(_OPEN)
    if subject is None:
        return
    found = frame[frame["id"] == subject.id]
    if subject.page != page or found.empty:
        _close()
        return
    _dialog(subject, found.iloc[0].to_dict(), token)


def subject() -> object:
    """Of which model on which page it is open; None where it is not."""
    return st.session_state.get(_OPEN)


def _open(subject: _Subject) -> None:
    st.session_state[_OPEN] = subject


def _close() -> None:
    st.session_state.pop(_OPEN, None)


@st.dialog(TITLE, width="large", icon=":material/speed:", on_dismiss=_close)
def _dialog(subject: _Subject, point: Mapping[str, Any], token: str) -> None:
    st.markdown(f"**{escape.markdown(text.title(point))}** beside the untouched network of its run, layer by layer.")
    actions.show_toasts()  # a press in a dialog runs the dialog alone
    with error_boundary():
        known = kept.read(token, subject.run_id, subject.point)
        if known.damage:
            st.error(escape.message(known.damage), icon=":material/error:")
        comparison = _choose(known.comparisons)
        if comparison is not None:
            _show(comparison, subject, point)
        _measuring(subject, again=any(each.where == kept.HERE for each in known.comparisons))


def _choose(comparisons: tuple[Comparison, ...]) -> Comparison | None:
    """The one to look at: this computer's, or a board's."""
    if len(comparisons) < 2:
        return next(iter(comparisons), None)
    by_place = {each.where: each for each in comparisons}
    first = next(iter(by_place))
    where = st.segmented_control(
        "Timed on", list(by_place), default=first, format_func=escape.markdown, key="layer-times-where"
    )
    return by_place[where or first]


def _show(comparison: Comparison, subject: _Subject, point: Mapping[str, Any]) -> None:
    """The reasons, and beside them the layers; below each other on a narrow screen."""
    found = comparison.explanation
    if found is not None:
        st.markdown(f"**{escape.markdown(found.answer)}**")
    left, right = st.columns(2, gap="medium")
    with left:
        for reason in () if found is None else found.reasons:
            st.markdown(view.reason_line(reason))
        if found is not None and not found.reasons:
            st.caption("No reason costs as much as 1 % of its time.")
        for remark in view.remarks(comparison):
            st.caption(f":material/info: {escape.markdown(remark, 1000)}")
        if found is not None:
            _way_on(found.round_to, subject, point)
    with right:
        _layers(comparison, point)
    st.caption(
        f"{escape.markdown(view.conditions(comparison), 1000)}. {escape.markdown(view.unnamed(comparison.pruned))} "
        f"{view.about_sum(comparison.pruned)}"
    )


def _way_on(round_to: int | None, subject: _Subject, point: Mapping[str, Any]) -> None:
    """The button to the launch form, filled in as this run with what helps."""
    changes = view.way_on(round_to, str(point["order"]))
    what = "widths in multiples of {round_to}" if "round_to" in changes else "a latency as its target"
    pressed = st.button(
        "The same accuracy, aligned",
        type="primary",
        icon=":material/align_horizontal_left:",
        key="layer-times-aligned",
        help=f"Fills in Launch as this run was, with {what.format(**changes)}.",
    )
    if pressed:
        _close()
        st.switch_page("../pages/launch.py", query_params={"run": subject.run_id, **changes})


def _layers(comparison: Comparison, point: Mapping[str, Any]) -> None:
    chart, table = st.tabs(["Chart", "Table"])
    rows = view.rows(comparison)
    with chart, st.container(height=_CHART_PX, border=False):
        st.plotly_chart(
            layer_times.figure(rows, theme.criterion_colour(point["criterion"]), ink=theme.ink()),
            key="layer-times-chart",
            config={"displayModeBar": False},
            alt=layer_times.describe(rows),
        )
    with table:
        st.dataframe(
            escape.cells(view.table(comparison)),
            hide_index=True,
            height=_CHART_PX,
            placeholder=format.MISSING,
            column_config={
                "untouched": st.column_config.NumberColumn("untouched, ms", format="%.4f"),
                "pruned": st.column_config.NumberColumn("pruned, ms", format="%.4f"),
                "ratio": st.column_config.NumberColumn("time", format="%.2f×"),
                "macs": st.column_config.NumberColumn("MACs", format="%.2f×"),
            },
            alt="What each layer takes in both networks, with its reason",
        )


def _measuring(subject: _Subject, *, again: bool) -> None:
    """The button that begins a measurement, or how the one on its way stands."""
    state = child.look(subject.run_id, subject.point)
    if state.progress is not None:
        _wait(subject)
        return
    if state.failure is not None:
        st.error(text.sentence(state.failure), icon=":material/error:")
    if not again:
        st.caption(
            "Both networks take turns in ONNX Runtime on this computer, with its profiler: some seconds, in a process "
            "of its own. What comes out stays beside the run."
        )
    label = "Measure again" if again else "Measure the layers"
    st.button(
        label,
        type="secondary" if again else "primary",
        icon=":material/timer:",
        key="layer-times-measure",
        on_click=_measure,
        args=(subject,),
    )


def _measure(subject: _Subject) -> None:
    actions.run_action(lambda: child.start(subject.run_id, subject.point))


@st.fragment(run_every=_REFRESH_SECONDS)
@error_boundary()
def _wait(subject: _Subject) -> None:
    """How far a measurement is; once it has ended the page is drawn anew, with the dialog."""
    progress = child.look(subject.run_id, subject.point).progress
    if progress is None:
        st.rerun()
    st.progress(progress.done, text.sentence(progress.what))
