"""Space on the disk: what can be made again goes."""

from typing import Annotated

import typer

from engine.cli import tables
from engine.cli.console import answer
from engine.cli.options import RESULTS, Json, Results, store_in
from engine.storage.housekeeping import disk, trash

app = typer.Typer()


@app.command()
def clean(
    weights: Annotated[
        bool, typer.Option("--weights", help="the weights, too, which only running again brings back")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do it; without, only say what would go")] = False,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Remove the ONNX files of runs that are done, and what was deleted; plans, points and events stay.

    `export` makes an ONNX file again.
    """
    store = store_in(results)
    deleted = disk.sizes(store)["deleted runs"]
    planned = disk.cleaning(store, weights=weights)
    if yes:
        planned = disk.clean(store, planned)
        trash.empty(store)
    document = {
        "removed": yes,
        "files": planned.count,
        "bytes": planned.bytes,
        "deleted_bytes": deleted,
        "runs": {run_id: len(paths) for run_id, paths in planned.files.items()},
    }
    answer(document, as_json, tables.cleaning)
