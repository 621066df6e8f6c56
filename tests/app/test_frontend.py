"""Streamlit's frontend from memory, and the scripts that a page names to the browser before it needs them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from streamlit import file_util

from app.frontend import ELEMENTS, Frontend, scripts_of

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
    asyncio.run(app(asked, receive, send))  # type: ignore[arg-type]
    start, *bodies = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, b"".join(body["body"] for body in bodies)


def test_what_pages_draw_is_found_in_streamlits_frontend_with_what_it_imports() -> None:
    scripts = scripts_of(ELEMENTS, STATIC)
    assert len(scripts) == len(set(scripts)) and all((JS / name).is_file() for name in scripts)
    assert set(ELEMENTS) <= {name.split(".")[0] for name in scripts}
    assert any(name.startswith("arrowFormatUtils.") for name in scripts), "the table cannot be read without it"
    page = (STATIC / "index.html").read_text()
    assert not [name for name in scripts if name in page], "the page names these itself"


def test_pages_alone_name_them() -> None:
    page, (name, *_) = Response("<html>", media_type="text/html"), scripts_of(ELEMENTS, STATIC)
    links = answer(Frontend(page, STATIC), "/runs")[1]["link"]
    assert links.startswith(f"</static/js/{name}>; rel=modulepreload; fetchpriority=low, ")
    for other in (Response("{}", media_type="application/json"), Response("<html>", 400, media_type="text/html")):
        assert "link" not in answer(Frontend(other, STATIC), "/runs")[1]


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
