"""The dashboard, served on this computer for this computer."""

import os
import socket
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.options import RESULTS, Results, store_in
from engine.errors import RequestError, WorkError
from engine.storage import directories

HOST, PORT = "127.0.0.1", 8501

app = typer.Typer()


@app.command("app")
def serve(
    port: Annotated[int, typer.Option("--port", help="where it is served on 127.0.0.1")] = PORT,
    results: Results = RESULTS,
) -> None:
    """Serve the dashboard in the browser; Ctrl-C ends it, and running jobs go on."""
    root = store_in(results).root
    _check_free(port)
    try:
        from streamlit.web import bootstrap
    except ImportError as error:
        raise WorkError(f"the dashboard needs Streamlit, and it cannot be imported: {error}; install it") from None
    os.environ["ESPALIER_RESULTS"] = str(root)  # the pages' and their workers'
    options = {**_settings(directories.streamlit_settings()), "server.address": HOST, "server.port": port}
    print(f"serving the dashboard on http://{HOST}:{port} (Ctrl-C ends it; running jobs go on)", flush=True)
    bootstrap.load_config_options(options)
    with suppress(KeyboardInterrupt):  # it is raised once more when the server has ended for it
        bootstrap.run_asgi_app(str(directories.PACKAGES / "app" / "main.py"), "app.server:app", [], options)


def _settings(file: Path) -> dict[str, Any]:
    """The project's Streamlit settings as options, which count for more than those of the user or the folder."""
    return dict(_flat(tomllib.loads(file.read_text(encoding="utf-8"))))


def _flat(settings: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """A nested table as (dotted name, value)."""
    flat: list[tuple[str, Any]] = []
    for name, value in settings.items():
        flat += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return flat


def _check_free(port: int) -> None:
    """RequestError when nothing can be served on the port: it is none, taken, or not this user's to take."""
    if not 1 <= port <= 65_535:
        raise RequestError(f"port must be 1 to 65535 (got {port})")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was just left is free
        try:
            probe.bind((HOST, port))
        except OSError as error:
            reason = error.strerror or error
            raise RequestError(f"port {port} of {HOST} cannot be used: {reason}; give another one by --port") from None
