"""What a preview is asked for: a run's request, as far as it is done within seconds, and how many images. No torch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError

from engine.errors import RequestError
from engine.spec import messages
from engine.spec import run as specs
from engine.spec.flags import FLAGS
from engine.spec.run import RunSpec

CALIBRATION_IMAGES = 256  # of reconstruction, where the request does not say; a run takes 1,024 and more
SAMPLES = 4_096  # of what each layer reads, of all these images together, for refits and criteria; a run takes more
VALIDATION_IMAGES = 256
FEWEST_VALIDATION_IMAGES, MOST_VALIDATION_IMAGES = 16, 1_000_000
# What only training or a method that goes step by step would heed: a preview has no flags for it.
WITHOUT = (
    "depth.method",
    "depth.floor",
    "width.method",
    "width.attempt_fraction",
    "width.layers_per_step",
    "width.select",
    "attempt.measure",
    "attempt.race",
    "target.lose",
    "target.at_least",
    "target.also_criteria",
    "target.also_depth_shares",
    "recover.epochs",
    "recover.lr",
    "recover.between_phases",
    "recover.distil",
    "recover.temperature",
    "recover.distil_weight",
    "recover.between_steps_batches",
    "recover.reestimate_bn",
    "int8",
)
PREVIEW_FLAGS = tuple(flag for flag in FLAGS if flag.field.name not in WITHOUT)


class PreviewRequest(BaseModel):
    """A run's request that is looked at beforehand; `results` is where RUN:POINT and trained baselines are found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: RunSpec
    results: str
    validation_images: Annotated[int, Strict()] = Field(
        VALIDATION_IMAGES, ge=FEWEST_VALIDATION_IMAGES, le=MOST_VALIDATION_IMAGES
    )

    @property
    def calibration_images(self) -> int:
        """How many training images reconstruction looks at."""
        return self.spec.recover.calibration_images or CALIBRATION_IMAGES

    def to_json(self) -> dict[str, Any]:
        """The object that `from_json` reads."""
        return self.model_dump(mode="json")

    @staticmethod
    def from_json(raw: Any) -> "PreviewRequest":
        """The request in `raw`; RequestError when it is none, or one that takes longer than a preview may."""
        if not isinstance(raw, dict) or not isinstance(raw.get("results"), str):
            raise RequestError("a preview's request is an object with a spec and a results folder")
        return make_request(specs.parse(raw.get("spec") or {}), Path(raw["results"]), raw.get("validation_images"))


def make_request(spec: RunSpec, results: Path, validation_images: int | None = None) -> PreviewRequest:
    """The request for a preview of what `spec` asks for; RequestError when that takes longer than a preview may."""
    for field, sentence in _obstacles(spec):
        raise RequestError(sentence, field=field)
    count = VALIDATION_IMAGES if validation_images is None else validation_images
    try:
        return PreviewRequest(spec=spec, results=str(results.absolute()), validation_images=count)
    except ValidationError:
        raise RequestError(
            f"--validation-images takes a whole number from {FEWEST_VALIDATION_IMAGES} to {MOST_VALIDATION_IMAGES:,} "
            f"(got {messages.quote(count)})"
        ) from None


def _obstacles(spec: RunSpec) -> Iterator[tuple[str, str]]:
    """What a request asks for that a preview cannot do, or not within seconds."""
    if not spec.target.keep:
        yield "target.keep", "a preview is of ratios to keep, and the request names none; give it --keep 0.5, say"
    instead = "a preview takes everything out at once, so start a run to see that"
    if spec.order == "alternate":
        yield "order", f"the order alternate goes step by step, and {instead}"
    if spec.iterates("layers") and "layers" in spec.phases():
        yield "depth.method", f"depth.method {spec.depth.method} goes step by step, and {instead}"
    if spec.iterates("channels") and "channels" in spec.phases():
        yield "width.method", f"width.method {spec.width.method} goes step by step, and {instead}"
