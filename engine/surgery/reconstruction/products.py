"""Sums of the products of columns with each other: symmetric matrices, of which the upper half alone is computed."""

from torch import Tensor

STRIPS, NARROW = 4, 256  # a matrix is summed in so many strips of columns, one with fewer columns than this at once


def add_products(sums: Tensor, rows: Tensor) -> None:
    """Add rowsᵀ·rows to `sums` (columns × columns), for … × rows × columns; what lies below is for `mirror`."""
    columns = rows.shape[-1]
    strip = _strip(columns)
    for start in range(0, columns, strip):  # of a strip only what lies right of the ones before
        part = slice(start, start + strip)
        sums[..., part, start:] += rows[..., part].transpose(-2, -1) @ rows[..., start:]


def mirror(sums: Tensor) -> None:
    """Give the lower half what `add_products` left to it."""
    columns = sums.shape[-1]
    strip = _strip(columns)
    for end in range(strip, columns, strip):
        part = slice(end - strip, end)
        sums[..., end:, part] = sums[..., part, end:].transpose(-2, -1)


def _strip(columns: int) -> int:
    return columns if columns < NARROW else -(-columns // STRIPS)
