"""The runs of a sweep: every combination of what its lists say. No torch."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from engine.errors import RequestError
from engine.spec import run as run_spec
from engine.spec.messages import quote
from engine.spec.run import RunSpec
from engine.spec.settings import SpecField, is_list, overlay, settings_of
from engine.spec.sweep.document import Document
from engine.texts import one_line

MOST_RUNS = 1_000  # without being asked
MOST_AT_ALL = 100_000
_MOST_SHOWN, _LONGEST_SHOWN = 6, 60  # values of a list, characters of a text
Complete = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Candidate:
    """A run of the grid as its spec would be written, and what it is told apart by: dotted paths and values."""

    raw: Mapping[str, Any]
    choices: Mapping[str, Any]


def runs(document: Document, complete: Complete = dict, *, many: bool = False) -> tuple[RunSpec, ...]:
    """The specs of a sweep, each once: the grid without what is excluded, then what is included. Seeds vary fastest.

    `complete` is given each before it is checked. RequestError, with the field, when a list is empty or names a value
    twice, a run is not allowed, an exclusion excludes nothing, two runs have one digest (as a pair of 100,000 may), or
    there are more than `MOST_RUNS` without `many`.
    """
    included = [overlay(document.spec, entry) for entry in document.include]
    count = sum(map(_count, (document.spec, *included)))
    if count > MOST_AT_ALL:
        raise RequestError(
            f"this grid has {count:,} runs, and at most {MOST_AT_ALL:,} go; make the lists shorter, or several sweeps"
        )
    if count > MOST_RUNS and not many:
        raise RequestError(
            f"this grid has {count:,} runs, and at most {MOST_RUNS:,} go; make the lists shorter, or give --yes where "
            "you mean it"
        )
    candidates = [*_kept(list(_expand(document.spec)), document.exclude)]
    candidates += itertools.chain.from_iterable(map(_expand, included))
    specs: dict[str, RunSpec] = {}
    for spec in (_parse(candidate, complete) for candidate in candidates):
        digest = spec.digest()
        if specs.setdefault(digest, spec) != spec:
            raise RequestError(
                f"two runs of this grid have the same digest, {digest}, by which runs are found again; put one of them "
                "into a sweep of another name"
            )
    if not specs:
        raise RequestError("exclude leaves no run of this grid; take an entry out of it", field="exclude")
    return tuple(specs.values())


def _parse(candidate: Candidate, complete: Complete) -> RunSpec:
    try:
        return run_spec.parse(complete(candidate.raw))
    except RequestError as error:
        if not candidate.choices:
            raise
        which = ", ".join(f"{name} {_shown(value)}" for name, value in candidate.choices.items())
        raise RequestError(f"{error} (in the run of the grid with {which})", field=error.field) from None


def _shown(value: Any) -> str:
    if isinstance(value, list) and 0 < len(value) <= _MOST_SHOWN:
        return "[" + ", ".join(map(_shown, value)) + "]"
    return one_line(value, _LONGEST_SHOWN) if isinstance(value, str) else quote(value)


def _kept(candidates: Sequence[Candidate], exclude: Sequence[Mapping[str, Any]]) -> Iterator[Candidate]:
    """Those that no entry leaves out; an entry must leave out some."""
    for entry in exclude:
        _check_places(place for place, _ in _leaves(entry, ()))
        conditions = {place: _options(place, value) or [value] for place, value in _leaves(entry, ())}
        kept = [candidate for candidate in candidates if not _matches(candidate.raw, conditions)]
        if len(kept) == len(candidates):
            which = ", ".join(f"{'.'.join(place)} {_shown(value)}" for place, value in _leaves(entry, ()))
            sentence = f"exclude names {which}, which no run of the grid has; take it out, or mend it"
            raise RequestError(sentence, field="exclude")
        candidates = kept
    return iter(candidates)


def _check_places(places: Iterable[tuple[str, ...]]) -> None:
    """RequestError where an exclusion names what no spec has; a run could not have it."""
    names = {".".join(place[:depth]) for place in _fields() for depth in range(1, len(place) + 1)}
    names |= RunSpec.model_fields.keys()
    for name in map(".".join, places):
        if name not in names:
            near = get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]}?" if near else "; it takes the keys of a spec"
            raise RequestError(f"exclude has an unknown key {quote(name)}{hint}", field="exclude")


def _matches(raw: Mapping[str, Any], conditions: Mapping[tuple[str, ...], Sequence[Any]]) -> bool:
    return all(any(_same(_stated(raw, place), value) for value in values) for place, values in conditions.items())


def _same(one: Any, other: Any) -> bool:
    """Whether two plain values are the same; true is not 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _stated(raw: Mapping[str, Any], place: tuple[str, ...]) -> Any:
    """What a run says at a place, or the default where it says nothing."""
    value: Any = raw
    for part in place:
        if not isinstance(value, Mapping) or part not in value:
            field = _fields().get(place)
            return None if field is None else field.default
        value = value[part]
    return value


