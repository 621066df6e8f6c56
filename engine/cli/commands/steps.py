"""Single steps of the pipeline by themselves."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli import layer_tables, tables
from engine.cli.console import answer
from engine.cli.options import (
    RESULTS,
    Criterion,
    DataName,
    DataRoot,
    ImageSize,
    Json,
    Labels,
    Limit,
    Model,
    OnePoint,
    OneRun,
    Point,
    PrunedWeights,
    Results,
    RunId,
    Weights,
    store_in,
    store_to_read,
)
from engine.cli.progress import show_steps
from engine.cli.weights import point_or_file, stated, with_model
from engine.errors import RequestError
from engine.spec import run as run_spec

app = typer.Typer()


@app.command()
def scores(
    *,
    criterion: Criterion,
    scope: Annotated[str, typer.Option("--scope", help="channels | blocks")],
    model: Model = None,
    weights: Weights = "none",
    data: DataName = None,
    data_root: DataRoot = None,
    image_size: ImageSize = None,
    labels: Labels = None,
    split: Annotated[str, typer.Option("--split", help="val | test: where calibration images come from")] = "val",
    limit: Limit = None,
    seed: Annotated[int, typer.Option("--seed", help="of random scores and fresh weights")] = 0,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """How much every channel or block of a network matters by a criterion."""
    from engine.pipeline import single_steps

    if scope not in ("channels", "blocks"):
        raise RequestError(f"unknown scope {scope!r}; allowed: channels, blocks")
    if split not in ("val", "test"):
        raise RequestError(f"unknown split {split!r}; allowed: val, test")
    store = store_in(results)
    request = stated(model=model) | {
        "weights": weights,
        "criterion": criterion,
        "order": "layers" if scope == "blocks" else "channels",
        "data": stated(name=data, root=data_root, limit=limit, image_size=image_size, labels=labels),
        "seed": seed,
    }
    spec = run_spec.parse(with_model(request, store))
    answer(single_steps.scores(spec, scope, split, store.root), as_json, tables.scores)


@app.command()
def table(
    *,
    out: Annotated[Path, typer.Option("--out", help="JSON file to write")],
    model: Model = None,
    weights: Weights = "none",
    data: DataName = None,
    data_root: DataRoot = None,
    image_size: ImageSize = None,
    labels: Labels = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Measure a network's layers on this machine, for --latency-table on another; takes about a minute."""
    from engine.pipeline import single_steps

    store = store_in(results)
    images = stated(name=data, root=data_root, image_size=image_size, labels=labels)
    request = stated(model=model) | {"weights": weights, "data": images}
    spec = run_spec.parse(with_model(request, store))
    answer(single_steps.table(spec, out, store.root), as_json, tables.output_file)


@app.command()
def apply(
    plan: Annotated[Path, typer.Option("--plan", help="a point's plan.json")],
    weights: Annotated[Path, typer.Option("--weights", help="untouched weights")],
    out: Annotated[Path, typer.Option("--out", help="safetensors file to write")],
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Replay a plan on untouched weights."""
    from engine.pipeline import single_steps

    answer(single_steps.apply(plan, weights, out), as_json, tables.output_file)


@app.command()
def export(
    *,
    run_id: OneRun = None,
    point: OnePoint = None,
    weights: PrunedWeights = None,
    opset: Annotated[int, typer.Option("--opset", help="ONNX operator set")] = 13,
    int8: Annotated[bool, typer.Option("--int8", help="in 8 bit, calibrated on the run's training images")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="file to write; RUN-pN.onnx or RUN-pN-int8.onnx by default")
    ] = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Write a point's network as ONNX, checked against torch; or that of a file which carries its plan."""
    from engine.pipeline import single_steps

    named = point_or_file(run_id, point, weights)
    if isinstance(named, Path):
        if int8:
            raise RequestError("--int8 is calibrated on a run's training images; give RUN:POINT instead of a file")
        answer(single_steps.export_file(named, opset, out or Path(f"{named.stem}.onnx")), as_json, tables.output_file)
        return
    target = out or Path(f"{named.run_id}-p{named.point}{'-int8' if int8 else ''}.onnx")
    run = store_in(results).run(named.run_id)
    answer(single_steps.export(run, named.point, opset, target, int8=int8), as_json, tables.output_file)


@app.command()
def time(
    *,
    run_id: OneRun = None,
    point: OnePoint = None,
    weights: PrunedWeights = None,
    provider: Annotated[str, typer.Option("--provider", help="cpu | cuda | tensorrt")] = "cpu",
    threads: Annotated[int, typer.Option("--threads", help="at most this computer's cores")] = 1,
    batch: Annotated[int, typer.Option("--batch", help="images in one query")] = 1,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Time a point's network on this host with ONNX Runtime; or that of a file which carries its plan."""
    from engine.pipeline import single_steps

    named = point_or_file(run_id, point, weights)
    if isinstance(named, Path):
        answer(single_steps.time_file(named, provider, threads, batch), as_json, tables.latency)
        return
    run = store_in(results).run(named.run_id)
    answer(single_steps.time(run, named.point, provider, threads, batch), as_json, tables.latency)


@app.command()
def layers(
    run_id: RunId,
    point: Point,
    threads: Annotated[int, typer.Option("--threads", help="at most this computer's cores")] = 1,
    progress_lines: Annotated[
        bool, typer.Option("--progress-lines", hidden=True, help="say on stderr how far it is, for a program")
    ] = False,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Time each layer of a point and of the untouched network on this host, and say why it is not faster."""
    run = store_to_read(results).run(run_id)
    from engine.pipeline.layer_times import measure  # takes seconds, and a run that is not there is known before

    with show_steps(lines=progress_lines) as report:
        document = measure.measure(run, point, threads, report)
    answer(document, as_json, layer_tables.side_by_side)
