"""Checkpoints as other programs save them, in every container, read and loaded into a network; some would run code."""

import argparse
import collections
import copy
import io
import os
import pickle
import struct
import tarfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from benchmarks.fuzz import damage
from benchmarks.fuzz.inputs import VICTIM, Input
from benchmarks.fuzz.trial import Complaint, Kind, check_sentence
from engine.zoo.build import load_checkpoint
from engine.zoo.checkpoints import formats, reading

_FILE, _KEY = "w.pt", "key"
_KEYS = (*("",) * 12, "ema", "model", "state_dict.module", "nothing", "..", "a\nb", "optimizer.state.0")
_RAN = "ran"  # the file that code in a checkpoint would write


class Network(nn.Module):
    """Small, with what the names of real ones have."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.layer1 = nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3))
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.layer1(self.conv1(x)).mean((2, 3)))
        return out


class _Code:
    """What unpickling it would do: write a file into the folder that it is read in."""

    def __init__(self, kind: int) -> None:
        self._kind = kind

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        calls: tuple[tuple[Callable[..., object], tuple[object, ...]], ...] = (
            (os.system, (f"touch {_RAN}",)),
            (eval, (f"open({_RAN!r}, 'w')",)),
            (exec, (f"open({_RAN!r}, 'w')",)),
            (Path.write_text, (Path(_RAN), "ran")),
            (torch.load, (_FILE,)),
            (getattr, (Path, "cwd")),
            (torch.Tensor, (10**9,)),
            (bytearray, (10**9,)),
        )
        return calls[self._kind % len(calls)]


_NETWORK = Network().eval()


def _state(prefix: str = "", changed: str = "") -> dict[str, Tensor]:
    network = copy.deepcopy(_NETWORK)
    with warnings.catch_warnings(action="ignore"):
        if changed == "masks":
            prune.l1_unstructured(network.conv1, "weight", 0.5)  # type: ignore[no-untyped-call]
        elif changed == "norms":
            nn.utils.weight_norm(network.conv1)
            parametrizations.weight_norm(network.fc)
        elif changed == "spectral":
            parametrizations.spectral_norm(network.fc)
    return {prefix + key: tensor.detach() for key, tensor in network.state_dict().items()}


def _half(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in state.items()}


@cache
def _trees() -> tuple[Any, ...]:
    """Checkpoints before they are written."""
    counted = {"total_ops": torch.zeros(1), "n_averaged": torch.tensor(5)}
    optimizer = {"state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}
    return (
        *(_state(), _state("module._orig_mod."), _half(_state("model.")), {**_state(), **counted}),
        *(_state("", changed) for changed in ("masks", "norms", "spectral")),
        {
            "state_dict": _state("module."),
            "optimizer": optimizer,
            "best": np.float64(9),
            "args": argparse.Namespace(a=1),
        },
        {"model": _state(), "ema": {"module": _state(), "updates": 3}, "state_dict_ema": _state("module.")},
        {"checkpoint": {"state_dict": collections.OrderedDict(_state())}, "epoch": 3},
        {"net": {key: tensor.numpy() for key, tensor in _state().items()}},
        {key.replace("fc.", "linear."): nn.Parameter(t, t.is_floating_point()) for key, t in _state().items()},
    )


def _dumped(tree: Any, container: int) -> bytes:
    """A tree in one of the containers that pickles have."""
    file = io.BytesIO()
    if container < 3:
        torch.save(tree, file, pickle_protocol=(2, 4, 5)[container])
    elif container < 5:
        torch.save(tree, file, _use_new_zipfile_serialization=False, pickle_protocol=(2, 4)[container - 3])
    else:
        pickle.dump(tree, file, container - 5)
    return file.getvalue()


@cache
def _others() -> tuple[bytes, ...]:
    """Checkpoints in containers of other kinds."""
    script, whole, packed, plain = (io.BytesIO() for _ in range(4))
    with warnings.catch_warnings(action="ignore"):
        traced = torch.jit.trace(_NETWORK, torch.zeros(1, 3, 9, 9))  # type: ignore[no-untyped-call]
        torch.jit.save(traced, script)
    torch.save({"model": nn.DataParallel(_NETWORK), "ema": None}, whole)
    arrays: dict[str, Any] = {key: tensor.numpy() for key, tensor in _state().items()}
    np.savez_compressed(packed, **arrays)
    np.savez(plain, **arrays)
    safe = save(_state(), {"plan": '{"plan_version":1}', "mean": "[0.1,0.2,0.3]"})
    return (script.getvalue(), whole.getvalue(), packed.getvalue(), plain.getvalue(), safe, _tar())


def _tar() -> bytes:
    """torch's format of before 0.2."""
    storages, tensors, pickled, file = (io.BytesIO() for _ in range(4))
    state = {key: tensor for key, tensor in _state().items() if tensor.is_floating_point()}
    for part in (storages, tensors):
        pickle.dump(len(state), part, 2)
    for number, tensor in enumerate(state.values()):
        pickle.dump((100 + number, "cpu", torch.FloatStorage), storages, 2)
        storages.write(struct.pack("<q", tensor.numel()) + tensor.contiguous().numpy().tobytes())
        pickle.dump((number, 100 + number, torch.FloatTensor), tensors, 2)
        sides = tensor.dim()
        tensors.write(struct.pack(f"<ii{sides}q{sides}qq", sides, 0, *tensor.shape, *tensor.stride(), 0))
    pickle.dump([], storages, 2)
    names = {id(tensor): str(number) for number, tensor in enumerate(state.values())}

    class Names(pickle.Pickler):
        def persistent_id(self, value: Any) -> str | None:
            return names.get(id(value)) if isinstance(value, Tensor) else None

    Names(pickled, 2).dump(state)
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, part in {"pickle": pickled, "tensors": tensors, "storages": storages}.items():
            member = tarfile.TarInfo(name)
            member.size = len(part.getvalue())
            archive.addfile(member, io.BytesIO(part.getvalue()))
    return file.getvalue()


