"""A sweep: a grid of runs under one name, worked on until all of them are done."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.console import answer
from engine.cli.options import RESULTS, Json, Results, store_in
from engine.cli.sweep import file, tables
from engine.cli.sweep.choice import Choice, On, executor_for, withdraw
from engine.cli.sweep.progress import SweepProgress
from engine.cli.weights import with_model
from engine.errors import RequestError, WorkError
from engine.jobs.crew import Stop
from engine.jobs.executors.executor import Executor
from engine.jobs.signals import handle_signals
from engine.jobs.sweep import inventory, place
from engine.jobs.sweep.driver import Driver
from engine.jobs.sweep.inventory import Entry
from engine.pipeline.duration.estimate import Job
from engine.spec.run import RunSpec
from engine.spec.sweep import grid
from engine.spec.sweep.document import Document
from engine.storage import directories
from engine.storage.store import Store

app = typer.Typer()
_INTERRUPTED = 130  # exit status, as of other commands


@app.command()
def sweep(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="YAML: a name, and a spec in which a list makes a grid")],
    on: Annotated[On, typer.Option("--on", help="where the runs go on: this computer, or a cluster")] = "local",
    partition: Annotated[
        str | None, typer.Option("--partition", help="of the SLURM cluster", show_default="the cluster's")
    ] = None,
    time: Annotated[
        str | None,
        typer.Option("--time", help="of a SLURM job, as 90 or 1-12:00:00; runs go on in the next", show_default="4 h"),
    ] = None,
    sbatch: Annotated[
        list[str] | None,
        typer.Option("--sbatch", metavar="KEY=VALUE", help="a further option of sbatch, such as mem=8G"),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option("--address", help="HOST:PORT of the Ray cluster", show_default="the one of this computer"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say how many runs, how long, how much disk")] = False,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=1, help="runs at once, at most", show_default="as cores and memory allow, or 64"),
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="do runs that failed once more")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="stop the sweep, wherever it was started")] = False,
    yes: Annotated[bool, typer.Option("--yes", help=f"go on with more than {grid.MOST_RUNS:,} runs")] = False,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Do every run of a grid, several at once; what is done is not done again, what was interrupted goes on.

    Ctrl-C stops all of it, and the same command goes on. Explore and Runs show the runs as one experiment.
    """
    store = store_in(results)
    document = file.read(path)
    specs = grid.runs(document, lambda raw: with_model(raw, store), many=yes or cancel)
    choice = Choice(on, jobs, partition, time, tuple(sbatch or ()), address)
    if cancel:
        answer(_cancel(store, document.name, specs, choice), as_json, tables.cancelled)
        return
    from engine.jobs.sweep import forecast

    listed = inventory.entries(store, document.name, specs)
    left = inventory.to_do(listed, retry_failed=retry_failed)
    to_look_at = [entry.spec for entry in left]  # what is done was looked at when it began
    known = forecast.jobs_of(to_look_at, store.root, elsewhere=choice.elsewhere)
    executor = executor_for(choice, store, document.threads, forecast.gpu_needs(known))
    if dry_run:
        answer(_expected(store, document, listed, known, executor, choice, retry_failed), as_json, tables.forecast)
        return
    with place.driving(store, document.name):
        listed = inventory.entries(store, document.name, specs)
        ended = _drive(store, document, listed, known, executor, retry_failed)
    answer(ended, as_json, tables.ended)
    unfinished = ended["total"] - ended["done"] - ended["failed"] - ended["cancelled"]
    if unfinished or ended["failed"] or ended["cancelled"]:
        raise typer.Exit(_INTERRUPTED if unfinished else WorkError.exit_code)


def _drive(
    store: Store,
    document: Document,
    listed: Sequence[Entry],
    known: Mapping[str, Job],
    executor: Executor,
    retry_failed: bool,
) -> dict[str, Any]:
    """Works until nothing is left, or a signal to stop; how it ended."""
    from engine.jobs.sweep.forecast import room_check

    counts = _counts(listed, retry_failed)
    stop, progress = Stop(), SweepProgress()
    driver = Driver(
        store,
        document.name,
        document.threads,
        counts["done"],
        counts["failed"],
        inventory.to_do(listed, retry_failed=retry_failed),
        room_check(store.root, known),
        lambda: stop.requested,
        progress.tell,
        progress.show,
    )
    with handle_signals(stop), progress:
        executor.execute(driver)
    if driver.problem is not None:
        raise driver.problem
    tally = driver.tally()
    return {
        "name": document.name,
        "total": tally.total,
        "done": tally.done,
        "failed": tally.failed,
        "cancelled": tally.cancelled,
        "run_ids": driver.run_ids,
        "failures": [{"run_id": x.run_id, "error": x.error} for x in driver.failures],
    }


def _counts(listed: Sequence[Entry], retry_failed: bool) -> dict[str, int]:
    """How many runs need nothing more: those that are done, and those that failed and are to be left so."""
    done = sum(entry.standing == "done" for entry in listed)
    failed = 0 if retry_failed else sum(entry.standing == "failed" for entry in listed)
    return {"done": done, "failed": failed}


def _expected(
    store: Store,
    document: Document,
    listed: Sequence[Entry],
    known: Mapping[str, Job],
    executor: Executor,
    choice: Choice,
    retry_failed: bool,
) -> dict[str, Any]:
    from engine.jobs.sweep import forecast

    left = inventory.to_do(listed, retry_failed=retry_failed)
    expected = forecast.expect(left, known, executor.places, document.threads, elsewhere=choice.elsewhere)
    return {
        "name": document.name,
        "total": len(listed),
        **_counts(listed, retry_failed),
        "left": len(left),
        "begun": sum(entry.standing == "begun" for entry in left),
        "threads": document.threads,
        "on": choice.on,
        "at_once": min(executor.places, max(1, len(left))),
        "seconds": expected.seconds,
        "more": expected.more,
        "bytes": expected.bytes,
        "free_bytes": shutil.disk_usage(directories.nearest(store.root)).free,
    }


def _cancel(store: Store, name: str, specs: Sequence[RunSpec], choice: Choice) -> dict[str, Any]:
    stopped = place.stop(store, name)
    listed = inventory.entries(store, name, specs)
    count = place.cancel(store, listed)
    withdraw(choice, store, [entry.run_id for entry in listed if entry.run_id is not None])
    if not stopped and not count:
        raise RequestError(f"nothing of the sweep {name} is under way in {store.root}; there is nothing to cancel")
    return {"name": name, "stopped": stopped, "cancelled": count}
