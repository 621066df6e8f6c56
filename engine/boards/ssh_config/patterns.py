"""The patterns of ssh_config(5) and sshd(8): `*` is any text, `?` any one character. Pure."""

import re
from collections import defaultdict
from functools import lru_cache

_PATTERN = re.compile("[^,]+")


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern is the whole name, in time that grows with the pattern's length, however many stars it has.

    The set of beginnings of the name that the pattern so far can be is one number: bit i stands for the first i
    letters (Baeza-Yates & Gonnet's Shift-And, 1992).
    """
    places, every = _places(name), (2 << len(name)) - 1
    reached = 1
    for letter in pattern:
        if letter == "*":
            reached = every & -(reached & -reached)  # the shortest beginning, and all that are longer
        elif letter == "?":
            reached = reached << 1 & every
        else:
            reached = (reached & places.get(letter, 0)) << 1
        if not reached:
            return False
    return bool(reached >> len(name))


def list_matches(patterns: str, name: str) -> bool:
    """Whether a list with commas has a pattern that is the name, and none with a `!` before it that is."""
    matched = False
    for found in _PATTERN.finditer(patterns):
        pattern = found.group()
        if matches(pattern.removeprefix("!"), name):
            if pattern.startswith("!"):
                return False
            matched = True
    return matched


@lru_cache(maxsize=8)
def _places(name: str) -> dict[str, int]:
    """Letter → the set of places where the name has it."""
    places: dict[str, int] = defaultdict(int)
    for place, letter in enumerate(name):
        places[letter] |= 1 << place
    return dict(places)
