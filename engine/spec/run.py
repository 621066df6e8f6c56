"""What a user may ask for: the run specification, checked before anything is written. No torch.

`parse` turns a mapping into a frozen `RunSpec` or raises one `RequestError` sentence. A spec's
canonical JSON gives its digest (the end of the run id) and, without `seed`, its group: the
repetitions of one experiment over seeds.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    field_validator,
    model_validator,
)

from engine.errors import RequestError
from engine.spec import catalog, messages, request_paths

SCHEMA_VERSION = 1
ORDERS = ("layers-channels", "channels-layers", "layers", "channels", "alternate")
Order = Literal["layers-channels", "channels-layers", "layers", "channels", "alternate"]
Phase = Literal["layers", "channels", "alternate"]
Measure = Literal["accuracy", "loss", "divergence", "cka"]

MOST_TARGETS = 100
FEWEST_RACED = 256  # images: two slices of a race
_LONGEST_NAME = 255  # bytes that file systems take for one name


def _readable(text: str) -> str:
    try:
        names = text.encode().split(b"/")
    except UnicodeEncodeError:
        raise ValueError("holds characters that are not text; rename the file") from None
    if "\0" in text or max(map(len, names)) > _LONGEST_NAME:
        raise ValueError(f"holds a zero byte or a name of more than {_LONGEST_NAME} bytes, which no file has")
    return text


# No number is read from text, no whole number from true or 1.0: what is stored is what was written.
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Flag = Annotated[bool, Strict()]
Text = Annotated[str, AfterValidator(_readable)]
Three = tuple[Number, Number, Number]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataSpec(_Part):
    name: Text = "clutter"
    root: Text | None = None
    limit: Annotated[Whole, Field(ge=1)] | None = None
    val_fraction: Number = Field(0.1, gt=0, lt=1)
    normalize: Literal["imagenet", "cifar10", "cifar100"] | tuple[Three, Three] | None = Field(
        None, description="imagenet, cifar10, cifar100 or [[3 means], [3 deviations above 0]]"
    )

    @field_validator("normalize")
    @classmethod
    def _deviations_above_zero(cls, value: Any) -> Any:
        if isinstance(value, tuple) and min(value[1]) <= 0:
            raise ValueError("must be a name or [[3 means], [3 deviations above 0]]")
        return value


class TrainSpec(_Part):
    epochs: Whole = Field(20, ge=0, le=100_000)
    lr: Number = Field(0.1, gt=0)
    batch_size: Whole = Field(128, ge=2, le=65_536)
    weight_decay: Number = Field(0.0005, ge=0)
    label_smoothing: Number = Field(0.0, ge=0, lt=1)


class DepthSpec(_Part):
    method: Literal["one-shot", "direct"] = "one-shot"
    floor: Number | None = Field(None, gt=0, lt=1)  # direct ends before validation accuracy would fall below it


class WidthSpec(_Part):
    method: Literal["one-shot", "progressive"] = "one-shot"
    scope: Literal["global", "uniform"] = "global"
    round_to: Whole = Field(1, ge=1, le=256)
    attempt_fraction: Number = Field(0.1, gt=0, lt=1)  # of a layer's channels, in one attempt
    layers_per_step: Number = Field(0.25, gt=0, le=1)  # share of the layers that a step prunes
    select: Literal["per-saving", "rise"] = "per-saving"  # smallest rise per unit saved, or smallest rise
    least_share: Number = Field(0.0, ge=0, lt=1)  # of a layer's original channels, which always stay


class AttemptSpec(_Part):
    """How direct, progressive and alternate look for what to remove next."""

    measure: Measure | None = None  # the method's own: accuracy for direct, loss for progressive and alternate
    race: Flag = False  # drop early what can no longer be among the best


class TargetSpec(_Part):
    metric: Literal["macs", "params", "latency"] = "macs"
    keep: tuple[Annotated[Number, Field(gt=0, le=1)], ...] = (0.8, 0.6, 0.4)
    depth_share: Number = Field(0.5, ge=0, le=1)
    latency_table: Text | None = None  # of another machine; without one, this machine's is measured

    @field_validator("keep")
    @classmethod
    def _some_and_different(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not 1 <= len(value) <= MOST_TARGETS:
            raise ValueError(f"must name 1 to {MOST_TARGETS} ratios to keep (got {len(value)})")
        twice = next((ratio for n, ratio in enumerate(value) if ratio in value[:n]), None)
        if twice is not None:
            raise ValueError(f"names {twice:g} twice; each ratio to keep may stand only once")
        return value


class RecoverSpec(_Part):
    epochs: Whole = Field(5, ge=0, le=100_000)
    lr: Number = Field(0.01, gt=0)
    distil: Flag = False  # the untouched baseline teaches
    temperature: Number = Field(4.0, gt=0)
    distil_weight: Number = Field(0.9, gt=0, le=1)  # of the teacher's part of the loss
    between_phases: Flag = True
    reestimate_bn: Flag = False  # measure batch norm statistics anew before fine-tuning; a recovery by itself
    between_steps_batches: Whole = Field(0, ge=0, le=1_000_000)  # after each step of an iterative method


class RunSpec(_Part):
    """One run: one model, one criterion, one order, one or more targets."""

    schema_version: Literal[1] = 1
    model: str = "resnet20"
    weights: Text = "none"
    data: DataSpec = DataSpec()
    train: TrainSpec = TrainSpec()
    order: Order = "layers-channels"
    criterion: str = "bn_scale"
    depth: DepthSpec = DepthSpec()
    width: WidthSpec = WidthSpec()
    attempt: AttemptSpec = AttemptSpec()
    target: TargetSpec = TargetSpec()
    recover: RecoverSpec = RecoverSpec()
    int8: Flag = False  # quantise each target's network as one more point
    seed: Whole = Field(0, ge=0, lt=2**31)
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        catalog.check_model(self.model)
        catalog.check_dataset(self.data.name)
        catalog.check_criterion(self.criterion)
        return self

    @model_validator(mode="after")
    def _nothing_asked_is_ignored(self) -> Self:
        for problem in (*_unused(self), *_contradictions(self)):
            raise RequestError(problem)
        return self

    def canonical(self) -> str:
        """The one JSON text of this spec: sorted keys, no spaces, every default written out."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def digest(self) -> str:
        """First 8 hex digits of the SHA-256 of the canonical JSON."""
        return _digest(self.model_dump(mode="json"))

    def group(self) -> str:
        """The digest of everything but the seed."""
        return _digest(self.model_dump(mode="json", exclude={"seed"}))

    def phases(self) -> tuple[Phase, ...]:
        """The order as the phases a target passes through."""
        return phases_of(self.order)

    def iterates(self, phase: Phase) -> bool:
        """Whether a phase removes a little at a time, with a look at the network after each step."""
        methods = {"layers": self.depth.method == "direct", "channels": self.width.method == "progressive"}
        return methods.get(phase, True)

    def measure(self, phase: Phase) -> Measure:
        """What an attempt of this phase is judged by."""
        return self.attempt.measure or ("accuracy" if phase == "layers" else "loss")


