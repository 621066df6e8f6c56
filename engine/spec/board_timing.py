"""The specification of a timing on a board: what a user may ask for. No torch."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from engine.spec import messages
from engine.spec.ids import DEVICE_NAME, RUN_ID, digest_of
from engine.spec.parts import Part
from engine.spec.settings import Setting, without_later

Precision = Literal["fp32", "fp16"]
MOST_POINTS = 8
POWER_MODES = 16
LEAST_WORKSPACE, MOST_WORKSPACE = 16, 65_536  # MiB
WORKSPACE_HELP = "MiB of scratch memory that TensorRT may give one layer; by default by the board's memory"


class PointId(Part):
    """One measured network: a run and the number of a point in it."""

    run: str
    point: int

    @field_validator("run")
    @classmethod
    def _is_id(cls, run: str) -> str:
        if not re.fullmatch(RUN_ID, run):
            raise ValueError(f"names {messages.quote(run)}, which is not a run id; `runs` lists them")
        return run

    @field_validator("point")
    @classmethod
    def _is_number(cls, point: int) -> int:
        if not 0 <= point <= 100_000:
            raise ValueError(f"names point {messages.quote(point)}; their numbers go from 0 to 100,000")
        return point

    def __str__(self) -> str:
        return f"{self.run}.{self.point}"


class TimingRequest(Part):
    """Networks to be timed on one board in one job; several take turns, so that drift does not decide."""

    schema_version: Literal[1] = 1
    device: Annotated[str, Setting(flag=None)] = Field(
        pattern=f"^{DEVICE_NAME}$",
        description="a device's name: 1 to 32 letters, digits, - and _, a letter or digit first",
    )
    points: Annotated[tuple[PointId, ...], Setting(flag=None)] = Field(
        min_length=1, max_length=MOST_POINTS, description=f"1 to {MOST_POINTS} points to time"
    )
    precision: Annotated[Precision, Setting("fp32 | fp16 (fp16 needs TensorRT)")] = "fp32"
    threads: Annotated[int, Setting("of ONNX Runtime, on a board without TensorRT")] = Field(1, ge=1, le=64)
    rounds: Annotated[int, Setting("in each, every network has a turn")] = Field(3, ge=1, le=20)
    seconds: Annotated[float, Setting("a turn measures for at least so long")] = Field(1.0, gt=0, le=60)
    limit: Annotated[float, Setting("seconds; measuring of one network ends then")] = Field(120.0, ge=5, le=3600)
    build_limit: Annotated[float, Setting("seconds for building one engine")] = Field(900.0, ge=5, le=7200)
    wait: Annotated[float, Setting("seconds for another timing to leave the board")] = Field(600.0, ge=0, le=86_400)
    workspace: Annotated[int | None, Setting(WORKSPACE_HELP, unit="MiB", later=True)] = Field(
        None, ge=LEAST_WORKSPACE, le=MOST_WORKSPACE
    )
    max_clocks: Annotated[bool, Setting("jetson_clocks while measuring, undone afterwards; needs sudo there")] = False
    layers: Annotated[
        bool, Setting("the time of every layer, too, in a run of its own; needs TensorRT", later=True)
    ] = True
    power_mode: Annotated[int | None, Setting("nvpmodel's number while measuring, undone afterwards")] = Field(
        None, ge=0, lt=POWER_MODES
    )

    @field_validator("points")
    @classmethod
    def _no_point_twice(cls, points: tuple[PointId, ...]) -> tuple[PointId, ...]:
        if len(set(points)) < len(points):
            raise ValueError("names a point twice")
        return points

    def digest(self) -> str:
        """First 8 hex digits of the SHA-256 of the canonical JSON, without later settings that are at their default."""
        return digest_of(without_later(self.model_dump(mode="json"), type(self)))


def parse(raw: Mapping[str, Any]) -> TimingRequest:
    """The request in `raw`, with every default; RequestError with one sentence when something is not allowed."""
    try:
        return TimingRequest.model_validate(raw)
    except ValidationError as error:
        raise messages.refusal(error, TimingRequest) from None
