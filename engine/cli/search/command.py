"""A search: many networks cut and reconstructed, the best of them trained on; what was done is not done again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.console import answer
from engine.cli.options import RESULTS, Json, Results, store_in
from engine.cli.search import tables
from engine.cli.search.progress import SearchProgress
from engine.cli.sweep.file import plain
from engine.cli.weights import with_model
from engine.errors import RequestError, WorkError
from engine.jobs.crew import Stop
from engine.jobs.executors.local import LocalExecutor
from engine.jobs.executors.slots import gpu_need, slots
from engine.jobs.signals import handle_signals
from engine.jobs.sweep import inventory, place
from engine.search import recovery, report, study
from engine.search.study import Studies
from engine.search.work import Search, untouched_spec
from engine.spec import request_paths
from engine.spec.messages import as_text
from engine.spec.run import RunSpec
from engine.spec.search import document as documents
from engine.spec.search.document import Document
from engine.storage.store import Store

app = typer.Typer()
_INTERRUPTED = 130  # exit status, as of other commands


@app.command()
def search(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="YAML: a name, a spec, and the space to look through")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say how many trials and runs, and how long")] = False,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=1, help="runs at once, at most", show_default="as cores and memory allow"),
    ] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="stop the search, wherever it was started")] = False,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Look for networks that are good for what they cost: cut and reconstruct many, train the best of them on.

    Ctrl-C stops it, and the same command goes on. Explore shows what was trained on as one experiment.
    """
    store = store_in(results)
    document = _read(path, store)
    if cancel:
        answer(_cancel(store, document), as_json, tables.cancelled)
        return
    if dry_run:
        answer(_expected(store, document, jobs), as_json, tables.forecast)
        return
    with place.driving(store, document.name, "search"), study.open_studies(store, document) as studies:
        ended = _search(store, studies, jobs)
    answer(ended, as_json, tables.ended)
    if ended["failures"] or not ended["finished"]:
        raise typer.Exit(WorkError.exit_code if ended["finished"] else _INTERRUPTED)


def _read(path: Path, store: Store) -> Document:
    shown = f"the search {as_text(path)}"
    raw = plain(path, shown)
    if isinstance(raw, Mapping) and isinstance(raw.get("spec"), Mapping):
        raw = {**raw, "spec": request_paths.absolute(with_model(raw["spec"], store), RunSpec)}
    return documents.read(raw, shown)


def _search(store: Store, studies: Studies, jobs: int | None) -> dict[str, Any]:
    """Works until nothing is left, or a signal to stop; what came of it."""
    from engine.measure.threads import compute_with

    document = studies.document
    stop, progress, executor = Stop(), SearchProgress(), _executor(store, document, jobs)
    compute_with(document.threads)
    with handle_signals(stop), progress:
        found = Search(store, studies, executor, lambda: stop.requested, progress.show, progress.tally, progress.ended)
        found.work()
    return report.report(studies, found.untouched, stopped=stop.requested)


def _executor(store: Store, document: Document, jobs: int | None) -> LocalExecutor:
    from engine.pipeline.summaries import summary_of

    spec = untouched_spec(document, document.spec)
    need = gpu_need(spec, summary_of(spec.model, spec.weights, spec.data, store.root)) if spec.device != "cpu" else 0
    return LocalExecutor(store, slots(document.threads, [need] if need else [], jobs))


def _expected(store: Store, document: Document, jobs: int | None) -> dict[str, Any]:
    from engine.search import forecast

    return forecast.expect(store, document, _executor(store, document, jobs).places)


def _cancel(store: Store, document: Document) -> dict[str, Any]:
    stopped, count = place.stop(store, document.name), 0
    if study.path_of(store, document.name).exists():
        with study.open_studies(store, document) as studies:
            specs = [untouched_spec(document, document.spec), *recovery.specs(studies)]
        count = place.cancel(store, inventory.entries(store, document.name, specs))
    if not stopped and not count:
        raise RequestError(f"nothing of the search {document.name} is under way in {store.root}; nothing to cancel")
    return {"name": document.name, "stopped": stopped, "cancelled": count}
