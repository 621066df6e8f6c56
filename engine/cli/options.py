"""What the commands' arguments have in common."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from engine.errors import RequestError
from engine.spec import messages
from engine.spec.flags import FLAGS
from engine.storage import directories
from engine.storage.store import Store
from engine.zoo.own import listing

Results = Annotated[Path, typer.Option("--results", help="folder of runs")]
Json = Annotated[bool, typer.Option("--json", help="one JSON document on stdout, nothing else there")]
_HELP = {flag.name: flag.field.setting.help for flag in FLAGS}
MODEL_HELP = _HELP["--model"]
MODEL_DEFAULT = "resnet20, or a pruned network's own"


def _enter(model: str | None) -> str | None:
    """Who names a file of code in a terminal wants it to be run."""
    return None if model is None else listing.enter(model)


Model = Annotated[str | None, typer.Option("--model", help=MODEL_HELP, callback=_enter, show_default=MODEL_DEFAULT)]
Weights = Annotated[str, typer.Option("--weights", help=_HELP["--weights"])]
DataName = Annotated[
    str | None, typer.Option("--data", help=_HELP["--data"], show_default="clutter, or that of the run of RUN:POINT")
]
DataRoot = Annotated[str | None, typer.Option("--data-root", help=_HELP["--data-root"])]
ImageSize = Annotated[str | None, typer.Option("--image-size", help=_HELP["--image-size"], show_default="its own")]
Labels = Annotated[str | None, typer.Option("--labels", help=_HELP["--labels"], show_default="from 0")]
CheckImages = Annotated[bool, typer.Option("--check-images", help="decode every image file before anything else")]
Criterion = Annotated[str, typer.Option("--criterion", help=_HELP["--criterion"])]
Limit = Annotated[int | None, typer.Option("--limit", help=_HELP["--limit"], show_default="all")]
Point = Annotated[int, typer.Option("--point", help="the point's number, as `show` lists them")]
RunId = Annotated[str, typer.Argument(metavar="ID", help="a run's id, as `runs` lists them")]
NameField = Annotated[
    bool, typer.Option("--name-field", hidden=True, help="say on stderr which field an error concerns")
]
OneRun = Annotated[str | None, typer.Argument(metavar="[ID]", help="a run's id, as `runs` lists them")]
OnePoint = Annotated[int | None, typer.Option("--point", help="the point's number, as `show` lists them")]
PrunedWeights = Annotated[
    str | None, typer.Option("--weights", help="RUN:POINT or a point's safetensors, instead of ID and --point")
]
RESULTS = directories.results()


@contextmanager
def named_field(asked: bool) -> Iterator[None]:
    """Where asked, the field that an error inside concerns is named on standard error, for a program that shows it."""
    try:
        yield
    except RequestError as error:
        if asked and error.field is not None:
            print(f"field: {error.field}", file=sys.stderr)
        raise


def store_in(results: Path) -> Store:
    """The store in a results folder; RequestError when it cannot be written to."""
    try:
        return Store(results)
    except (OSError, RuntimeError) as error:  # a name that is too long, ~somebody who has no home here
        reason = error.strerror if isinstance(error, OSError) else error
        raise RequestError(f"the results folder {messages.quote(str(results))} cannot be used: {reason}") from None


def store_to_read(results: Path) -> Store:
    """The same for a command that only looks; where there is no folder yet, it is made."""
    store = store_in(results)
    if not store.root.exists():
        store.prepare()
    return store
