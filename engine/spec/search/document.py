"""What a search's file may hold, checked before anything is built. No torch."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from engine.errors import RequestError
from engine.spec.ids import canonical_json, check_experiment, digest_of
from engine.spec.messages import object_of, quote
from engine.spec.search import space as spaces
from engine.spec.search.space import Dimension
from engine.spec.sweep.document import MOST_THREADS

Cost = Literal["macs", "params", "latency"]
COSTS: tuple[Cost, ...] = get_args(Cost)
ACCURACY = "accuracy"
KEYS = ("name", "spec", "space", "objectives", "constraints", "trials", "recover", "seed", "threads")
TRIALS, RECOVER = 60, 10  # where nothing is said
MOST_TRIALS = 100_000
_PREFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_COUNT, _TIME = re.compile(r"([0-9.]+) *([kMGT]?)"), re.compile(r"([0-9.]+) *(us|µs|ms|s)")
_TIMES = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}  # in milliseconds


@dataclass(frozen=True)
class Document:
    """A search as its file has it: `spec` stays fixed, `space` is looked through.

    Accuracy on validation images is to be high, each of `costs` low; `constraints` are the most that a cost may be,
    latencies in milliseconds. `recover` of the `trials` are trained on in the end. Everything computes with `threads`.
    """

    name: str
    spec: Mapping[str, Any]
    space: tuple[Dimension, ...]
    costs: tuple[Cost, ...]
    constraints: Mapping[Cost, float]
    trials: int
    recover: int
    seed: int
    threads: int

    def digest(self) -> str:
        """Of all that decides what a trial is: two searches of one name must have the same."""
        parts = (self.spec, [repr(each) for each in self.space], self.costs, self.constraints, self.threads)
        return digest_of(canonical_json(parts))

    def network_space(self) -> tuple[Dimension, ...]:
        """What a trial's network depends on."""
        return tuple(each for each in self.space if each.name not in spaces.RECOVERY)

    def recovery_space(self) -> tuple[Dimension, ...]:
        """What only training depends on."""
        return tuple(each for each in self.space if each.name in spaces.RECOVERY)


def read(raw: Any, shown: str) -> Document:
    """The document in plain values; RequestError, which calls the file `shown`, for the first thing that is wrong."""
    raw = object_of(raw, KEYS, shown, "search", "a name and a space")
    for key in ("name", "space"):
        if key not in raw:
            raise RequestError(f"{shown} has no {key}; a search has a name and a space", field=key)
    spec = raw.get("spec", {})
    if not isinstance(spec, Mapping):
        raise RequestError(f"spec of {shown} must be an object with the keys of a spec (got {quote(spec)})")
    if not isinstance(raw["name"], str):
        raise RequestError(f"name of {shown} must be text (got {quote(raw['name'])})", field="name")
    costs = _costs(raw.get("objectives", [ACCURACY, "macs"]), shown)
    trials = _whole(raw, "trials", TRIALS, 1, MOST_TRIALS, shown)
    document = Document(
        check_experiment(raw["name"]),
        spec,
        spaces.read(raw["space"], shown),
        costs,
        _constraints(raw.get("constraints", {}), shown),
        trials,
        _whole(raw, "recover", min(RECOVER, trials), 0, MOST_TRIALS, shown),
        _whole(raw, "seed", 0, 0, 2**31 - 1, shown),
        _whole(raw, "threads", 1, 1, MOST_THREADS, shown),
    )
    _check(document, shown)
    return document


def _check(document: Document, shown: str) -> None:
    target = document.spec.get("target", {})
    kept = target.get("keep") if isinstance(target, Mapping) else None
    if not any(each.name == "target.keep" for each in document.space) and not (
        isinstance(kept, list) and len(kept) == 1
    ):
        raise RequestError(
            f"target.keep is not in space of {shown}; put it there, such as {{min: 0.2, max: 0.9}}, or name one ratio "
            "in spec",
            field="target.keep",
        )
    metric = target.get("metric", "macs") if isinstance(target, Mapping) else "macs"
    table = target.get("latency_table") if isinstance(target, Mapping) else None
    if "latency" in (*document.costs, *document.constraints) and (metric != "latency" or table is None):
        raise RequestError(
            "a latency is predicted for each trial from a table; give target.metric latency and target.latency_table, "
            "a file that `espalier table` writes, in spec",
            field="target.latency_table",
        )
    if document.recover > document.trials:
        sentence = (
            f"recover of {shown} is {document.recover:,}, and there are {document.trials:,} trials to choose from"
        )
        raise RequestError(sentence, field="recover")
    spaces.check(document.spec, document.space)


def _costs(value: Any, shown: str) -> tuple[Cost, ...]:
    allowed = (ACCURACY, *COSTS)
    is_list = isinstance(value, list) and all(isinstance(each, str) for each in value)
    if not is_list or ACCURACY not in value or len(value) < 2 or len(set(value)) < len(value):
        sentence = (
            f"objectives of {shown} must be a list of accuracy and one cost or more, each once: {', '.join(COSTS)} "
            f"(got {', '.join(value) if is_list and value else quote(value)})"
        )
        raise RequestError(sentence, field="objectives")
    unknown = next((each for each in value if each not in allowed), None)
    if unknown is not None:
        sentence = f"objectives of {shown} names {quote(unknown)}; allowed there: {', '.join(allowed)}"
        raise RequestError(sentence, field="objectives")
    return tuple(cost for cost in COSTS if cost in value)


def _constraints(value: Any, shown: str) -> Mapping[Cost, float]:
    if not isinstance(value, Mapping):
        sentence = f"constraints of {shown} must be an object, such as {{macs: 20 M}} (got {quote(value)})"
        raise RequestError(sentence, field="constraints")
    unknown = next((key for key in value if key not in COSTS), None)
    if unknown is not None:
        sentence = f"constraints of {shown} names {quote(unknown)}; what may be limited is {', '.join(COSTS)}"
        raise RequestError(sentence, field="constraints")
    return {cost: _limit(cost, value[cost], shown) for cost in COSTS if cost in value}


def _limit(cost: Cost, value: Any, shown: str) -> float:
    """The most that a cost may be; latencies in milliseconds."""
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else _with_unit(cost, value)
    if number is None or not 0 < number < float("inf"):
        example = "5 ms" if cost == "latency" else "20 M"
        sentence = f"constraints.{cost} of {shown} must be a number above 0, such as {example} (got {quote(value)})"
        raise RequestError(sentence, field=f"constraints.{cost}")
    return number


def _with_unit(cost: Cost, value: Any) -> float | None:
    match = (_TIME if cost == "latency" else _COUNT).fullmatch(value.strip()) if isinstance(value, str) else None
    try:
        return None if match is None else float(match[1]) * ({**_PREFIXES, **_TIMES})[match[2]]
    except ValueError:
        return None  # several points


def _whole(raw: Mapping[str, Any], key: str, default: int, least: int, most: int, shown: str) -> int:
    value = raw.get(key, default)
    if type(value) is not int or not least <= value <= most:
        sentence = f"{key} of {shown} must be a whole number of {least:,} to {most:,} (got {quote(value)})"
        raise RequestError(sentence, field=key)
    return value


def limits(constraints: Mapping[Cost, float]) -> Sequence[str]:
    """The constraints in words."""
    from engine.units import si

    return [
        f"latency at most {most:g} ms" if cost == "latency" else f"{cost} at most {si(most)}"
        for cost, most in constraints.items()
    ]
