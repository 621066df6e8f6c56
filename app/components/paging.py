"""One page of a long table: which of its rows, and where in the whole they are. Pure functions."""

import math


def page_count(total: int, size: int) -> int:
    """How many pages of `size` rows there are, at least one."""
    return max(1, math.ceil(total / size))


def rows_of(number: int, total: int, size: int) -> slice:
    """The rows of a page, counted from 1; those of the last page for a number that is beyond it."""
    start = (min(max(number, 1), page_count(total, size)) - 1) * size
    return slice(start, min(start + size, total))


def page_of(place: int, size: int) -> int:
    """The page on which a row is, which is counted from 0."""
    return place // size + 1


def position(rows: slice, total: int) -> str:
    """Which rows of how many: `51–100 of 1,234`, or `7` where all of them are on one page."""
    if rows.stop - rows.start == total:
        return f"{total:,}"
    return f"{rows.start + 1:,}–{rows.stop:,} of {total:,}"
