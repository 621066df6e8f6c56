"""What is wrong with a spec by pydantic's account, as one sentence in the words of this project. No torch.

The first word is the field's path, which the error carries beside, so that a form knows where to show the sentence.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from engine.errors import RequestError
from engine.spec.settings import is_list, is_part, plain_types

_BOUNDS = {Gt: ("gt", "above"), Ge: ("ge", "of at least"), Lt: ("lt", "below"), Le: ("le", "at most")}
_NUMBERS = {int: "whole number", float: "number"}
_LONGEST_SHOWN = 60
LONGEST_NAME = 300  # characters of a name in a document
_LARGEST_SHOWN = 10**_LONGEST_SHOWN

_KEY_ERRORS = ("invalid_key", "string_unicode")  # of an object; the second of a text, too

Where = tuple[int | str, ...]


def refusal(error: ValidationError, root: type[BaseModel]) -> RequestError:
    """The first thing that is wrong with a `root`: where, what is allowed there, and what stands there."""
    first = error.errors(include_url=False)[0]
    names = _field_path(first["loc"], root)
    where = ".".join(names)
    field = _field(names, root)
    if first["type"] == "extra_forbidden":
        path = ".".join(map(str, first["loc"]))
        return RequestError(_unknown_key(first["loc"], root), field=as_text(path)[:_LONGEST_SHOWN])
    if first["type"] in _KEY_ERRORS and (field is None or is_part(field.annotation)):
        place = f"in {where} " if where else ""
        return RequestError(f"the spec has a key {place}that is no text: {quote(first['input'])}", field=where or None)
    if first["type"] == "value_error":
        return RequestError(f"{where} {first['ctx']['error']}", field=where)
    if field is None:
        keys = ", ".join(root.model_fields)
        return RequestError(f"the request must be an object with the keys {keys} (got {quote(first['input'])})")
    allowed = _allowed(field, finite=first["type"] == "finite_number")
    suggestion = _suggestion(first["input"], _choices(field))
    return RequestError(f"{where} must be {allowed} (got {quote(first['input'])}{suggestion})", field=where)


def quote(value: Any) -> str:
    """A value as a sentence may quote it: on one line, of moderate length."""
    if isinstance(value, list | tuple | dict | set):
        kind = "an object" if isinstance(value, dict) else "a list"
        return kind if value else f"{kind} with nothing in it"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int) and abs(value) >= _LARGEST_SHOWN:
        return "a whole number of very many digits"  # which Python refuses to write
    if isinstance(value, str):
        value = value[: _LONGEST_SHOWN + 1]
    text = f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def as_text(name: object) -> str:
    """A path or another name that a disk or a file gave, as a sentence may hold it: on one line, and text."""
    text = str(name)
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def check_whole(value: Any, least: int, most: int) -> int:
    """A whole number that a document holds; ValueError when it is none, or not of that range."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{quote(value)} is no whole number of {least:,} to {most:,}")
    return value


def check_name(value: Any) -> str:
    """A name that a document holds; ValueError when it is none that a sentence can have."""
    if not isinstance(value, str) or len(value) > LONGEST_NAME or not value.isprintable():
        raise ValueError(f"{quote(value)} is no name")
    return value


def _field_path(where: Where, root: type[BaseModel]) -> list[str]:
    """The part of an error's place that names fields; what follows are list positions and members of unions."""
    names: list[str] = []
    for part in where:
        if not isinstance(part, str) or _field([*names, part], root) is None:
            break
        names.append(part)
    return names


def _field(names: list[str], root: type[BaseModel]) -> FieldInfo | None:
    model: Any = root
    field: FieldInfo | None = None
    for name in names:
        if not (isinstance(model, type) and issubclass(model, BaseModel)) or name not in model.model_fields:
            return None
        field = model.model_fields[name]
        model = field.annotation
    return field


def _unknown_key(where: Where, root: type[BaseModel]) -> str:
    parent = _field([str(part) for part in where[:-1]], root) if len(where) > 1 else None
    model: Any = parent.annotation if parent else root
    suggestion = _suggestion(where[-1], list(model.model_fields))
    return (
        f"the spec has an unknown key {quote('.'.join(map(str, where)))}{suggestion}"
        f"; allowed there: {', '.join(model.model_fields)}"
    )


def _allowed(field: FieldInfo, *, finite: bool) -> str:
    if field.description:
        return field.description
    if is_part(field.annotation):
        return f"an object with the keys {', '.join(field.annotation.model_fields)}"
    if choices := _choices(field):
        return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))
    kinds = list(plain_types(field.annotation))
    for kind, name in _NUMBERS.items():
        if kind in kinds:
            noun = f"finite {name}" if finite else name
            return (f"a list of {noun}s" if is_list(field.annotation) else f"a {noun}") + _bounds(field)
    return "true or false" if bool in kinds else "text"


def _choices(field: FieldInfo) -> list[str]:
    kinds = (field.annotation, *get_args(field.annotation))
    return [str(choice) for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]


def _bounds(field: FieldInfo) -> str:
    limits = [*field.metadata, *_metadata(field.annotation)]
    words = [
        f"{word} {getattr(limit, attribute):,}"
        for limit in limits
        for kind, (attribute, word) in _BOUNDS.items()
        if type(limit) is kind
    ]
    return (" " + " and ".join(words)) if words else ""


def _metadata(annotation: Any) -> Iterator[Any]:
    """The constraints inside an annotation."""
    for inner in get_args(annotation):
        if isinstance(inner, FieldInfo):
            yield from inner.metadata
        elif get_origin(annotation) is Annotated:
            yield inner
        yield from _metadata(inner)


def _suggestion(text: Any, choices: list[str]) -> str:
    matches = get_close_matches(text[:_LONGEST_SHOWN], choices, n=1, cutoff=0.7) if isinstance(text, str) else []
    return f"; did you mean {matches[0]}?" if matches else ""


def object_of(raw: Any, keys: Sequence[str], shown: str, noun: str, needs: str) -> Mapping[str, Any]:
    """What the file `shown` of a `noun` holds; RequestError where it is empty, no object, or has other keys."""
    if raw is None:
        raise RequestError(f"{shown} has nothing in it; a {noun} has {needs}")
    if not isinstance(raw, Mapping):
        raise RequestError(f"{shown} holds {quote(raw)}; a {noun}'s file has the keys {', '.join(keys)}")
    for key in raw:
        if key not in keys:
            near = get_close_matches(str(key), keys, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise RequestError(f"{shown} has an unknown key {quote(key)}{hint}; allowed there: {', '.join(keys)}")
    return raw
