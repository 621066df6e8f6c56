"""Streamlit's frontend as a browser gets it sooner: from memory, and with charts' code made ready in good time.

By itself the frontend asks for the code of a chart once the first one has come over the websocket: after its own
scripts, a handshake and the page's run, and then there are megabytes to fetch, to compile and to run. Here a page says
at once that it will need them: as far as pages do, they are fetched and compiled beside all else, and run while the
server makes the page.
"""

import hashlib
import mimetypes
import re
from asyncio import to_thread
from functools import cache
from pathlib import Path
from threading import Lock

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import file_util

from app import plotly_code

_PATHS = ("/", "/explore", "/compare", "/landscape")  # of pages that open with one
_FOREVER = "public, immutable, max-age=31536000"  # as Streamlit has it: a file's name has a digest of what it holds
# Once the frontend is there and has been painted: it has nothing to do then until the page's run answers. Grey places
# stand still, as a browser without a graphics card else draws the whole page anew many times a second for them.
_HEAD = """<style>[data-testid$="Skeleton"], [data-testid$="Skeleton"] * { animation: none !important }</style>
%s<script>
new MutationObserver((seen, observer) => {
  if (!document.querySelector("[data-test-script-state]")) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => import("%s")));
}).observe(document, { subtree: true, childList: true });
</script>"""
_LINK = '<link rel="modulepreload" crossorigin fetchpriority="high" href="%s">'
# By this comment Chromium compiles all of a script beside the page's own thread, which else does so bit by bit as it
# runs it: of Plotly that is most of running it. Other browsers pass over it, as over any comment.
_COMPILE_AHEAD = b"//# allFunctionsCalledOnLoad\n"
_IMPORT = re.compile(r'(?:from|import)"\./([^"]+\.js)"')  # at the beginning of a script
_BEGIN_OF_HEAD = b"<head>"
_OF_THE_FILE = frozenset((b"content-length", b"etag", b"last-modified"))  # headers that are not those of our page
_LOCK = Lock()  # of who makes the code of charts


class Frontend:
    """Middleware that hands out the files of the frontend, which is `static`, and has pages with a chart prepare it.

    Streamlit reads a file in pieces, each in another thread, for each browser again, and there are some 150.
    """

    def __init__(self, app: ASGIApp, static: Path) -> None:
        self._app = app
        self._paths = {f"/{path.relative_to(static)}": path for path in (static / "static").rglob("*.*")}
        self._held: dict[str, Response] = {}
        self._chart = script_of_charts()
        links = "".join(_LINK % path for path in (self._chart, *_imports(static, self._chart)))
        self._head = (_HEAD % (links, self._chart)).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
        elif scope["path"] in self._paths and "range" not in Headers(scope=scope):
            held = self._held.get(scope["path"])
            answer = held if held is not None else await to_thread(self._file, scope["path"])
            known = Headers(scope=scope).get("if-none-match")
            if known is not None and known == answer.headers.get("etag"):
                answer = Response(status_code=304, headers={"etag": known})
            await answer(scope, receive, send)
        elif scope["path"] in _PATHS:
            await self._app(scope, receive, _Page(send, self._head))
        else:
            await self._app(scope, receive, send)

    def _file(self, path: str) -> Response:
        if path not in self._held:
            kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
            if path == self._chart:
                # Another version of ours, or another application at this address, has other code under the same name.
                body = code_of_charts()
                headers = {"cache-control": "no-cache", "etag": f'"{hashlib.sha256(body).hexdigest()}"'}
            else:
                body, headers = self._paths[path].read_bytes(), {"cache-control": _FOREVER}
            self._held[path] = Response(body, headers=headers, media_type=kind)
        return self._held[path]


class _Page:
    """Sends an answer on, with more at the beginning of its head where it is a page."""

    def __init__(self, send: Send, more: bytes) -> None:
        self._send, self._more = send, more
        self._start: Message | None = None  # of a page, until all of it is there
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_page(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._end(self._start)

    async def _end(self, start: Message) -> None:
        body = self._body.replace(_BEGIN_OF_HEAD, _BEGIN_OF_HEAD + self._more, 1)
        headers = [(name, value) for name, value in start["headers"] if name.lower() not in _OF_THE_FILE]
        await self._send({**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await self._send({"type": "http.response.body", "body": body})


@cache
def script_of_charts() -> str:
    """Where a page finds the code that draws charts."""
    folder = Path(file_util.get_static_dir()) / "static" / "js"
    return f"/static/js/{next(folder.glob('PlotlyChart.*.js')).name}"


def code_of_charts() -> bytes:
    """What a browser gets in the place of Streamlit's file; made once, which takes a third of a second."""
    with _LOCK:
        return _code_of_charts()


@cache
def _code_of_charts() -> bytes:
    file = Path(file_util.get_static_dir()) / script_of_charts().removeprefix("/")
    return _COMPILE_AHEAD + plotly_code.with_few_kinds(file.read_text(encoding="utf-8")).encode()


def _imports(static: Path, script: str) -> list[str]:
    """The scripts that one imports and no page has anyway; else they were asked for once that one is compiled."""
    page = (static / "index.html").read_text(encoding="utf-8")
    imports = (static / script.removeprefix("/")).read_text(encoding="utf-8").split(";var ", 1)[0]
    return [path for name in _IMPORT.findall(imports) if (path := f"/static/js/{name}") not in page]


def _is_page(message: Message) -> bool:
    return message["status"] == 200 and any(
        name == b"content-type" and value.startswith(b"text/html") for name, value in message["headers"]
    )
