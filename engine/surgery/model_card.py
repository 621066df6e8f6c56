"""What a program needs to feed a network and to read its answers, and where the network comes from.

It travels inside the files that come out: in the metadata of ONNX and safetensors, and in plan.json.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from engine.errors import RequestError
from engine.measure import machine
from engine.spec.messages import LONGEST_NAME, as_text, check_name, check_whole, quote

CARD_VERSION = 1
KEY = "card"  # of plan.json
MOST_CLASSES = 100_000

_MOST_POINTS = 1_000_000
_MOST_SIDE = 65_536  # px
_RESIZE = "aspect kept, scaled to cover image, bilinear, centre cut"
# The same for every network here.
_CONVENTIONS = {"task": "classification", "layout": "NCHW", "channel_order": "RGB", "value_range": "0..1"}

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class ModelCard:
    """How a network is fed: `image` = (channels, height, width) in px, mean and deviation of values in 0..1.

    None stands for what is not known, as of a module that somebody else trained. `class_names` are in the order of the
    logits; `run` and `point` say which measured point the network is.
    """

    image: tuple[int, int, int]
    mean: Triple | None = None
    std: Triple | None = None
    class_names: tuple[str, ...] | None = None
    run: str | None = None
    point: int | None = None
    software: str = ""  # that wrote it; empty: this one

    def to_json(self) -> dict[str, Any]:
        """As plan.json holds it; what is not known is left out."""
        known = {
            "image": list(self.image),
            **_CONVENTIONS,
            "resize": _RESIZE,
            "mean": self.mean and list(self.mean),
            "std": self.std and list(self.std),
            "class_names": self.class_names and list(self.class_names),
            "run": self.run,
            "point": self.point,
            "software": self.software or f"espalier {machine.version()}",
        }
        return {"format_version": CARD_VERSION} | {key: value for key, value in known.items() if value is not None}

    def to_text(self, plan: dict[str, Any] | None = None) -> dict[str, str]:
        """As the metadata of files hold it, key by key: text as it is, all else as JSON; `plan` as plan.json has it."""
        values = self.to_json() | ({} if plan is None else {"plan": plan})
        return {key: value if isinstance(value, str) else _dump(value) for key, value in values.items()}

    @classmethod
    def from_text(cls, metadata: Mapping[str, str]) -> Self:
        """The card in the metadata of a file; RequestError when they hold none."""
        structured = ("format_version", "image", "mean", "std", "class_names", "point")
        try:
            values = {key: json.loads(metadata[key]) for key in structured if key in metadata}
        except (ValueError, RecursionError):
            raise RequestError("the metadata of the file hold no card that this program wrote") from None
        return cls.from_json({**metadata, **values})

    @classmethod
    def from_json(cls, raw: Any) -> Self:
        """The card in `raw`; RequestError when it is not one."""
        try:
            if raw["format_version"] != CARD_VERSION:
                version = quote(raw["format_version"])
                raise RequestError(f"the card has format_version {version}; this version reads {CARD_VERSION}")
            channels, height, width = _each(raw["image"], lambda side: check_whole(side, 1, _MOST_SIDE)) or ()
            names = _each(raw.get("class_names"), check_name)
            if names is not None and len(names) > MOST_CLASSES:
                raise RequestError(f"the card names {len(names):,} classes; at most {MOST_CLASSES:,} are taken")
            return cls(
                (channels, height, width),
                _three(raw.get("mean")),
                _three(raw.get("std")),
                names,
                None if raw.get("run") is None else check_name(raw["run"]),
                None if raw.get("point") is None else check_whole(raw["point"], 0, _MOST_POINTS),
                check_name(raw.get("software", "")),
            )
        except KeyError as error:
            raise RequestError(f"the card of the plan lacks {quote(error.args[0])}") from None
        except (TypeError, ValueError, AttributeError) as error:
            reason = as_text(error)[:LONGEST_NAME]
            raise RequestError(f"the card of the plan is not one this program wrote ({reason})") from None


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _each(raw: Any, check: Callable[[Any], Any]) -> tuple[Any, ...] | None:
    """The checked items of a list; ValueError when there is another thing."""
    if raw is None:
        return None
    if not isinstance(raw, list):
        raise TypeError(f"{quote(raw)} is no list")
    return tuple(check(item) for item in raw)


def _three(raw: Any) -> Triple | None:
    numbers = _each(raw, _check_number)
    if numbers is None:
        return None
    first, second, third = numbers
    return first, second, third


def _check_number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{quote(value)} is no finite number")
    return float(value)