def _placed(tree: Any, kind: int, place: int) -> Any:
    """A tree with something in it that would run code."""
    holder = tree
    for _ in range(place % 3):
        inner = [value for value in holder.values() if isinstance(value, dict)]
        holder = inner[0] if inner else holder
    holder = dict(holder)
    holder[("x", "args", "fc.weight", "zzz")[place % 4]] = _Code(kind)
    return holder if place % 2 else {"state_dict": holder, "y": _Code(kind + 1)}


def _files() -> SearchStrategy[bytes]:
    number = st.integers(0, len(_trees()) - 1)
    container = st.integers(0, 10)
    pickled = st.builds(lambda n, c: _dumped(_trees()[n], c), number, container)
    code = st.builds(
        lambda n, c, kind, place: _dumped(_placed(_trees()[n], kind, place), c),
        *(number, container, st.integers(0, 7), st.integers(0, 11)),
    )
    other = st.integers(0, len(_others()) - 1).map(lambda n: _others()[n])
    zipped = st.tuples(
        st.one_of(other.filter(lambda data: data[:2] == b"PK"), st.builds(lambda n: _dumped(_trees()[n], 0), number)),
        st.integers(0, 30),
    ).flatmap(lambda chosen: damage.damaged_member(*chosen))
    damaged = st.one_of(pickled, other, code).flatmap(damage.damaged_bytes)
    return st.one_of(pickled, code, other, zipped, zipped, damaged, damaged, damaged)


def _attempt(folder: Path, tried: Input) -> None:
    tried.write(folder)
    path, key = folder / _FILE, tried.files.get(_KEY, b"")
    before = Path.cwd()
    os.chdir(folder)  # where code in the file would write
    try:
        formats.metadata(path)
        checkpoint = reading.read(path, key.decode() if isinstance(key, bytes) and key else None)
        load_checkpoint(copy.deepcopy(_NETWORK), checkpoint, "the network", str(path))
        for note in checkpoint.notes:
            check_sentence(note)
    finally:
        os.chdir(before)
        others = {file.name for file in folder.iterdir()} - {_FILE, _KEY, VICTIM}
        if others:
            raise Complaint(f"code in the file ran, or something else wrote {others}")


def _inputs() -> SearchStrategy[Input]:
    keys = st.sampled_from(_KEYS).map(str.encode)
    valid = st.builds(lambda data, key: Input({_FILE: data, _KEY: key}), _files(), keys)
    specials = damage.damaged_files({_FILE: _files()})
    return st.one_of(*[valid] * 9, specials)


KIND = Kind("checkpoints", _inputs(), _attempt)
