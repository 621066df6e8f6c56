"""A comparison as Markdown, to be put into a document."""

import html

from engine.comparison import report, verdict
from engine.comparison.analysis import Comparison
from engine.comparison.report import Table
from engine.texts import one_line

_LONGEST_LINE = 1000  # characters
_MARKS = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]|~"})


def page(comparison: Comparison, title: str) -> str:
    """Headings, tables and sentences of a comparison; `title` is text, as all names in it are."""
    parts = [f"## {_text(title)}", _text(report.common_words(comparison)), _text(verdict.sentence(comparison))]
    parts.append(table(report.means_table(comparison)))
    if comparison.pairs:
        parts += ["### Pairs", table(report.pairs_table(comparison, whole=True))]
    if comparison.ranks is not None:
        parts += ["### Ranks", table(report.ranks_table(comparison))]
    parts.append(_text(verdict.of_ranks(comparison)))
    said = [*verdict.assumptions(comparison), *comparison.notes]
    said += [f"Left out: {each}." for each in comparison.left_out]
    parts.append("\n".join(f"- {_text(each)}" for each in said))
    return "\n\n".join(part for part in parts if part) + "\n"


def table(content: Table) -> str:
    """A table of pipes, numbers to the right."""
    heads = [_text(column.removeprefix(">")) for column in content.columns]
    rules = ["--:" if column.startswith(">") else "---" for column in content.columns]
    rows = [heads, rules, *([_text(cell) for cell in row] for row in content.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _text(words: str) -> str:
    """Words as they are, whatever marks somebody has put into them."""
    return html.escape(one_line(words, _LONGEST_LINE), quote=False).translate(_MARKS)
