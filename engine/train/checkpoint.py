"""Training that was stopped goes on from here: weights, momentum and the epoch in one safetensors file."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialized
from torch import Tensor, nn
from torch.optim import Optimizer

from engine.errors import WorkError
from engine.spec.messages import as_text
from engine.storage import files
from engine.storage.atomic import atomic_write

_MOMENTUM = "momentum_buffer"
_EPOCHS = re.compile(r"[0-9]{1,9}")
_LONGEST = 200  # characters of a reason


def save(path: Path, module: nn.Module, optimizer: Optimizer, epochs_done: int, identity: dict[str, object]) -> None:
    """Writes the file whole. `identity` (JSON-able) says which training this is; `restore` compares it."""
    tensors = {f"weights/{name}": tensor for name, tensor in module.state_dict().items()}
    for name, parameter in module.named_parameters():
        buffer = optimizer.state.get(parameter, {}).get(_MOMENTUM)
        if buffer is not None:
            tensors[f"momentum/{name}"] = buffer
    metadata = {"epochs_done": str(epochs_done), "identity": json.dumps(identity, sort_keys=True)}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_write(path) as part:
        part.write_bytes(serialized(plain, metadata=metadata))


def restore(path: Path, module: nn.Module, optimizer: Optimizer, identity: dict[str, object]) -> int:
    """Puts weights and momentum back and returns the number of epochs that were done: 0 when there is no file.

    Raises WorkError when the file is damaged or belongs to another training.
    """
    if not os.path.lexists(path):
        return 0
    metadata, tensors = _read(path)
    weights, momentum = _under("weights/", tensors), _under("momentum/", tensors)
    parameters = dict(module.named_parameters())
    is_same = metadata.get("identity") == json.dumps(identity, sort_keys=True)
    epochs_done = metadata.get("epochs_done", "")
    if not (is_same and _forms(weights) == _forms(module.state_dict()) and _EPOCHS.fullmatch(epochs_done)):
        raise WorkError(f"the checkpoint {path} belongs to another training; delete it to train from the start")
    if not _forms(momentum).items() <= _forms(parameters).items():
        raise WorkError(
            f"the checkpoint {path} is damaged: its momentum does not fit; delete it to train from the start"
        )
    module.load_state_dict(weights)
    for name, value in momentum.items():
        buffer = torch.empty_like(parameters[name], requires_grad=False)  # in the parameter's memory format and place
        optimizer.state[parameters[name]][_MOMENTUM] = buffer.copy_(value)
    return int(epochs_done)


def epochs_done(path: Path) -> int:
    """How many epochs a checkpoint has behind it, whatever training it is of; 0 for none and a damaged one."""
    try:
        with files.opened(path), safe_open(path, framework="pt") as file:
            found = (file.metadata() or {}).get("epochs_done", "")
    except (OSError, SafetensorError, RuntimeError, ValueError):
        return 0  # `restore` says what is wrong with it
    return int(found) if _EPOCHS.fullmatch(found) else 0


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with files.opened(path), safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        reason = as_text(getattr(error, "strerror", None) or error)[:_LONGEST]
        raise WorkError(f"the checkpoint {path} cannot be read ({reason}); delete it to train from the start") from None


def _forms(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