def _expand(spec: Mapping[str, Any]) -> Iterator[Candidate]:
    """Every combination of the lists in a spec, in the order of its keys; the seed's vary fastest."""
    keys = sorted(spec, key=lambda key: key == "seed")
    for values in itertools.product(*(list(_values((str(key),), spec[key])) for key in keys)):
        raw = {key: candidate for key, (candidate, _) in zip(keys, values, strict=True)}
        choices = {name: value for _, chosen in values for name, value in chosen.items()}
        yield Candidate(raw, choices)


def _values(place: tuple[str, ...], value: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Everything that stands at a place in turn, each with the choices that it comes of."""
    options = _options(place, value)
    if options is not None:
        for option in options:
            named = {} if isinstance(option, Mapping) or len(options) == 1 else {".".join(place): option}
            for inner, choices in _values(place, _One(option)):
                yield inner, {**named, **choices}
        return
    value = value.value if isinstance(value, _One) else value
    if not isinstance(value, Mapping):
        yield value, {}
        return
    for values in itertools.product(*(list(_values((*place, str(key)), value[key])) for key in value)):
        parts = dict(zip(value, (inner for inner, _ in values), strict=True))
        yield parts, {name: chosen for _, choices in values for name, chosen in choices.items()}


@dataclass(frozen=True)
class _One:
    """A value that was chosen already, and in which a list is no grid any more."""

    value: Any


def _count(spec: Mapping[str, Any]) -> int:
    """How many runs a spec makes, without making them."""
    return _count_at((), spec)


def _count_at(place: tuple[str, ...], value: Any) -> int:
    options = _options(place, value) if place else None
    if options is not None:
        return sum(_count_at(place, option) if isinstance(option, Mapping) else 1 for option in options)
    if not isinstance(value, Mapping):
        return 1
    product = 1
    for key in value:
        product *= _count_at((*place, str(key)), value[key])
    return product


def _options(place: tuple[str, ...], value: Any) -> list[Any] | None:
    """What a list stands for in turn; None of what is no list, or is one value of a setting that takes lists."""
    if not isinstance(value, list):
        return None
    field = _fields().get(place)
    if field is not None and _takes_lists(field.annotation) and _is_value(place, value):
        return None
    name = ".".join(place)
    if not value:
        raise RequestError(f"{name} is a list with nothing in it; name one value or more, or leave it out", field=name)
    seen: set[str] = set()
    for option in value:
        text = repr(option)  # in which true is not 1
        if text in seen:
            raise RequestError(f"{name} names {_shown(option)} twice; each may stand only once in its list", field=name)
        seen.add(text)
    return value


@cache
def _fields() -> Mapping[tuple[str, ...], SpecField]:
    return {field.place: field for field in settings_of(RunSpec)}


def _takes_lists(annotation: Any) -> bool:
    """Whether a list is one of the things that a setting may be."""
    return is_list(annotation) or any(map(_takes_lists, get_args(annotation)))


def _is_value(place: tuple[str, ...], value: Any) -> bool:
    """Whether a list is what the setting itself may be, as the ratios to keep are; [[0.5], [0.3]] are two of those."""
    raw: Any = value
    for part in reversed(place):
        raw = {part: raw}
    model: type[BaseModel] = RunSpec
    try:
        model.model_validate(raw)
    except ValidationError as error:
        return not any(tuple(one["loc"][: len(place)]) == place for one in error.errors(include_url=False))
    except RequestError:
        return True  # a list of its kind, which does not go with the defaults of other settings
    return True


def _leaves(entry: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in entry.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*place, str(key)))
        else:
            yield (*place, str(key)), value
