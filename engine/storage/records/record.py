"""A frozen dataclass that is one JSON object, and one sentence for an object that is none. No torch."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from engine.errors import WorkError
from engine.spec.messages import quote

R = TypeVar("R", bound="Record")
_ADAPTERS: dict[type["Record"], TypeAdapter[Any]] = {}  # made on first use: that takes milliseconds for each


@dataclass(frozen=True, kw_only=True)
class Record:
    """One JSON object: its keys are the fields, in their order.

    A field whose default is None may be missing in what earlier versions wrote. Those in `WHERE_KNOWN` are left out of
    the JSON while they are None; all others are written as null.
    """

    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """The object as it stands in its file."""
        pairs = ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))
        return {key: _plain(value) for key, value in pairs if value is not None or key not in self.WHERE_KNOWN}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], source: str = "a record") -> Self:
        """The record in `document`; keys of later versions are passed over.

        Raises WorkError that names `source` and the first key that is missing or of a wrong type.
        """
        try:
            record = _adapter(cls).validate_python(document)
        except ValidationError as error:
            raise WorkError(f"{source} is damaged: {_reason(error)}") from None
        return record


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _adapter(kind: type[R]) -> TypeAdapter[R]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(map(str, first["loc"])) or "it"
    if first["type"] == "missing":
        return f"it lacks {key}"
    expected = first["msg"].removeprefix("Input should be ").removeprefix("a valid ").removeprefix("an ")
    return f"{key} is {quote(first['input'])} and should be {expected}"
