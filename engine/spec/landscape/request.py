"""The request for a landscape: accuracy of a network over depth kept × width kept. No torch.

What it shares with a run is a run's spec, so that both mean the same by the same words; what a run alone does is
refused there.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from engine.errors import RequestError
from engine.spec import catalog, messages
from engine.spec import run as run_spec
from engine.spec.ids import digest_of
from engine.spec.parts import Number, Part, RecoverSpec, Whole
from engine.spec.run import RunSpec
from engine.spec.settings import Setting, SpecField, settings_of, value_at, without_later

MOST_SIDE = 21  # shares of one side of a grid
FEWEST_IMAGES = 16
CALIBRATION_IMAGES = 512  # of a landscape, where the request names none: there are many networks to refit
ORDERS = ("layers-channels", "channels-layers")
# What a run's spec says of a landscape; the rest is of targets, of iterative methods and of recovery.
_SHARED = (
    *("model", "weights", "data.", "train.", "order", "criterion", "seed", "device", "keep_layers"),
    *("width.scope", "width.rank", "width.round_to", "width.least_share", "target.metric", "target.latency_table"),
    *("recover.reconstruct", "recover.calibration_images", "recover.ridge"),
)


class LandscapeRequest(Part):
    """A grid of shares of depth and of width, and the network and the criterion to measure it for."""

    schema_version: Literal[1] = 1
    spec: Annotated[RunSpec, Setting()] = RunSpec()
    grid: Annotated[Whole, Setting("shares on each side: 9 gives 9 × 9 networks", column=None)] = Field(
        9, ge=2, le=MOST_SIDE
    )
    least: Annotated[
        Number,
        Setting("the smallest share of either side; the largest is 1, the others lie evenly between", column=None),
    ] = Field(0.2, gt=0, lt=1)
    validation_images: Annotated[
        Whole, Setting("at most so many images of the validation split measure each network", column=None)
    ] = Field(1000, ge=FEWEST_IMAGES, le=1_000_000)

    def shares(self) -> tuple[float, ...]:
        """The shares of each side, from 1 down."""
        step = (1 - self.least) / (self.grid - 1)
        return tuple(round(1 - step * number, 6) for number in range(self.grid))

    def feasible(self) -> RunSpec:
        """The run that asks for nothing but what every cell needs: it can be met where the landscape can be begun."""
        target = self.spec.target.model_copy(update={"keep": (1.0,)})
        return self.spec.model_copy(update={"target": target})

    def digest(self) -> str:
        """First 8 hex digits of the SHA-256 of the canonical JSON, without later settings that a run's leaves out."""
        document = self.model_dump(mode="json")
        return digest_of({**document, "spec": without_later(document["spec"], RunSpec)})


def is_shared(field: SpecField) -> bool:
    """Whether a setting of a run's spec says something of a landscape, too."""
    return any(field.name == name or (name.endswith(".") and field.name.startswith(name)) for name in _SHARED)


def parse(raw: Mapping[str, Any]) -> LandscapeRequest:
    """The request in `raw`, with every default; RequestError with one sentence when something is not allowed."""
    if not isinstance(raw, Mapping):
        raise RequestError("a landscape's request is one JSON object, with the keys grid, least and spec")
    spec = run_spec.parse(raw.get("spec", {}))
    _refuse_runs_own(spec)
    try:
        return LandscapeRequest.model_validate({**raw, "spec": spec})
    except ValidationError as error:
        raise messages.refusal(error, LandscapeRequest) from None


def _refuse_runs_own(spec: RunSpec) -> None:
    """RequestError for what only a run does."""
    if spec.order not in ORDERS:
        raise RequestError(
            f"a landscape goes over depth and width, so its order is {' or '.join(ORDERS)} (got {spec.order})",
            field="order",
        )
    if catalog.pair_of(spec.data.name):
        raise RequestError(
            f"a landscape measures labelled validation images, which the target of {spec.data.name} has not; "
            "give --data one dataset, or start a run",
            field="data.name",
        )
    usual = RunSpec(recover=RecoverSpec(reconstruct=spec.recover.reconstruct))
    values, unsaid = (each.model_dump(mode="json") for each in (spec, usual))
    for field in settings_of(RunSpec):
        if not is_shared(field) and value_at(values, field.place) != value_at(unsaid, field.place):
            raise RequestError(
                f"{field.name} is of a run, and a landscape has a grid in its place, without recovery; leave it out",
                field=field.name,
            )
