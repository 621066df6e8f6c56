"""Runs: in the foreground and through the queue; their state and their points."""

from typing import Annotated, Any

import typer

from engine.cli import device_tables, landscape_tables, spec_file, tables
from engine.cli.commands import landscape
from engine.cli.console import answer
from engine.cli.options import (
    RESULTS,
    CheckImages,
    Json,
    NameField,
    Results,
    RunId,
    named_field,
    store_in,
    store_to_read,
)
from engine.cli.progress import show_progress
from engine.cli.weights import with_model
from engine.errors import RequestError, WorkError
from engine.jobs.queue import Queue
from engine.spec import run as run_spec
from engine.spec.flags import Requests, with_spec_flags
from engine.spec.ids import check_experiment
from engine.storage.folders.job import Job
from engine.storage.folders.run import Run
from engine.storage.landscapes.job import Landscape
from engine.storage.records import remarks
from engine.storage.records.event import Attempts, Event, PseudoLabelAnswers, PseudoLabels, TurnEvent
from engine.storage.store import Store
from engine.storage.timings.job import Timing
from engine.zoo.own import listing

app = typer.Typer()


@app.command()
@with_spec_flags(spec_file.read, listing.enter)
def run(
    requests: Requests, results: Results = RESULTS, check_images: CheckImages = False, as_json: Json = False
) -> None:
    """Prune in the foreground: a progress bar, and a table at the end."""
    if len(requests) > 1:
        raise RequestError("run takes one seed; submit takes several", field="seed")
    store = store_in(results)
    spec = run_spec.parse(with_model(requests[0], store))
    from engine.data.load import check_images as decode_all
    from engine.jobs.child import execute
    from engine.pipeline import run as pipeline  # torch takes seconds to import, and the request may be refused without
    from engine.pipeline.start.inputs import prepare

    inputs = prepare(spec, store.root)
    if check_images:
        decode_all(inputs.data)
    folder = store.create(spec, foreground=True)
    with show_progress(folder):
        state = execute(folder, lambda request, job: pipeline.run(request, job, inputs))
    if state != "done":
        raise WorkError(f"run {folder.id}: {folder.status().message}")
    answer(_document(folder), as_json, tables.run)


@app.command()
@with_spec_flags(spec_file.read, listing.enter)
def check(
    requests: Requests,
    name_field: NameField = False,
    results: Results = RESULTS,
    check_images: CheckImages = False,
    as_json: Json = False,
) -> None:
    """Load the data and the weights of a request and say what is decided about them; nothing is trained or kept."""
    store = store_in(results)
    with named_field(name_field):
        spec = run_spec.parse(with_model(requests[0], store))
        from engine.data.load import check_images as decode_all
        from engine.pipeline.start.loading import decisions

        decided = decisions(spec, store.root)
        if check_images:
            decode_all(decided.data)
    document = {"summary": decided.summary.to_json(), "notes": list(decided.notes), "new_head": decided.new_head}
    answer(document, as_json, tables.decisions)


@app.command()
@with_spec_flags(spec_file.read, listing.enter)
def submit(
    requests: Requests,
    results: Results = RESULTS,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="leave the queue to a worker you start")] = False,
    experiment: Annotated[
        str | None, typer.Option("--experiment", help="the name of what these runs are a part of", show_default="none")
    ] = None,
    check_images: CheckImages = False,
    as_json: Json = False,
) -> None:
    """Put runs into the queue, one for each seed, and start a worker in the background."""
    from engine.jobs.preflight import check
    from engine.jobs.worker import start_detached

    if experiment is not None:
        check_experiment(experiment)
    store = store_in(results)
    specs = [run_spec.parse(with_model(request, store)) for request in requests]
    check(specs[0], store.root)
    if check_images:
        from engine.data.load import check_images as decode_all
        from engine.data.load import load
        from engine.zoo.makers import made_for

        decode_all(load(specs[0].data, specs[0].seed, made_for(specs[0].model)))
    run_ids: list[str] = []
    try:
        run_ids.extend(Queue(store).submit(spec, experiment).id for spec in specs)
        if not no_worker:
            start_detached(store)
    except WorkError as error:
        raise WorkError(f"{error} (in the queue already: {', '.join(run_ids)})" if run_ids else str(error)) from None
    answer({"run_ids": run_ids}, as_json, tables.run_ids)


