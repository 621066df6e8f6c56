"""The command line: parses, calls, prints. Exit codes: 0 done · 1 the work failed · 2 the request was wrong."""

import io
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from engine import catalog, paths, refusal, report, spec
from engine.console import answer, complain, unexpected
from engine.errors import RequestError, WorkError
from engine.flags import Asked, with_spec_flags
from engine.folder import Run
from engine.jobs.queue import Queue
from engine.store import Store

app = typer.Typer(add_completion=False, help="What does it cost to make this network smaller?")

Results = Annotated[Path, typer.Option("--results", help="folder of runs")]
Json = Annotated[bool, typer.Option("--json", help="one JSON document on stdout, nothing else there")]
Model = Annotated[str, typer.Option("--model", help="a name from `models`")]
Weights = Annotated[str, typer.Option("--weights", help="none, hub or a checkpoint file")]
DataName = Annotated[str, typer.Option("--data", help="a name from `datasets`, folder:PATH or npz:PATH")]
DataRoot = Annotated[str | None, typer.Option("--data-root", help="where downloaded data lies")]
Point = Annotated[int, typer.Option("--point", help="the point's number, as `show` lists them")]
RunId = Annotated[str, typer.Argument(metavar="ID", help="a run's id, as `runs` lists them")]
RESULTS = paths.results()


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code; every error is one sentence."""
    arguments = arguments or ["--help"]
    as_json = "--json" in arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show × shows ?, and goes on
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")  # libraries' advice to programmers; python -W shows it
            code = app(arguments, prog_name="python -m engine", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (RequestError, WorkError) as error:
        return complain(str(error), as_json, error.exit_code)
    except TyperException as error:
        return complain(error.format_message(), as_json, RequestError.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return complain("interrupted", as_json, 130)
    except MemoryError:
        return complain("the machine ran out of memory", as_json, WorkError.exit_code)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return complain(f"{where}{error.strerror or error}", as_json, WorkError.exit_code)
    except Exception as error:
        return complain(unexpected(error), as_json, WorkError.exit_code)


def _store(results: Path) -> Store:
    """The store in a results folder; RequestError when it cannot be written to."""
    try:
        return Store(results)
    except (OSError, RuntimeError) as error:  # a name that is too long, ~somebody who has no home here
        reason = error.strerror if isinstance(error, OSError) else error
        raise RequestError(f"the results folder {refusal.shown(str(results))} cannot be used: {reason}") from None


# --- what can be picked ---------------------------------------------------------------------------


@app.command()
def models(
    model: Annotated[str | None, typer.Option("--model", help="only this one")] = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """The networks: parameters, MACs, and for each block whether it may go and why."""
    from engine.sheets import published

    names = [model] if model else catalog.MODELS
    sheets = [published(name, results) for name in names]
    listed = [
        {
            "name": sheet.model,
            "params": sheet.params,
            "macs": sheet.macs,
            "input": list(sheet.image),
            "blocks": [{"name": b.name, "removable": b.removable, "why": b.why} for b in sheet.blocks],
        }
        for sheet in sheets
    ]
    answer(listed, as_json, report.models)


@app.command()
def datasets(results: Results = RESULTS, as_json: Json = False) -> None:
    """The datasets, by name or by path."""
    named = [
        {"name": d.name, "image": list(d.image), "classes": d.classes, "summary": d.summary}
        for d in catalog.DATASETS.values()
    ]
    by_path = [
        {"name": prefix + "PATH", "image": None, "classes": None, "summary": form}
        for prefix, form in catalog.DATASET_PREFIXES.items()
    ]
    answer(named + by_path, as_json, report.datasets)


@app.command()
def criteria(results: Results = RESULTS, as_json: Json = False) -> None:
    """The criteria; several joined by + make a rank ensemble."""
    listed = [vars(c) for c in catalog.CRITERIA.values()]
    answer(listed, as_json, report.criteria)


@app.command()
def sheet(
    *,
    model: Model = "resnet20",
    weights: Weights = "none",
    data: DataName = "clutter",
    data_root: DataRoot = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """The model sheet: layers, interchangeable channels and blocks, as arithmetic on them needs it."""
    from engine.sheets import sheet as sheet_of

    asked = spec.parse({"model": model, "weights": weights, "data": {"name": data, "root": data_root}})
    answer(sheet_of(asked.model, asked.weights, asked.data, _store(results).root).to_json(), as_json, report.sheet)


# --- runs -----------------------------------------------------------------------------------------


@app.command()
@with_spec_flags
def run(asked: Asked, results: Results = RESULTS, as_json: Json = False) -> None:
    """Prune in the foreground: a progress bar, and a table at the end."""
    if len(asked) > 1:
        raise RequestError("run takes one seed; submit takes several")
    wanted = spec.parse(asked[0])
    store = _store(results)
    from engine import pipeline  # torch takes seconds to import, and the request may be refused without it
    from engine.jobs.child import execute

    prepared = pipeline.prepare(wanted)
    folder = store.create(wanted, foreground=True)
    with report.progress(folder):
        state = execute(folder, lambda request, where: pipeline.run(request, where, prepared))
    if state != "done":
        raise WorkError(f"run {folder.id}: {folder.status()['message']}")
    answer(_document(folder), as_json, report.run)


@app.command()
@with_spec_flags
def submit(
    asked: Asked,
    results: Results = RESULTS,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="leave the queue to a worker you start")] = False,
    as_json: Json = False,
) -> None:
    """Put runs into the queue, one for each seed, and start a worker in the background."""
    from engine.jobs.worker import start_detached
    from engine.preflight import check

    wanted = [spec.parse(one) for one in asked]
    store = _store(results)
    check(wanted[0], store.root)
    queued: list[str] = []
    try:
        queued.extend(Queue(store).submit(one).id for one in wanted)
        if not no_worker:
            start_detached(store)
    except WorkError as error:
        raise WorkError(f"{error} (in the queue already: {', '.join(queued)})" if queued else str(error)) from None
    answer({"run_ids": queued}, as_json, report.submitted)


@app.command()
def worker(
    results: Results = RESULTS,
    drain: Annotated[bool, typer.Option("--drain", help="end when the queue is empty")] = False,
    as_json: Json = False,
) -> None:
    """Work the queue, one run after the other, each in a process of its own."""
    from engine.jobs.worker import work

    store = _store(results)
    store.prepare()
    work(store, drain=drain)
    answer(Queue(store).counts(), as_json, report.counts)


@app.command()
def runs(results: Results = RESULTS, as_json: Json = False) -> None:
    """All runs, newest first; the gallery's, too."""
    store = _store(results)
    store.prepare()
    answer(store.runs(), as_json, report.runs)


