"""Weights files: torch's two formats and safetensors, with tensors of every odd kind, and checkpoints of a training."""

import io
import json
import struct
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from safetensors.torch import save
from torch import nn

from benchmarks.fuzz import damage
from benchmarks.fuzz.inputs import Input
from benchmarks.fuzz.trial import Kind, look
from engine.train import checkpoint
from engine.zoo.checkpoints.reading import read_state_dict

_IDENTITY: dict[str, object] = {"training": 1}
_KEYS: tuple[Any, ...] = ("a.weight", "", "x" * 5000, "a\nb", "\u202e", 1, None, ("a",))


def _state() -> dict[str, torch.Tensor]:
    return {
        "a.weight": torch.arange(12.0).reshape(3, 4),
        "a.bias": torch.zeros(3),
        "n": torch.tensor(3),
        "half": torch.ones(2, dtype=torch.bfloat16),
    }


@cache
def _odd_values() -> tuple[Any, ...]:
    """What a state dict should not hold, or only in moderation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (
            *(torch.zeros(1).expand(10**6, 10**6), torch.zeros(1).expand(2**20), torch.empty(0), torch.empty(0, 10**9)),
            *(torch.tensor(float("nan")), torch.tensor([1.0, float("inf")]), torch.zeros(2, dtype=torch.complex64)),
            *(torch.zeros(2, dtype=torch.float8_e4m3fn), torch.zeros(2, dtype=torch.float64), torch.zeros(2) > 0),
            torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
            torch.eye(3).to_sparse(),
            torch.eye(3).to_sparse_csr(),
            torch.empty(3, device="meta"),
            torch.empty(10**9, device="meta"),
            torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
            nn.Parameter(torch.ones(3)),
            torch.ones(3, 3)[::2, ::2].t(),
            *(None, 1, "text", [1], {}, {"b": {"c": torch.ones(1)}}, b"x", slice(None), torch.float32, torch.Size([1])),
        )


def _saved(entries: list[tuple[Any, int]], wrapped: str, legacy: bool) -> bytes:
    state: dict[Any, Any] = {**_state(), **{key: _odd_values()[number] for key, number in entries}}
    file = io.BytesIO()
    torch.save({wrapped: state} if wrapped else state, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def _tensors(header: bytes, data: bytes) -> bytes:
    """A safetensors file with such a header."""
    return struct.pack("<Q", len(header)) + header + data


@cache
def _safetensors() -> tuple[Any, bytes]:
    module, metadata = nn.Linear(4, 3), {"epochs_done": "2", "identity": json.dumps(_IDENTITY)}
    tensors = {**_state(), **{f"weights/{name}": tensor for name, tensor in module.state_dict().items()}}
    data = save(tensors, metadata)
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def _attempt(folder: Path, tried: Input) -> None:
    tried.write(folder)
    (path,) = (folder / name for name in tried.files)
    if path.suffix == ".safetensors":
        module = nn.Linear(4, 3)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
        look(lambda: checkpoint.restore(path, module, optimizer, _IDENTITY))
    state = read_state_dict(path)
    assert all(isinstance(key, str) and isinstance(tensor, torch.Tensor) for key, tensor in state.items())


def _inputs() -> SearchStrategy[Input]:
    header, data = _safetensors()
    entry = st.tuples(st.sampled_from(_KEYS), st.integers(0, len(_odd_values()) - 1))
    wrappers = st.sampled_from(("", "", "state_dict", "model", "other"))
    odd = st.builds(_saved, st.lists(entry, min_size=1, max_size=2), wrappers, st.booleans())
    saved = _saved([], "", False)
    part = st.integers(0, 63).flatmap(lambda number: damage.damaged_member(saved, number))
    whole = [damage.damaged_bytes(_saved([], "", legacy)) for legacy in (False, True)]
    torch_files = st.one_of(odd, part, part, *whole)
    headers = damage.damaged_document(header).map(lambda text: _tensors(text, data))
    safe_files = headers | damage.damaged_bytes(_tensors(json.dumps(header).encode(), data))
    file = damage.damaged_files({"w.pth": torch_files}), damage.damaged_files({"w.safetensors": safe_files})
    return st.one_of(file[0], file[0], file[1])


torch.optim.SGD(nn.Linear(1, 1).parameters())  # the first one imports much, which is not to be timed
KIND = Kind("weights", _inputs(), _attempt)
