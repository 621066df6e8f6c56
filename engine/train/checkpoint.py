"""Training that was stopped goes on from here: weights, momentum and the epoch in one safetensors file."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialized
from torch import Tensor, nn
from torch.optim import Optimizer

from engine.errors import WorkError
from engine.storage.atomic import atomic_write

_MOMENTUM = "momentum_buffer"


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
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError) as error:
        raise WorkError(f"the checkpoint {path} cannot be read ({error}); delete it to train from the start") from None
    weights = _under("weights/", tensors)
    expected = {name: tensor.shape for name, tensor in module.state_dict().items()}
    if metadata.get("identity") != json.dumps(identity, sort_keys=True) or expected != {
        name: tensor.shape for name, tensor in weights.items()
    }:
        raise WorkError(f"the checkpoint {path} belongs to another training; delete it to train from the start")
    module.load_state_dict(weights)
    momentum = _under("momentum/", tensors)
    for name, parameter in module.named_parameters():
        if name in momentum:
            buffer = torch.empty_like(parameter, requires_grad=False)  # in the parameter's memory format and place
            optimizer.state[parameter][_MOMENTUM] = buffer.copy_(momentum[name])
    return int(metadata["epochs_done"])


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