def phases_of(order: str) -> tuple[Phase, ...]:
    """An order as the phases that a target passes through."""
    return tuple(order.split("-"))  # type: ignore[arg-type]


def check_race(images: int) -> None:
    """RequestError when there are too few validation images for attempts to be dropped early."""
    if images < FEWEST_RACED:
        raise RequestError(
            f"attempt.race needs at least {FEWEST_RACED} validation images and there are {images:,}; "
            "raise data.val_fraction or data.limit, or leave the race out"
        )


def _unused(spec: RunSpec) -> Iterator[str]:
    """What was asked for and would do nothing."""
    phases = spec.phases()
    if spec.depth.method == "direct" and "layers" not in phases:
        yield f"depth.method direct removes layers, and the order {spec.order} has no phase for them"
    if spec.width.method == "progressive" and "channels" not in phases:
        yield f"width.method progressive removes channels, and the order {spec.order} has no phase for them"
    if spec.target.latency_table is not None and spec.target.metric != "latency":
        yield "target.latency_table is read for the metric latency only; give it with target.metric latency"
    if spec.width.method != "progressive":
        for name in ("attempt_fraction", "layers_per_step", "select", "least_share"):
            if getattr(spec.width, name) != WidthSpec.model_fields[name].default:
                yield f"width.{name} belongs to width.method progressive; give it with that"
    if spec.depth.floor is not None and spec.depth.method != "direct":
        yield "depth.floor ends direct removal; give it with depth.method direct"
    if not any(map(spec.iterates, phases)):
        for name, asked in (
            ("recover.between_steps_batches", spec.recover.between_steps_batches),
            ("attempt.measure", spec.attempt.measure),
            ("attempt.race", spec.attempt.race),
        ):
            if asked:
                yield f"{name} needs depth.method direct, width.method progressive or the order alternate"
    if spec.recover.distil and not (spec.recover.epochs or spec.recover.between_steps_batches):
        yield "recover.distil needs recover.epochs or recover.between_steps_batches above 0"


