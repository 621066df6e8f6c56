"""The run specification: what a user may ask for, checked before anything is written. No torch.

`parse` turns a mapping into a frozen `RunSpec` or raises one `RequestError` sentence. A spec's
canonical JSON gives its digest (the end of the run id) and, without `seed`, its group: the
repetitions of one experiment over seeds.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, ValidationError, model_validator

from engine.errors import RequestError, concerns
from engine.spec import catalog, consistency, messages, request_paths
from engine.spec.consistency import FEWEST_RACED, check_race
from engine.spec.ids import canonical_json, digest_of
from engine.spec.parts import (
    AttemptSpec,
    DataSpec,
    DepthSpec,
    Flag,
    LayerRules,
    Measure,
    Part,
    RecoverSpec,
    TargetSpec,
    Text,
    TrainSpec,
    TransferSpec,
    Whole,
    WidthSpec,
    Words,
    criterion_of,
)
from engine.spec.settings import Setting, without_later

__all__ = [
    "FEWEST_RACED",
    "ORDERS",
    "DataSpec",
    "Measure",
    "Order",
    "Phase",
    "RunSpec",
    "TargetSpec",
    "WidthSpec",
    "check_race",
    "criterion_of",
    "parse",
    "phases_of",
]

SCHEMA_VERSION = 1
_DEFAULT_MEASURE: Literal["accuracy"] = "accuracy"  # of blocks that are removed
ORDERS = ("layers-channels", "channels-layers", "layers", "channels", "alternate")
Order = Literal["layers-channels", "channels-layers", "layers", "channels", "alternate"]
Phase = Literal["layers", "channels", "alternate"]


class RunSpec(Part):
    """One run: one model, one criterion, one order, one or more targets."""

    schema_version: Literal[1] = 1
    model: Annotated[
        Words, Setting("a name from `models`, timm/NAME or FILE.py:FUNCTION", section="network", costs_time=True)
    ] = "resnet20"
    weights: Annotated[Text, Setting("none, hub, FILE, FILE#KEY or RUN:POINT", section="network", costs_time=True)] = (
        "none"
    )
    data: Annotated[DataSpec, Setting(section="data")] = DataSpec()
    train: Annotated[TrainSpec, Setting(section="network")] = TrainSpec()
    transfer: Annotated[TransferSpec, Setting(section="data")] = TransferSpec()
    order: Annotated[Order, Setting(" | ".join(ORDERS), section="remove")] = "layers-channels"
    criterion: Annotated[Words, Setting("a name from `criteria`, or several joined by +", section="remove")] = (
        "bn_scale"
    )
    depth: Annotated[DepthSpec, Setting(section="remove")] = DepthSpec()
    width: Annotated[WidthSpec, Setting(section="remove")] = WidthSpec()
    keep_layers: Annotated[
        LayerRules | None,
        Setting(
            "layers and blocks that stay, several joined by commas: NAME, or NAME=0.5 for a share; * is any text",
            "--keep-layer",
            heading="layers kept",
            label="the list of layers to keep",
            later=True,
            section="remove",
        ),
    ] = Field(None, description="a list of names of layers, each NAME or NAME=SHARE")
    attempt: Annotated[AttemptSpec, Setting(section="remove")] = AttemptSpec()
    target: Annotated[TargetSpec, Setting(section="target")] = TargetSpec()
    recover: Annotated[RecoverSpec, Setting(section="recover")] = RecoverSpec()
    int8: Annotated[
        Flag,
        Setting(
            "quantise each target's network as one more point", heading="INT8 too", section="target", costs_time=True
        ),
    ] = False
    seed: Annotated[
        Whole, Setting("a whole number; submit takes several, such as 0,1,2", section="seeds", several=True)
    ] = Field(0, ge=0, lt=2**31)
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        Setting("auto | cpu | cuda", column="run_on", section="seeds", costs_time=True),
    ] = "auto"

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        with concerns("model"):
            catalog.check_model(self.model)
        with concerns("data.name"):
            catalog.check_dataset(self.data.name)
        with concerns("criterion"):
            catalog.check_criterion(self.criterion)
        with concerns("target.also_criteria"):
            for criterion in self.target.also_criteria:
                catalog.check_criterion(criterion)
        return self

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> Self:
        consistency.check(self)
        return self

    def canonical(self) -> str:
        """The one JSON text of this spec: sorted keys, no spaces, every default written out."""
        return canonical_json(self.model_dump(mode="json"))

    def digest(self) -> str:
        """First 8 hex digits of the SHA-256 of the canonical JSON, without later settings that have their defaults."""
        return digest_of(without_later(self.model_dump(mode="json"), type(self)))

    def group(self) -> str:
        """The digest of everything but the seed."""
        document = without_later(self.model_dump(mode="json"), type(self))
        return digest_of({key: value for key, value in document.items() if key != "seed"})

    def phases(self) -> tuple[Phase, ...]:
        """The order as the phases a target passes through."""
        return phases_of(self.order)

    def iterates(self, phase: Phase) -> bool:
        """Whether a phase removes a little at a time, with a look at the network after each step."""
        methods = {"layers": self.depth.method == "direct", "channels": self.width.method == "progressive"}
        return methods.get(phase, True)

    def measure(self, phase: Phase) -> Measure:
        """What attempts of this phase are ranked by."""
        return self.attempt.measure or (_DEFAULT_MEASURE if phase == "layers" else "loss")


def phases_of(order: str) -> tuple[Phase, ...]:
    """An order as the phases that a target passes through."""
    return tuple(order.split("-"))  # type: ignore[arg-type]


def parse(raw: Mapping[str, Any]) -> RunSpec:
    """The spec in `raw`, with every default; RequestError with one sentence when something in it is not allowed."""
    if not isinstance(raw, Mapping):
        raise RequestError("a spec is one JSON object; see the README for its keys")
    version = raw.get("schema_version", SCHEMA_VERSION)
    if type(version) is not int or version != SCHEMA_VERSION:
        raise RequestError(
            f"the spec has schema_version {messages.quote(version)}; this version reads {SCHEMA_VERSION}",
            field="schema_version",
        )
    try:
        return RunSpec.model_validate(_direct_measure(request_paths.absolute(raw, RunSpec)))
    except ValidationError as error:
        raise messages.refusal(error, RunSpec) from None


def _direct_measure(raw: dict[str, Any]) -> dict[str, Any]:
    """Direct removal alone has no criterion but its measure: each stands for the other where one is left out."""
    depth, attempt = raw.get("depth"), raw.get("attempt", {})
    is_direct_alone = raw.get("order") == "layers" and isinstance(depth, Mapping) and depth.get("method") == "direct"
    if not is_direct_alone or not isinstance(attempt, Mapping):
        return raw
    measure = attempt.get("measure")
    if "criterion" not in raw:
        return {**raw, "criterion": criterion_of(measure or _DEFAULT_MEASURE)}
    # The default stays unsaid, as above: a spec read from its own JSON is the same one, with the same digest.
    if measure is None and raw["criterion"] != _DEFAULT_MEASURE:
        named = next((name for name in get_args(Measure) if criterion_of(name) == raw["criterion"]), None)
        return raw if named is None else {**raw, "attempt": {**attempt, "measure": named}}
    return raw
