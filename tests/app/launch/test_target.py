"""What Launch asks of targets: ratios of a metric, or an accuracy to keep."""

import pytest

from app.launch import preview
from engine.storage.store import Store
from tests.support.screen import app, captions, errors, launch


def test_a_target_below_what_is_possible_is_refused(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    at.multiselect(key="launch_keep").set_value(["0.0001"]).run()
    assert len(errors(at)) == 1 and "0.0001" in errors(at)[0]
    assert at.button(key="refused").disabled and not results.runs()


def test_what_a_latency_target_costs_is_said_to_be_measured_first(
    submitted: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "forecast", lambda *_: [])
    at = launch()
    at.segmented_control(key="launch_metric").set_value("latency").run()
    assert "once this computer's layer latencies are measured" in captions(at) and not errors(at)
    assert "--metric latency" in at.code[0].value
    assert [m.value for m in at.markdown if m.value.endswith("×**")] == ["**1.00×**"]


def test_an_accuracy_to_keep_is_asked_for_in_place_of_ratios(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    at.segmented_control(key="launch_question").set_value("accuracy").run()
    assert not at.exception and not errors(at)
    assert "--lose 1" in at.code[0].value and "--keep" not in at.code[0].value
    assert "about 8 ratios" in captions(at)
    at.multiselect(key="launch_criteria").set_value(["l1", "fpgm"]).run()
    at.multiselect(key="launch_shares").set_value([0.0, 1.0]).run()
    at.segmented_control(key="launch_wish").set_value("at_least").run()
    at.text_input(key="launch_at_least").set_value("88.5").run()
    command = "--criterion l1 --order layers-channels --at-least 0.885 --also-criterion fpgm --also-depth-share 1"
    assert command in at.code[0].value and "by 4 criteria and shares" in captions(at)
    at.button(key="prune").click().run()
    assert not at.exception
    (queued,) = results.runs()
    assert (queued["criterion"], queued["at_least"], queued["keep"]) == ("l1", 0.885, [])


def test_what_does_not_go_with_an_accuracy_is_refused_beside_it(submitted: list[Store]) -> None:
    at = app("launch")
    at.segmented_control(key="launch_question").set_value("accuracy").run()
    at.text_input(key="launch_lose").set_value("0").run()
    assert any("number of points to lose must be" in error for error in errors(at))
    at.text_input(key="launch_lose").set_value("2").run()
    at.multiselect(key="launch_shares").set_value([]).run()
    assert any("choose at least one" in error for error in errors(at))
    at.multiselect(key="launch_shares").set_value([0.5]).run()
    at.multiselect(key="launch_order").set_value(["alternate"]).run()
    assert any("methods that cut at once" in error for error in errors(at))
    at.segmented_control(key="launch_question").set_value("ratios").run()
    assert not errors(at)
