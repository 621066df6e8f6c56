"""How a table or a sentence of the command line is rendered and written."""

import io
import sys

from rich.console import Console
from rich.table import Table

from engine.texts import one_line

LONGEST_CELL, LONGEST_LINE = 200, 1000  # characters
WIDTH = 100  # columns, where no terminal says how many it has


class Cells(Table):
    """A table whose cells are what somebody else may have written: as they are, cut, and without control codes."""

    def add_row(self, *cells: object) -> None:  # type: ignore[override]
        super().add_row(*("" if cell is None else one_line(str(cell), LONGEST_CELL) for cell in cells))


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


def write(content: Cells | str) -> None:
    """Rendered first and then written in one piece, so that whoever reads us meets no half of it."""
    terminal = sys.stdout.isatty()
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=None if terminal else WIDTH, emoji=False)
    if isinstance(content, str):
        content = "\n".join(one_line(line, LONGEST_LINE) for line in content.split("\n"))
    console.print(content, highlight=False, markup=False, soft_wrap=isinstance(content, str))
    sys.stdout.write("\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n")
