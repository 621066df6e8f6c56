"""Weights and arrays that come from the browser, their names, and how files appear."""

import io
import os
import pickle
import stat
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from engine.data import npz_array
from engine.errors import RequestError, WorkError
from engine.storage import directories
from engine.storage.files import MIB
from engine.storage.store import Store
from engine.uploads import limits, receiving
from engine.uploads.receiving import name_to_keep, receive
from engine.uploads.shelf import Shelf
from engine.zoo.checkpoints import reading

STATE = {"conv1.weight": torch.ones(2, 3)}


class Evil:
    """What writes a file where it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.canary),)


def saved(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def arrays(**more: np.ndarray) -> bytes:
    file = io.BytesIO()
    images = {"train_images": np.zeros((4, 8, 8), np.uint8), "train_labels": np.arange(4) % 2}
    np.savez_compressed(file, **{**images, **more})
    return file.getvalue()


def is_empty(root: Path) -> bool:
    return not [path for path in root.rglob("*") if path.is_file()] and not list((root / "uploads").iterdir())


@pytest.mark.parametrize(
    ("name", "content"),
    [("net.safetensors", save(STATE)), ("net.pth", saved(STATE)), ("net.pt", saved({"state_dict": STATE})),
     ("net.th", saved({"one": STATE, "other": STATE}))],
)  # fmt: skip
def test_weights_are_kept_as_they_came_under_the_name_that_their_user_gave(
    name: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads").chmod(0o770)
    upload = receive(tmp_path, "weights", f"C:\\my nets\\{name}", io.BytesIO(content))
    assert upload.path.read_bytes() == content and upload.name == name
    assert stat.S_IMODE(upload.path.parent.stat().st_mode) == 0o770, "those who share the folder share it, too"
    assert Shelf(tmp_path).all("weights") == [upload] == [Shelf(tmp_path).of(str(upload.path))]
    assert Shelf(tmp_path).all("images") == [] and list(upload.path.parent.iterdir()) == [upload.path]
    key = "one" if name == "net.th" else None
    assert torch.equal(reading.read(upload.path, key).state["conv1.weight"], STATE["conv1.weight"])


@pytest.mark.parametrize("how", ["plain pickle", "torch.save", "inside a state dict"])
def test_code_in_a_pickle_never_runs_and_is_refused(how: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    evil = {"state_dict": {**STATE, "fc.weight": Evil(canary)}} if how == "inside a state dict" else Evil(canary)
    content = pickle.dumps(evil) if how == "plain pickle" else saved(evil)
    with pytest.raises(RequestError, match=r"^weights net\.pth .*(would run code|corrupt|hold no state dict)"):
        receive(tmp_path / "results", "weights", "net.pth", io.BytesIO(content))
    assert not canary.exists() and is_empty(tmp_path / "results")
    if how == "plain pickle":
        pickle.loads(content)
        assert canary.exists(), "the file must be one that would have run"


@pytest.mark.parametrize("content", [b"", b"no weights\n", saved(STATE)[:-40], saved({"a": 3}), save(STATE)[:-1]])
def test_weights_that_are_none_are_refused_and_leave_nothing(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"^weights net\.pth (are corrupt|hold no state dict)"):
        receive(tmp_path, "weights", "net.pth", io.BytesIO(content))
    assert is_empty(tmp_path)


def test_arrays_are_checked_by_their_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz_array, "_PLAUSIBLE", 1000)
    assert receive(tmp_path, "arrays", "d.npz", io.BytesIO(arrays())).name == "d.npz"
    bomb = np.zeros((1000, 32, 32), np.uint8)
    for more, sentence in (
        ({"train_labels": np.arange(3)}, "npz d.npz: train has 4 images and 3 labels"),
        ({"test_images": np.zeros((2, 8, 8), np.uint8)}, "npz d.npz lacks test_labels"),
        ({"train_labels": np.array([Evil(tmp_path / "canary")] * 4, object)}, "are never unpickled"),
        ({"train_images": bomb, "train_labels": np.zeros(1000, int)}, "which is no archive of images"),
    ):
        with pytest.raises(RequestError, match=sentence):
            receive(tmp_path, "arrays", "d.npz", io.BytesIO(arrays(**more)))
    assert not (tmp_path / "canary").exists() and len(Shelf(tmp_path).all()) == 1


def test_a_file_beyond_the_limit_is_refused_and_the_limit_is_the_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tomllib.loads(directories.streamlit_settings().read_text())
    assert settings["server"]["maxUploadSize"] * MIB == limits.MOST_BYTES
    monkeypatch.setattr(receiving, "MOST_BYTES", 100)
    with pytest.raises(RequestError, match=r"^'net\.pth' is larger than 500 MB"):
        receive(tmp_path, "weights", "net.pth", io.BytesIO(saved(STATE)))
    assert is_empty(tmp_path)


@pytest.mark.parametrize("name", ["net.onnx", "pth", "net.pth.exe", "", "net.npz", "net.pth\n"])
def test_a_name_that_ends_otherwise_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"choose a file that ends in \.safetensors or \.pth or \.pt or \.th$"):
        receive(tmp_path, "weights", name, io.BytesIO(saved(STATE)))
    assert not (tmp_path / "uploads").exists()


@given(st.text(max_size=200))
def test_whatever_a_file_is_called_its_name_is_one_of_a_file_and_of_a_request(name: str) -> None:
    for kind, suffix in (("weights", ".pth"), ("arrays", ".npz"), ("images", ".zip")):
        kept = name_to_keep(kind, f"{name}{suffix}")  # type: ignore[arg-type]
        assert kept.isprintable() and kept not in ("", ".", "..") and not kept.startswith((".", " "))
        assert not set(kept) & set("/\\#>:\0\n") and len(kept.encode()) <= 100
        assert kept.endswith(suffix) or kind == "images"


def test_a_name_stays_as_its_user_wrote_it_as_far_as_that_harms_nothing() -> None:
    assert name_to_keep("images", "Blüten (2024).ZIP") == "Blüten (2024)"
    assert name_to_keep("weights", "a#b>c.PTH") == "a_b_c.pth" and name_to_keep("images", "..zip") == "images"


def test_a_disk_that_refuses_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WorkError, match="the disk is full"):
        receive(tmp_path, "weights", "net.pth", io.BytesIO(saved(STATE)))
    monkeypatch.undo()
    assert is_empty(tmp_path)


def test_what_a_killed_process_left_of_an_upload_is_swept(tmp_path: Path) -> None:
    store = Store(tmp_path / "results", gallery=tmp_path / "gallery")
    shelf = Shelf(store.root)
    with shelf.draft() as draft:
        (draft / "half.pth").write_bytes(b"x")
        os.utime(draft, (0, 0))
        assert store.leftovers() == [draft] and shelf.all() == []
        store.sweep()
        assert not draft.exists()
