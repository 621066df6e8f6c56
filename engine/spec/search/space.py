"""What a search looks through: settings with choices or a range, and the request that a combination makes. No torch."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from engine.errors import RequestError
from engine.spec import run as run_spec
from engine.spec.messages import quote
from engine.spec.networks import layer_rules
from engine.spec.run import RunSpec, phases_of
from engine.spec.settings import overlay

RULES = "keep_layers"
NETWORK = (  # what a trial's network depends on
    "criterion",
    "order",
    "target.keep",
    "target.depth_share",
    "width.scope",
    "width.rank",
    "width.round_to",
    "width.least_share",
    RULES,
    "recover.reconstruct",
    "recover.calibration_images",
    "recover.ridge",
)
RECOVERY = (  # what is of training alone: only what recovers tries these
    "recover.epochs",
    "recover.lr",
    "recover.distil",
    "recover.temperature",
    "recover.distil_weight",
    "recover.reestimate_bn",
    "recover.between_phases",
)
_PARTS = {name.partition(".")[0] for name in (*NETWORK, *RECOVERY) if "." in name}
_RANGE_KEYS = ("min", "max", "log")
_DIGITS = 4  # significant ones of what a range gives: a spec that people can read, and the same one twice
Value = bool | int | float | str | None


@dataclass(frozen=True)
class Choice:
    """A setting that is one of several values, as JSON has them; the first is where a search begins."""

    name: str
    options: tuple[Any, ...]
    range_like: ClassVar[bool] = False

    @property
    def labels(self) -> tuple[Value, ...]:
        """The values as a study names them: lists as text."""
        return tuple(json.dumps(o) if isinstance(o, list) else o for o in self.options)

    def value(self, label: Value) -> Any:
        """The value of a label; true is not 1."""
        for option, own in zip(self.options, self.labels, strict=True):
            if own == label and isinstance(own, bool) == isinstance(label, bool):
                return option
        raise ValueError(f"{self.name} has no option {label!r}")

    def examples(self) -> tuple[Any, ...]:
        return self.options

    def at(self, share: float) -> Value:
        """The label so far along the list."""
        return self.labels[min(int(share * len(self.options)), len(self.options) - 1)]

    def start(self) -> Value:
        return self.labels[0]


@dataclass(frozen=True)
class Range:
    """A setting that is a number from `low` to `high`, whole ones where both are; with `log`, even in its logarithm."""

    name: str
    low: float
    high: float
    log: bool = False
    range_like: ClassVar[bool] = True

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int) and self.name not in _FRACTIONS

    def value(self, number: Value) -> Any:
        assert isinstance(number, int | float)
        return int(number) if self.whole else float(f"{number:.{_DIGITS}g}")

    def examples(self) -> tuple[Any, ...]:
        return self.value(self.low), self.value(self.high)

    def at(self, share: float) -> Value:
        """The number so far along the range."""
        if self.log:
            number = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            number = self.low + share * (self.high - self.low)
        value: int | float = round(number) if self.whole else number
        return min(max(value, self.low), self.high)

    def start(self) -> Value:
        """Where a search begins: what a run does by itself, where that is inside, else the middle."""
        default = _default(self.name)
        if isinstance(default, int | float) and self.low <= default <= self.high:
            return int(default) if self.whole else float(default)
        return self.at(0.5)


Dimension = Choice | Range
_FRACTIONS = frozenset({"target.keep", "target.depth_share", "width.least_share", "recover.ridge", "recover.lr"})


def read(raw: Any, shown: str) -> tuple[Dimension, ...]:
    """The dimensions of a space, nested as a spec is; RequestError for the first thing that is wrong with it."""
    if not isinstance(raw, Mapping) or not raw:
        sentence = (
            f"space of {shown} must be an object with settings of a spec, each a list of choices or an object with min "
            f"and max (got {quote(raw)})"
        )
        raise RequestError(sentence, field="space")
    found = list(_dimensions(raw, "", shown))
    if not any(len(each.examples()) > 1 and len(set(map(repr, each.examples()))) > 1 for each in found):
        raise RequestError(f"space of {shown} leaves nothing to choose; give a setting two values", field="space")
    return tuple(found)


def _dimensions(raw: Mapping[Any, Any], parent: str, shown: str) -> Iterator[Dimension]:
    for key, value in raw.items():
        name = f"{parent}.{key}" if parent else str(key)
        if name in _PARTS and isinstance(value, Mapping):
            yield from _dimensions(value, name, shown)
        elif name == RULES and isinstance(value, Mapping):
            yield from (_dimension(f"{RULES}.{pattern}", value[pattern], shown) for pattern in value)
        elif name in NETWORK or name in RECOVERY:
            yield _dimension(name, value, shown)
        else:
            known = ", ".join((*NETWORK, *RECOVERY))
            raise RequestError(
                f"space of {shown} names {quote(name)}, which is nothing that a search varies; it varies {known}",
                field="space",
            )


def _dimension(name: str, value: Any, shown: str) -> Dimension:
    field = f"space.{name}"
    if isinstance(value, Mapping):
        return _range(name, value, shown)
    if not isinstance(value, list):
        sentence = f"{field} of {shown} must be a list of choices, or an object with min and max (got {quote(value)})"
        raise RequestError(sentence, field=field)
    if not value:
        raise RequestError(f"{field} of {shown} is a list with nothing in it; name two values or more", field=field)
    if len(set(map(repr, value))) < len(value):
        raise RequestError(f"{field} of {shown} names a value twice; each may stand only once", field=field)
    for option in value:
        if isinstance(option, Mapping) or (isinstance(option, list) and name != RULES):
            raise RequestError(f"{field} of {shown} holds {quote(option)}, which is no value of {name}", field=field)
    return Choice(name, tuple(value))


def _range(name: str, value: Mapping[Any, Any], shown: str) -> Range:
    field = f"space.{name}"
    unknown = next((key for key in value if key not in _RANGE_KEYS), None)
    if unknown is not None or "min" not in value or "max" not in value:
        what = f"has an unknown key {quote(unknown)}" if unknown is not None else "lacks min or max"
        raise RequestError(f"{field} of {shown} {what}; a range is min, max and, where wanted, log", field=field)
    low, high, log = value["min"], value["max"], value.get("log", False)
    if not all(isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in (low, high)):
        sentence = f"{field} of {shown} must have numbers as min and max (got {quote(low)} and {quote(high)})"
        raise RequestError(sentence, field=field)
    if not isinstance(log, bool):
        raise RequestError(f"log of {field} in {shown} must be true or false (got {quote(log)})", field=field)
    if low >= high:
        raise RequestError(f"{field} of {shown} has min {low:g}, which is not below max {high:g}", field=field)
    if log and low <= 0:
        raise RequestError(f"{field} of {shown} is even in its logarithm, so min must be above 0", field=field)
    return Range(name, low, high, log)


def request(fixed: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The fixed part of a spec with values by the names of their settings, as a spec file has it.

    Values that would have no effect beside the others are left out, so that one network has one request.
    """
    changes: dict[str, Any] = {}
    rules: list[str] = []
    for name, value in _effective(fixed, values).items():
        if name.startswith(f"{RULES}."):
            rules += [f"{name.removeprefix(RULES + '.')}={value:g}"] if value else []
            continue
        part, _, last = name.rpartition(".")
        own = [value] if name == "target.keep" else value
        changes = overlay(changes, {part: {last: own}} if part else {last: own})
    if rules:
        changes[RULES] = [*(fixed.get(RULES) or ()), *rules]
    return overlay(fixed, changes)


