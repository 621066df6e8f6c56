"""What Launch asks of the network, its weights and the data, and says of them when they are read."""

from pathlib import Path

import pytest

from app.tables import loading, store
from engine.spec import run as specs
from engine.storage.store import Store
from engine.zoo.own import listing
from tests.support.screen import app, captions, errors, launch, small_summary


def test_a_dataset_that_needs_a_folder_is_refused_beside_the_data(submitted: list[Store]) -> None:
    at = app("launch")
    at.selectbox(key="launch_data").set_value("imagenet").run()
    assert errors(at) == [], "nobody has typed anything yet"
    assert at.button(key="refused").disabled
    assert "ImageNet needs a folder: the folder with ImageNet's train/ and val/." in captions(at)
    at.text_input(key="launch_root").set_value("/there/is/none").run()
    assert "data.root" not in captions(at) + str(errors(at))


def test_weights_that_cannot_be_read_are_refused(submitted: list[Store], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "summary", lambda *_: store.SummaryFailure("there is no weights file /w.pth"))
    assert errors(app("launch")) == ["There is no weights file /w.pth."]


def test_a_weights_file_without_a_path_is_asked_for(submitted: list[Store]) -> None:
    at = app("launch")
    at.segmented_control(key="launch_weights").set_value("file").run()
    assert errors(at) == [] and "Give the path of a weights file." in captions(at)
    assert at.button(key="refused").disabled


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


def test_a_target_is_a_second_field_and_offers_what_may_have_the_same_classes(submitted: list[Store]) -> None:
    at = app("launch")
    assert not [each for each in at.toggle if each.key == "launch_adversarial"], "of a target alone"
    at.selectbox(key="launch_data").set_value("mnist5k").run()
    options = at.selectbox(key="launch_target").options
    assert options[0] == "none" and "digits" in options
    assert not {"mnist5k", "CIFAR-100", "ImageNet"} & set(options)
    at.selectbox(key="launch_target").set_value("digits").run()
    assert not errors(at) and "every point is tested on both" in captions(at)
    assert "--data 'mnist5k>digits'" in at.code[0].value and "adversarial" not in at.code[0].value
    at.toggle(key="launch_adversarial").set_value(False).run()
    at.text_input(key="launch_confidence").set_value("0.8").run()
    assert "--no-adversarial" in at.code[0].value and "--confidence 0.8" in at.code[0].value
    at.toggle(key="launch_pseudo_labels").set_value(False).run()
    assert not errors(at) and "--no-pseudo-labels" in at.code[0].value and "--confidence" not in at.code[0].value
    at.selectbox(key="launch_data").set_value("cifar100").run()
    assert at.selectbox(key="launch_target").value == "none", "it has other classes"


def test_a_target_may_be_a_file_or_a_folder_and_needs_its_path(submitted: list[Store]) -> None:
    at = app("launch")
    at.selectbox(key="launch_data").set_value("npz:").run()
    at.text_input(key="launch_path_npz:").set_value("/x/a b.npz").run()
    at.selectbox(key="launch_target").set_value("folder:").run()
    assert not errors(at) and "Give the path of the image folder." in captions(at)
    assert at.button(key="refused").disabled
    at.text_input(key="launch_target_path_folder:").set_value("/photos").run()
    assert not errors(at) and "--data 'npz:/x/a b.npz>folder:/photos'" in at.code[0].value
