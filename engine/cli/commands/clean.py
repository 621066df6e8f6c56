"""Space on the disk: what can be made again goes."""

from typing import Annotated

import typer

from engine.cli import tables
from engine.cli.console import answer
from engine.cli.options import RESULTS, Json, Results, store_in
from engine.storage.cache.cache import Cache
from engine.storage.housekeeping import disk, trash, under_way
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
    """Remove ONNX files of runs that are done, uploads that no run names, what runs share, and what was deleted.

    Plans and points stay; `export` makes an ONNX file again, and the next run what it shares with others.
    """
    store = store_in(results)
    sizes, cache = disk.sizes(store), Cache(store.root)
    planned = disk.cleaning(store, weights=weights)
    uploads = unused.find(store)
    upload_bytes = sum(disk.size(upload.path.parent) for upload in uploads)
    if yes:
        uploads = unused.remove(store, uploads)
        planned = disk.clean(store, planned)
        trash.empty(store)
        cache.clear()
    document = {
        "removed": yes,
        "files": planned.count,
        "bytes": planned.bytes,
        "deleted_bytes": sizes["deleted runs"],
        "cache_bytes": sizes["what runs share"],
        "uploads": [str(upload.path) for upload in uploads],
        "upload_bytes": upload_bytes,
        "sweep_under_way": under_way.is_sweep(store.root),
        "runs": {run_id: len(paths) for run_id, paths in planned.files.items()},
    }
    answer(document, as_json, tables.cleaning)
