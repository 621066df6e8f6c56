"""The command line: parses, calls, prints. Exit codes: 0 done · 1 the work failed · 2 the request was wrong."""

import io
import sys
import warnings
from functools import cache

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from engine.cli.commands import app as dashboard
from engine.cli.commands import catalog, clean, device, doctor, estimate, landscape, networks, preview, runs, steps
from engine.cli.comparison import command as comparison
from engine.cli.console import answers_only, complain, describe_bug
from engine.cli.search import command as search
from engine.cli.sweep import command as sweep
from engine.errors import RequestError, WorkError
from engine.exit import leave

app = typer.Typer(add_completion=False, help="What does it cost to make this network smaller?")
for commands in (
    dashboard,
    catalog,
    runs,
    landscape,
    steps,
    preview,
    estimate,
    sweep,
    search,
    comparison,
    clean,
    doctor,
):
    app.add_typer(commands.app)
app.add_typer(networks.app, name="models")
app.add_typer(device.app, name="device")


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code; every error is one sentence."""
    arguments = arguments or ["--help"]
    as_json = "--json" in arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show × shows ?, and goes on
    try:
        with warnings.catch_warnings(), answers_only(as_json):
            if not sys.warnoptions:
                warnings.simplefilter("ignore")  # libraries' advice to programmers; python -W shows it
            code = _command()(arguments, prog_name="espalier", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (RequestError, WorkError) as error:
        return complain(str(error), as_json, error.exit_code)
    except TyperException as error:
        return complain(error.format_message(), as_json, RequestError.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return complain("interrupted", as_json, 130)
    except MemoryError:
        return complain("the machine ran out of memory", as_json, WorkError.exit_code)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return complain(f"{where}{error.strerror or error}", as_json, WorkError.exit_code)
    except Exception as error:
        return complain(describe_bug(error), as_json, WorkError.exit_code)


@cache
def _command() -> TyperGroup:
    """What the commands declare, worked out once: it takes longer than most of them."""
    return typer.main.get_group(app)


def console() -> None:
    """What the command `espalier` runs."""
    leave(main(sys.argv[1:]))