@app.command()
def show(run_id: RunId, results: Results = RESULTS, as_json: Json = False) -> None:
    """One run: its status, its spec and its points."""
    answer(_document(_store(results).run(run_id)), as_json, report.run)


@app.command()
def cancel(run_id: RunId, results: Results = RESULTS, as_json: Json = False) -> None:
    """Stop a run; `resume` goes on from its last finished step."""
    store = _store(results)
    Queue(store).cancel(run_id)
    answer(_state(store, run_id), as_json, report.state)


@app.command()
def resume(run_id: RunId, results: Results = RESULTS, as_json: Json = False) -> None:
    """Put a run back into the queue; it goes on from its last finished step."""
    from engine.jobs.worker import start_detached

    store = _store(results)
    Queue(store).resume(run_id)
    start_detached(store)
    answer(_state(store, run_id), as_json, report.state)


@app.command()
def delete(run_id: RunId, results: Results = RESULTS, as_json: Json = False) -> None:
    """Remove a run and its files."""
    _store(results).delete(run_id)
    answer({"run_id": run_id, "state": "deleted"}, as_json, report.state)


@app.command()
def reindex(results: Results = RESULTS, as_json: Json = False) -> None:
    """Make the index anew from the run folders."""
    store = _store(results)
    store.prepare()
    answer({"runs": store.reindex()}, as_json, report.indexed)


