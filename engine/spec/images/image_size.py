"""The size of a network's images as a request gives it: 224, or 160x224 (height × width). No torch."""

import re
from typing import Any

from engine.spec.messages import quote

MOST_SIDE = 8192  # px
FORM = f"a whole number of pixels such as 224, or HEIGHTxWIDTH such as 160x224, each 1 to {MOST_SIDE:,}"


def read(value: Any) -> Any:
    """A size in words as numbers, one for equal sides; what is none of the kind as it is."""
    sides = re.fullmatch(r"([0-9]{1,9})(?:[xX×]([0-9]{1,9}))?", value.strip()) if isinstance(value, str) else None
    if sides is not None:
        value = [int(side) for side in sides.groups() if side]
    if isinstance(value, list | tuple) and (len(value) == 1 or (len(value) == 2 and value[0] == value[1])):
        value = value[0]
    return value


def check(value: int | tuple[int, int]) -> None:
    """ValueError for sides that no image here has."""
    sides = value if isinstance(value, tuple) else (value,)
    if not all(1 <= side <= MOST_SIDE for side in sides):
        raise ValueError(f"must be {FORM} (got {'×'.join(map(quote, sides))})")
