"""How a table or a sentence of the command line is rendered and written."""

import io
import sys
from collections.abc import Sequence
from textwrap import TextWrapper

from rich.console import Console
from rich.table import Table

from engine.texts import one_line

LONGEST_CELL, LONGEST_LINE = 200, 1000  # characters
MOST_NOTES = 100
WIDTH = 100  # columns, where no terminal says how many it has


class Cells(Table):
    """A table whose cells are what somebody else may have written: as they are, cut, and without control codes."""

    def add_row(self, *cells: object, style: str | None = None) -> None:  # type: ignore[override]
        texts = ("" if cell is None else one_line(str(cell), LONGEST_CELL) for cell in cells)
        super().add_row(*texts, style=style)


def table_of(*columns: str) -> Cells:
    """An empty table; the name of a column of numbers begins with >."""
    table = Cells(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        is_number = column.startswith(">")
        # Names in the first column are for copying, so they stay in one piece.
        table.add_column(
            column.removeprefix(">"), justify="right" if is_number else "left", overflow="fold", no_wrap=number == 0
        )
    return table


def write_notes(notes: Sequence[str]) -> None:
    """A line for each, or several where it is long; names in it stay in one piece."""
    lines = [one_line(str(note), LONGEST_LINE) for note in notes[:MOST_NOTES]]
    lines += [f"and {len(notes) - MOST_NOTES:,} more"] if len(notes) > MOST_NOTES else []
    wrap = TextWrapper(
        WIDTH, initial_indent="- ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    if lines:
        _render("\n".join(map(wrap.fill, lines)))


def write(content: Cells | str) -> None:
    """Rendered first and then written in one piece, so that whoever reads us meets no half of it."""
    if isinstance(content, str):
        content = "\n".join(one_line(line, LONGEST_LINE) for line in content.split("\n"))
    _render(content)


def _render(content: Cells | str) -> None:
    terminal = sys.stdout.isatty()
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=None if terminal else WIDTH, emoji=False)
    console.print(content, highlight=False, markup=False, soft_wrap=isinstance(content, str))
    sys.stdout.write("\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n")
