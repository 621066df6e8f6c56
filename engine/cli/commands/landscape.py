"""Landscapes: accuracy over depth kept × width kept, in the foreground or through the queue."""

from typing import Annotated, Any

import typer

from engine.cli import landscape_tables, spec_file, tables
from engine.cli.console import answer
from engine.cli.options import RESULTS, Json, Results, store_in
from engine.cli.progress import show_progress
from engine.cli.weights import with_model
from engine.errors import RequestError, WorkError
from engine.jobs.queue import Queue
from engine.spec.flags import Requests, with_spec_flags
from engine.spec.landscape import request as landscape_request
from engine.spec.landscape.flags import LANDSCAPE_FLAGS
from engine.spec.landscape.request import LandscapeRequest
from engine.storage.landscapes.job import Landscape
from engine.storage.store import Store
from engine.zoo.own import listing

app = typer.Typer()


@app.command()
@with_spec_flags(spec_file.read, listing.enter, LANDSCAPE_FLAGS)
def landscape(
    requests: Requests,
    submit: Annotated[bool, typer.Option("--submit", help="put it into the queue instead of waiting for it")] = False,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Measure accuracy over depth kept × width kept, cut alone and reconstructed; --spec takes a landscape's own."""
    store = store_in(results)
    request = _parse(requests[0], store)
    if submit:
        _submit(request, store, as_json)
        return
    from engine.jobs.child import execute
    from engine.pipeline.landscape import run as pipeline

    inputs = pipeline.prepare(request, store.root)
    folder = store.create_landscape(request, foreground=True)
    with show_progress(folder):
        state = execute(folder, lambda asked, job: pipeline.run(asked, job, inputs))
    if state != "done":
        raise WorkError(f"landscape {folder.id}: {folder.status().message}")
    answer(document(folder), as_json, landscape_tables.landscape)


def document(folder: Landscape) -> dict[str, Any]:
    """What is known of a landscape: how it stands, what was asked, and its figures as they are in its file."""
    grid = folder.grid()
    change = listing.change_since(folder.env())
    return {
        "run_id": folder.id,
        "status": folder.observed_status().to_json(),
        "spec": folder.spec().model_dump(mode="json"),
        "landscape": None if grid is None else grid.to_json(),
        "file": str(folder.file),
        "notes": [*([change] if change else []), *(() if grid is None else grid.notes)],
    }


def _parse(raw: dict[str, Any], store: Store) -> LandscapeRequest:
    spec = raw.get("spec", {})
    if not isinstance(spec, dict):
        raise RequestError("spec must be an object, as a landscape's spec.json has it", field="spec")
    return landscape_request.parse({**raw, "spec": with_model(spec, store)})


def _submit(request: LandscapeRequest, store: Store, as_json: bool) -> None:
    from engine.jobs.preflight import check
    from engine.jobs.worker import start_detached

    check(request.feasible(), store.root)
    folder = Queue(store).submit_landscape(request)
    start_detached(store)
    answer({"run_ids": [folder.id]}, as_json, tables.run_ids)
