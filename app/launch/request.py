"""Between widgets and specs: what the launch form holds, the runs of a request, and commands that do the same."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from app import text
from engine.errors import RequestError
from engine.spec import catalog
from engine.spec import run as specs
from engine.spec.catalog import CRITERIA
from engine.spec.flags import FLAGS, command_line
from engine.spec.run import RunSpec
from engine.spec.settings import Section, label_of, overlay, section_of, settings_of
from engine.texts import one_line

MOST_RUNS = 500  # of one experiment
_LONGEST_NAME = 80  # characters of a name that is made here
_WORD = re.compile(r"(?<![\w/.:-])[a-z0-9_]+(?![\w/.:-])")  # by itself, and no part of a path
_FIELD = re.compile(r"(?:--[a-z][a-z-]+|\b[a-z]+\.[a-z_]+)\b")  # a flag, or a field of the spec, in a sentence


@dataclass(frozen=True)
class Wrong:
    """What a field of the form holds in the place of a value: the field of the spec, and what is wrong with it.

    Where something is only `missing`, nobody has done anything wrong yet.
    """

    field: str
    sentence: str
    missing: bool = False


@dataclass(frozen=True)
class Request:
    """One launch: everything that its runs share, and the lists whose combinations they are.

    Each of `methods` is what the base becomes for one order with its methods. `measures` stand in the place of criteria
    where direct removal goes alone; without them criteria stand for both.
    """

    base: dict[str, Any]
    criteria: tuple[str, ...]
    ensemble: bool
    seeds: tuple[int, ...]
    measures: tuple[str, ...] | None = None
    methods: tuple[Mapping[str, Any], ...] = ({},)


@dataclass(frozen=True)
class Refusal:
    """A request that cannot be met: the section of the form that shows it, and the sentence."""

    section: Section
    sentence: str
    missing: bool = False

    @classmethod
    def of(cls, message: str, field: str | None, *, missing: bool = False) -> Self:
        """The refusal that an error of the engine comes to: beside its field's widgets, or else beside the network."""
        return cls(section_of(RunSpec, field) or "network", sentence(message, field), missing)


def build(request: Request) -> list[RunSpec] | Refusal:
    """The runs of a request, one for each method, criterion (or one for the ensemble) and seed; or what is wrong first.

    Where an accuracy is to be kept, one run of each method looks for the smallest network with all the criteria.
    """
    refusal = _wrong_value(request) or _missing(request)
    if refusal is not None:
        return refusal
    requests = [one for method in request.methods for one in _of_method(overlay(request.base, method), request)]
    if len(requests) * len(request.seeds) > MOST_RUNS:
        count = len(requests) * len(request.seeds)
        return Refusal("seeds", f"That makes {count:,} runs, and one experiment has at most {MOST_RUNS}; choose fewer.")
    try:
        return _parsed(requests, request.seeds)
    except RequestError as error:
        return Refusal.of(str(error), error.field)


def _parsed(requests: Sequence[Mapping[str, Any]], seeds: Sequence[int]) -> list[RunSpec]:
    """A run for each request and seed. A seed is checked once, as what a request says does not depend on it."""
    for seed in seeds[1:]:
        specs.parse({**requests[0], "seed": seed})
    parsed = [specs.parse({**each, "seed": seeds[0]}) for each in requests]
    return [spec.model_copy(update={"seed": seed}) for spec in parsed for seed in seeds]


def _of_method(base: dict[str, Any], request: Request) -> list[dict[str, Any]]:
    """The requests of one method, a criterion each."""
    by_measure = _goes_by_measure(base)
    names = _names(request, by_measure=by_measure)
    if request.ensemble and not by_measure:
        names = ("+".join(names),)
    elif base.get("target", {}).keys() & {"lose", "at_least"}:
        base = {**base, "target": {**base["target"], "also_criteria": list(names[1:])}}
        names = names[:1]
    return [{**base, "criterion": name} for name in names]


def _wrong_value(request: Request) -> Refusal | None:
    """The first field that holds no value: one that is wrong rather than one that is missing."""
    wrong = sorted(_wrong_values(request.base, *request.methods), key=lambda each: each.missing)
    return Refusal.of(wrong[0].sentence, wrong[0].field, missing=wrong[0].missing) if wrong else None


def _wrong_values(*values: Any) -> Iterable[Wrong]:
    for value in values:
        if isinstance(value, Wrong):
            yield value
        elif isinstance(value, Mapping):
            yield from _wrong_values(*value.values())


