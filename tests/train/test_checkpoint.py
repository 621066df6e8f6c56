"""Checkpoints that are not what was written: one sentence, at once."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine.errors import WorkError
from engine.train import checkpoint

IDENTITY: dict[str, object] = {"training": 1}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A checkpoint of a network after two epochs, with momentum."""
    module, optimizer = network()
    module(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    checkpoint.save(tmp_path / "p1.safetensors", module, optimizer, 2, IDENTITY)
    return tmp_path / "p1.safetensors"


def network() -> tuple[nn.Module, torch.optim.SGD]:
    module = nn.Linear(4, 3)
    return module, torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)


def restore(file: Path) -> int:
    return checkpoint.restore(file, *network(), IDENTITY)


def test_what_was_written_comes_back(file: Path) -> None:
    assert restore(file) == 2
    file.unlink()
    assert restore(file) == 0


def as_pipe(file: Path) -> None:
    os.mkfifo(file)


def as_link(file: Path) -> None:
    target = file.with_name("elsewhere")
    target.write_bytes(b"")
    file.symlink_to(target)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("make", [as_pipe, as_link, Path.mkdir])
def test_a_checkpoint_that_is_no_regular_file_is_refused(file: Path, make: Callable[[Path], None]) -> None:
    file.unlink()
    make(file)
    with pytest.raises(WorkError, match=r"cannot be read .*delete it to train from the start"):
        restore(file)


@pytest.mark.parametrize("change", ["shape of momentum", "no such parameter", "no epochs", "epochs of no number"])
def test_a_checkpoint_that_does_not_fit_is_refused(file: Path, change: str) -> None:
    data = file.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header: dict[str, Any] = json.loads(data[8 : 8 + size])
    if change == "shape of momentum":
        header["momentum/weight"]["shape"] = [12]
    elif change == "no such parameter":
        header["momentum/other"] = header.pop("momentum/weight")
    elif change == "no epochs":
        del header["__metadata__"]["epochs_done"]
    else:
        header["__metadata__"]["epochs_done"] = "9" * 5000
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])
    with pytest.raises(WorkError, match="delete it to train from the start"):
        restore(file)
