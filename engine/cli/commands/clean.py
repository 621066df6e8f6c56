"""Space on the disk: what can be made again goes."""

from typing import Annotated

import typer

from engine.cli import tables
from engine.cli.console import answer
from engine.cli.options import RESULTS, Json, Results, store_in
from engine.storage.housekeeping import disk, trash
from engine.uploads import unused

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
    """Remove ONNX files of runs that are done, uploads that no run names, and what was deleted; plans and points stay.

    `export` makes an ONNX file again.
    """
    store = store_in(results)
    deleted = disk.sizes(store)["deleted runs"]
    planned = disk.cleaning(store, weights=weights)
    uploads = unused.find(store)
    upload_bytes = sum(disk.size(upload.path.parent) for upload in uploads)
    if yes:
        uploads = unused.remove(store, uploads)
        planned = disk.clean(store, planned)
        trash.empty(store)
    document = {
        "removed": yes,
        "files": planned.count,
        "bytes": planned.bytes,
        "deleted_bytes": deleted,
        "uploads": [str(upload.path) for upload in uploads],
        "upload_bytes": upload_bytes,
        "runs": {run_id: len(paths) for run_id, paths in planned.files.items()},
    }
    answer(document, as_json, tables.cleaning)
