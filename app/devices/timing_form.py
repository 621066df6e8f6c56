"""The form that asks for a timing: which board, which models, how precisely; and the press of its button."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app import escape, text
from app.components import actions
from app.devices import probes
from app.tables import store
from engine.boards.registry import Board
from engine.errors import RequestError
from engine.spec import board_timing
from engine.spec.board_timing import LEAST_WORKSPACE, MOST_POINTS, MOST_WORKSPACE, POWER_MODES, TimingRequest

_MOST_NAMED = 3  # of what is missing
_SELECTED, _LINKED = "time_points", "time_arrived"  # session state: the ids, and the address they came with
_DEFAULT = {name: field.default for name, field in TimingRequest.model_fields.items()}
_TX2_MODES = "On a TX2: 0 MAXN, 1 MAXQ, 2 MAXP_CORE_ALL, 3 MAXP_CORE_ARM, 4 MAXP_CORE_DENVER."


def draw(boards: Sequence[Board], frame: pd.DataFrame, token: str) -> None:
    """The form; its models are final points and baselines that have an ONNX file."""
    st.subheader("Time on a device")
    titles = _titles(frame, store.with_onnx(token))
    if not titles:
        st.caption("As soon as a network is pruned it can be chosen here.")
        return
    selected = _models(titles)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        device = st.selectbox(
            "Device", [device.name for device in boards], key="time_device", persist_state="session", width=180
        )
        precision = st.segmented_control(
            "Precision",
            ["fp32", "fp16"],
            default="fp32",
            required=True,
            key="time_precision",
            persist_state="session",
            format_func=str.upper,
            help="FP16 needs TensorRT on the board.",
        )
        with st.popover("Advanced", icon=":material/tune:"):
            advanced = _advanced()
        request: dict[str, Any] = {"device": device, "precision": precision, **advanced}
        request["points"] = [
            {"run": run, "point": int(point)} for run, _, point in (i.rpartition(".") for i in selected)
        ]
        refusal = _refusal(boards, request)
        may_submit = bool(selected) and refusal is None
        pressed = st.button("Time", type="primary", icon=":material/timer:", key="time", disabled=not may_submit)
    if pressed and may_submit:  # not by a callback, which would get what the form held when the button was drawn
        _submit(request)
        st.rerun()
    if refusal is not None:
        st.error(refusal, icon=":material/error:")
    turns = "They take turns, so that no drift of the board decides. " if len(selected) > 1 else ""
    st.caption(f"{turns}With TensorRT an engine is built first for each model, which takes minutes the first time.")


def _titles(frame: pd.DataFrame, with_onnx: frozenset[str]) -> dict[str, str]:
    """Id → title of what can be timed, the newest run first; what is linked to may be a step, too."""
    if frame.empty:
        return {}
    linked = frame["id"].isin(st.query_params.get_all("point"))
    candidates = frame[(frame["baseline"] | frame["final"] | linked) & ~frame["int8"] & frame["id"].isin(with_onnx)]
    candidates = candidates.sort_values(["created", "run_id", "point"], ascending=[False, False, True])
    titles = {row["id"]: text.point_label(row) for row in candidates.to_dict("records")}
    duplicates = pd.Series(titles).duplicated(keep=False)
    return {point: f"{title} · {point}" if duplicates[point] else title for point, title in titles.items()}


def _models(titles: dict[str, str]) -> list[str]:
    """The selected ids; they stand in the page's address, and an address that is opened selects them."""
    linked = tuple(dict.fromkeys(st.query_params.get_all("point")))
    available = [point for point in linked if point in titles]
    if linked != st.session_state.get(_LINKED, ()):
        st.session_state[_LINKED] = linked
        st.session_state[_SELECTED] = available[:MOST_POINTS]
    selected = st.multiselect(
        "Models",
        list(titles),
        format_func=titles.__getitem__,
        key=_SELECTED,
        persist_state="session",
        max_selections=MOST_POINTS,
        on_change=_update_address,
        placeholder=f"up to {MOST_POINTS}",
    )
    for sentence in _link_warnings(linked, available):
        st.caption(f":material/warning: {sentence}")
    return selected