@app.command()
def worker(
    results: Results = RESULTS,
    drain: Annotated[bool, typer.Option("--drain", help="end when the queue is empty")] = False,
    as_json: Json = False,
) -> None:
    """Work the queue, one run after the other, each in a process of its own."""
    from engine.jobs.worker import work

    store = store_in(results)
    store.prepare()
    work(store, drain=drain)
    answer(Queue(store).counts(), as_json, tables.counts)


@app.command()
def runs(results: Results = RESULTS, as_json: Json = False) -> None:
    """All runs and landscapes, newest first; the gallery's, too."""
    from engine.jobs.worker import replace_lost

    store = store_to_read(results)
    replace_lost(store)
    entries = sorted([*store.runs(), *store.landscapes()], key=lambda entry: entry["created"], reverse=True)
    answer(entries, as_json, tables.runs)


@app.command()
def show(
    run_id: RunId,
    attempts: Annotated[
        bool, typer.Option("--attempts", help="and everything that was attempted, step by step")
    ] = False,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """One run: its status, its spec and its points; or one timing, or one landscape: its request and its figures."""
    from engine.jobs.worker import replace_lost

    store = store_in(results)
    run = store.job(run_id)
    replace_lost(store)
    if isinstance(run, Timing):
        answer(timing_document(run), as_json, device_tables.timing)
        return
    if isinstance(run, Landscape):
        answer(landscape.document(run), as_json, landscape_tables.landscape)
        return
    steps = {"attempts": _lines(run, Attempts)} if attempts else {}
    answer(_document(run) | steps, as_json, tables.run)


@app.command()
def cancel(run_id: RunId, results: Results = RESULTS, as_json: Json = False) -> None:
    """Stop a run, a landscape or a timing; `resume` goes on from a run's last finished step, or a landscape's cell."""
    store = store_in(results)
    Queue(store).cancel(run_id)
    answer(_state(store, run_id), as_json, tables.state)


@app.command()
def resume(run_id: RunId, results: Results = RESULTS, as_json: Json = False) -> None:
    """Put a run or a landscape back into the queue, where it goes on from what is finished; or a timing, which starts
    anew."""
    from engine.jobs.worker import start_detached

    store = store_in(results)
    Queue(store).resume(run_id)
    start_detached(store)
    answer(_state(store, run_id), as_json, tables.state)


@app.command()
def delete(run_id: RunId, results: Results = RESULTS, as_json: Json = False) -> None:
    """Remove a run, a landscape or a timing, and its files."""
    store_in(results).delete(run_id)
    answer({"run_id": run_id, "state": "deleted"}, as_json, tables.state)


@app.command()
def reindex(results: Results = RESULTS, as_json: Json = False) -> None:
    """Make the index anew from the run folders."""
    store = store_in(results)
    store.prepare()
    answer({"runs": store.reindex()}, as_json, tables.index_size)


def _document(folder: Run) -> dict[str, Any]:
    points = folder.points()
    return {
        "run_id": folder.id,
        "status": folder.observed_status().to_json(),
        "spec": folder.spec().model_dump(mode="json"),
        "points": [point.to_json() for point in points],
        "notes": [*_notes(folder), *remarks.of_accuracy(points), *remarks.of_latency(points)],
    }


def _notes(folder: Run) -> list[str]:
    """What was decided for the run; that it cannot be read, where its files are damaged: the points are there."""
    try:
        change = listing.change_since(folder.env())
        pseudo_labels = remarks.of_pseudo_labels(folder.events(PseudoLabels), folder.events(PseudoLabelAnswers))
        return [*([change] if change else []), *remarks.notes(folder.event_lines()), *pseudo_labels]
    except WorkError as error:
        return [f"what was decided cannot be read: {error}"]


def timing_document(folder: Timing) -> dict[str, Any]:
    """How a timing stands: its status, its request and its turns."""
    return {
        "job_id": folder.id,
        "status": folder.observed_status().to_json(),
        "spec": folder.spec().model_dump(mode="json"),
        "turns": _lines(folder, TurnEvent),
    }


def _lines(job: Job, kind: type[Event]) -> list[dict[str, Any]]:
    """The events of one kind as they stand in the job's file."""
    return [line for line in job.event_lines() if line.get("kind") == kind.KIND]


def _state(store: Store, run_id: str) -> dict[str, Any]:
    return {"run_id": run_id, "state": store.job(run_id).observed_status().state}
