"""Numbers in a file to labels 0 … classes − 1, by what was said of them; refused where nothing was. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.errors import RequestError
from engine.spec.images.label_rules import LabelRules
from engine.words import count

if TYPE_CHECKING:
    import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

MOST_CLASSES = 100_000
_MOST_SPANS = 6  # that a sentence holds
_FIELD = "data.labels"


@dataclass(frozen=True)
class Labels:
    """Labels of every split, which of its images stay, and the name of each class."""

    labels: Mapping[str, Array]  # int64, of the images that stay
    kept: Mapping[str, Array]  # bool, of all images
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_labels(file: str, numbers: Mapping[str, Array], rules: LabelRules | None) -> Labels:
    """Labels for the numbers (int64) of each split, "train" among them; `file` is what a sentence calls their file.

    RequestError, which names what was found and the rules that it may mean, where they are not 0 to classes − 1 with an
    image of each class in train, and the rules do not say otherwise.
    """
    import numpy as np

    rules = rules or LabelRules()
    kept = {name: ~np.isin(values, rules.ignore) for name, values in numbers.items()}
    _check_ignored(file, kept, rules)
    left = {name: values[kept[name]] for name, values in numbers.items()}
    if not rules.compact:
        _check_least(file, left, rules)
    found = np.unique(left["train"])
    classes = int(found[-1]) - rules.first + 1
    if not (rules.compact or rules.as_is) and classes != len(found):
        raise _refusal(file, found, left["train"], rules)
    _check_train_has_all(file, left)
    if rules.compact:
        labels = {name: np.searchsorted(found, values) for name, values in left.items()}
        return Labels(labels, kept, tuple(map(str, found.tolist())), tuple(_notes(kept, rules, len(found))))
    if classes > MOST_CLASSES:
        raise RequestError(f"{file}: labels go up to {found[-1]:,}; at most {MOST_CLASSES:,} classes are taken")
    names = tuple(str(label + rules.first) for label in range(classes))
    shifted = {name: values - rules.first for name, values in left.items()}
    return Labels(shifted, kept, names, tuple(_notes(kept, rules, classes, classes - len(found))))


def _check_ignored(file: str, kept: Mapping[str, Array], rules: LabelRules) -> None:
    """RequestError where a number to ignore does not occur, or a split is left without an image."""
    if rules.ignore and all(stays.all() for stays in kept.values()):
        listed = " or ".join(map(str, rules.ignore))
        raise RequestError(f"{file}: no label is {listed}, so there is none to ignore; leave that out", field=_FIELD)
    empty = next((name for name, stays in kept.items() if not stays.any()), None)
    if empty is not None:
        raise RequestError(f"{file}: {empty} is left without an image, as all its labels are ignored", field=_FIELD)


def _check_least(file: str, left: Mapping[str, Array], rules: LabelRules) -> None:
    for name, values in left.items():
        least = int(values.min())
        if least < rules.first:
            raise RequestError(
                f"{file}: {name}_labels goes down to {least}; labels are whole numbers from {rules.first}; "
                f"--labels ignore-{least} leaves such images out, --labels compact takes the numbers as they come",
                field=_FIELD,
            )


def _check_train_has_all(file: str, left: Mapping[str, Array]) -> None:
    """RequestError where another split has a number that train lacks."""
    import numpy as np

    for name, values in left.items():
        unknown = np.setdiff1d(values, left["train"])
        if len(unknown):
            raise RequestError(
                f"{file}: {name}_labels holds class {unknown[0]}, of which train has no image; "
                f"--labels ignore-{unknown[0]} leaves such images out",
                field=_FIELD,
            )


def _refusal(file: str, found: Array, train: Array, rules: LabelRules) -> RequestError:
    """What was found in train, and the rules that would make labels of it."""
    ways = "; ".join(_ways(found, train, rules))
    sentence = f"{file}: train_labels holds {_spans(found)}, and labels are numbers from {rules.first} without a gap"
    return RequestError(f"{sentence}; {ways}", field=_FIELD)


def _ways(found: Array, train: Array, rules: LabelRules) -> Iterator[str]:
    """The rules that the numbers may mean, each with what it does."""
    base = [f"ignore-{number}" for number in rules.ignore]
    if _has_no_gap(found):
        way = "+".join([f"from-{found[0]}", *base])
        yield f"--labels {way} counts the {count(len(found), 'class', 'classes')} from {found[0]}"
    elif len(found) > 1 and _has_no_gap(found[:-1]) and int(found[0]) - rules.first in (0, 1):
        start = [f"from-{found[0]}"] if found[0] else []
        way = "+".join([*start, *base, f"ignore-{found[-1]}"])
        stray = count(int((train == found[-1]).sum()), "image")
        left = count(len(found) - 1, "class", "classes")
        yield f"--labels {way} leaves out {stray} with {found[-1]} ({left})"
    classes_found = count(len(found), "class", "classes")
    yield f"--labels {'+'.join([*base, 'compact'])} makes {classes_found} of them in their order"
    start = [f"from-{rules.first}"] if rules.first else []
    classes = int(found[-1]) - rules.first + 1
    if classes <= MOST_CLASSES:
        absent = count(classes - len(found), "class", "classes")
        yield f"--labels {'+'.join([*start, *base, 'as-is'])} takes {classes:,}, {absent} of them without an image"


def _has_no_gap(numbers: Array) -> bool:
    return int(numbers[-1]) - int(numbers[0]) + 1 == len(numbers)


def _spans(numbers: Array) -> str:
    """Sorted numbers in words: 0 to 4, 7 and 255."""
    import numpy as np

    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    spans = [f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    if len(spans) > _MOST_SPANS:
        spans = [*spans[: _MOST_SPANS - 1], f"others up to {numbers[-1]}"]
    return " and ".join(filter(None, [", ".join(spans[:-1]), spans[-1]]))


def _notes(kept: Mapping[str, Array], rules: LabelRules, classes: int, absent: int = 0) -> Iterator[str]:
    ignored = sum(int((~stays).sum()) for stays in kept.values())
    if ignored:
        yield f"{count(ignored, 'image')} with the label {' or '.join(map(str, rules.ignore))} left out"
    if rules.first:
        yield f"labels count from {rules.first}"
    if rules.compact:
        yield f"the {classes:,} numbers that occur as labels are the classes, in their order"
    if absent:
        yield f"{absent:,} of {count(classes, 'class', 'classes')} have no image"