def parse(fixed: Mapping[str, Any], values: Mapping[str, Any]) -> RunSpec:
    """The spec of a combination; RequestError, which says of which, where it is not allowed."""
    try:
        return run_spec.parse(request(fixed, values))
    except RequestError as error:
        which = ", ".join(f"{name} {quote(value)}" for name, value in values.items())
        raise RequestError(f"{error} (with {which})", field=error.field) from None


def check(fixed: Mapping[str, Any], dimensions: Sequence[Dimension]) -> None:
    """RequestError for a setting that is fixed and varied at once, or a value that no spec may have."""
    for dimension in dimensions:
        part, _, last = dimension.name.rpartition(".")
        holder = fixed.get(part, {}) if part and not dimension.name.startswith(RULES) else fixed
        if isinstance(holder, Mapping) and last in holder and not dimension.name.startswith(RULES):
            sentence = f"{dimension.name} stands in spec and in space; leave it out of one of them"
            raise RequestError(sentence, field=dimension.name)
        if dimension.name.startswith(f"{RULES}."):
            _check_rule(dimension)
    starts = {d.name: d.value(d.start()) for d in dimensions}
    parse(fixed, starts)
    for dimension in dimensions:
        for example in dimension.examples():
            parse(fixed, {**starts, dimension.name: example})


def _check_rule(dimension: Dimension) -> None:
    pattern = dimension.name.removeprefix(f"{RULES}.")
    for share in dimension.examples():
        number = share if isinstance(share, int | float) and not isinstance(share, bool) else math.nan
        try:
            if number != 0:  # which leaves the rule out
                layer_rules.parse(f"{pattern}={number:g}")
        except ValueError as error:
            raise RequestError(f"keep_layers {error}, or a share of 0 for no rule", field=RULES) from None


def _effective(fixed: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that do something beside the others."""

    def stated(name: str) -> Any:
        if name in values:
            return values[name]
        part, _, last = name.rpartition(".")
        holder = fixed.get(part, {}) if part else fixed
        return holder[last] if isinstance(holder, Mapping) and last in holder else _default(name)

    left_out: set[str] = set()
    order = stated("order")
    phases = phases_of(order) if isinstance(order, str) else ()
    if "channels" not in phases:
        left_out |= {"width.scope", "width.rank", "width.round_to", "width.least_share"}
    if len(phases) == 1:
        left_out |= {"target.depth_share", "recover.between_phases"}
    if stated("width.scope") == "uniform":
        left_out.add("width.rank")
    if stated("recover.reconstruct") is False:
        left_out |= {"recover.calibration_images", "recover.ridge"}
    if not stated("recover.epochs"):
        left_out.add("recover.distil")
    if not stated("recover.epochs") or not stated("recover.distil"):
        left_out |= {"recover.temperature", "recover.distil_weight"}
    return {name: value for name, value in values.items() if name not in left_out}


def _default(name: str) -> Any:
    value: Any = RunSpec.model_construct()
    for part in name.split("."):
        value = getattr(value, part, None)
    return value
