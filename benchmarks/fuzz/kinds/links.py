"""Links to the pages: hostile query parameters on every page of a results folder that has damaged runs in it, too."""

import json
import os
import tempfile
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest import mock

import streamlit as st_app
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from streamlit.logger import set_log_level
from streamlit.testing.v1 import AppTest

from app.tables import store as page_store
from benchmarks.fuzz.inputs import Input
from benchmarks.fuzz.kinds import results
from benchmarks.fuzz.trial import Complaint, Kind
from engine.storage.store import Store
from tests.support.screen import small_summary

_PAGES = ("explore", "runs", "devices", "launch")
_KEYS = (
    *("exp", "model", "data", "criterion", "order", "x", "log", "y", "before", "steps", "int8", "device", "with_tx2"),
    *(
        "most_macs",
        "most_latency",
        "most_device_ms:tx2",
        "least_top1",
        "least_loss",
        "point",
        "run",
        "timing",
        "compared",
    ),
)
_POINT = f"{results.HEALTHY}.1"
_VALUES = (
    *("", "0", "1", "-1", "true", "false", "nan", "inf", "-inf", "1e309", "1e308", "9" * 400, "0x1", "1_000", "½", "٣"),
    *(
        "MACs",
        "Accuracy",
        "Top-1",
        "Latency",
        "Gallery",
        "resnet20",
        "random",
        "clutter",
        "Latency on tx2",
        "All models",
    ),
    *(_POINT, results.HEALTHY, results.DAMAGED, results.TIMING, f"{results.HEALTHY}.999", f"{results.DAMAGED}.0", "."),
    *(
        "\ud800".encode("utf-8", "replace").decode(),
        "\0",
        "\x1b[31m",
        "\u202e",
        "a\nb",
        "<script>",
        "$x$",
        ":red[x]",
        "[a](b)",
    ),
    *(
        "../../etc/passwd",
        "%00",
        "%ff",
        "a,b",
        "['a']",
        '{"a":1}',
        "x" * 5000,
        "[" * 3000,
        "=1+1",
        "é" * 999,
        "&",
        "#",
        "__proto__",
    ),
)


def _attempt(folder: Path, tried: Input) -> None:
    content = tried.files["link.json"]
    assert isinstance(content, bytes)
    link: dict[str, Any] = json.loads(content)
    at = _page(link["page"])
    for key, values in link["query"]:
        at.query_params[key] = values
    at.run()
    if at.exception:
        raise Complaint("\n".join([at.exception[0].message, *at.exception[0].stack_trace]))
    for error in at.error:
        if "The results cannot be read" in str(error.proto):
            raise Complaint(f"a link hides the results: {error.value}")


def _page(name: str) -> AppTest:
    """A page as it is opened by a link: nobody has seen another one before."""
    at = AppTest.from_file(str(page_store.ROOT / "app" / "main.py"), default_timeout=60)
    at._page_hash = at._finished_page_script_hash = _hashes()[name]
    return at


@cache
def _hashes() -> dict[str, str]:
    """How Streamlit calls the pages; with the results folder that they show, made once in a process."""
    root = Path(tempfile.mkdtemp(prefix="espalier-fuzz-"))
    _fill(root)
    os.environ["ESPALIER_RESULTS"] = str(root / "results")
    mock.patch.object(page_store, "Store", partial(Store, gallery=root / "gallery")).start()
    mock.patch.object(page_store, "summary", lambda *_: small_summary()).start()  # without a process that needs torch
    st_app.cache_data.clear()
    at = AppTest.from_file(str(page_store.ROOT / "app" / "main.py"), default_timeout=60).run()
    hashes = {}
    for name in _PAGES:
        at.switch_page(f"../pages/{name}.py")
        hashes[name] = at._page_hash
    return hashes


def _fill(root: Path) -> None:
    store = results.make(root, "failed")
    (store.folder / results.DAMAGED / "points.jsonl").write_text("[" * 5000 + "\n")
    (store.root / "devices.toml").write_text('[devices.tx2]\nhost = "127.0.0.1"\nport = 9\n')


def _as_input(page: str, query: list[tuple[str, list[str]]]) -> Input:
    return Input({"link.json": json.dumps({"page": page, "query": query}).encode()})


def _inputs() -> SearchStrategy[Input]:
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    value = st.one_of(
        st.sampled_from(_VALUES), st.sampled_from(_VALUES), text, st.integers().map(str), st.floats().map(str)
    )
    key = st.one_of(*[st.sampled_from(_KEYS)] * 9, text.filter(bool))
    parameter = st.tuples(key, st.lists(value, min_size=1, max_size=3))
    return st.builds(_as_input, st.sampled_from(_PAGES), st.lists(parameter, min_size=1, max_size=6))


set_log_level("ERROR")  # what it says to programs that are served without its server
KIND = Kind("links", _inputs(), _attempt)
