"""How far a network is cut: ratios of a metric to keep, or an accuracy. No torch."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from engine.spec.parts.kinds import Number, Part, Text
from engine.spec.settings import Setting

MOST_TARGETS = 100
CountMetric = Literal["macs", "params"]  # each a count of `engine.graph.cost.Cost`
TargetMetric = Literal[CountMetric, "latency"]


class TargetSpec(Part):
    metric: Annotated[
        TargetMetric,
        Setting(f"what the ratios are of: {' | '.join(get_args(TargetMetric))}", heading="target", label="the metric"),
    ] = "macs"
    keep: Annotated[
        tuple[Annotated[Number, Field(gt=0, le=1)], ...],
        Setting("ratios to keep, each in (0, 1]", column=None, label="the ratios to keep"),
    ] = (0.8, 0.6, 0.4)
    # The question asked the other way round: one of these two in place of ratios, which are none then.
    lose: Annotated[
        Annotated[Number, Field(gt=0, lt=100)] | None,
        Setting(
            "in place of --keep: points of validation accuracy to lose at most, such as 1.0; the smallest network that "
            "keeps the rest is looked for",
            heading="points to lose",
            label="the number of points to lose",
            later=True,
        ),
    ] = None
    at_least: Annotated[
        Annotated[Number, Field(gt=0, lt=1)] | None,
        Setting(
            "the same said as a share: the smallest network whose validation accuracy is at least this, such as 0.91",
            heading="accuracy to keep",
            label="the accuracy to keep",
            later=True,
        ),
    ] = None
    also_criteria: Annotated[
        tuple[str, ...],
        Setting(
            "criteria that the smallest network is looked for with, too; several joined by commas",
            "--also-criterion",
            heading="other criteria tried",
            label="the other criteria",
            costs_time=True,
            later=True,
        ),
    ] = Field((), description="a list of names of criteria")
    also_depth_shares: Annotated[
        tuple[Annotated[Number, Field(ge=0, le=1)], ...],
        Setting(
            "layers' shares that it is looked for with, too, such as 0,1",
            "--also-depth-share",
            heading="other layers' shares tried",
            label="the other layers' shares",
            costs_time=True,
            later=True,
        ),
    ] = ()
    depth_share: Annotated[Number, Setting("0 channels only … 1 layers only", label="the layers' share")] = Field(
        0.5, ge=0, le=1
    )
    latency_table: Annotated[  # of another machine; without one, this machine's is measured
        Text | None,
        Setting("a machine's layer latencies, from `table`", label="the table of layer latencies", path=True),
    ] = None

    @property
    def asks_accuracy(self) -> bool:
        """Whether an accuracy is asked for, and the smallest network that has it is looked for."""
        return self.lose is not None or self.at_least is not None

    def least_accuracy(self, baseline: float) -> float:
        """The validation accuracy, a share, that is asked for, given the untouched network's."""
        if self.at_least is not None:
            return self.at_least
        return baseline - (self.lose or 0.0) / 100

    @model_validator(mode="before")
    @classmethod
    def _accuracy_stands_for_ratios(cls, raw: Any) -> Any:
        asks = isinstance(raw, Mapping) and any(raw.get(name) is not None for name in ("lose", "at_least"))
        return {**raw, "keep": ()} if asks and "keep" not in raw else raw

    @field_validator("keep")
    @classmethod
    def _few_and_different(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len(value) > MOST_TARGETS:
            raise ValueError(f"must name 1 to {MOST_TARGETS} ratios to keep (got {len(value)})")
        twice = next((ratio for n, ratio in enumerate(value) if ratio in value[:n]), None)
        if twice is not None:
            raise ValueError(f"names {twice:g} twice; each ratio to keep may stand only once")
        return value
