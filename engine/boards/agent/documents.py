"""The JSON documents that the agent script prints, checked before anybody relies on them. No torch.

A board may print anything: what is read here is bounded in size, depth and the range of its numbers.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import Field, Strict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked
from pydantic_core import from_json

from engine.errors import WorkError
from engine.storage.records.record import Duration, Flag
from engine.texts import printable

MOST_SMALL = 1 << 20  # characters of the document of a command that measures nothing
_MOST_PARTS = 4_000_000  # objects and lists: trtexec exports one for each query, and each takes memory
_MOST_TEXT = 1 << 20  # characters of a stream: the script keeps no more

Document = dict[str, Any]
Reading = Annotated[float, Strict(), Field(gt=-1e15, lt=1e15, allow_inf_nan=False)]
Series = list[Reading | None]
Text = Annotated[str, Field(max_length=_MOST_TEXT)]
D = TypeVar("D")


@checked(frozen=True)
class SensorSeries:
    """What the sensors read: `t` seconds after the begin, each other series as long as `t`."""

    t: list[Duration]
    temperatures: dict[str, Series]
    gpu_hz: Series
    cpu_hz: Series
    power_mw: dict[str, Series]
    total_rail: str | None


@checked(frozen=True)
class ToolRun:
    """How a command of the board ended, what it printed and exported, and what the sensors read meanwhile."""

    status: Annotated[int, Strict(), Field(ge=-255, le=255)]
    timed_out: Flag
    seconds: Duration
    out: Text
    err: Text
    collected: Any
    collect_error: Text | None
    sensors: SensorSeries


@checked(frozen=True)
class RuntimeRound:
    """One round with ONNX Runtime: milliseconds of each query, made in `seconds`, from `from_s` to `to_s`."""

    samples_ms: list[Duration]
    seconds: Duration
    from_s: Duration
    to_s: Duration
    sensors: SensorSeries


@checked(frozen=True)
class Hold:
    """Whether the board is held now, and who else holds it where it is not."""

    held: Flag
    holder: dict[str, Any] | None = None


def parse(text: str, *, most: int) -> Document | None:
    """The JSON object in a text, or in its first line: a login shell may print more when it ends; None for none.

    WorkError when it is larger than what a board has to say.
    """
    if len(text) > most or text.count("{") + text.count("[") > _MOST_PARTS:
        raise WorkError("the board's answer is larger than any that it has to give; look at what its Python prints")
    for candidate in (text, text.partition("\n")[0]):
        try:
            document = from_json(candidate, allow_inf_nan=False)  # nested 200 deep at most
        except ValueError:
            continue
        return document if isinstance(document, dict) else None
    return None


def check(kind: type[D], document: Mapping[str, Any]) -> D:
    """The document as a `kind`, which passes over what else is in it; WorkError when it is none."""
    try:
        return TypeAdapter(kind).validate_python(dict(document))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = printable(".".join(map(str, first["loc"])), 200) or "it"
        raise WorkError(
            f"the board's answer cannot be used ({where}: {first['msg']}); try again, or look at what its Python prints"
        ) from None
