"""Streamlit's frontend from memory, and the script that makes charts' code ready."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from streamlit import file_util

from app import plotly_code
from app.frontend import Frontend, script_of_charts

STATIC = Path(file_util.get_static_dir())
JS = STATIC / "static" / "js"


def answer(app: ASGIApp, path: str, **scope: Any) -> tuple[int, dict[str, str], bytes]:
    """The status, the headers and the body of an answer."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()  # the browser says no more

    asked = {"type": "http", "method": "GET", "path": path, "headers": [], **scope}
    with ThreadPoolExecutor(1) as thread:  # this one's loop is Playwright's, where tests in a browser came before
        thread.submit(asyncio.run, app(asked, receive, send)).result()  # type: ignore[arg-type]
    start, *bodies = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, b"".join(body["body"] for body in bodies)


def test_a_page_that_opens_with_a_chart_has_its_code_made_ready_once_the_frontend_is_there() -> None:
    chart = script_of_charts()
    assert (STATIC / chart.removeprefix("/")).is_file()
    theirs = StaticFiles(directory=STATIC, html=True)
    for path in ("/", "/compare", "/landscape"):
        page = PlainTextResponse("<head>é</head><body></head>", media_type="text/html")
        status, headers, body = answer(Frontend(page, STATIC), path)
        assert status == 200 and len(body) == int(headers["content-length"])
        head, rest = body.decode().split("</script>", 1)
        assert head.startswith("<head><style") and f'import("{chart}")' in head and "[data-test-script-state]" in head
        links = re.findall('<link rel="modulepreload" crossorigin fetchpriority="high" href="([^"]+)">', head)
        assert links[0] == chart and len(links) > 1
        for link in links[1:]:
            assert f'"./{Path(link).name}"' in (JS / Path(chart).name).read_text(), "the chart's code imports it"
            assert Path(link).name not in (STATIC / "index.html").read_text(), "and the page has it not yet"
        assert rest == "é</head><body></head>"
    _, headers, body = answer(Frontend(theirs, STATIC), "/", root_path="")
    assert chart in body.decode() and b'<div id="root">' in body
    assert "etag" not in headers, "the file that it is of would be taken for it"


def test_the_code_of_charts_is_to_be_compiled_ahead_and_a_browser_asks_whether_it_is_still_the_same() -> None:
    path = script_of_charts()
    ours = Frontend(StaticFiles(directory=STATIC), STATIC)
    _, headers, body = answer(ours, path)
    hint, code = body.split(b"\n", 1)
    assert hint == b"//# allFunctionsCalledOnLoad"
    assert code.decode() == plotly_code.with_few_kinds((JS / Path(path).name).read_text())
    assert int(headers["content-length"]) == len(body) and headers["cache-control"] == "no-cache"
    asked = [(b"if-none-match", headers["etag"].encode())]
    assert answer(ours, path, headers=asked)[::2] == (304, b"")
    assert answer(ours, path, headers=[(b"if-none-match", b'"another"')])[2] == body


def test_other_answers_are_left_as_they_are() -> None:
    html = Response("<head></head>", media_type="text/html")
    others = ((html, "/runs"), (Response("{}", media_type="application/json"), "/"), (Response("<html>", 400), "/"))
    for response, path in others:
        assert answer(Frontend(response, STATIC), path)[2] == response.body


@pytest.mark.parametrize("folder", ["js", "css", "media"])
def test_a_file_is_what_streamlit_hands_out_and_others_are_left_to_it(folder: str) -> None:
    file = min((STATIC / "static" / folder).iterdir(), key=lambda path: path.stat().st_size)
    path, theirs = f"/static/{folder}/{file.name}", StaticFiles(directory=STATIC)
    ours = Frontend(theirs, STATIC)
    for _ in range(2):
        status, headers, body = answer(ours, path)
        assert status == 200 and body == file.read_bytes()
        assert headers["cache-control"] == "public, immutable, max-age=31536000"
        other = answer(theirs, path, root_path="")[1]
        assert {name: headers[name] for name in ("content-length", "content-type")} == {
            name: other[name] for name in ("content-length", "content-type")
        }
    part = answer(ours, path, headers=[(b"range", b"bytes=0-3")])
    assert part[0] == 206 and part[2] == file.read_bytes()[:4]
