"""The weights in a file, whatever program saved them: tensors checked before any memory is taken for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.spec.messages import as_text
from engine.zoo.checkpoints import formats, selection
from engine.zoo.checkpoints.formats import Contents
from engine.zoo.checkpoints.values import SIZES, BrokenError, OddTensor, TensorRef, UnfitError

State = dict[str, Tensor]

_TYPES = {
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
    "uint8": torch.uint8,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "bool": torch.bool,
}
_MOST_SHARED = 4  # how often a number of the file may stand in its entries: some layers share their weights
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a checkpoint by the names that they have there, notes for the user, and safetensors' metadata."""

    state: State
    notes: tuple[str, ...]
    metadata: Mapping[str, str]


def read(path: Path, key: str | None = None) -> Checkpoint:
    """The weights in a file; no code in it ever runs.

    Takes state dicts, checkpoints that hold one, and networks saved whole: of torch.save, old and new, safetensors,
    TorchScript and NumPy's archives, recognised by their content. `key` says which state dict, inner ones behind dots;
    without one plain weights come before averaged ones. RequestError: the file is missing, corrupt, holds no weights,
    would run code among them, or would take more memory than its own size.
    """
    with formats.opened(path) as contents:
        chosen = selection.select(contents.value, key)
        state = load(chosen.entries, contents)
        return Checkpoint(state, chosen.notes, contents.metadata)


def read_state_dict(path: Path) -> State:
    """The tensors by name in a weights file, as `read` has them."""
    return read(path).state


def load(entries: Mapping[str, TensorRef | OddTensor], contents: Contents) -> State:
    """The tensors by name, on the CPU; several may share their numbers.

    UnfitError for a tensor that no network here could take, numbers that repeat or are not finite; BrokenError for one
    that lies outside its storage.
    """
    references: dict[str, TensorRef] = {}
    for name, entry in entries.items():
        reason = entry.reason if isinstance(entry, OddTensor) else _reason_against(entry)
        if reason:
            raise UnfitError(f"hold {reason} in {as_text(name)}")
        assert isinstance(entry, TensorRef)
        if _bytes_of(entry) > contents.size and entry.storage.content is None:
            raise BrokenError
        references[name] = entry
    if sum(ref.numel * SIZES[ref.kind] for ref in references.values()) > _MOST_SHARED * contents.size:
        raise UnfitError("hold the same numbers under many names")
    storages = _storages(references, contents)
    state = {name: _view(ref, storages) for name, ref in references.items()}
    for name, tensor in state.items():
        if tensor.is_floating_point() and not is_finite(tensor):
            raise UnfitError(f"hold a value that is not finite in {as_text(name)}")
    return state


def is_finite(tensor: Tensor) -> bool:
    """A million numbers at a time: the answer for all of them at once would take as much memory again."""
    return all(bool(torch.isfinite(part).all()) for part in torch.split(tensor.detach().reshape(-1), _CHUNK))


def _reason_against(ref: TensorRef) -> str | None:
    """Why a tensor is none that a network here could take, in words; None where nothing is against it."""
    if ref.kind not in _TYPES:
        return f"a tensor of {as_text(ref.kind)[:40]}"
    size = SIZES[ref.kind]
    stored = len(ref.storage.content) if ref.storage.content is not None else _bytes_of(ref)
    last = ref.offset + sum((side - 1) * step for side, step in zip(ref.size, ref.stride, strict=True))
    if ref.numel and (last + 1) * size > stored:
        raise BrokenError
    if ref.numel * size > stored:
        return "a view that repeats its numbers"
    return None


def _bytes_of(ref: TensorRef) -> int:
    return ref.storage.count * SIZES.get(ref.storage.kind or "uint8", 1)


def _storages(references: Mapping[str, TensorRef], contents: Contents) -> dict[tuple[str, int], Tensor]:
    """Every storage that is needed, read once."""
    needed: dict[tuple[str, int], TensorRef] = {}
    for ref in references.values():
        place = _place(ref)
        if place not in needed or _bytes_of(ref) > _bytes_of(needed[place]):
            needed[place] = ref
    found = {}
    for place, ref in needed.items():
        inline = ref.storage.content
        data = contents.numbers.read(ref.storage, _bytes_of(ref)) if inline is None else bytearray(inline)
        found[place] = torch.frombuffer(data, dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)
    return found


def _place(ref: TensorRef) -> tuple[str, int]:
    return ref.storage.key, id(ref.storage.content) if ref.storage.content is not None else 0


def _view(ref: TensorRef, storages: Mapping[tuple[str, int], Tensor]) -> Tensor:
    kind = _TYPES[ref.kind]
    if not ref.numel:
        return torch.empty(ref.size, dtype=kind)
    flat = storages[_place(ref)]
    numbers = flat[: len(flat) // SIZES[ref.kind] * SIZES[ref.kind]].view(kind)
    try:
        return torch.as_strided(numbers, ref.size, ref.stride, ref.offset)
    except RuntimeError:
        raise BrokenError from None
