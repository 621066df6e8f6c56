"""What a user may say of numbers that are no labels from 0 without a gap: `from-1`, `ignore-255`, … No torch."""

import re
from dataclasses import dataclass

from engine.spec.messages import quote

FORM = "from-1, ignore-255, compact or as-is, several joined by +"
_LARGEST = 10**9


@dataclass(frozen=True)
class LabelRules:
    """How the numbers of a data set become labels, in this order."""

    ignore: tuple[int, ...] = ()  # images with these numbers are left out
    first: int = 0  # the number of the first class
    compact: bool = False  # classes are the numbers that occur, in their order
    as_is: bool = False  # numbers that do not occur are classes without images


def parse(text: str) -> LabelRules:
    """Rules from their text; ValueError when it holds none, or rules that exclude each other."""
    ignore: list[int] = []
    first: int | None = None
    flags: set[str] = set()
    for part in text.split("+"):
        number = re.fullmatch(r"(from|ignore)-(-?[0-9]{1,10})", part)
        value = int(number[2]) if number else 0
        if abs(value) > _LARGEST or (number is None and part not in ("compact", "as-is")):
            raise ValueError(f"must be {FORM} (got {quote(text)})")
        if number is None:
            flags.add(part)
        elif number[1] == "ignore":
            ignore.append(value)
        elif first is not None:
            raise ValueError(f"must name one number to count from (got {quote(text)})")
        else:
            first = value
    if "compact" in flags and (first is not None or "as-is" in flags):
        raise ValueError(f"must hold compact without from-… and as-is, which it makes needless (got {quote(text)})")
    return LabelRules(tuple(ignore), first or 0, "compact" in flags, "as-is" in flags)
