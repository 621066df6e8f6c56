"""What the commands' arguments have in common."""

from pathlib import Path
from typing import Annotated

import typer

from engine.errors import RequestError
from engine.spec import messages
from engine.spec.flags import FLAGS
from engine.storage import directories
from engine.storage.store import Store

Results = Annotated[Path, typer.Option("--results", help="folder of runs")]
Json = Annotated[bool, typer.Option("--json", help="one JSON document on stdout, nothing else there")]
_HELP = {flag.name: flag.field.setting.help for flag in FLAGS}
Model = Annotated[str, typer.Option("--model", help=_HELP["--model"])]
Weights = Annotated[str, typer.Option("--weights", help=_HELP["--weights"])]
DataName = Annotated[str, typer.Option("--data", help=_HELP["--data"])]
DataRoot = Annotated[str | None, typer.Option("--data-root", help=_HELP["--data-root"])]
Criterion = Annotated[str, typer.Option("--criterion", help=_HELP["--criterion"])]
Limit = Annotated[int | None, typer.Option("--limit", help=_HELP["--limit"], show_default="all")]
Point = Annotated[int, typer.Option("--point", help="the point's number, as `show` lists them")]
RunId = Annotated[str, typer.Argument(metavar="ID", help="a run's id, as `runs` lists them")]
RESULTS = directories.results()


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
