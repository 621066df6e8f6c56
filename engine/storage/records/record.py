"""A frozen dataclass that is one JSON object, and one sentence for an object that is none. No torch."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta
from pydantic import Field, Strict, TypeAdapter, ValidationError

from engine.errors import WorkError
from engine.spec.messages import LONGEST_NAME, as_text, quote

R = TypeVar("R", bound="Record")
_Keys = tuple[frozenset[str], frozenset[str], tuple[tuple[str, type["Record"]], ...]]
_ADAPTERS: dict[type["Record"], TypeAdapter[Any]] = {}  # made on first use: that takes milliseconds for each
_DECODERS: dict[type["Record"], msgspec.json.Decoder[Any]] = {}  # likewise
_KEYS: dict[type["Record"], _Keys] = {}
# By kind and keys: those that are written where known, and those of records.
_CHECKS: dict[tuple[Any, ...], tuple[tuple[str, ...], tuple[tuple[str, type["Record"]], ...]]] = {}
_MOST_KEPT = 1000

# What a person or a damaged disk may have put into a file is bounded here, so that no reader has to think of it: in the
# words of pydantic, which says what is wrong with a value, and in those of msgspec, which is several times as quick.
Flag = Annotated[bool, Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Whole = Annotated[int, Strict(), Field(ge=0, le=2**53), Meta(ge=0, le=2**53)]
Share = Annotated[float, Strict(), Field(ge=0, le=1, allow_inf_nan=False), Meta(ge=0, le=1)]
Moment = Annotated[float, Strict(), Field(ge=0, lt=2**33, allow_inf_nan=False), Meta(ge=0, lt=2**33)]  # to 2242
Duration = Annotated[float, Strict(), Field(ge=0, lt=1e12, allow_inf_nan=False), Meta(ge=0, lt=1e12)]  # of any unit


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
    def is_exact(cls, document: Mapping[str, Any]) -> bool:
        """Whether a document, of which `from_json` makes a record, has the very keys that `to_json` would write."""
        keys = (cls, *document)
        checks = _CHECKS.get(keys)  # points have the same few sets of keys again and again
        if checks is None:
            all_keys, always, nested = _keys(cls)
            if not (document.keys() <= all_keys and always <= document.keys()):
                return False
            checks = tuple(document.keys() - always), tuple(pair for pair in nested if pair[0] in document)
            if len(_CHECKS) < _MOST_KEPT:
                _CHECKS[keys] = checks
        for key in checks[0]:
            if document[key] is None:
                return False
        for key, kind in checks[1]:
            value = document[key]
            for part in value if isinstance(value, list) else (value,):
                if part is not None and not kind.is_exact(part):
                    return False
        return True

    @classmethod
    def of_text(cls, text: bytes) -> Self | None:
        """The record in a JSON text, by a reader that is quick and says little; None where it is not as it should be.

        Whoever is given None has `from_json` say why; it may be no damage.
        """
        try:
            record: Self = _decoder(cls).decode(text)
        except (msgspec.DecodeError, RecursionError):
            return None
        return record

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


def _decoder(kind: type[R]) -> msgspec.json.Decoder[R]:
    if kind not in _DECODERS:
        _DECODERS[kind] = msgspec.json.Decoder(kind)
    return _DECODERS[kind]


def _keys(kind: type["Record"]) -> _Keys:
    """All keys of a kind, those that are always written, and those whose values are records themselves."""
    if kind not in _KEYS:
        _KEYS[kind] = _find_keys(kind)
    return _KEYS[kind]


def _find_keys(kind: type["Record"]) -> _Keys:
    names = frozenset(field.name for field in dataclasses.fields(kind))
    nested = [
        (name, part)
        for name, hint in get_type_hints(kind).items()
        for part in (hint, *get_args(hint))
        if isinstance(part, type) and issubclass(part, Record)
    ]
    return names, names - kind.WHERE_KNOWN, tuple(nested)


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    key = as_text(".".join(map(str, first["loc"])))[:LONGEST_NAME] or "it"
    if first["type"] == "missing":
        return f"it lacks {key}"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    expected = first["msg"].removeprefix("Input should be ").removeprefix("a valid ").removeprefix("an ")
    return f"{key} is {quote(first['input'])} and should be {expected}"
