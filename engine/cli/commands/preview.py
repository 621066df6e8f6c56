"""What a request comes to before any training, within seconds."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.status import Status

from engine.cli import spec_file
from engine.cli.console import answer
from engine.cli.options import RESULTS, Json, NameField, Results, named_field, store_in
from engine.cli.printing import table_of, write, write_notes
from engine.cli.weights import with_model
from engine.errors import RequestError
from engine.pipeline.preview import request as requests_of
from engine.pipeline.preview.answer import Preview, Tally
from engine.pipeline.preview.request import PreviewRequest
from engine.preview_server import client
from engine.spec import run as run_spec
from engine.spec.flags import Requests, with_spec_flags
from engine.texts import one_line
from engine.units import si
from engine.zoo.own import listing

app = typer.Typer()
ValidationImages = Annotated[
    int, typer.Option("--validation-images", help="that accuracies are measured on; all where there are fewer")
]
Warm = Annotated[
    bool,
    typer.Option(
        "--warm/--no-warm",
        help=f"ask a process that stays ready for the next preview, and ends {client.IDLE_SECONDS:.0f} s after the "
        "last; or do it here and leave nothing behind",
    ),
]


@app.command()
@with_spec_flags(spec_file.read, listing.enter, requests_of.PREVIEW_FLAGS)
def preview(
    requests: Requests,
    validation_images: ValidationImages = requests_of.VALIDATION_IMAGES,
    warm: Warm = True,
    name_field: NameField = False,
    results: Results = RESULTS,
    as_json: Json = False,
) -> None:
    """Cut, reconstruct and measure on validation images, within seconds: nothing is trained, nothing is written."""
    if len(requests) > 1:
        raise RequestError("preview takes one seed", field="seed")
    store = store_in(results)
    with named_field(name_field):
        spec = run_spec.parse(with_model(requests[0], store))
        request = requests_of.make_request(spec, store.root, validation_images)
        with _shown_stages() as listener:
            done = client.ask(request, listener) if warm else _preview_here(request, listener)
    answer(done.to_json(), as_json, _show)


def _preview_here(request: PreviewRequest, listener: Any) -> Preview:
    from engine.pipeline.preview.work import Previewer

    return Previewer().answer(request, listener)


@contextmanager
def _shown_stages() -> Iterator[Any]:
    """Hears what is going on, and shows it where a person looks on."""
    if not sys.stderr.isatty():
        yield lambda stage: None
        return
    with Status("starting", console=Console(stderr=True)) as status:
        yield lambda stage: status.update(one_line(stage, 80))


def _show(document: Mapping[str, Any]) -> None:
    done = Preview.from_json(document)
    write(f"{done.model} on {done.data}, {done.criterion}, {done.order}, seed {done.seed}: nothing is trained")
    write_notes((*done.notes, *(f"{t.keep:g}×: {note}" for t in done.targets for note in t.notes)))
    table = table_of(">asked", ">MACs", ">", ">params", ">", ">blocks out", ">plain cut", ">reconstructed", ">95 %")
    table.add_row("untouched", si(done.macs), "", si(done.params), "", "", "", _percent(done.untouched), "")
    for target in done.targets:
        best = target.reconstructed or target.plain
        table.add_row(
            f"{target.keep:g}× {done.metric}",
            si(target.macs),
            f"{target.got.macs:.3f}×",
            si(target.params),
            f"{target.got.params:.3f}×",
            str(len(target.blocks_removed)),
            _percent(target.plain),
            _percent(target.reconstructed),
            f"{best.low:.1%}–{best.high:.1%}",
        )
    write(table)
    calibration = f", {done.calibration_images:,} training images for the refit" if done.calibration_images else ""
    write(f"{done.untouched.total:,} validation images{calibration}; {done.seconds:.1f} s")


def _percent(tally: Tally | None) -> str:
    return "" if tally is None else f"{tally.top1:.1%}"
