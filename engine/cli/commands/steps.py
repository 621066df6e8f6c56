"""Single steps of the pipeline by themselves."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli import tables
from engine.cli.console import answer
from engine.cli.options import (
    RESULTS,
    Criterion,
    DataName,
    DataRoot,
    Json,
    Limit,
    Model,
    Point,
    Results,
    RunId,
    Weights,
    store_in,
)
from engine.errors import RequestError
from engine.spec import run as run_spec

app = typer.Typer()


@app.command()
def scores(
    *,
    criterion: Criterion,
    scope: Annotated[str, typer.Option("--scope", help="channels | blocks")],
    model: Model = "resnet20",
    weights: Weights = "none",
    data: DataName = "clutter",
    data_root: DataRoot = None,
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
    spec = run_spec.parse(
        {
            "model": model,
            "weights": weights,
            "criterion": criterion,
            "order": "layers" if scope == "blocks" else "channels",
            "data": {"name": data, "root": data_root, "limit": limit},
            "seed": seed,
        }
    )
    answer(single_steps.scores(spec, scope, split), as_json, tables.scores)


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
    from engine.pipeline import single_steps

    spec = run_spec.parse({"model": model, "weights": weights, "data": {"name": data, "root": data_root}})
    answer(single_steps.table(spec, out, store_in(results).root), as_json, tables.output_file)


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
    from engine.pipeline import single_steps

    target = out or Path(f"{run_id}-p{point}{'-int8' if int8 else ''}.onnx")
    answer(
        single_steps.export(store_in(results).run(run_id), point, opset, target, int8=int8), as_json, tables.output_file
    )


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
    from engine.pipeline import single_steps

    answer(single_steps.time(store_in(results).run(run_id), point, provider, threads, batch), as_json, tables.latency)
