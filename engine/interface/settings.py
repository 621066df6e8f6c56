"""The settings of a call of `engine.prune`, checked before anything is traced. No torch."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from engine.errors import RequestError
from engine.spec import catalog, messages
from engine.spec.parts import CountMetric, Number, Whole

Side = Annotated[Whole, Field(ge=1)]


class PruneSettings(BaseModel):
    """How much goes, and which; every field is an argument of `engine.prune`, which describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    image: tuple[Side, Side, Side] = Field((3, 224, 224), description="(channels, height, width), each at least 1")
    keep: Number = Field(0.5, gt=0, le=1)
    metric: CountMetric = "macs"
    criterion: str = "l1"
    order: Literal["channels", "layers", "layers-channels", "channels-layers"] = "channels"
    depth_share: Number = Field(0.5, ge=0, le=1)
    scope: Literal["global", "uniform"] = "global"
    round_to: Whole = Field(1, ge=1, le=256)
    seed: Whole = Field(0, ge=0, lt=2**31)

    @model_validator(mode="after")
    def _criterion_suits_order(self) -> Self:
        blocks_only = [part.name for part in self.criteria() if part.scope == "blocks"]
        if blocks_only and self.order != "layers":
            raise RequestError(f"criterion {blocks_only[0]} scores whole blocks; take it with order layers")
        return self

    def criteria(self) -> list[catalog.Criterion]:
        """The criterion, or those that an ensemble joins."""
        return [catalog.CRITERIA[name] for name in catalog.check_criterion(self.criterion).split("+")]

    def needs(self, *kinds: str) -> str | None:
        """The first criterion that needs one of `kinds` ("gradients", "activations", "attempts"); None without one."""
        return next((part.name for part in self.criteria() if part.needs in kinds), None)

    def phases(self) -> list[str]:
        """The order as its phases: "layers", "channels" or one after the other."""
        return self.order.split("-")


def parse(arguments: Mapping[str, Any]) -> PruneSettings:
    """The settings in `arguments`; RequestError with one sentence when something is not allowed."""
    try:
        return PruneSettings.model_validate(dict(arguments))
    except ValidationError as error:
        raise messages.refusal(error, PruneSettings) from None
