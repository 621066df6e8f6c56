"""The Landscape page: what it shows of figures, what a link brings back, and what it can start."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.components import actions
from app.landscape import form
from engine.spec import run as specs
from engine.spec.landscape.request import parse
from engine.storage.store import Store
from tests.support.landscapes import figures, stored
from tests.support.screen import app, captions, errors, labels

SPEC = {"data": {"name": "digits"}, "criterion": "l1"}
REQUEST = parse({"grid": 5, "spec": SPEC})


def button(at: AppTest, label: str) -> Any:
    return next(each for each in at.button if each.label == label)


def drawn(at: AppTest) -> Any:
    (heat,) = [chart for chart in at.get("plotly_chart") if "landscape-map" in chart.proto.id]
    return heat.proto


def words(at: AppTest) -> str:
    return "\n".join(element.value for element in at.markdown)


@pytest.fixture
def no_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A dashboard that fails where it would start a process."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "run", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    yield


def test_without_a_landscape_the_page_says_what_will_be_here_and_has_the_form(results: Store) -> None:
    at = app("landscape")
    assert "dozens of networks" in words(at) and not at.get("plotly_chart")


def test_figures_are_read_without_an_engine_and_a_cell_can_be_chosen_and_launched(
    results: Store, submitted: list[Store], no_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "DOUBLE_CLICK_SECONDS", 600.0)  # a busy machine takes long between two clicks
    one = stored(results, figures(REQUEST, timed=True))
    other = stored(results, figures(parse({"grid": 5, "spec": SPEC | {"criterion": "fpgm"}}), tilt=0.1))
    shipped = results.gallery / "landscapes" / other.id
    shipped.parent.mkdir(parents=True)
    shutil.move(other.path, shipped)
    results.reindex()
    at = app("landscape", landscape="20260101-000000-0000000[", width_kept="7")
    assert not errors(at) and "names the landscape 20260101-000000-0000000\\[" in captions(at)
    at = app("landscape", landscape=one.id)
    assert "Half the MACs costs 4.0 points at best" in words(at) and "Resume" not in labels(at)
    assert drawn(at).alt.startswith("Accuracy after reconstruction over 5 × 5 shares")
    assert at.metric[0].value == "91.0 %" and at.metric[2].label == "MACs"
    assert "Compound scaling in reverse keeps" in words(at)
    at.session_state["landscape-map_hidden"] = ("path",)
    at.select_slider(key="depth_kept").set_value(0.8)
    at.select_slider(key="width_kept").set_value(0.6).run()
    assert at.query_params["depth_kept"] == "0.8" and at.query_params["width_kept"] == "0.6"
    assert at.metric[0].value == "81.0 %" and any("Skyline: 2 of 3" in c.proto.alt for c in at.get("plotly_chart"))
    assert "Compound scaling in reverse keeps" not in words(at), "what is switched off is not spoken of"
    assert "espalier submit --model resnet20" in at.code[-1].value
    button(at, "Launch this very point").click().run()
    button(at, "Launch this very point").click().run()
    (run,) = results.runs()
    spec = results.run(run["run_id"]).spec()
    assert len(submitted) == 1 and spec.criterion == "l1" and not spec.recover.between_phases
    assert spec.target.keep[0] == pytest.approx(0.75 * 0.6, abs=1e-5)
    at.segmented_control(key="networks").set_value("plain")
    at.selectbox(key="against").set_value(other.id).run()
    assert not at.exception and not errors(at) and at.query_params["networks"] == "plain"
    assert drawn(at).alt.startswith("Difference in accuracy") and "is ahead in none of 24 cells" in words(at)
    assert json.loads(drawn(at).spec)["data"][0]["type"] == "heatmap"


def test_damaged_figures_are_said_in_their_place_and_a_landscape_that_has_stopped_can_go_on(
    results: Store, submitted: list[Store]
) -> None:
    damaged = stored(results, figures(REQUEST))
    damaged.file.write_text('{"landscape_version": 1}')
    stopped = results.create_landscape(REQUEST)
    stopped.end("cancelled", "cancelled; resume goes on from its last finished cell")
    running = stored(results, figures(REQUEST), done=False)
    assert running.lock.acquire()
    running.update(state="running", progress=0.96, message="25 of 25: depth 0.2×, width 0.2×")
    at = app("landscape", landscape=damaged.id)
    assert "96% · 25 of 25: depth 0.2×" in at.get("progress")[0].proto.text
    assert len(errors(at)) == 1 and "landscape.json is damaged: it lacks request" in errors(at)[0]
    at.selectbox(key="landscape").set_value(stopped.id).run()
    assert not errors(at) and "Nothing is measured yet" in captions(at)
    button(at, "Resume").click().run()
    assert stopped.status().state == "queued" and len(submitted) == 1
    at.button(key=f"cancel-{stopped.id}").click().run()
    assert stopped.status().state == "cancelled"
    button(at, "Delete this landscape").click().run()
    at.button(key="confirmed").click().run()
    assert not at.exception and not stopped.path.exists()
    running.lock.release()


def test_the_form_queues_what_it_shows_and_nothing_that_it_refuses(results: Store, submitted: list[Store]) -> None:
    results.create(specs.parse({}))
    stored(results, figures(REQUEST))
    at = app("landscape")
    at.session_state[form._KEY] = True
    at.run()
    assert not at.exception and "9 × 9 networks, after 20 epochs" in captions(at)
    assert "as earlier ones took on this machine" in captions(at)
    at.segmented_control(key="landscape_weights").set_value("file").run()
    assert "Give the path of a weights file." in captions(at) and not errors(at)
    assert at.button(key="landscape_refused").disabled
    at.segmented_control(key="landscape_weights").set_value("none")
    at.selectbox(key="landscape_data").set_value("imagenet").run()
    assert "imagenet needs a folder" in captions(at)
    at.selectbox(key="landscape_data").set_value("digits")
    at.number_input(key="landscape_grid").set_value(400).run()
    assert at.button(key="landscape_refused").disabled
    assert errors(at) == ["Shares a side must be a whole number of at least 2 and at most 21 (got 400)."]
    at.number_input(key="landscape_grid").set_value(4).run()
    at.button(key="landscape_measure").click().run()
    assert not at.exception and len(submitted) == 1
    queued = next(job for job in results.landscapes() if job["state"] == "queued")
    assert (queued["grid"], queued["data"]) == (4, "digits") and at.query_params["landscape"] == queued["run_id"]
    assert f"cancel-{queued['run_id']}" in [each.key for each in at.button]
