"""How long runs would take on this machine."""

from dataclasses import asdict

import typer

from engine.cli import spec_file, tables
from engine.cli.console import answer
from engine.cli.options import RESULTS, Json, NameField, Results, named_field, store_in
from engine.cli.weights import with_model
from engine.spec import run as run_spec
from engine.spec.flags import Requests, with_spec_flags
from engine.zoo.own import listing

app = typer.Typer()


@app.command()
@with_spec_flags(spec_file.read, listing.enter)
def estimate(
    requests: Requests, name_field: NameField = False, results: Results = RESULTS, as_json: Json = False
) -> None:
    """Say about how long runs would take here, one for each seed, from a measurement of seconds; nothing is trained."""
    from engine.latency.table import read_for
    from engine.pipeline.duration import estimate as duration
    from engine.pipeline.duration import speed
    from engine.pipeline.summaries import summary_of
    from engine.prune.forecast import forecast

    store = store_in(results)
    with named_field(name_field):
        specs = [run_spec.parse(with_model(request, store)) for request in requests]
        first = specs[0]
        summary = summary_of(first.model, first.weights, first.data, store.root)
        forecasts = forecast(summary, first, read_for(first.target.latency_table, summary))
        counts, measured = speed.counts_of(first), speed.measure(first)
    jobs = [duration.Job(spec, summary, forecasts, trains=spec.weights == "none") for spec in specs]
    total = duration.estimate(jobs, counts, measured)
    document = {"runs": len(specs), **asdict(total), "speed": measured.to_json(), "counts": dict(counts)}
    answer(document, as_json, tables.estimate)
