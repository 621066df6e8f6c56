"""What a board says about itself, checked before anybody relies on it. No torch."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from engine.errors import WorkError
from engine.texts import printable

_JETSONS = {"tx2": "TX2", "xavier": "Xavier", "orin": "Orin", "thor": "Thor", "nano": "Nano", "tk1": "TK1"}
_RULES = ConfigDict(strict=True, allow_inf_nan=False)


Text = Annotated[str, Field(max_length=4096), AfterValidator(printable)]
Version = Annotated[str, Field(pattern=r"^[0-9]{1,4}(\.[0-9]{1,4}){1,3}$")]
Size = Annotated[int, Field(ge=0, lt=2**63)]
Readings = dict[Text, Annotated[float, Field(gt=-1e12, lt=1e12)] | None]


@checked(frozen=True, config=_RULES)
class PowerMode:
    """What nvpmodel has set: MAXN is 0 on a TX2."""

    name: Text
    id: Size


@checked(frozen=True, config=_RULES)
class Clocks:
    """In Hz; `locked` when the GPU's least, present and greatest clock are one, None where that cannot be told."""

    gpu_hz: Size | None
    gpu_max_hz: Size | None
    cpu_hz: tuple[Size | None, ...]
    cpu_max_hz: tuple[Size | None, ...]
    locked: bool | None


@checked(frozen=True, config=_RULES)
class Probe:
    """A board as it is now; None for what it does not say. Degrees Celsius, milliwatts, bytes, Unix seconds.

    `total_rail` is the rail of the whole board, or the sum of rails that stands for it; `why_no_power` says why its
    power cannot be read, and is None where it can.
    """

    model: Text | None
    compatible: tuple[Text, ...]
    jetson: Text | None
    l4t: Text | None
    jetpack: Text | None
    tensorrt: Version | None
    trtexec: Annotated[str, Field(max_length=4096)] | None
    onnxruntime: Text | None
    providers: tuple[Text, ...]
    python: Text
    machine: Text
    system: Text | None
    hostname: Text
    cores: Annotated[int, Field(ge=1, le=65536)] | None
    power_mode: PowerMode | None
    clocks: Clocks
    disk_free_bytes: Size | None
    memory_total_bytes: Size | None
    memory_free_bytes: Size | None
    temperatures: Readings
    power_mw: Readings
    total_rail: Text | None
    uptime_s: Annotated[float, Field(ge=0, lt=1e12)] | None
    time: Annotated[float, Field(gt=-1e12, lt=1e12)]
    sudo: bool
    problems: tuple[Text, ...]
    why_no_power: Text | None = None

    @property
    def tensorrt_version(self) -> tuple[int, ...] | None:
        """(8, 2, 1), which compares as versions do."""
        return None if self.tensorrt is None else tuple(int(part) for part in self.tensorrt.split("."))

    @property
    def board(self) -> str:
        """Which board and software in a few words: Jetson TX2, L4T 32.7.1 · Linux x86_64, Debian 12."""
        if self.jetson is None:
            system = re.sub(r" *\(.*?\)| GNU/Linux| LTS", "", self.system or "").strip()
            return f"Linux {self.machine}" + (f", {system}" if system else "")
        return f"Jetson {_JETSONS.get(self.jetson, self.jetson)}" + (f", L4T {self.l4t}" if self.l4t else "")

    def as_json(self) -> dict[str, Any]:
        """The document again."""
        return asdict(self)


_PROBE = TypeAdapter(Probe)


def parse(document: object) -> Probe:
    """The probe in what bench.py printed, read from JSON; raises WorkError when it is none."""
    if isinstance(document, Mapping) and set(document) == {"error"}:
        raise WorkError(f"the board could not be probed: {printable(str(document['error']))}")
    try:
        return _PROBE.validate_json(json.dumps(document, allow_nan=False))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        reason = f"{printable(where)}: {first['msg']}"
    except (TypeError, ValueError, RecursionError) as error:
        reason = printable(str(error), 200)
    raise WorkError(f"the board's answer is no probe ({reason}); probe it again, or look at what its Python prints")
