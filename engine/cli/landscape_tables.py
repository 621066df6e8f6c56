"""What the command line prints of a landscape: a table of its accuracies for each way of cutting, and of its costs."""

from collections.abc import Callable, Mapping
from typing import Any

from engine.cli.printing import table_of, write, write_notes
from engine.storage.landscapes.grid import Accuracy, Cell, Grid
from engine.storage.records.status import Status
from engine.units import si

Entry = Callable[[Cell], str | None]


def landscape(document: Mapping[str, Any]) -> None:
    """A landscape: what was asked, the baseline, and its tables, with depth from left to right and width downwards."""
    status, request = Status.from_json(document["status"]), document["spec"]
    spec = request["spec"]
    write(f"{document['run_id']}  {status.state}  {status.message}")
    write(f"{spec['model']} on {spec['data']['name']}, {spec['criterion']}, {spec['order']}, seed {spec['seed']}")
    write_notes(document["notes"])
    if document["landscape"] is None:
        return
    grid = Grid.from_json(document["landscape"], document["file"])
    base = grid.untouched
    time = "" if base.predicted_ms is None else f", {base.predicted_ms:.3f} ms"
    accuracy = f"{base.accuracy.correct:,} of {base.accuracy.total:,} right ({base.accuracy.top1:.1%})"
    write(f"untouched: {accuracy}, {si(base.macs)} MACs, {si(base.params)} params{time}")
    for title, entry in _tables(grid):
        _write_table(grid, title, entry)
    _write_absences(grid)
    write(f"figures: {document['file']}")


def _tables(grid: Grid) -> list[tuple[str, Entry]]:
    tables: list[tuple[str, Entry]] = []
    if grid.calibration_images is not None:
        tables.append(("accuracy reconstructed, %", lambda cell: _percent(cell.reconstructed)))
    tables.append(("accuracy cut alone, %", lambda cell: _percent(cell.plain)))
    tables.append(("MACs kept", lambda cell: _three(cell.got.macs if cell.got else None)))
    if grid.latency is not None:
        tables.append(("predicted ms", lambda cell: _three(cell.predicted_ms)))
    return tables


def _percent(accuracy: Accuracy | None) -> str | None:
    return None if accuracy is None else f"{100 * accuracy.top1:.1f}"


def _three(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def _write_table(grid: Grid, title: str, entry: Entry) -> None:
    write(f"\n{title}")
    table = table_of(">width \\ depth", *(f">{depth:g}×" for depth in grid.depths))
    for width in grid.widths:
        cells = [grid.cell(depth, width) for depth in grid.depths]
        table.add_row(f"{width:g}×", *("" if cell is None else entry(cell) or "–" for cell in cells))
    write(table)


def _write_absences(grid: Grid) -> None:
    """Why there are cells without a network, each reason once."""
    write_notes(list(dict.fromkeys(f"–: {cell.why}" for cell in grid.cells if cell.why)))
