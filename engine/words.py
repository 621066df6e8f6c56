"""Counts and names as sentences have them. No torch."""

from collections.abc import Iterable

_MOST_NAMES = 3


def count(number: int, noun: str, plural: str = "") -> str:
    """1 image, 1,200 images."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def first_names(names: Iterable[str]) -> str:
    """The first few names of several, in words."""
    listed = list(names)
    return ", ".join(listed[:_MOST_NAMES]) + (", …" if len(listed) > _MOST_NAMES else "")
