"""The settings of a call of `engine.prune`, checked before anything is traced. No torch."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from engine.errors import RequestError
from engine.spec import catalog, messages
from engine.spec.parts import CountMetric, Flag, LayerRules, Number, Three, Whole
from engine.surgery.model_card import ModelCard

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
    rank: catalog.Rank | None = None
    round_to: Whole = Field(1, ge=1, le=256)
    keep_layers: LayerRules | None = Field(None, description="a list of names of layers, each NAME or NAME=SHARE")
    seed: Whole = Field(0, ge=0, lt=2**31)
    reconstruct: Flag | None = None

    @model_validator(mode="after")
    def _criterion_suits_order(self) -> Self:
        blocks_only = [part.name for part in self.criteria() if part.scope == "blocks"]
        if blocks_only and self.order != "layers":
            raise RequestError(f"criterion {blocks_only[0]} scores whole blocks; take it with order layers")
        if self.rank is not None and (self.scope == "uniform" or self.order == "layers"):
            raise RequestError(
                "rank compares channels over the whole network; leave it out with scope uniform or order layers"
            )
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


class CardSettings(BaseModel):
    """What the caller says of a network that is written; every field is an argument of `engine.export`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    class_names: tuple[str, ...] | None = Field(None, description="a list of names, one for each class")
    mean: Three | None = Field(None, description="three finite numbers, one for each of red, green and blue")
    std: Three | None = Field(None, description="three finite numbers, one for each of red, green and blue")

    @model_validator(mode="after")
    def _normalization_is_whole(self) -> Self:
        if (self.mean is None) != (self.std is None):
            raise RequestError("mean and std belong together; give both, or neither")
        if self.std is not None and min(self.std) <= 0:
            raise RequestError("std must be three numbers above 0")
        return self


def parse_card(image: tuple[int, int, int], classes: int, **arguments: Any) -> ModelCard:
    """The model card of a network of `classes` classes; RequestError when an argument is not allowed, or does not fit.

    `arguments` are `class_names`, `mean` and `std`, None where the caller does not say.
    """
    given = {key: list(value) if isinstance(value, Sequence) else value for key, value in arguments.items()}
    if isinstance(arguments.get("class_names"), str):
        raise RequestError("class_names must be a list of names, one for each class; a single text was given")
    try:
        said = CardSettings.model_validate(given)
    except ValidationError as error:
        raise messages.refusal(error, CardSettings) from None
    if said.class_names is not None and len(said.class_names) != classes:
        raise RequestError(f"class_names has {len(said.class_names):,} names and the network {classes:,} classes")
    return ModelCard(image, said.mean, said.std, said.class_names)