def _contradictions(spec: RunSpec) -> Iterator[str]:
    blocks_only = [name for name in spec.criterion.split("+") if catalog.CRITERIA[name].scope == "blocks"]
    if blocks_only and spec.order != "layers":
        yield (
            f"criterion {blocks_only[0]} scores whole blocks; take it with the order layers, "
            "or measure channels with width.method progressive"
        )
    if spec.attempt.race and spec.attempt.measure == "cka":
        yield "attempt.race needs a measure that is a mean over images: accuracy, loss or divergence, not cka"
    if spec.order == "layers" and spec.depth.method == "direct" and spec.criterion != spec.measure("layers"):
        yield (
            f"criterion {spec.criterion} has no part in direct removal alone, which measures "
            f"{spec.measure('layers')}; give that as the criterion"
        )


def parse(raw: Mapping[str, Any]) -> RunSpec:
    """The spec that `raw` asks for; RequestError with one sentence when it may not be asked for."""
    if not isinstance(raw, Mapping):
        raise RequestError("a spec is one JSON object; see the README for its keys")
    version = raw.get("schema_version", SCHEMA_VERSION)
    if type(version) is not int or version != SCHEMA_VERSION:
        raise RequestError(
            f"the spec has schema_version {messages.quote(version)}; this version reads {SCHEMA_VERSION}"
        )
    try:
        return RunSpec.model_validate(_direct_measure(request_paths.absolute(raw)))
    except ValidationError as error:
        raise RequestError(messages.sentence(error, RunSpec)) from None


def load(path: Path) -> dict[str, Any]:
    """The JSON object in a spec file, not yet checked."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(f"cannot read the spec file {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the spec file {path} is not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise RequestError(f"the spec file {path} holds {messages.quote(raw)}; a spec is one JSON object")
    return raw


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _direct_measure(raw: dict[str, Any]) -> dict[str, Any]:
    """Direct removal alone has no criterion but its measure: each stands for the other where one is left out."""
    depth, attempt = raw.get("depth"), raw.get("attempt", {})
    alone = raw.get("order") == "layers" and isinstance(depth, Mapping) and depth.get("method") == "direct"
    if not alone or not isinstance(attempt, Mapping):
        return raw
    measure = attempt.get("measure")
    if "criterion" not in raw:
        return {**raw, "criterion": measure or "accuracy"}
    if measure is None and raw["criterion"] in get_args(Measure):
        return {**raw, "attempt": {**attempt, "measure": raw["criterion"]}}
    return raw