# --- single steps of the road ---------------------------------------------------------------------


@app.command()
def scores(
    *,
    criterion: Annotated[str, typer.Option("--criterion", help="a name from `criteria`, or several joined by +")],
    scope: Annotated[str, typer.Option("--scope", help="channels | blocks")],
    model: Model = "resnet20",
    weights: Weights = "none",
    data: DataName = "clutter",
    data_root: DataRoot = None,
    split: Annotated[str, typer.Option("--split", help="val | test: where calibration images come from")] = "val",
    limit: Annotated[
        int | None, typer.Option("--limit", help="at most so many images of each split", show_default="all")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="of random scores and fresh weights")] = 0,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """How much every channel or block of a network matters by a criterion."""
    from engine import tools

    if scope not in ("channels", "blocks"):
        raise RequestError(f"unknown scope {scope!r}; allowed: channels, blocks")
    if split not in ("val", "test"):
        raise RequestError(f"unknown split {split!r}; allowed: val, test")
    asked = spec.parse(
        {
            "model": model,
            "weights": weights,
            "criterion": criterion,
            "order": "layers" if scope == "blocks" else "channels",
            "data": {"name": data, "root": data_root, "limit": limit},
            "seed": seed,
        }
    )
    answer(tools.scores(asked, scope, split), as_json, report.scores)


@app.command()
def table(
    *,
    out: Annotated[Path, typer.Option("--out", help="JSON file to write")],
    model: Model = "resnet20",
    weights: Weights = "none",
    data: DataName = "clutter",
    data_root: DataRoot = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Measure a network's layers on this machine, for --latency-table on another; takes about a minute."""
    from engine import tools

    asked = spec.parse({"model": model, "weights": weights, "data": {"name": data, "root": data_root}})
    answer(tools.table(asked, out, _store(results).root), as_json, report.written)


@app.command()
def apply(
    plan: Annotated[Path, typer.Option("--plan", help="a point's plan.json")],
    weights: Annotated[Path, typer.Option("--weights", help="untouched weights")],
    out: Annotated[Path, typer.Option("--out", help="safetensors file to write")],
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Replay a plan on untouched weights."""
    from engine import tools

    answer(tools.apply(plan, weights, out), as_json, report.written)


@app.command()
def export(
    *,
    run_id: RunId,
    point: Point,
    opset: Annotated[int, typer.Option("--opset", help="ONNX operator set")] = 13,
    int8: Annotated[bool, typer.Option("--int8", help="in 8 bit, calibrated on the run's training images")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="file to write; RUN-pN.onnx or RUN-pN-int8.onnx by default")
    ] = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Write a point's network as ONNX, checked against torch."""
    from engine import tools

    target = out or Path(f"{run_id}-p{point}{'-int8' if int8 else ''}.onnx")
    answer(tools.export(_store(results).run(run_id), point, opset, target, int8=int8), as_json, report.written)


@app.command()
def time(
    *,
    run_id: RunId,
    point: Point,
    provider: Annotated[str, typer.Option("--provider", help="cpu | cuda | tensorrt")] = "cpu",
    threads: Annotated[int, typer.Option("--threads", help="at most this computer's cores")] = 1,
    batch: Annotated[int, typer.Option("--batch", help="images in one query")] = 1,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Time a point's network on this host with ONNX Runtime."""
    from engine import tools

    answer(tools.time(_store(results).run(run_id), point, provider, threads, batch), as_json, report.latency)


def _document(folder: Run) -> dict[str, Any]:
    return {
        "run_id": folder.id,
        "status": folder.status(),
        "spec": folder.spec().model_dump(mode="json"),
        "points": folder.points(),
    }


def _state(store: Store, run_id: str) -> dict[str, Any]:
    return {"run_id": run_id, "state": store.run(run_id).status()["state"]}
