"""What the command line prints of a comparison."""

from engine.cli.printing import table_of, write, write_notes
from engine.comparison import diagram, report, verdict
from engine.comparison.analysis import Comparison
from engine.comparison.report import Table

_MOST_ROWS = 60


def comparison(found: Comparison) -> None:
    """Means, pairs and ranks, then what they come to and what they take for granted."""
    write(f"{found.metric.heading} · {report.common_words(found)}")
    _write(report.means_table(found))
    if found.pairs:
        write("\npairs")
        _write(report.pairs_table(found, whole=False))
    write(f"\n{verdict.of_ranks(found)}")
    if found.ranks is not None:
        write("\n".join(["", "mean rank, and lines over what is alike", *diagram.lines(diagram.diagram(found))]))
    write(f"\n{verdict.sentence(found)}\n")
    write_notes([*verdict.assumptions(found), *found.notes, *(f"left out: {each}" for each in found.left_out)])


def _write(content: Table) -> None:
    table = table_of(*content.columns)
    for row in content.rows[:_MOST_ROWS]:
        table.add_row(*row)
    write(table)
    if len(content.rows) > _MOST_ROWS:
        write(f"and {len(content.rows) - _MOST_ROWS:,} rows more, which --json has")
