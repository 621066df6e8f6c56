"""`npz:PATH`: a NumPy archive with MedMNIST's keys. Never unpickles. No torch at import."""

import math
from pathlib import Path

import psutil

from engine.data.declare import dataset_at_path
from engine.data.npz_array import Arrays, Header, open_arrays
from engine.data.split import Parts, Split, in_memory
from engine.errors import RequestError
from engine.spec.messages import as_text
from engine.units import dimensions, si


@dataset_at_path("npz:", form="npz:PATH, arrays train_images, train_labels, test_images, test_labels, val_* optional")
def read(path: Path) -> Parts:
    """train_*, test_* and, where there, val_* images (N×H×W[×1|×3] uint8) and labels (N or N×1, from 0).

    RequestError before any array is inflated where the headers do not fit each other, the file or this machine.
    """
    with open_arrays(path) as arrays:
        keys = arrays.keys
        missing = [f"{s}_{k}" for s in ("train", "test") for k in ("images", "labels") if f"{s}_{k}" not in keys]
        if missing:
            raise RequestError(f"npz {as_text(path)} lacks {', '.join(missing)}; it holds {arrays.listing()}")
        names = ["train", "test"] + (["val"] if "val_images" in keys or "val_labels" in keys else [])
        headers = {name: (arrays.header(f"{name}_images"), arrays.header(f"{name}_labels")) for name in names}
        for name, (images, labels) in headers.items():
            _check(path, name, images, labels)
        for header in (header for pair in headers.values() for header in pair):
            arrays.check_size(header)
        _check_memory(path, [images for images, _ in headers.values()])
        splits = {name: _split(path, arrays, name, *pair) for name, pair in headers.items()}
    train, test, val = splits["train"], splits["test"], splits.get("val")
    classes = _classes(path, train, {"test": test} if val is None else {"val": val, "test": test})
    assert train.images is not None
    height, width = train.images.shape[2:]
    return Parts(train, val, test, tuple(map(str, range(classes))), (height, width))


def _check(path: Path, name: str, images: Header, labels: Header) -> None:
    """RequestError unless two headers are those of images and of a label for each."""
    form = "N×H×W or N×H×W×3 of uint8"
    shape = images.shape
    if images.dtype.kind != "u" or images.dtype.itemsize != 1:
        raise RequestError(f"npz {as_text(path)}: {name}_images is of {_type(images)}; images are {form}")
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)) or 0 in shape[1:]:
        raise RequestError(f"npz {as_text(path)}: {name}_images has shape {_shape(images)}; images are {form}")
    if labels.dtype.kind not in "iu":
        raise RequestError(f"npz {as_text(path)}: {name}_labels is of {_type(labels)}; labels are whole numbers from 0")
    if len(labels.shape) != 1 and not (len(labels.shape) == 2 and labels.shape[1] == 1):
        raise RequestError(
            f"npz {as_text(path)}: {name}_labels has shape {_shape(labels)}; labels are N or N×1, one an image"
        )
    if shape[0] != labels.shape[0]:
        raise RequestError(f"npz {as_text(path)}: {name} has {shape[0]:,} images and {labels.shape[0]:,} labels")
    if shape[0] == 0:
        raise RequestError(f"npz {as_text(path)}: {name}_images is empty; every split needs at least one image")


def _check_memory(path: Path, images: list[Header]) -> None:
    """RequestError where images of three channels, and the copy of them that is made on the way, are too large."""
    needed = 2 * sum(3 * math.prod(header.shape[:3]) for header in images)
    available = psutil.virtual_memory().available
    if needed > available:
        raise RequestError(
            f"npz {as_text(path)} needs {si(needed, 'B')} of memory for its images, and this machine has "
            f"{si(available, 'B')} free; give it fewer or smaller images"
        )


def _split(path: Path, arrays: Arrays, name: str, images_header: Header, labels_header: Header) -> Split:
    import numpy as np
    import torch

    labels = arrays.read(labels_header).reshape(-1)
    if labels.min() < 0:
        raise RequestError(
            f"npz {as_text(path)}: {name}_labels goes down to {labels.min()}; labels are whole numbers from 0"
        )
    if labels.max() > np.iinfo(np.int64).max:
        raise RequestError(
            f"npz {as_text(path)}: {name}_labels goes up to {labels.max()}; labels are whole numbers from 0"
        )
    pixels = torch.from_numpy(arrays.read(images_header))
    if pixels.ndim == 4:
        pixels = pixels.permute(0, 3, 1, 2)
    return in_memory(pixels, torch.from_numpy(labels.astype(np.int64)))


def _type(header: Header) -> str:
    return as_text(header.dtype if header.dtype.names is None else "several numbers each")[:60]


def _shape(header: Header) -> str:
    return dimensions(header.shape) if len(header.shape) <= 8 else f"of {len(header.shape)} sides"


def _classes(path: Path, train: Split, others: dict[str, Split]) -> int:
    """The number of classes, which train decides; every split has its image size and none has a class that it lacks."""
    assert train.images is not None
    file = as_text(path)
    classes = int(train.labels.max()) + 1
    if classes > len(train):
        raise RequestError(f"npz {file}: train_labels goes up to {classes - 1} in {len(train):,} images; count from 0")
    for name, split in others.items():
        assert split.images is not None
        if split.images.shape[2:] != train.images.shape[2:]:
            sizes = ["×".join(map(str, s.images.shape[2:])) for s in (train, split) if s.images is not None]
            raise RequestError(
                f"npz {file}: train images are {sizes[0]} px and {name} images {sizes[1]}; one size is needed"
            )
        unknown = sorted(set(split.labels.tolist()) - set(train.labels.tolist()))
        if unknown:
            raise RequestError(f"npz {file}: {name}_labels holds class {unknown[0]}, of which train has no image")
    return classes
