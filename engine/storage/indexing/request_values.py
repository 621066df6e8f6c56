"""The values of a stored request, of the right kind and no more: what is refused now can be looked at. No torch."""

from collections.abc import Callable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from engine.errors import WorkError
from engine.spec.messages import quote
from engine.spec.settings import SpecField

_LONGEST_TEXT = 4096  # of a setting: as long as a path may be
_MOST_VALUES = 1000  # of a list
_Check = Callable[[Any], bool]


class RequestValues:
    """Some settings of a stored request, each under a key of its own; what runs did before where it says nothing.

    WorkError for a value of another kind than its setting's.
    """

    def __init__(self, fields: Mapping[str, SpecField]) -> None:
        parts: dict[tuple[str, ...], list[_Value]] = {}
        for key, field in fields.items():
            parts.setdefault(field.place[:-1], []).append(_Value(key, field))
        self._parts = parts
        self._order = dict.fromkeys(fields)

    def __call__(self, request: Mapping[str, Any]) -> dict[str, Any]:
        values = self._order.copy()
        for parents, settings in self._parts.items():
            part = request
            for parent in parents:
                part = part.get(parent, {})
            for each in settings:
                value = part.get(each.last, each.before)
                # Most are what they usually are, which takes no second look; True is no 1.
                usual = each.before
                if not (value is usual or (value == usual and type(value) is type(usual)) or each.fits(value)):
                    raise WorkError(f"{each.name} of its request is {quote(value)}")
                values[each.key] = value
        return values


class _Value:
    """One of them: its key, and where and what it is."""

    __slots__ = ("before", "fits", "key", "last", "name")

    def __init__(self, key: str, field: SpecField) -> None:
        self.key, self.name, self.before = key, field.name, field.before
        self.last = field.place[-1]
        self.fits = _check_of(field.annotation)


def _check_of(annotation: Any) -> _Check:
    """Whether a value is what a field is annotated as, but that any text will do where some texts are allowed."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _check_of(inner[0])
    if origin in (Union, UnionType):
        checks = [_check_of(each) for each in inner]
        return lambda value: any(check(value) for check in checks)
    if origin is tuple:
        check = _check_of(inner[0])
        return lambda value: isinstance(value, list) and len(value) <= _MOST_VALUES and all(map(check, value))
    if annotation is str or origin is Literal:
        return lambda value: isinstance(value, str) and len(value) <= _LONGEST_TEXT
    if annotation in (int, float):
        return _is_number
    if annotation is type(None):
        return lambda value: value is None
    return lambda value: isinstance(value, annotation)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 2**53
