"""Files that are uploaded on Launch, and chosen again: checked by the engine, and named by their path."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from app.launch.uploads import wording
from engine.storage.store import Store
from engine.uploads.shelf import Shelf
from tests.support.screen import app, captions, errors
from tests.support.uploads import archive, classes


def sent(at: AppTest, key: str, name: str, content: bytes) -> AppTest:
    """What the page shows once a file was dropped into the popover beside a field."""
    uploader = next(each for each in at.file_uploader if f"_{key}_" in str(each.key))
    uploader.set_value((name, content, "application/octet-stream")).run()
    assert not at.exception, at.exception
    return at


def weights() -> bytes:
    file = io.BytesIO()
    torch.save({"conv1.weight": torch.ones(1)}, file)
    return file.getvalue()


def arrays() -> bytes:
    file = io.BytesIO()
    np.savez(file, train_images=np.zeros((4, 8, 8), np.uint8), train_labels=np.arange(4) % 2)
    return file.getvalue()


def test_weights_are_uploaded_and_a_run_names_them_by_their_path(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    at.segmented_control(key="launch_weights").set_value("file").run()
    sent(at, "launch_file", "net.pth", b"no weights")
    assert errors(at) == [
        "Weights net.pth are corrupt or no weights file; give a state dict saved by torch.save, or safetensors."
    ]
    assert at.text_input(key="launch_file").value == "" and Shelf(results.root).all() == []
    assert wording.limits("weights") in captions(at)
    key = at.file_uploader[0].key
    sent(at, "launch_file", "*net*.pth", weights())
    assert errors(at) == [] and at.file_uploader[0].key != key, "the popover is another one, and closed"
    (upload,) = Shelf(results.root).all("weights")
    assert at.text_input(key="launch_file").value == str(upload.path) and upload.name == "_net_.pth"
    assert "\\_net\\_.pth, uploaded at " in captions(at)
    assert f"--weights {upload.path}" in at.code[0].value
    at.text_input(key="launch_file").set_value(f"{upload.path}#ema").run()
    assert "\\_net\\_.pth, uploaded at " in captions(at)
    at.button(key="prune").click().run()
    assert results.run(results.runs()[0]["run_id"]).spec().weights == f"{upload.path}#ema"


def test_data_is_uploaded_and_chosen_again_for_another_field(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    at.selectbox(key="launch_data").set_value("folder:").run()
    sent(at, "launch_path_folder:", "pets.zip", archive({**classes(), "../../evil.png": b"x"}))
    assert errors(at)[0].startswith("pets.zip holds '../../evil.png', which leads out of it; zip images alone")
    sent(at, "launch_path_folder:", "pets.zip", archive(classes()))
    (pets,) = Shelf(results.root).all("images")
    assert at.text_input(key="launch_path_folder:").value == str(pets.path) and not errors(at)
    at.selectbox(key="launch_target").set_value("npz:").run()
    sent(at, "launch_target_path_npz:", "d.npz", arrays())
    (data,) = Shelf(results.root).all("arrays")
    assert f"--data 'folder:{pets.path}>npz:{data.path}'" in at.code[0].value
    at.selectbox(key="launch_target").set_value("folder:").run()
    again = [each for each in at.selectbox if each.label == "Uploaded before"][-1]
    again.set_value(pets).run()
    assert at.text_input(key="launch_target_path_folder:").value == str(pets.path)


def test_a_folder_in_the_place_of_the_uploads_that_cannot_be_read_is_told(
    results: Store, submitted: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    (results.root / "uploads").mkdir(parents=True)
    Path(results.root / "uploads" / "weights").write_text("no folder")
    at = app("launch")
    at.segmented_control(key="launch_weights").set_value("file").run()
    assert not at.exception and "cannot read" in errors(at)[0]
