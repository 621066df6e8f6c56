"""Texts of unknown origin, such as a run's names and messages, where a page or a spreadsheet would obey them.

Results folders are handed around: what stands in them is shown as it is, on one line and of moderate length.
"""

import html as entities
import re
from typing import Any

import pandas as pd

from engine.texts import one_line

LONGEST, LONGEST_SENTENCE = 200, 1000  # characters of a name, and of a message
# What Markdown would make something of: emphasis, links (written out, too), code, formulas, icons, entities.
_MARKUP = re.compile(r"([\\`*_\[\]<$~#|&]|:(?=//|[a-z+])|(?<=\bwww)\.)", re.IGNORECASE)
_LIST = re.compile(r"^([-+=>]|\d+(?=[.)](?:\s|$)))")  # at the begin of a text
_FORMULA = re.compile("\\s*[=+@\uff1d\uff0b\uff0d\uff20-]|[\t\r]")  # of full width, too


def plain(text: object, most: int = LONGEST) -> str:
    """On one line, without what no screen shows, and cut to `most` characters."""
    return one_line(str(text), most)


def markdown(text: object, most: int = LONGEST) -> str:
    """Where a page expects Markdown: it looks as it is."""
    return _mark_up(plain(text, most))


def message(text: object, most: int = LONGEST_SENTENCE) -> str:
    """The same of a sentence of ours, whose `commands` stay what they are."""
    line = plain(text, most)
    parts = line.split("`")
    if "``" in line or len(parts) % 2 == 0:
        return _mark_up(line)
    return "".join(f"`{part}`" if number % 2 else _mark_up(part) for number, part in enumerate(parts))


def _mark_up(line: str) -> str:
    escaped = _MARKUP.sub(r"\\\1", line)
    first = _LIST.match(escaped)
    if first is None:
        return escaped
    end = first.end() if first[0].isdigit() else 0
    return f"{escaped[:end]}\\{escaped[end:]}"


def html(text: object, most: int = LONGEST) -> str:
    """Where a chart takes some HTML."""
    return entities.escape(plain(text, most), quote=False)


def cell(value: Any) -> Any:
    """A value of a table; a text that a spreadsheet would take for a formula begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def cells(table: pd.DataFrame) -> pd.DataFrame:
    """A table that is carried into spreadsheets, with its texts as `cell` has them; numbers stay numbers."""
    texts = [column for column in table if not pd.api.types.is_numeric_dtype(table[column])]
    return table.assign(**{str(column): table[column].map(cell) for column in texts})
