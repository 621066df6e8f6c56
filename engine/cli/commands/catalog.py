"""What can be picked: networks, datasets, criteria."""

import sys
from typing import Annotated

import typer

from engine.cli import tables
from engine.cli.console import answer
from engine.cli.options import RESULTS, DataName, DataRoot, Json, Model, Results, Weights, store_in
from engine.errors import RequestError
from engine.spec import catalog
from engine.spec import run as run_spec

app = typer.Typer()


@app.command()
def models(
    model: Annotated[str | None, typer.Option("--model", help="only this one")] = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """The networks: parameters, MACs, and for each block whether it may go and why."""
    from engine.pipeline.summaries import published_summary

    names = [model] if model else catalog.MODELS
    summaries = [published_summary(name, results) for name in names]
    entries = [
        {
            "name": summary.model,
            "params": summary.params,
            "macs": summary.macs,
            "input": list(summary.image),
            "blocks": [{"name": b.name, "removable": b.removable, "why": b.why} for b in summary.blocks],
        }
        for summary in summaries
    ]
    answer(entries, as_json, tables.models)


@app.command()
def datasets(results: Results = RESULTS, as_json: Json = False) -> None:
    """The datasets, by name or by path."""
    by_name = [
        {"name": d.name, "image": list(d.image), "classes": d.classes, "summary": d.summary}
        for d in catalog.DATASETS.values()
    ]
    by_path = [
        {"name": prefix + "PATH", "image": None, "classes": None, "summary": form}
        for prefix, form in catalog.DATASET_PREFIXES.items()
    ]
    answer(by_name + by_path, as_json, tables.datasets)


@app.command()
def criteria(results: Results = RESULTS, as_json: Json = False) -> None:
    """The criteria; several joined by + make a rank ensemble."""
    entries = [
        {
            "name": c.name,
            "label": c.label,
            "needs": c.needs,
            "formula": c.formula,
            "source": c.source,
            "scope": c.scope,
        }
        for c in catalog.CRITERIA.values()
    ]
    answer(entries, as_json, tables.criteria)


@app.command("sheet")
def summary(
    *,
    model: Model = "resnet20",
    weights: Weights = "none",
    data: DataName = "clutter",
    data_root: DataRoot = None,
    name_field: Annotated[
        bool, typer.Option("--name-field", hidden=True, help="say on stderr which field an error concerns")
    ] = False,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """The model sheet: layers, interchangeable channels and blocks, as arithmetic on them needs it."""
    from engine.pipeline.summaries import summary_of

    try:
        spec = run_spec.parse({"model": model, "weights": weights, "data": {"name": data, "root": data_root}})
        model_summary = summary_of(spec.model, spec.weights, spec.data, store_in(results).root)
    except RequestError as error:
        if name_field and error.field is not None:
            print(f"field: {error.field}", file=sys.stderr)
        raise
    answer(model_summary.to_json(), as_json, tables.summary)
