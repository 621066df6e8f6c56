"""Streamlit's frontend as a browser gets it sooner: from memory, and with word of what a page will need.

By itself the frontend asks for the code of a chart or a table once the first one has come over the websocket: after its
own scripts, a handshake and the page's run, and then there are megabytes to fetch and to compile.
"""

import mimetypes
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import file_util

CHART = "PlotlyChart"  # the frontend's names for what pages draw: here what Explore does, and most others
ELEMENTS = (
    *(CHART, "BidiComponent", "Selectbox", "Slider", "Checkbox", "Button", "Metric", "DownloadButton", "PageLink"),
    "DataFrame",
)
_IMPORT = re.compile(r'(?:from|import)"\./([\w.-]+\.js)"')
_HEAD = 1 << 14  # characters of a script in which its imports stand
_FOREVER = "public, immutable, max-age=31536000"  # as Streamlit has it: a file's name has a digest of what it holds


class Frontend:
    """Middleware that hands out the files of the frontend, which is `static`, and adds to each page a header with the
    scripts that the browser may fetch meanwhile.

    Streamlit reads a file in pieces, each in another thread, for each browser again, and there are some 150.
    """

    def __init__(self, app: ASGIApp, static: Path, elements: Iterable[str] = ELEMENTS) -> None:
        self._app = app
        self._paths = {f"/{path.relative_to(static)}": path for path in (static / "static").rglob("*.*")}
        self._held: dict[str, Response] = {}
        scripts = scripts_of(elements, static)
        links = (f"</static/js/{name}>; rel=modulepreload; fetchpriority=low" for name in scripts)
        self._links = (b"link", ", ".join(links).encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
        elif scope["path"] in self._paths and "range" not in Headers(scope=scope):
            await self._file(scope["path"])(scope, receive, send)
        else:
            await self._app(scope, receive, self._with_links(send))

    def _file(self, path: str) -> Response:
        if path not in self._held:
            kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
            body = self._paths[path].read_bytes()
            self._held[path] = Response(body, headers={"cache-control": _FOREVER}, media_type=kind)
        return self._held[path]

    def _with_links(self, send: Send) -> Send:
        async def send_with_links(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_page(message):
                message = {**message, "headers": [*message["headers"], self._links]}
            await send(message)

        return send_with_links


@cache
def script_of(element: str) -> str:
    """Where a page finds the code of an element."""
    folder = Path(file_util.get_static_dir()) / "static" / "js"
    return f"/static/js/{next(folder.glob(f'{element}.*.js')).name}"


def scripts_of(elements: Iterable[str], static: Path) -> list[str]:
    """The files of the code of some elements, and of all that it imports but what the page itself names."""
    folder = static / "static" / "js"
    named = set(re.findall(r"js/([\w.-]+\.js)", (static / "index.html").read_text(encoding="utf-8")))
    waiting = [path.name for element in elements for path in sorted(folder.glob(f"{element}.*.js"))]
    found: list[str] = []
    while waiting:
        name = waiting.pop(0)
        if name not in named and name not in found:
            found.append(name)
            waiting += _imports(folder / name)
    return found


def _imports(script: Path) -> list[str]:
    with script.open(encoding="utf-8") as file:
        return _IMPORT.findall(file.read(_HEAD))


def _is_page(message: Message) -> bool:
    return message["status"] == 200 and any(
        name == b"content-type" and value.startswith(b"text/html") for name, value in message["headers"]
    )
