"""The quantities that can stand on an axis: what they cost, and what they are good for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from app import format
from engine.spec.images.domains import Domains


@dataclass(frozen=True)
class Axis:
    """A quantity that can be drawn: its column, its words, and which direction is better.

    `of` is there where what is drawn is how an amount compares with that of the run's own baseline: the amount's axis.
    """

    column: str
    label: str
    title: str
    better: Literal["low", "high"]
    tick: str  # d3 format of ticks
    suffix: str = ""
    factor: float = 1.0  # from the stored unit to the axis's
    board: str | None = None  # the board that measured it, where one did
    meaning: str = ""  # of a word that a newcomer may not know
    of: "Axis | None" = None

    @property
    def key(self) -> str:
        """Its identity among all axes."""
        key = self.column if self.board is None else f"{self.column}_{self.board}"
        return key if self.of is None else f"{key}_of_baseline"

    @property
    def noun(self) -> str:
        """Its label inside a sentence: `MACs`, `size`."""
        return self.label if self.label[1:2].isupper() else self.label[:1].lower() + self.label[1:]

    @property
    def amount(self) -> "Axis":
        """The axis of the stored quantity, which is this one unless it compares with the baseline."""
        return self.of or self

    def values(self, rows: pd.DataFrame) -> pd.Series:
        """Where rows lie on this axis, in its unit; NaN where that is not known. `rows` as `points.tidy` has them."""
        value = rows[self.column]
        if self.of is None:
            return value * self.factor
        base = rows[f"base_{self.column}"]
        if self.better == "high":
            return base / value.where(value > 0)
        return (base - value if self.of.better == "high" else value - base) * self.factor


_MACS = "Multiply–accumulates of one image: a multiplication and an addition are one."
_FLOPS = "Floating-point operations of one image: twice its multiply–accumulates."
X_AXES: dict[str, Axis] = {
    "macs": Axis("macs", "MACs", "MACs (multiply–accumulates)", "low", "~s", meaning=_MACS),
    "flops": Axis("flops", "FLOPs", "FLOPs (2 × MACs)", "low", "~s", meaning=_FLOPS),
    "params": Axis("params", "Parameters", "parameters", "low", "~s"),
    "bytes": Axis("bytes", "Size", "size of the stored weights", "low", "~s", "B"),
    "latency": Axis("latency", "Latency", "latency p50", "low", "~g", " ms", meaning="The median over many queries."),
}
Y_AXES: dict[str, Axis] = {
    "top1": Axis("top1", "Top-1", "top-1 accuracy on the test split", "high", ".1f", " %", 100),
    "top5": Axis("top5", "Top-5", "top-5 accuracy on the test split", "high", ".1f", " %", 100),
    "val_top1": Axis(
        "val_top1", "Validation top-1", "top-1 accuracy on the validation split", "high", ".1f", " %", 100
    ),
    "loss": Axis("loss", "Loss", "cross-entropy on the test split", "low", ".3~f"),
    "source_top1": Axis(
        "source_top1", "Source top-1", "top-1 accuracy on the source's test split", "high", ".1f", " %", 100
    ),
}
_OF_SOURCE = ("val_top1", "source_top1")  # where a network is carried over; all else is measured on the target


def relative(x: Axis, y: Axis) -> tuple[Axis, Axis]:
    """The two axes of the view *drop against compression*, each point beside its own run's baseline.

    How many times less it costs, and how many points of accuracy it loses (of a loss: by how much that rises).
    """
    what = "speed-up" if x.suffix == " ms" else "compression"
    compression = replace(
        x,
        label=f"{what.capitalize()} in {x.noun}",
        title=f"{what}: {x.noun}, not pruned ÷ pruned",
        better="high",
        tick="~g",
        suffix="×",
        factor=1.0,
        of=x,
    )
    change = "rise" if y.better == "low" else "drop"
    suffix = " points" if y.factor == 100 else y.suffix
    drop = replace(
        y, label=f"{change.capitalize()} of {y.noun}", title=f"{change} of {y.noun}", better="low", suffix=suffix, of=y
    )
    return compression, drop


def x_axes(boards: Mapping[str, bool]) -> list[Axis]:
    """Every cost there is, with those on boards; `boards` says of each whether its energy was measured."""
    return [
        *X_AXES.values(),
        *(axis for board, energy in boards.items() for axis in board_axes(board) if energy or axis.suffix == " ms"),
    ]


def y_axes(domains: Iterable[Domains]) -> list[Axis]:
    """Every quality there is; that on the source where any of these runs carries a network over to another domain."""
    carried_over = any(each.target is not None for each in domains)
    return [axis for axis in Y_AXES.values() if carried_over or axis.column != "source_top1"]


def with_domain(axis: Axis, domains: Iterable[Domains]) -> Axis:
    """The quality with the name of what it is measured on in its words, where the runs carry networks over.

    Runs of one target (of one source, for what is measured there) share that name; of others the words say the rule.
    """
    kinds = set(domains)
    carried_over = {each for each in kinds if each.target is not None}
    if not carried_over:
        return axis
    kinds = carried_over if axis.column == "source_top1" else kinds  # of others it is not known
    of_source = axis.column in _OF_SOURCE
    role = "source" if of_source else "target"
    names = {each.source if of_source else each.target for each in kinds}
    if len(names) > 1:
        rule = "" if axis.column == "source_top1" else f", the {role}'s where there are two domains"
        return replace(axis, title=axis.title + rule)
    (name,) = names
    what = "Top-1" if axis.column == "source_top1" else axis.label
    quantity = axis.title.partition(" on the ")[0]
    return replace(axis, label=f"{what} on {name}", title=f"{quantity} on {name}, the {role}")


def board_axes(board: str) -> tuple[Axis, Axis]:
    """The latency and the energy of one inference on a board; `board_columns.with_board` makes their columns."""
    latency, energy = f"latency p50 on {board}", f"energy of one inference on {board}"
    return (
        Axis("device_ms", f"Latency on {board}", latency, "low", "~g", " ms", board=board),
        Axis("device_mj", f"Energy on {board}", energy, "low", "~g", " mJ", board=board),
    )


def value_label(value: float, axis: Axis) -> str:
    """A stored value as the axis of its amount words it."""
    if axis.factor == 100:
        return format.percent(value)
    if axis.column == "device_mj":
        return format.millijoules(value)
    return format.milliseconds(value) if axis.suffix == " ms" else format.si(value, axis.suffix)


def change_label(value: float, base: float, axis: Axis) -> str:
    """By how much a stored quality differs from its baseline's, in words: `−3.0 points`."""
    if axis.factor == 100:
        return format.percentage_points(value, base)
    return f"{value - base:+.3f}".replace("-", "−")
