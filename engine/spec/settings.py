"""What is said of a field where it is declared, and the fields of a model with it, the same for every reader. No torch.

Flags, the index's columns, headings of tables, the places of errors on a form and a point's details are all read from
here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeGuard, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

Section = Literal["network", "data", "remove", "target", "recover", "seeds"]

OWN: Final = ""  # as the field itself is called
SAME: Final = "the default"
_VERSION = "schema_version"


@dataclass(frozen=True)
class Setting:
    """What the user reads of one field; metadata of its annotation. On a part of a spec only `section` counts."""

    help: str = ""  # of the flag
    flag: str | None = OWN  # None: the command line has another way to say it
    column: str | None = OWN  # its key in the index and in the CSV; None: no column
    heading: str = OWN  # of that column
    label: str = OWN  # what a form calls it in an error, in place of its path
    unit: str = ""  # behind a value
    section: Section | None = None  # of the launch form; that of the part where it is not said
    path: bool = False  # a file or folder: stored as a worker finds it, whatever folder that was started in
    several: bool = False  # a flag may name several, each of which makes a request
    costs_time: bool = False  # runs that differ in it do not take equally long
    later: bool = False  # came after runs had digests: no part of one where it does as runs did before
    before: Any = SAME  # what runs did before a later setting came, where that is not its default


@dataclass(frozen=True)
class SpecField:
    """A setting with the field that it is attached to; `default` is as JSON has it, None where there is none."""

    place: tuple[str, ...]
    setting: Setting
    annotation: Any
    default: Any

    @property
    def name(self) -> str:
        """The dotted path, as errors and spec files have it."""
        return ".".join(self.place)

    @property
    def flag(self) -> str | None:
        own = "--" + self.place[-1].replace("_", "-")
        return own if self.setting.flag == OWN else self.setting.flag

    @property
    def column(self) -> str | None:
        return self.place[-1] if self.setting.column == OWN else self.setting.column

    @property
    def heading(self) -> str:
        return self.setting.heading or (self.column or self.place[-1]).replace("_", " ")

    @property
    def label(self) -> str:
        return self.setting.label or self.name

    @property
    def before(self) -> Any:
        """What runs did before the setting came."""
        return self.default if self.setting.before is SAME else self.setting.before


@cache
def settings_of(model: type[BaseModel]) -> tuple[SpecField, ...]:
    """Every setting of a model and of its parts, as declared; TypeError for a field of which nothing is said."""
    fields = tuple(_fields(model, ()))
    for names in ([f.flag for f in fields], [f.column for f in fields]):
        twice = {name for name in names if name is not None and names.count(name) > 1}
        if twice:
            raise TypeError(f"two settings of {model.__name__} are called {min(twice)}; give one another name")
    return fields


def columns_of(model: type[BaseModel]) -> dict[str, SpecField]:
    """The settings that points and runs are told apart by, under the keys that rows have them by."""
    return {field.column: field for field in settings_of(model) if field.column is not None}


def arrange(fields: Iterable[SpecField], order: str) -> list[SpecField]:
    """The fields in the order of the names in a text; one that is not named follows the one declared before it."""
    names = order.split()
    entries: list[tuple[int, int, SpecField]] = []
    rank = -1
    for number, field in enumerate(fields):
        rank = names.index(field.name) if field.name in names else rank
        entries.append((rank, number, field))
    return [field for _, _, field in sorted(entries, key=lambda entry: entry[:2])]


def section_of(model: type[BaseModel], name: str | None) -> Section | None:
    """The section of the launch form that a field of that name (or below it) belongs to; None where none does."""
    inner: Any = model
    section: Section | None = None
    for part in (name or "").split("."):
        if not is_part(inner) or part not in inner.model_fields:
            break
        field = inner.model_fields[part]
        setting = _setting(field)
        section = (setting.section if setting else None) or section
        inner = field.annotation
    return section


def label_of(model: type[BaseModel], name: str) -> str:
    """What a form calls the field of that name."""
    return next((field.label for field in settings_of(model) if field.name == name), name)


def without_later(values: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """A nested mapping of a model's values without the settings that came later, where they are as runs were before."""
    left_out = [field.place for field in _later(model) if value_at(values, field.place) == field.before]
    return _without(values, left_out)


@cache
def _later(model: type[BaseModel]) -> tuple[SpecField, ...]:
    """The settings that came later: few of many, and asked for with every digest."""
    return tuple(field for field in settings_of(model) if field.setting.later)


def with_earlier(request: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """A stored request with what runs did before some settings came, where it lacks those; damaged parts stay so."""
    complete = dict(request)
    for (parent, last), before in _earlier(model):
        part = complete.get(parent, {})
        if isinstance(part, Mapping):
            complete[parent] = {last: before, **part}
    return complete


@cache
def _earlier(model: type[BaseModel]) -> tuple[tuple[tuple[str, ...], Any], ...]:
    """Settings in parts before which runs did otherwise than by default: where they are, and what runs did."""
    fields = [field for field in settings_of(model) if len(field.place) > 1 and field.before != field.default]
    return tuple((field.place, field.before) for field in fields)


def value_at(values: Mapping[str, Any], place: Sequence[str]) -> Any:
    """What a nested mapping holds at a place; KeyError where it holds nothing."""
    value: Any = values
    for part in place:
        value = value[part]
    return value


def overlay(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A nested mapping with another one's values in the place of its own, part by part."""
    out = dict(values)
    for key, value in changes.items():
        own = out.get(key)
        out[key] = overlay(own, value) if isinstance(own, Mapping) and isinstance(value, Mapping) else value
    return out


def _without(values: Mapping[str, Any], places: Iterable[tuple[str, ...]]) -> dict[str, Any]:
    here: set[str] = set()
    inner: dict[str, list[tuple[str, ...]]] = {}
    for name, *rest in places:
        if rest:
            inner.setdefault(name, []).append(tuple(rest))
        else:
            here.add(name)
    return {
        name: _without(value, inner[name]) if name in inner else value
        for name, value in values.items()
        if name not in here
    }


def plain_types(annotation: Any) -> Iterator[Any]:
    """The plain types inside an annotation: `int` and `None`'s for `Annotated[int, Strict()] | None`."""
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for inner in get_args(annotation):
        yield from plain_types(inner)


def is_list(annotation: Any) -> bool:
    """Whether a field takes a list and nothing else."""
    return get_origin(annotation) is tuple


def is_list_of_text(annotation: Any) -> bool:
    """Whether a list that a field takes, maybe among other things, is one of texts."""
    lists = [annotation, *get_args(annotation)]
    lists += [inner for each in lists if get_origin(each) is Annotated for inner in get_args(each)]
    return any(is_list(each) and set(plain_types(each)) == {str} for each in lists)


def _fields(model: type[BaseModel], parents: tuple[str, ...]) -> Iterator[SpecField]:
    for name, field in model.model_fields.items():
        setting, place = _setting(field), (*parents, name)
        if setting is None and name == _VERSION:
            continue
        if setting is None:
            raise TypeError(f"{model.__name__}.{name} has no Setting; give it one where it is declared")
        inner: Any = field.annotation
        if is_part(inner):
            yield from _fields(inner, place)
            continue
        default = field.get_default(call_default_factory=True, validated_data={})
        json_default = None if default is PydanticUndefined else to_jsonable_python(default)
        yield SpecField(place, setting, field.annotation, json_default)


def _setting(field: FieldInfo) -> Setting | None:
    return next((item for item in field.metadata if isinstance(item, Setting)), None)


def is_part(annotation: Any) -> TypeGuard[type[BaseModel]]:
    """Whether a field holds a part of a spec."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
