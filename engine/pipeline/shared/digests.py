"""SHA-256 of what an entry of the cache depends on: tensors and images."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, Subset

from engine.data.images.reading import ImageFiles
from engine.data.split import Data, Split


def of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Of names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def of_module(module: nn.Module) -> str:
    """Of a network's weights and buffers."""
    return of_tensors(module.state_dict())


@cache
def of_split(split: Split) -> str | None:
    """Of a split's images and labels; of files by their names, sizes and times. None where nobody can say."""
    labels = of_tensors({"labels": split.labels})
    if split.images is not None:
        return f"{labels} {of_tensors({'images': split.images})}"
    digest = hashlib.sha256()
    return f"{labels} {digest.hexdigest()}" if _add_source(digest, split.disk) else None


def of_splits(data: Data, *splits: Split) -> dict[str, Any] | None:
    """Of splits, and how their images are read; None where nobody can say. JSON-able."""
    digests = [of_split(split) for split in splits]
    if None in digests:
        return None
    return {"splits": digests, "image": data.image, "mean": data.mean, "std": data.std, "cover": data.cover}


def _add_source(digest: "hashlib._Hash", source: Any) -> bool:
    """Adds what a source of images reads; whether it is of a kind that is known."""
    if isinstance(source, Subset):
        digest.update(repr(list(source.indices)).encode())
        return _add_source(digest, source.dataset)
    if isinstance(source, ConcatDataset):
        return all(_add_source(digest, each) for each in source.datasets)
    if not isinstance(source, ImageFiles):
        return False
    digest.update(repr((source.shape, source.labels)).encode())
    for file in source.files:
        state = Path(file).stat()
        digest.update(f"{file} {state.st_size} {state.st_mtime_ns}\n".encode())
    return True