def _link_warnings(linked: Sequence[str], available: Sequence[str]) -> list[str]:
    """Why models that the page's address names are not selected: a sentence for each reason."""
    warnings = []
    missing = [escape.markdown(point) for point in linked if point not in available]
    if missing:
        names = ", ".join(missing[:_MOST_NAMED]) + (
            f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        )
        warnings.append(f"Not to be timed: {names}. There is no such model here, it is in 8 bit, or has no ONNX file.")
    if len(available) > MOST_POINTS:
        warnings.append(f"The link names {len(available)} models; the first {MOST_POINTS} are chosen.")
    return warnings


def _update_address() -> None:
    """Puts the selected models into the page's address."""
    selected = tuple(st.session_state[_SELECTED])
    st.session_state[_LINKED] = selected
    st.query_params["point"] = selected


def _advanced() -> dict[str, Any]:
    with st.grid(3, gap="small", min_column_width=110):
        settings: dict[str, Any] = {
            "rounds": st.number_input(
                "Rounds", 1, 20, _DEFAULT["rounds"], key="time_rounds", persist_state="session",
                help="In each, every model has one turn.",
            ),
            "seconds": st.number_input(
                "Seconds a turn", 0.1, 60.0, _DEFAULT["seconds"], 0.5, key="time_seconds", persist_state="session",
                help="At least; more until there are samples enough for a p99, or two minutes are over.",
            ),
            "threads": st.number_input(
                "Threads", 1, 64, _DEFAULT["threads"], key="time_threads", persist_state="session",
                help="Of ONNX Runtime, on a board without TensorRT.",
            ),
        }  # fmt: skip
    settings["workspace"] = st.number_input(
        "Workspace in MiB", LEAST_WORKSPACE, MOST_WORKSPACE, None, key="time_workspace", persist_state="session",
        placeholder="by the board's memory",
        help="Scratch memory that TensorRT may give one layer: more lets it choose among more kernels.",
    )  # fmt: skip
    settings["layers"] = st.toggle(
        "Time of every layer",
        _DEFAULT["layers"],
        key="time_layers",
        persist_state="session",
        help="Measured by a profiler in a run of its own, a few seconds for each model. It needs TensorRT.",
    )
    settings["power_mode"] = st.number_input(
        "Power mode",
        0,
        POWER_MODES - 1,
        None,
        key="time_power_mode",
        persist_state="session",
        placeholder="as it is",
        help=f"Which cores run, and how fast they may: nvpmodel's number. {_TX2_MODES}",
    )
    settings["max_clocks"] = st.toggle(
        "Clocks at their maximum",
        key="time_max_clocks",
        persist_state="session",
        help="jetson_clocks: the clocks do not wander with the load, so that timings vary less. The board gets warmer.",
    )
    st.caption("Both last while measuring and are undone afterwards, also after a crash. They need sudo on the board.")
    return settings


def _refusal(boards: Sequence[Board], request: dict[str, Any]) -> str | None:
    """Why the board would refuse the request, judged by its last probe; None when nothing speaks against it."""
    result = next((probes.last_result(board) for board in boards if board.name == request["device"]), None)
    probe = None if result is None else result.probe
    if request["precision"] != "fp32" and probe is not None and not (probe.tensorrt and probe.trtexec):
        return f"{request['device']} has no TensorRT, and ONNX Runtime times in FP32 only."
    if not request["points"]:
        return None
    try:
        board_timing.parse(request)
    except RequestError as error:
        return text.sentence(str(error))
    return None


def _submit(request: dict[str, Any]) -> None:
    """Queues the timing and starts a worker where none runs; a double click queues one."""
    actions.submit_once(
        "timing_submitted",
        request,
        lambda: actions.enqueue(lambda: store.queue().submit_timing(board_timing.parse(request)), "Queued"),
    )


def titles(frame: pd.DataFrame, ids: Sequence[str]) -> dict[str, str]:
    """Id → short title of points that may have been deleted meanwhile."""
    if frame.empty:
        return {point: point for point in ids}
    rows = frame[frame["id"].isin(ids)].to_dict("records")
    short_titles = {row["id"]: "Not pruned" if row["baseline"] else text.title(row) for row in rows}
    return {point: short_titles.get(point, point) for point in ids}
