from pathlib import Path

import pytest

from app.components import actions
from app.launch import preview
from app.tables import loading, store
from engine.errors import WorkError
from engine.jobs.queue import Queue
from engine.spec import run as specs
from engine.storage.job_folder import Run
from engine.storage.store import Store
from engine.zoo.own import listing
from tests.support import runs
from tests.support.screen import app, captions, errors, launch, small_summary


def test_launch_shows_what_every_target_will_cost(submitted: list[Store]) -> None:
    at = app("launch")
    assert [m.value for m in at.markdown if m.value.endswith("×**")] == [
        "**1.00×**",
        "**0.80×**",
        "**0.60×**",
        "**0.40×**",
    ]
    assert captions(at).count("parameters") == 4
    assert "espalier submit --model resnet20 --data clutter --criterion bn_scale" in at.code[0].value
    assert "About" not in captions(at)


def test_prune_queues_the_runs_starts_a_worker_and_leads_to_runs(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    at.multiselect(key="launch_criteria").set_value(["l1", "taylor"]).run()
    at.multiselect(key="launch_seeds").set_value([0, 1]).run()
    assert at.button(key="prune").label == "Prune, 4 runs"
    at.button(key="prune").click().run()
    assert not at.exception
    assert sorted((r["criterion"], r["seed"], r["state"]) for r in results.runs()) == [
        (c, s, "queued") for c in ("l1", "taylor") for s in (0, 1)
    ]
    assert len(submitted) == 1
    assert [title.value for title in at.title] == ["Runs"]


def test_what_is_queued_is_what_is_seen_at_the_press_and_not_what_the_page_last_drew(
    results: Store, submitted: list[Store]
) -> None:
    at = app("launch")
    at.number_input(key="launch_recover").set_value(1)
    at.number_input(key="launch_limit").set_value(300)
    at.button(key="prune").click().run()  # the browser sends what is typed and pressed at once as one
    assert not at.exception
    (run,) = results.runs()
    spec = results.run(run["run_id"]).spec()
    assert spec.recover.epochs == 1 and spec.data.limit == 300


def test_a_press_with_a_value_that_is_refused_queues_nothing(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    at.multiselect(key="launch_keep").set_value(["nonsense"])
    at.button(key="prune").click().run()
    assert errors(at) and results.runs() == []
    at.multiselect(key="launch_keep").set_value([0.5]).run()
    assert results.runs() == []


def test_a_double_click_asks_for_one_run_and_leads_to_runs(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    at.button(key="prune").click().run()
    at.switch_page("../pages/launch.py").run()
    at.button(key="prune").click().run()
    assert actions.DOUBLE_CLICK_SECONDS > 0 and len(results.runs()) == 1
    assert [title.value for title in at.title] == ["Runs"]


def test_what_is_queued_when_submitting_stops_is_worked_on(
    results: Store, submitted: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = Queue.submit

    def until_full(self: Queue, spec: specs.RunSpec) -> Run:
        if results.runs():
            raise WorkError("the disk is full")
        return submit(self, spec)

    monkeypatch.setattr(Queue, "submit", until_full)
    at = app("launch")
    at.multiselect(key="launch_seeds").set_value([0, 1, 2]).run()
    at.button(key="prune").click().run()
    assert not at.exception
    assert [toast.value for toast in at.toast] == ["1 of 3 runs are queued, then it stopped: the disk is full"]
    assert len(results.runs()) == 1 and len(submitted) == 1


def test_a_dataset_that_needs_a_folder_is_refused_beside_the_data(submitted: list[Store]) -> None:
    at = app("launch")
    at.selectbox(key="launch_data").set_value("imagenet").run()
    assert len(errors(at)) == 1 and errors(at)[0].startswith("Imagenet needs data.root")
    assert at.button(key="refused").disabled


def test_criteria_can_be_joined_into_one_run(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    at.multiselect(key="launch_criteria").set_value(["l1", "taylor"]).run()
    at.toggle(key="launch_ensemble").set_value(True).run()
    at.button(key="prune").click().run()
    assert [r["criterion"] for r in results.runs()] == ["l1+taylor"]


def test_a_target_below_what_is_possible_is_refused(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    at.multiselect(key="launch_keep").set_value(["0.0001"]).run()
    assert len(errors(at)) == 1 and "0.0001" in errors(at)[0]
    assert at.button(key="refused").disabled and not results.runs()


def test_a_criterion_that_cannot_score_the_network_is_refused_beside_the_criteria(
    submitted: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "summary", lambda *_: small_summary(normed=False))
    (error,) = errors(app("launch"))
    assert error.startswith("BN scale cannot score")


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("launch_keep", ["1.5"], "at most 1"),
        ("launch_keep", ["half"], "half"),
        ("launch_keep", [], "ratios to keep"),
        ("launch_criteria", [], "at least one criterion"),
        ("launch_seeds", ["-1"], "Seed"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(submitted: list[Store], key: str, value: list[str], word: str) -> None:
    at = app("launch")
    at.multiselect(key=key).set_value(value).run()
    assert len(errors(at)) == 1 and word in errors(at)[0]
    assert at.button(key="refused").disabled


def test_weights_that_cannot_be_read_are_refused(submitted: list[Store], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "summary", lambda *_: store.SummaryFailure("there is no weights file /w.pth"))
    assert errors(app("launch")) == ["There is no weights file /w.pth."]


def test_a_weights_file_without_a_path_is_asked_for(submitted: list[Store]) -> None:
    at = app("launch")
    at.segmented_control(key="launch_weights").set_value("file").run()
    assert errors(at) == ["Give the path of a weights file."]


def test_the_time_is_told_only_from_like_runs_on_this_machine(results: Store, submitted: list[Store]) -> None:
    runs.finished(results, specs.parse({}))
    assert "About 2 min on this machine" in captions(app("launch"))


@pytest.mark.parametrize(
    ("order", "layers", "channels"),
    [("layers-channels", True, True), ("layers", True, False), ("channels", False, True), ("alternate", False, False)],
)
def test_only_the_methods_of_the_orders_phases_are_offered(
    submitted: list[Store], order: str, layers: bool, channels: bool
) -> None:
    at = launch(order=order)
    keys = {box.key for box in at.selectbox}
    assert ("launch_layers" in keys, "launch_channels" in keys) == (layers, channels)
    assert ("launch_race" in {toggle.key for toggle in at.toggle}) == (order == "alternate")
    assert at.button(key="prune") and not errors(at)


def test_criteria_of_whole_blocks_are_offered_where_only_layers_go(submitted: list[Store]) -> None:
    at = launch()
    assert "CKA" not in at.multiselect(key="launch_criteria").options
    at.selectbox(key="launch_order").set_value("layers").run()
    assert "CKA" in at.multiselect(key="launch_criteria").options
    at.multiselect(key="launch_criteria").set_value(["l1", "cka"]).run()
    at.selectbox(key="launch_order").set_value("channels").run()
    assert not at.exception and at.multiselect(key="launch_criteria").value == ["l1"]


def test_direct_removal_alone_asks_for_measures_in_place_of_criteria(results: Store, submitted: list[Store]) -> None:
    at = launch(order="layers", layers="direct")
    assert "launch_criteria" not in {box.key for box in at.multiselect}
    at.multiselect(key="launch_measures").set_value(["accuracy", "loss"]).run()
    at.toggle(key="launch_race").set_value(True).run()
    at.number_input(key="launch_floor").set_value(85.0).run()
    at.button(key="prune").click().run()
    queued = [results.run(row["run_id"]).spec() for row in results.runs()]
    assert sorted(spec.measure("layers") for spec in queued) == ["accuracy", "loss"]
    assert all(spec.attempt.race and spec.depth.floor == 0.85 for spec in queued)


def test_a_progressive_run_is_asked_for_with_all_its_settings(results: Store, submitted: list[Store]) -> None:
    at = launch(order="channels", channels="progressive")
    assert "launch_scope" not in {control.key for control in at.segmented_control}
    for key, value in (("launch_fraction", 0.2), ("launch_per_step", 0.5), ("launch_least", 0.3)):
        at.number_input(key=key).set_value(value).run()
    at.selectbox(key="launch_select").set_value("rise").run()
    at.selectbox(key="launch_measure").set_value("divergence").run()
    at.number_input(key="launch_batches").set_value(20).run()
    at.toggle(key="launch_distil").set_value(True).run()
    at.number_input(key="launch_temperature").set_value(2.0).run()
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
    at.number_input(key="launch_least").set_value(0.25).run()
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
    assert at.number_input(key="launch_rlr").value == 0.003
    at.toggle(key="launch_reconstruct").set_value(False).run()
    assert at.number_input(key="launch_rlr_plain").value == 0.01
    assert "--no-reconstruct" in at.code[0].value and "--recover-lr 0.01" in at.code[0].value


def test_settings_of_a_method_that_is_not_chosen_any_more_are_not_asked_for(submitted: list[Store]) -> None:
    at = launch(order="layers-channels", layers="direct", channels="progressive")
    at.toggle(key="launch_race").set_value(True).run()
    at.number_input(key="launch_batches").set_value(20).run()
    for key in ("launch_layers", "launch_channels"):
        at.selectbox(key=key).set_value("one-shot").run()
    assert not errors(at)
    assert "--race" not in at.code[0].value and "--step-batches" not in at.code[0].value


def test_a_race_is_not_offered_where_it_cannot_be_run(submitted: list[Store]) -> None:
    at = launch(order="alternate")
    at.selectbox(key="launch_measure").set_value("cka").run()
    assert "launch_race" not in {toggle.key for toggle in at.toggle} and not errors(at)


def test_what_a_latency_target_costs_is_said_to_be_measured_first(
    submitted: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "forecast", lambda *_: [])
    at = launch()
    at.segmented_control(key="launch_metric").set_value("latency").run()
    assert "once this computer's layer latencies are measured" in captions(at) and not errors(at)
    assert "--metric latency" in at.code[0].value
    assert [m.value for m in at.markdown if m.value.endswith("×**")] == ["**1.00×**"]


def test_the_size_of_images_and_the_meaning_of_labels_are_asked_for(submitted: list[Store]) -> None:
    at = app("launch")
    at.text_input(key="launch_size").set_value("160x224").run()
    assert '--image-size "[160, 224]"' in at.code[0].value.replace("'", '"')
    at.text_input(key="launch_size").set_value("large").run()
    assert errors(at) == [
        "The image size must be a whole number of pixels such as 224, or HEIGHTxWIDTH such as 160x224, each 1 to "
        "8,192 (got 'large')."
    ]
    at.text_input(key="launch_size").set_value(" ").run()
    at.selectbox(key="launch_data").set_value("npz:").run()
    at.text_input(key="launch_path_npz:").set_value("/tmp/d.npz").run()
    at.text_input(key="launch_labels").set_value("from-1").run()
    assert not errors(at) and "--labels from-1" in at.code[0].value


def test_a_head_that_does_not_fit_asks_for_epochs_and_gets_them_by_a_press(
    submitted: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = ("head replaced: 10 → *5* classes",)
    monkeypatch.setattr(loading, "load", lambda _: loading.Loaded(small_summary(), notes, new_head=True))
    at = app("launch")
    at.segmented_control(key="launch_weights").set_value("file").run()
    at.text_input(key="launch_file").set_value("/w.pth").run()
    assert len(errors(at)) == 1 and "give it epochs before pruning" in errors(at)[0]
    assert at.button(key="refused").disabled and "head replaced: 10 → \\*5\\* classes" in captions(at)
    next(button for button in at.button if button.label == "Train 5 epochs before pruning").click().run()
    assert errors(at) == [] and not at.button(key="prune").disabled
    assert "--train-epochs 5" in at.code[0].value


def test_what_is_decided_of_shipped_data_is_said_when_asked_for(
    submitted: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = loading.Loaded(small_summary(), ("val split: 10% of train",), new_head=False)
    monkeypatch.setattr(loading, "load", lambda _: loaded)
    at = app("launch")
    assert "val split" not in captions(at)
    next(button for button in at.button if button.label == "Check the data and the weights").click().run()
    assert "val split: 10% of train" in captions(at)
    at.multiselect(key="launch_keep").set_value([0.5]).run()
    assert "val split: 10% of train" in captions(at), "another target is of the same data"


def test_what_loading_is_asked_for_names_no_code_on_a_command_line(
    results: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, ...]] = []
    document = {"summary": small_summary().to_json(), "notes": ["a"], "new_head": False}
    monkeypatch.setattr(loading, "ask_engine", lambda *call: calls.append(call) or document)
    spec = specs.parse({"weights": "/w.pth", "target": {"keep": [0.5]}})
    assert loading.reads_files(spec) and loading.load(spec) == loading.Loaded(small_summary(), ("a",), new_head=False)
    assert loading.load(spec.model_copy(update={"criterion": "l1"})) == loading.load(spec)
    assert [call[:2] for call in calls] == [("check", "--spec")], "once, whatever the criterion is"


def test_published_weights_of_other_classes_ask_for_epochs_too(submitted: list[Store]) -> None:
    at = app("launch")
    at.selectbox(key="launch_model").set_value("torchvision/resnet18").run()
    at.segmented_control(key="launch_weights").set_value("hub").run()
    assert "give it epochs before pruning" in errors(at)[0] and "1,000 → 10 classes" in captions(at)
    at.selectbox(key="launch_model").set_value("resnet20").run()
    assert errors(at) == [], "these are of ten classes"


def test_launch_lists_the_users_own_networks_and_timms(
    submitted: list[Store], results: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is taken off the list meanwhile, or a list that is damaged, leaves the others."""
    monkeypatch.setenv("ESPALIER_CONFIG", str(tmp_path / "settings"))
    file = tmp_path / "my_net.py"
    file.write_text("build = None")  # the page runs nothing of it
    listing.add(f"{file}:build", "mine")
    at = launch(model="my/mine")
    assert {"my/mine", "timm/resnet18", "torchvision/resnet18"} < set(at.selectbox(key="launch_model").options)
    assert "espalier submit --model my/mine" in at.code[0].value
    listing.remove("my/mine")
    at.run()
    assert not at.exception
    assert at.selectbox(key="launch_model").value == "resnet20"
    (tmp_path / "settings" / "networks.json").write_text("{")
    at.run()
    assert not at.exception
    assert any("is damaged" in warning.value for warning in at.warning)


def test_an_accuracy_to_keep_is_asked_for_in_place_of_ratios(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    at.segmented_control(key="launch_question").set_value("accuracy").run()
    assert not at.exception and not errors(at)
    assert "--lose 1" in at.code[0].value and "--keep" not in at.code[0].value
    assert "about 8 ratios" in captions(at)
    at.multiselect(key="launch_criteria").set_value(["l1", "fpgm"]).run()
    at.multiselect(key="launch_shares").set_value([0.0, 1.0]).run()
    at.segmented_control(key="launch_wish").set_value("at_least").run()
    at.number_input(key="launch_at_least").set_value(88.5).run()
    command = "--criterion l1 --order layers-channels --at-least 0.885 --also-criterion fpgm --also-depth-share 1"
    assert command in at.code[0].value and "by 4 criteria and shares" in captions(at)
    at.button(key="prune").click().run()
    assert not at.exception
    (queued,) = results.runs()
    assert (queued["criterion"], queued["at_least"], queued["keep"]) == ("l1", 0.885, [])


def test_what_does_not_go_with_an_accuracy_is_refused_beside_it(submitted: list[Store]) -> None:
    at = app("launch")
    at.segmented_control(key="launch_question").set_value("accuracy").run()
    at.number_input(key="launch_lose").set_value(0.0).run()
    assert any("number of points to lose must be" in error for error in errors(at))
    at.number_input(key="launch_lose").set_value(2.0).run()
    at.multiselect(key="launch_shares").set_value([]).run()
    assert any("choose at least one" in error for error in errors(at))
    at.multiselect(key="launch_shares").set_value([0.5]).run()
    at.selectbox(key="launch_order").set_value("alternate").run()
    assert any("methods that cut at once" in error for error in errors(at))
    at.segmented_control(key="launch_question").set_value("ratios").run()
    assert not errors(at)
