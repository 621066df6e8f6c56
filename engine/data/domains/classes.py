"""Whether two datasets have the same classes, and which is which. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import RequestError
from engine.spec.messages import as_text
from engine.words import count

_MOST_SHOWN = 3


@dataclass(frozen=True)
class Classes:
    """Those of one dataset; `names` are empty where they are not known before it is read."""

    dataset: str
    count: int
    names: tuple[str, ...] = ()

    @property
    def are_numbers(self) -> bool:
        """Whether they are numbers that stand for whatever the file's maker numbered, and no names."""
        return self.dataset.startswith("npz:")


@dataclass(frozen=True)
class Match:
    """The source's number of each of the target's classes, and what is said of it."""

    numbers: tuple[int, ...]
    notes: tuple[str, ...] = ()


def match(source: Classes, target: Classes) -> Match:
    """By name; by number where one has names and the other, an npz file, has none; RequestError where they differ.

    Where names are not known yet, their number alone is compared.
    """
    in_order = Match(tuple(range(source.count)))
    if source.names and target.names and sorted(source.names) == sorted(target.names):
        return Match(tuple(map(source.names.index, target.names)))
    by_number = not source.names or not target.names or _names_and_numbers(source, target)
    if not by_number:
        raise _refusal(source, target)
    if source.count != target.count:
        first, second = (
            f"{as_text(known.dataset)} has {count(known.count, 'class', 'classes')}" for known in (source, target)
        )
        raise RequestError(f"source and target must have the same classes: {first}, and {second}")
    if not source.names or not target.names:
        return in_order
    pairs = [f"{as_text(a)} is {as_text(b)}" for a, b in zip(target.names, source.names, strict=True)]
    more = ", …" if len(pairs) > _MOST_SHOWN else ""
    note = f"classes are matched by their order: {', '.join(pairs[:_MOST_SHOWN])}{more}"
    return Match(in_order.numbers, (note,))


def _names_and_numbers(source: Classes, target: Classes) -> bool:
    """Whether one has names, and the other nothing but numbers."""
    if source.are_numbers == target.are_numbers:
        return False
    named = target if source.are_numbers else source
    return not all(name.isdecimal() for name in named.names)


def _refusal(source: Classes, target: Classes) -> RequestError:
    """The first class that the other lacks."""
    for here, there in ((source, target), (target, source)):
        unknown = next((name for name in here.names if name not in there.names), None)
        if unknown is not None:
            alike = next((name for name in there.names if name.lower() == unknown.lower()), None)
            hint = f", where it is called {as_text(alike)!r}" if alike else ""
            return RequestError(
                f"source and target must have the same classes: class {as_text(unknown)!r} of {as_text(here.dataset)} "
                f"is not in {as_text(there.dataset)}{hint}"
            )
    raise AssertionError("two classes of one dataset have one name")
