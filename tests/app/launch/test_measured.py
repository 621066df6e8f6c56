"""The switch on Launch that measures what the targets come to, with a warm process that has no torch."""

import os
import signal
from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from app.launch import measured
from engine.preview_server import client
from engine.storage.store import Store
from tests.support import standin_previews as standin
from tests.support.runtime_folder import runtime_folder
from tests.support.screen import app, captions
from tests.support.storm import wait_for

KEY = "launch_measured"


@pytest.fixture(autouse=True)
def warm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with runtime_folder(monkeypatch, client._started):
        monkeypatch.setattr(measured, "_START", client.Start(bound=True, command=standin.COMMAND))
        yield


def by(at: AppTest, criterion: str) -> AppTest:
    return at.multiselect(key="launch_criteria").set_value([criterion]).run()


def shows(at: AppTest, text: str) -> bool:
    at.run()
    assert not at.exception, at.exception
    return text in captions(at) + "".join(warning.value for warning in at.warning)


def test_nothing_is_measured_until_the_switch_is_on_and_then_each_change_is(
    results: Store, submitted: list[Store]
) -> None:
    at = by(app("launch"), standin.AT_ONCE)
    assert client._started == []
    at.toggle(key=KEY).set_value(True).run()
    wait_for(
        lambda: shows(at, "**80.0 %** reconstructed (+5.0 points; 95 %: 60.0–90.0 %); cut and nothing else 50.0 %")
    )
    assert "Untouched 75.0 %. Of 4 validation images, reconstructed from 16 training images; 2 s." in captions(at)
    by(at, standin.SLOWLY)
    wait_for(lambda: shows(at, "Working."))
    by(at, standin.AT_ONCE)
    wait_for(lambda: shows(at, "Untouched 75.0 %"))
    at.selectbox(key="launch_data").set_value("mnist5k").run()
    at.selectbox(key="launch_target").set_value("digits").run()
    wait_for(lambda: shows(at, "Of 4 validation images of the source, reconstructed from"))
    assert len(client._started) == 1 and results.runs() == []
    at.toggle(key=KEY).set_value(False).run()
    assert "Untouched" not in captions(at)


def test_what_cannot_be_previewed_or_was_lost_is_one_sentence(submitted: list[Store]) -> None:
    at = by(app("launch"), standin.REFUSED)
    at.toggle(key=KEY).set_value(True).run()
    wait_for(lambda: shows(at, "There is no such thing."))
    by(at, standin.SLOWLY)
    wait_for(lambda: shows(at, "Working."))
    os.kill(client._started[0].pid, signal.SIGKILL)
    wait_for(lambda: shows(at, "another one starts"))
    by(at, standin.AT_ONCE)
    wait_for(lambda: shows(at, "Untouched 75.0 %"))
    at.multiselect(key="launch_order").set_value(["alternate"]).run()
    assert "The order alternate goes step by step" in captions(at)
