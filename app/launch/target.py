"""The launch form's widgets for how far pruning goes: ratios, or an accuracy that the smallest network is to keep."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import streamlit as st

from app import format
from app.charts.axes import X_AXES
from app.launch import fields
from app.launch import request as forms
from app.launch.removal import Method
from engine.errors import RequestError
from engine.spec import run as specs
from engine.spec.parts import TargetMetric

_DEFAULT = specs.RunSpec().target
_METRICS = get_args(TargetMetric)
RATIOS = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
SHARES = [0.0, 0.25, 0.5, 0.75, 1.0]

Question = Literal["ratios", "accuracy"]


@dataclass(frozen=True)
class Distance:
    """How far: ratios as they were typed, or none where an accuracy is among the other settings of the target.

    Of methods that split a cut, `share` is the layers' share, and `shares` those that are tried for an accuracy.
    """

    question: Question
    others: dict[str, Any]
    ratios: list[float | str] = field(default_factory=list)
    share: float | None = None
    shares: list[float | str] | None = None

    @property
    def asks_accuracy(self) -> bool:
        return self.question == "accuracy"

    def settings(self, method: Method) -> dict[str, Any]:
        """The target for a method; RequestError for a ratio that is no number, and for no share at all."""
        if not self.asks_accuracy:
            share = {"depth_share": self.share} if method.splits and self.share is not None else {}
            return {**self.others, "keep": forms.ratios(self.ratios), **share}
        if self.shares is None or not method.splits:
            return self.others
        shares = forms.shares(self.shares)
        if not shares:
            raise RequestError("target.depth_share has no value; choose at least one", field="target.depth_share")
        return {**self.others, "depth_share": shares[0], "also_depth_shares": shares[1:]}


def draw(head: Any, methods: Sequence[Method]) -> Distance:
    """The question, and the widgets that go with it; the popover in `head` holds the table of another machine."""
    question: Question = st.segmented_control(
        "How far",
        get_args(Question),
        default="ratios",
        required=True,
        key="launch_question",
        persist_state="session",
        format_func={"ratios": "Ratios", "accuracy": "Accuracy to keep"}.__getitem__,
        label_visibility="collapsed",  # the heading says it
        width="stretch",
    )
    splits = any(method.splits for method in methods)
    if question == "accuracy":
        accuracy = _accuracy()
        metric = _metric(head, "Smallest by", "launch_smallest_by")
        return Distance(question, {**accuracy, **metric}, shares=_shares() if splits else None)
    ratios = _ratios()
    metric = _metric(head, "Of the", "launch_metric")
    return Distance(question, metric, ratios, _share() if splits else None)


def _ratios() -> list[float | str]:
    return st.multiselect(
        "Keep",
        RATIOS,
        default=list(_DEFAULT.keep),
        format_func=lambda v: v if isinstance(v, str) else format.ratio(v),
        accept_new_options=True,
        key="launch_keep",
        persist_state="session",
        help="Each gives one model, cut from the baseline. Type others as 0.65 or 65 %.",
    )


def _accuracy() -> dict[str, Any]:
    """The points that may be lost, or the accuracy that is to be left, in per cent on the form."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        says = st.segmented_control(
            "Validation accuracy",
            ["lose", "at_least"],
            default="lose",
            required=True,
            key="launch_wish",
            persist_state="session",
            format_func={"lose": "Lose at most", "at_least": "Keep at least"}.__getitem__,
            help="Of several networks the smallest that keeps it is looked for, by bisection. Tries are measured on "
            "validation images alone.",
        )
        if says == "lose":
            return {"lose": fields.number("Points", 1.0, "launch_lose")}
        share = fields.per_cent("Per cent", 90.0, "launch_at_least", "target.at_least", "the accuracy to keep")
    return {"at_least": share}


def _metric(head: Any, label: str, key: str) -> dict[str, Any]:
    metric = st.segmented_control(
        label,
        _METRICS,
        default="macs",
        required=True,
        key=key,
        persist_state="session",
        format_func=lambda name: X_AXES[name].label,
        width="stretch",
    )
    settings: dict[str, Any] = {"metric": metric}
    if metric == "latency":
        with head.popover("Machine", icon=":material/tune:", type="tertiary"):
            table = st.text_input(
                "Table of another machine's layer latencies",
                placeholder="none: this computer's are measured",
                key="launch_table",
                persist_state="session",
            )
        settings["latency_table"] = table.strip() or None
    return settings


def _share() -> float:
    return st.slider(
        "Layers' share of the cut",
        0.0,
        1.0,
        _DEFAULT.depth_share,
        0.05,
        key="launch_share",
        persist_state="session",
        help="0: channels do it all; 1: layers do it all.",
    )


def _shares() -> list[float | str]:
    return st.multiselect(
        "Layers' shares of the cut",
        SHARES,
        default=[_DEFAULT.depth_share],
        accept_new_options=True,
        key="launch_shares",
        persist_state="session",
        help="0: channels do it all; 1: layers do it all. Each is tried, and the smallest network wins.",
    )
