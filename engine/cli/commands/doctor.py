"""What is wrong with a results folder."""

from typing import Annotated

import typer

from engine.cli import tables
from engine.cli.console import answer
from engine.cli.options import RESULTS, Json, Results, store_in
from engine.errors import WorkError

app = typer.Typer()


@app.command()
def doctor(
    mend: Annotated[bool, typer.Option("--fix", help="mend what can be mended")] = False,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Say what is wrong with a results folder: damaged jobs, links, permissions, disk, queue and index."""
    from engine.doctor import examine

    store = store_in(results)
    outcomes = examine.fix(store) if mend else [examine.Outcome(finding, None) for finding in examine.examine(store)]
    entries = [
        {
            "kind": outcome.finding.kind,
            "where": outcome.finding.where,
            "sentence": outcome.finding.sentence,
            "fixable": outcome.finding.fix is not None,
            "fixed": mend and outcome.refusal is None,
            "refusal": outcome.refusal,
        }
        for outcome in outcomes
    ]
    answer({"results": str(store.root), "findings": entries}, as_json, tables.findings)
    left = sum(not entry["fixed"] for entry in entries)
    if left:
        raise typer.Exit(WorkError.exit_code)
