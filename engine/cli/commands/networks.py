"""The networks that can be picked, and the user's own list of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli import tables
from engine.cli.console import answer
from engine.cli.options import MODEL_HELP, RESULTS, Json, Results
from engine.cli.printing import write
from engine.errors import RequestError
from engine.graph.summary import ModelSummary
from engine.spec import catalog
from engine.spec.networks import own_names, timm_names
from engine.zoo.own import listing

app = typer.Typer(
    invoke_without_command=True, help="The networks: parameters, MACs, and for each block whether it may go and why."
)


@app.callback()
def models(
    context: typer.Context,
    model: Annotated[str | None, typer.Option("--model", help=f"only this one: {MODEL_HELP}")] = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """The networks: parameters, MACs, and for each block whether it may go and why."""
    if context.invoked_subcommand is not None:
        return
    from engine.pipeline.summaries import published_summary

    if model is not None:
        answer([_entry(published_summary(listing.enter(model), results))], as_json, tables.models)
        return
    entries = [_entry(published_summary(name, results)) for name in catalog.MODELS]
    entries += [_own_entry(name, results) for name in listing.names()]
    answer(entries, as_json, tables.models)
    if not as_json and catalog.TIMM_MODELS:
        write(f"timm/NAME: {len(catalog.TIMM_MODELS):,} networks; espalier models timm lists them")


@app.command()
def timm(
    part: Annotated[str, typer.Argument(help="only names that hold this")] = "",
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """The convolutional networks of timm, by name."""
    names = [name for name in catalog.TIMM_MODELS if part in name]
    entries = [{"name": name, "family": timm_names.family_of(name)} for name in names]
    answer(entries, as_json, tables.timm_models)


@app.command()
def add(
    network: Annotated[str, typer.Argument(metavar="FILE.py:FUNCTION", help="what makes it, of a number of classes")],
    name: Annotated[str | None, typer.Option("--name", help="Launch lists it as my/NAME")] = None,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Put a network of your own on your list: only code that stands there is ever run."""
    from engine.pipeline.start.own_networks import summarize_file

    if name is not None:
        own_names.check_name(name)
    summary = summarize_file(network)  # what cannot be built is not listed
    added = listing.add(network, name)
    answer({**_entry(summary), "name": added.model, "path": added.path, **_code_of(added)}, as_json, tables.network)


@app.command()
def remove(
    network: Annotated[str, typer.Argument(metavar="my/NAME", help="or FILE.py:FUNCTION")],
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Take a network off your list; its file and its runs stay."""
    removed = listing.remove(network)
    answer({"name": removed.model, "path": removed.path, **_code_of(removed)}, as_json, tables.removed_network)


def _code_of(network: listing.OwnNetwork) -> Mapping[str, Any]:
    return {"function": network.function, "sha256": network.sha256}


def _entry(summary: ModelSummary) -> dict[str, Any]:
    return {
        "name": summary.model,
        "params": summary.params,
        "macs": summary.macs,
        "input": list(summary.image),
        "blocks": [{"name": b.name, "removable": b.removable, "why": b.why} for b in summary.blocks],
    }


def _own_entry(name: str, results: Path) -> dict[str, Any]:
    """One that cannot be built any more, as its file has changed, does not hide the others."""
    from engine.pipeline.summaries import published_summary

    try:
        return _entry(published_summary(name, results))
    except RequestError as error:
        return {"name": name, "params": None, "macs": None, "input": None, "blocks": [], "error": str(error)}
