"""How what is removed is found: blocks, channels, and attempts of either. No torch."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from engine.spec.catalog import Rank
from engine.spec.parts.kinds import Flag, Number, Part, Whole
from engine.spec.settings import Setting

ExactMeasure = Literal["accuracy", "loss", "divergence", "cka"]  # of a network without what is attempted
Measure = Literal[ExactMeasure, "reconstruction"]


def criterion_of(measure: Measure) -> str:
    """The criterion that scores blocks by what a measure of attempts measures."""
    return "obs" if measure == "reconstruction" else measure


class DepthSpec(Part):
    method: Annotated[
        Literal["one-shot", "direct"],
        Setting(
            "one-shot | direct: measure every block's removal, one at a time",
            "--depth",
            "depth_method",
            label="the method for layers",
            costs_time=True,
        ),
    ] = "one-shot"
    floor: Annotated[
        Number | None,
        Setting(
            "direct ends before validation accuracy would fall below this",
            heading="accuracy floor",
            label="the accuracy to stop below",
        ),
    ] = Field(None, gt=0, lt=1)


class WidthSpec(Part):
    method: Annotated[
        Literal["one-shot", "progressive"],
        Setting(
            "one-shot | progressive: attempt, select, prune, repeat",
            "--width",
            "width_method",
            label="the method for channels",
            costs_time=True,
        ),
    ] = "one-shot"
    scope: Annotated[
        Literal["global", "uniform"],
        Setting(
            "rank channels over the whole network or in each layer: global | uniform",
            label="the comparison of channels",
        ),
    ] = "global"
    round_to: Annotated[Whole, Setting("widths become multiples of this", label="the multiple to keep")] = Field(
        1, ge=1, le=256
    )
    attempt_fraction: Annotated[
        Number,
        Setting(
            "share of a layer's channels in one attempt",
            heading="channels tried",
            label="the share of channels tried",
        ),
    ] = Field(0.1, gt=0, lt=1)
    layers_per_step: Annotated[
        Number,
        Setting(
            "share of the layers that a progressive step cuts",
            heading="layers cut a step",
            label="the share of layers cut in a step",
        ),
    ] = Field(0.25, gt=0, le=1)
    # Without one it is the criterion's own: per saving where its scores compare across layers, else the score.
    rank: Annotated[
        Rank | None,
        Setting(
            "of one-shot, over the whole network: by score, or by score per unit saved: score | per-saving "
            "(obs: per-saving)",
            heading="channels ranked by",
            label="the ranking of channels",
            later=True,
        ),
    ] = None
    select: Annotated[
        Literal["per-saving", "rise"],
        Setting(
            "smallest rise per unit saved, or smallest rise: per-saving | rise",
            heading="ranked by",
            label="the ranking of attempts",
        ),
    ] = "per-saving"
    least_share: Annotated[
        Number,
        Setting("share of a layer's channels that always stays", heading="always kept", label="the share always kept"),
    ] = Field(0.0, ge=0, lt=1)


class AttemptSpec(Part):
    """How direct, progressive and alternate look for what to remove next."""

    # Without one it is the method's own: accuracy for direct, loss for progressive and alternate.
    measure: Annotated[
        Measure | None,
        Setting(
            f"of an attempt: {' | '.join(get_args(Measure))}",
            heading="attempts judged by",
            label="the measure of attempts",
            costs_time=True,
        ),
    ] = None
    race: Annotated[
        Flag,
        Setting("drop attempts early that can no longer be among the best", label="the race", costs_time=True),
    ] = False
