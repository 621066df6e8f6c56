"""What can be picked besides networks: datasets, criteria; and what a network is, as arithmetic needs it."""

from typing import Annotated

import typer

from engine.cli import tables
from engine.cli.console import answer
from engine.cli.options import (
    MODEL_DEFAULT,
    MODEL_HELP,
    RESULTS,
    DataName,
    DataRoot,
    ImageSize,
    Json,
    Labels,
    NameField,
    Results,
    Weights,
    named_field,
    store_in,
)
from engine.cli.weights import stated, with_model
from engine.spec import catalog
from engine.spec import run as run_spec
from engine.spec.images import pairs
from engine.zoo.own import listing

app = typer.Typer()


@app.command()
def datasets(results: Results = RESULTS, as_json: Json = False) -> None:
    """The datasets, by name or by path, and pairs of them."""
    by_name = [
        {"name": d.name, "image": list(d.image), "classes": d.classes, "summary": d.summary}
        for d in catalog.DATASETS.values()
    ]
    by_path = [
        {"name": prefix + "PATH", "image": None, "classes": None, "summary": form}
        for prefix, form in catalog.DATASET_PREFIXES.items()
    ]
    summary = f"two with the same classes: {pairs.FORM}"
    both = {"name": "SOURCE>TARGET", "image": None, "classes": None, "summary": summary}
    answer([*by_name, *by_path, both], as_json, tables.datasets)


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


@app.command()
def gpu(name_field: NameField = False, results: Results = RESULTS, as_json: Json = False) -> None:
    """The GPU that runs on this computer can use; none where torch finds none."""
    from engine.measure import machine

    with named_field(name_field):
        answer({"gpu": machine.gpu()}, as_json, tables.gpu)


@app.command("sheet")
def summary(
    *,
    model: Annotated[str | None, typer.Option("--model", help=MODEL_HELP, show_default=MODEL_DEFAULT)] = None,
    weights: Weights = "none",
    data: DataName = None,
    data_root: DataRoot = None,
    image_size: ImageSize = None,
    labels: Labels = None,
    name_field: NameField = False,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """The model sheet: layers, interchangeable channels and blocks, as arithmetic on them needs it."""
    from engine.pipeline.summaries import summary_of

    # A program that asks for a form says which field is wrong; what a form names is no word from a terminal.
    if model is not None and not name_field:
        model = listing.enter(model)
    with named_field(name_field):
        store = store_in(results)
        images = stated(name=data, root=data_root, image_size=image_size, labels=labels)
        request = stated(model=model) | {"weights": weights, "data": images}
        spec = run_spec.parse(with_model(request, store))
        model_summary = summary_of(spec.model, spec.weights, spec.data, store.root)
    answer(model_summary.to_json(), as_json, tables.summary)
