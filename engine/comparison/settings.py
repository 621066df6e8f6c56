"""In which settings runs differ: those that make a kind of run, and those of the network that was there before."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.comparison.measured import Measured
from engine.errors import RequestError
from engine.spec import messages
from engine.spec.run import RunSpec
from engine.spec.settings import SpecField, columns_of

_FIELDS = columns_of(RunSpec)
NETWORK = ("model", "data", "limit", "image_size")  # always a part of what a figure is of
# Repetitions differ in these, or may; of the weights it is the network that they come to which counts.
_FREE = {"seed", "weights", "data.root", "device", "int8"}
_TARGET = {"target.metric", "target.lose", "target.at_least"}
_ORIGIN = {"model", "transfer.adversarial", "transfer.adapt_epochs"}  # and all that is about data and training


def _is_origin(field: SpecField) -> bool:
    return field.name in _ORIGIN or field.place[0] in ("data", "train")


_ORIGINS = [
    column
    for column, field in _FIELDS.items()
    if _is_origin(field) and field.name not in _FREE and column not in NETWORK
]
_KINDS = [column for column, field in _FIELDS.items() if not _is_origin(field) and field.name not in {*_FREE, *_TARGET}]


@dataclass(frozen=True)
class Kind:
    """Runs of one kind: `name` tells it from the others, `values` has the settings that do, as text by column."""

    name: str
    values: Mapping[str, str]


def origin(row: Measured, differing: Sequence[str]) -> tuple[str, ...]:
    """What a figure is of, in words: network, images, and the settings of the baseline in which the runs differ."""
    asked = row.settings
    size = {"limit": "{} images", "image_size": "{} px"}
    more = [size[key].format(text_of(asked.get(key))) for key in size if text_of(asked.get(key))]
    return (str(asked["model"]), str(asked["data"]), *more, *(_said(key, asked.get(key)) for key in differing))


def differing_origins(rows: Iterable[Measured]) -> list[str]:
    """The columns in which the baselines of these runs were made differently, but for network and images."""
    return _differing(rows, _ORIGINS)


def compared_settings(rows: Sequence[Measured], by: Sequence[str]) -> tuple[list[str], list[str]]:
    """The columns that make a kind of run, and those that do not: `by`, or all in which the runs differ.

    RequestError for a name in `by` in which they do not.
    """
    differing = _differing(rows, _KINDS)
    if not by:
        return differing, []
    chosen = [name.strip().removeprefix("--").replace("-", "_") for name in by]
    unknown = next((name for name in chosen if name not in differing), None)
    if unknown is not None:
        there = ", ".join(differing) or "nothing but seeds, targets and what they began with"
        raise RequestError(f"these runs do not differ in {messages.quote(unknown)}; they differ in {there}")
    return chosen, [column for column in differing if column not in chosen]


def kind_of(row: Measured, columns: Sequence[str]) -> Kind:
    """The kind of run that a figure is of."""
    values = {column: text_of(row.settings.get(column)) for column in columns}
    return Kind(", ".join(_said(column, row.settings.get(column)) for column in columns) or "these runs", values)


def text_of(value: Any) -> str:
    """A setting as text; none, an empty text and an empty list are all no value, which is the empty text."""
    if value is None or value in ("", []):
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(value) if all(isinstance(item, str) for item in value) else json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _said(column: str, value: Any) -> str:
    """A setting in words: a name alone, a number under its heading, a flag as its heading or not."""
    heading, text = _FIELDS[column].heading, text_of(value)
    if isinstance(value, bool):
        return heading if value else f"no {heading}"
    if not text:
        return f"no {heading}"
    return text if column in ("criterion", "order") else f"{heading} {text}"


def _differing(rows: Iterable[Measured], columns: Iterable[str]) -> list[str]:
    every = {id(row.settings): row.settings for row in rows}.values()  # a run's are those of all its targets
    return [column for column in columns if len({text_of(asked.get(column)) for asked in every}) > 1]
