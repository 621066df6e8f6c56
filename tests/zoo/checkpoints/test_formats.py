"""Checkpoints in every container: recognised by content under any name, and read without running what they hold."""

import argparse
import collections
import datetime
import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.errors import RequestError
from engine.zoo.checkpoints import reading
from tests.zoo.test_weights import Malicious, refusal

STATE = {
    "a.weight": torch.arange(6.0).view(2, 3),
    "a.bias": torch.tensor([0.5, -1.0]),
    "a.steps": torch.tensor(3),
}


class Settings:
    """A class of the user's own."""

    def __init__(self) -> None:
        self.lr, self.path = 0.1, Path("/tmp/x")


def tar(path: Path, state: dict[str, Tensor]) -> None:
    """The format of torch before 0.2, as its reader describes it."""
    names = {id(tensor): str(number) for number, tensor in enumerate(state.values())}
    storages, tensors, pickled = io.BytesIO(), io.BytesIO(), io.BytesIO()
    for file in (storages, tensors):
        pickle.dump(len(state), file, 2)
    kinds = {torch.float32: torch.FloatStorage, torch.int64: torch.LongStorage}
    for number, tensor in enumerate(state.values()):
        pickle.dump((100 + number, "cpu", kinds[tensor.dtype]), storages, 2)
        storages.write(struct.pack("<q", tensor.numel()) + tensor.numpy().tobytes())
        pickle.dump((number, 100 + number, torch.FloatTensor), tensors, 2)
        sides = tensor.dim()
        tensors.write(struct.pack(f"<ii{sides}q{sides}qq", sides, 0, *tensor.shape, *tensor.stride(), 0))
    pickle.dump([], storages, 2)

    class Names(pickle.Pickler):
        def persistent_id(self, value: Any) -> str | None:
            return names.get(id(value)) if isinstance(value, Tensor) else None

    Names(pickled, 2).dump(collections.OrderedDict(state))
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as file:
        for name, part in {"pickle": pickled, "tensors": tensors, "storages": storages}.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(part.getvalue()), 1.5  # type: ignore[assignment]  # a header of its own
            file.addfile(member, io.BytesIO(part.getvalue()))


def arrays() -> dict[str, Any]:
    return {key: tensor.numpy() for key, tensor in STATE.items()}


def dump(content: Any, protocol: int) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(pickle.dumps(content, protocol))