def _missing(request: Request) -> Refusal | None:
    """The first thing that the form has a place for and that is not there yet."""
    if not request.base.get("weights", "none"):
        return Refusal("network", "Give the path of a weights file.", missing=True)
    if not request.methods:
        return Refusal("remove", "Choose at least one order, and a method for what it removes.")
    for method in request.methods:
        by_measure = _goes_by_measure(overlay(request.base, method))
        if not _names(request, by_measure=by_measure):
            return Refusal("remove", f"Choose at least one {'measure' if by_measure else 'criterion'}.")
    return None if request.seeds else Refusal("seeds", "Choose at least one seed.")


def _names(request: Request, *, by_measure: bool) -> tuple[str, ...]:
    """What selects: criteria, or measures in their place."""
    return request.measures if by_measure and request.measures is not None else request.criteria


def _goes_by_measure(base: Mapping[str, Any]) -> bool:
    """Whether direct removal goes alone: it has a measure in place of a criterion."""
    return base.get("order") == "layers" and base.get("depth", {}).get("method") == "direct"


def sentence(message: str, field: str | None = None) -> str:
    """An error as the page shows it: in the form's words, with a capital and a full stop."""
    for name, label in _labels(field).items():
        if message.startswith(f"{name} "):
            message = label + message.removeprefix(name)
    if field is not None and field.startswith("data."):
        message = _WORD.sub(lambda match: catalog.title_of(match[0]), message)
    return text.sentence(_FIELD.sub(_in_words, message))


def _labels(field: str | None) -> dict[str, str]:
    """What the form calls that which a sentence about this field begins with."""
    if field == "criterion":
        return {name: criterion.label for name, criterion in CRITERIA.items()}
    return {} if field is None else {field: label_of(RunSpec, field)}


def _in_words(match: re.Match[str]) -> str:
    """What the form calls a flag or a field of the spec."""
    name = match[0]
    if name.startswith("--"):
        name = next((flag.field.name for flag in FLAGS if name in (flag.name, flag.negative)), name)
    return label_of(RunSpec, name) if any(field.name == name for field in settings_of(RunSpec)) else match[0]


def ratios(entries: Iterable[float | str]) -> tuple[float, ...]:
    """Ratios to keep from a list that may hold typed text, largest first; RequestError names what is not a number."""
    return tuple(sorted({_ratio(entry, "target", "target.keep") for entry in entries}, reverse=True))


def shares(entries: Iterable[float | str]) -> list[float]:
    """Layers' shares of a cut from such a list, in its order."""
    return list(dict.fromkeys(_ratio(entry, "share", "target.depth_share") for entry in entries))


def seeds(entries: Iterable[int | str]) -> tuple[int, ...]:
    """Seeds from a list that may hold typed text, in order; RequestError names what is not a whole number."""
    numbers = set()
    for entry in entries:
        try:
            numbers.add(int(entry))
        except ValueError:
            raise RequestError(f"seed {entry!r} is not a whole number", field="seed") from None
    return tuple(sorted(numbers))


def commands(runs: Sequence[RunSpec], experiment: str | None = None) -> str:
    """The command lines that submit the same runs, one a line; runs that differ in their seed alone share one."""
    by_group: dict[str, list[RunSpec]] = {}
    for run in runs:
        by_group.setdefault(run.group(), []).append(run)
    return "\n".join(
        command_line("submit", group[0], [run.seed for run in group] if len(group) > 1 else None, experiment)
        for group in by_group.values()
    )


def name_of(runs: Sequence[RunSpec], taken: Iterable[str] = ()) -> str | None:
    """A name for several runs, made from what differs, that no other experiment has; None for a single run."""
    if len(runs) < 2:
        return None
    lists = {
        "criteria": len({run.criterion for run in runs}),
        "orders": len({run.order for run in runs}),
        "methods": len({(run.depth.method, run.width.method) for run in runs}),
        "seeds": len({run.seed for run in runs}),
    }
    parts = [f"{count} {many}" for many, count in lists.items() if count > 1]
    base = one_line(f"{runs[0].model} on {runs[0].data.name}: {' × '.join(parts)}", _LONGEST_NAME)
    names, number = set(taken), 2
    name = base
    while name in names:
        name, number = f"{base} ({number})", number + 1
    return name


def _ratio(entry: float | str, noun: str, field: str) -> float:
    typed = str(entry).strip().rstrip("×x").strip().replace(",", ".")
    try:
        return round(float(typed.rstrip("%")) / 100, 9) if typed.endswith("%") else float(typed)
    except ValueError:
        raise RequestError(f"{noun} {entry!r} is not a number; write 0.5, or 50 %", field=field) from None
