"""What Launch asks of methods, each with the settings that it has, and of recovery."""

import pytest

from app.tables import store
from engine.storage.store import Store
from tests.support.screen import app, errors, launch, small_summary


def test_criteria_can_be_joined_into_one_run(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    at.multiselect(key="launch_criteria").set_value(["l1", "taylor"]).run()
    at.toggle(key="launch_ensemble").set_value(True).run()
    at.button(key="prune").click().run()
    assert [r["criterion"] for r in results.runs()] == ["l1+taylor"]


def test_a_criterion_that_cannot_score_the_network_is_refused_beside_the_criteria(
    submitted: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "summary", lambda *_: small_summary(normed=False))
    (error,) = errors(app("launch"))
    assert error.startswith("BN scale cannot score")


@pytest.mark.parametrize(
    ("order", "layers", "channels"),
    [("layers-channels", True, True), ("layers", True, False), ("channels", False, True), ("alternate", False, False)],
)
def test_only_the_methods_of_the_orders_phases_are_offered(
    submitted: list[Store], order: str, layers: bool, channels: bool
) -> None:
    at = launch(order=order)
    keys = {control.key for control in at.segmented_control}
    assert ("launch_layers" in keys, "launch_channels" in keys) == (layers, channels)
    assert ("launch_race" in {toggle.key for toggle in at.toggle}) == (order == "alternate")
    assert at.button(key="prune") and not errors(at)


def test_criteria_of_whole_blocks_are_offered_where_only_layers_go(submitted: list[Store]) -> None:
    at = launch()
    assert "CKA" not in at.multiselect(key="launch_criteria").options
    at.multiselect(key="launch_order").set_value(["layers"]).run()
    assert "CKA" in at.multiselect(key="launch_criteria").options
    at.multiselect(key="launch_criteria").set_value(["l1", "cka"]).run()
    at.multiselect(key="launch_order").set_value(["channels"]).run()
    assert not at.exception and at.multiselect(key="launch_criteria").value == ["l1"]


def test_direct_removal_alone_asks_for_measures_in_place_of_criteria(results: Store, submitted: list[Store]) -> None:
    at = launch(order="layers", layers="direct")
    assert "launch_criteria" not in {box.key for box in at.multiselect}
    at.multiselect(key="launch_measures").set_value(["accuracy", "loss"]).run()
    at.toggle(key="launch_race").set_value(True).run()
    at.text_input(key="launch_floor").set_value("85").run()
    at.button(key="prune").click().run()
    queued = [results.run(row["run_id"]).spec() for row in results.runs()]
    assert sorted(spec.measure("layers") for spec in queued) == ["accuracy", "loss"]
    assert all(spec.attempt.race and spec.depth.floor == 0.85 for spec in queued)


def test_a_progressive_run_is_asked_for_with_all_its_settings(results: Store, submitted: list[Store]) -> None:
    at = launch(order="channels", channels="progressive")
    assert "launch_scope" not in {control.key for control in at.segmented_control}
    for key, value in (("launch_fraction", "0.2"), ("launch_per_step", "50 %"), ("launch_least", "0,3")):
        at.text_input(key=key).set_value(value).run()
    at.selectbox(key="launch_select").set_value("rise").run()
    at.selectbox(key="launch_measure").set_value("divergence").run()
    at.text_input(key="launch_batches").set_value("20").run()
    at.toggle(key="launch_distil").set_value(True).run()
    at.text_input(key="launch_temperature").set_value("2").run()
    at.toggle(key="launch_int8").set_value(True).run()
    at.button(key="prune").click().run()
    (row,) = results.runs()
    queued = results.run(row["run_id"]).spec()
    assert (row["width_method"], row["measure"], row["distil"], row["int8"]) == (
        "progressive",
        "divergence",
        True,
        True,
    )
    assert (queued.width.attempt_fraction, queued.width.layers_per_step, queued.width.least_share) == (0.2, 0.5, 0.3)
    assert (queued.width.select, queued.recover.between_steps_batches, queued.recover.temperature) == ("rise", 20, 2.0)


def test_channels_are_ranked_as_the_criterion_does_or_as_asked_for(results: Store, submitted: list[Store]) -> None:
    at = launch(order="channels")
    at.multiselect(key="launch_keep").set_value([0.8]).run()
    assert "--rank" not in at.code[0].value
    assert at.selectbox(key="launch_rank").options[0] == "the criterion's own: score"
    at.multiselect(key="launch_criteria").set_value(["obs"]).run()
    assert at.selectbox(key="launch_rank").options[0] == "the criterion's own: score per saving"
    at.segmented_control(key="launch_scope").set_value("uniform").run()
    assert "launch_rank" not in {box.key for box in at.selectbox}
    at.segmented_control(key="launch_scope").set_value("global").run()
    at.selectbox(key="launch_rank").set_value("score").run()
    at.button(key="prune").click().run()
    (row,) = results.runs()
    queued = results.run(row["run_id"]).spec()
    assert (queued.criterion, queued.width.rank) == ("obs", "score")


def test_layers_that_stay_are_named_in_one_line(results: Store, submitted: list[Store]) -> None:
    at = launch(order="channels")
    at.multiselect(key="launch_keep").set_value([0.8]).run()
    at.text_input(key="launch_least").set_value("0.25").run()
    at.text_input(key="launch_kept_layers").set_value("block.conv1=0.5, conv1").run()
    assert "--keep-layer block.conv1=0.5,conv1" in at.code[0].value and not errors(at)
    at.text_input(key="launch_kept_layers").set_value("blok").run()
    assert errors(at) == [
        "The list of layers to keep has 'blok', which names no layer and no block of resnet20; did you "
        "mean block or block.conv2 or block.conv1?"
    ]
    at.text_input(key="launch_kept_layers").set_value("block.conv1=0.5, conv1").run()
    at.button(key="prune").click().run()
    (row,) = results.runs()
    queued = results.run(row["run_id"]).spec()
    assert (queued.keep_layers, queued.width.least_share) == (("block.conv1=0.5", "conv1"), 0.25)


def test_the_rate_of_recovery_is_the_usual_one_of_what_it_comes_after(submitted: list[Store]) -> None:
    at = app("launch")
    assert at.text_input(key="launch_rlr").value == "0.003"
    at.toggle(key="launch_reconstruct").set_value(False).run()
    assert at.text_input(key="launch_rlr_plain").value == "0.01"
    assert "--no-reconstruct" in at.code[0].value and "--recover-lr 0.01" in at.code[0].value


def test_settings_of_a_method_that_is_not_chosen_any_more_are_not_asked_for(submitted: list[Store]) -> None:
    at = launch(order="layers-channels", layers="direct", channels="progressive")
    at.toggle(key="launch_race").set_value(True).run()
    at.text_input(key="launch_batches").set_value("20").run()
    for key in ("launch_layers", "launch_channels"):
        at.segmented_control(key=key).set_value(["one-shot"]).run()
    assert not errors(at)
    assert "--race" not in at.code[0].value and "--step-batches" not in at.code[0].value


def test_a_race_is_not_offered_where_it_cannot_be_run(submitted: list[Store]) -> None:
    at = launch(order="alternate")
    at.selectbox(key="launch_measure").set_value("cka").run()
    assert "launch_race" not in {toggle.key for toggle in at.toggle} and not errors(at)