def npz(save: Callable[..., None]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("wb") as file:
            save(file, **arrays())

    return write


CONTAINERS: dict[str, Callable[[Path], object]] = {
    "archive": lambda path: torch.save(STATE, path),
    "stream": lambda path: torch.save(STATE, path, _use_new_zipfile_serialization=False),
    "protocol 4": lambda path: torch.save(STATE, path, pickle_protocol=4),
    "tar": lambda path: tar(path, STATE),
    "safetensors": lambda path: save_file(STATE, path),
    "npz": npz(np.savez),
    "packed npz": npz(np.savez_compressed),
    "pickled arrays, protocol 2": dump(arrays(), 2),
    "pickled arrays, protocol 5": dump(arrays(), 5),
    "pickled tensors": dump(STATE, 2),
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_every_container_is_read_whatever_it_is_called(container: str, name: str, tmp_path: Path) -> None:
    CONTAINERS[container](tmp_path / name)
    read = reading.read(tmp_path / name)
    assert read.state.keys() == STATE.keys() and not read.notes
    assert all(torch.equal(read.state[key], STATE[key]) and read.state[key].dtype == STATE[key].dtype for key in STATE)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.blocks = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU())
        self.register_buffer("scratch", torch.ones(2), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.blocks(self.conv(x))
        return out


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("wrap", [lambda network: network, lambda network: {"epoch": 3, "model": network, "ema": None}])
def test_a_network_saved_whole_is_read_for_its_weights(
    wrap: Callable[[nn.Module], Any], legacy: bool, tmp_path: Path
) -> None:
    network = Network()
    torch.save(wrap(network), tmp_path / "w.pt", _use_new_zipfile_serialization=not legacy)
    read = reading.read(tmp_path / "w.pt")
    expected = network.state_dict()
    assert read.state.keys() == expected.keys(), "the scratch buffer is none of its weights"
    assert all(torch.equal(read.state[key], expected[key]) for key in expected)
    assert "a whole network was saved: its weights are read by name, its code is not run" in read.notes


@pytest.mark.filterwarnings("ignore")
def test_torchscript_is_read_for_its_weights(tmp_path: Path) -> None:
    network = Network().eval()
    torch.jit.trace(network, torch.zeros(1, 3, 8, 8)).save(tmp_path / "w.pt")
    read = reading.read(tmp_path / "w.pt")
    assert all(torch.equal(read.state[key], tensor) for key, tensor in network.state_dict().items())
    assert read.notes == ("a TorchScript archive: its weights are read by name, its code is not run",)


BESIDE: dict[str, Any] = {
    "args": argparse.Namespace(lr=0.1, out=Path("/tmp/run")),
    "best": np.float64(91.6),
    "array": np.arange(3),
    "when": datetime.datetime(2026, 1, 1),
    "meta": Settings(),
    "sampler": collections.Counter(a=1),
    "rng": torch.get_rng_state(),
    "random": np.random.default_rng(0),
    "optimizer": {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
}


@pytest.mark.parametrize("legacy", [False, True])
def test_what_stands_beside_the_weights_is_left_out_and_named(legacy: bool, tmp_path: Path) -> None:
    torch.save({"state_dict": STATE, **BESIDE}, tmp_path / "w.pt", _use_new_zipfile_serialization=not legacy)
    read = reading.read(tmp_path / "w.pt")
    assert read.state.keys() == STATE.keys()
    assert read.notes == ("left out beside the weights: args, best, array, when, meta, sampler and 3 more",)


def test_values_among_the_weights_are_left_out_and_code_is_refused(tmp_path: Path) -> None:
    torch.save({**STATE, "epoch": 3, "args": BESIDE["args"], "best": BESIDE["best"]}, tmp_path / "w.pt")
    assert reading.read(tmp_path / "w.pt").notes == ("left out beside the weights: epoch, args, best",)
    torch.save({**STATE, "x": Malicious(tmp_path / "marker")}, tmp_path / "w.pt")
    assert "would run code (" in refusal(tmp_path / "w.pt")
    torch.save({"model": STATE, "x": Malicious(tmp_path / "marker")}, tmp_path / "w.pt")
    assert reading.read(tmp_path / "w.pt").state.keys() == STATE.keys()
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<!DOCTYPE html><html>", "are a web page: the download went wrong"),
        (b"version https://git-lfs.github.com/spec/v1\n", "are Git LFS's placeholder of the file"),
        (b"\x89HDF\r\n\x1a\n", "are HDF5, as Keras writes it"),
        (b"\x1f\x8b\x08", "are packed by gzip: unpack them"),
        (b"\x93NUMPY\x01\x00", "are a single array of NumPy's: save an npz archive with an array for each key"),
    ],
)
def test_other_files_are_refused_by_what_they_are(content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(content)
    assert sentence in refusal(tmp_path / "w.pt")


def test_an_archive_of_arrays_that_inflates_without_end_is_refused(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "w.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open("a.npy", "w") as member,
    ):
        np.lib.format.write_array_header_1_0(member, {"descr": "<f4", "fortran_order": False, "shape": (20 << 20,)})
        for _ in range(80):
            member.write(bytes(1 << 20))
    assert "which is no archive of weights" in refusal(tmp_path / "w.npz")


@pytest.mark.parametrize("kind", [object, "<U3", ">f4", "V4"])
def test_arrays_of_something_else_than_plain_numbers_are_refused(kind: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **{"a.weight": np.zeros(3, kind)})
    assert "an array of something else than plain numbers in a.weight" in refusal(tmp_path / "w.npz")


def test_a_column_major_array_is_read_as_it_is_meant(tmp_path: Path) -> None:
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    np.savez(tmp_path / "w.npz", **{"a.weight": array})
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"a.weight": array}))
    for name in ("w.npz", "w.pkl"):
        assert torch.equal(reading.read(tmp_path / name).state["a.weight"], torch.from_numpy(array))


def test_safetensors_of_overlapping_numbers_are_refused(tmp_path: Path) -> None:
    entry = '"dtype":"F32","shape":[4000],"data_offsets":[0,16000]'
    header = "{" + ",".join(f'"a{n}":{{{entry}}}' for n in range(200)) + "}"
    (tmp_path / "w").write_bytes(struct.pack("<Q", len(header)) + header.encode() + bytes(16_000))
    with pytest.raises(RequestError, match="the same numbers under many names") as caught:
        reading.read(tmp_path / "w")
    assert "\n" not in str(caught.value)
