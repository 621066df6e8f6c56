"""The quantities that can stand on an axis: what they cost, and what they are good for."""

from dataclasses import dataclass
from typing import Literal

from app import theme


@dataclass(frozen=True)
class Axis:
    """A quantity that can be drawn: its column, its words, and which direction is better."""

    column: str
    label: str
    title: str
    better: Literal["low", "high"]
    tick: str  # d3 format of ticks and hover
    suffix: str = ""
    factor: float = 1.0  # from the stored unit to the drawn one


X_AXES: dict[str, Axis] = {
    "macs": Axis("macs", "MACs", "MACs (multiply–accumulates of convolutions and linear layers)", "low", "~s"),
    "flops": Axis("flops", "FLOPs", "FLOPs (2 × MACs)", "low", "~s"),
    "params": Axis("params", "Parameters", "parameters", "low", "~s"),
    "bytes": Axis("bytes", "Size", "size of the stored weights", "low", "~s", "B"),
    "latency": Axis("latency", "Latency", "latency p50", "low", "~g", " ms"),
}
Y_AXES: dict[str, Axis] = {
    "top1": Axis("top1", "Top-1", "top-1 accuracy on the test split", "high", ".1f", " %", 100),
    "top5": Axis("top5", "Top-5", "top-5 accuracy on the test split", "high", ".1f", " %", 100),
    "val_top1": Axis(
        "val_top1", "Validation top-1", "top-1 accuracy on the validation split", "high", ".1f", " %", 100
    ),
    "loss": Axis("loss", "Loss", "cross-entropy on the test split", "low", ".3~f"),
}


def say(value: float, axis: Axis) -> str:
    """A stored value as the axis words it."""
    if axis.factor == 100:
        return theme.percent(value)
    return theme.milliseconds(value) if axis.column == "latency" else theme.si(value, axis.suffix)
