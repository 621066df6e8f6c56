"""Weights files: no code in them runs, and everything that is not a state dict is refused in one sentence."""

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.errors import RequestError
from engine.zoo.checkpoints.reading import read_state_dict

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "a.steps": torch.tensor(3)}


class Malicious:
    """Unpickling this writes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.write_text, (self.marker, "it ran")


def refusal(path: Path) -> str:
    with pytest.raises(RequestError) as caught:
        read_state_dict(path)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    return text


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s}])
def test_a_state_dict_is_read_bare_or_from_inside_a_checkpoint(wrap: Callable[..., object], tmp_path: Path) -> None:
    torch.save(wrap(STATE), tmp_path / "w.pt")
    read = read_state_dict(tmp_path / "w.pt")
    assert read.keys() == STATE.keys()
    assert all(torch.equal(read[key], STATE[key]) for key in STATE)


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "w.safetensors")
    assert torch.equal(read_state_dict(tmp_path / "w.safetensors")["a.weight"], STATE["a.weight"])


@pytest.mark.parametrize("legacy", [True, False])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(legacy: bool, tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "w.pt"
    torch.save({"a": torch.zeros(1), "b": Malicious(marker)}, path, _use_new_zipfile_serialization=not legacy)
    assert "would run code (" in refusal(path)
    assert not marker.exists()


def test_a_bare_pickle_is_refused_and_does_not_run(tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "w.pt"
    path.write_bytes(pickle.dumps(Malicious(marker)))
    assert "not loaded" in refusal(path) or "corrupt" in refusal(path)
    assert not marker.exists()
    pickle.loads(path.read_bytes())
    assert marker.exists(), "the file must be one that would have run"


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "there is no weights file" in refusal(tmp_path / "none.pt")
    assert "is a folder" in refusal(tmp_path)


def _truncated(path: Path) -> None:
    torch.save(STATE, path)
    path.write_bytes(path.read_bytes()[:-200])


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")


CORRUPT: dict[str, Callable[[Path], object]] = {
    "empty.pt": lambda p: p.write_bytes(b""),
    "text.pt": lambda p: p.write_text("these are no weights\n"),
    "noise.pt": lambda p: p.write_bytes(bytes(range(256)) * 9),
    "number.pt": lambda p: p.write_bytes(pickle.dumps(3)),
    "truncated.pt": _truncated,
    "archive.pt": _zip,
    "text.safetensors": lambda p: p.write_text("these are no weights\n"),
    "empty.safetensors": lambda p: p.write_bytes(b""),
}


@pytest.mark.parametrize("name", CORRUPT)
def test_a_corrupt_file_is_refused(name: str, tmp_path: Path) -> None:
    CORRUPT[name](tmp_path / name)
    assert "corrupt or no weights file" in refusal(tmp_path / name)


@pytest.mark.parametrize("value", [[torch.zeros(1)], {}, {"a": 3}, {3: torch.zeros(1)}, torch.zeros(3), 5])
def test_what_is_not_a_state_dict_is_refused(value: object, tmp_path: Path) -> None:
    torch.save(value, tmp_path / "w.pt")
    assert "no state dict" in refusal(tmp_path / "w.pt")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_with_their_name(bad: float, tmp_path: Path) -> None:
    torch.save({"good": torch.zeros(2), "a.weight": torch.tensor([1.0, bad])}, tmp_path / "w.pt")
    assert "not finite in a.weight" in refusal(tmp_path / "w.pt")


@pytest.mark.parametrize("tensor", [torch.eye(3).to_sparse(), torch.empty(3, device="meta")])
def test_tensors_without_values_of_their_own_are_refused(tensor: torch.Tensor, tmp_path: Path) -> None:
    torch.save({"a.weight": tensor}, tmp_path / "w.pt")
    assert "sparse or empty tensor in a.weight" in refusal(tmp_path / "w.pt")
