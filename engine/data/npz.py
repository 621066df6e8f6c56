"""`npz:PATH`: a NumPy archive with MedMNIST's keys. Never unpickles. No torch at import."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import psutil

from engine.data.arrays.labels import MOST_CLASSES, Array, Labels, read_labels
from engine.data.arrays.pixels import as_bytes, check_kind, describe
from engine.data.declare import dataset_at_path
from engine.data.images import sizing
from engine.data.images.reading import fit_split
from engine.data.npz_array import Arrays, Header, open_arrays
from engine.data.outline import NO_WISHES, Outline, Wishes
from engine.data.split import Parts, Split, in_memory
from engine.errors import RequestError
from engine.spec.messages import as_text
from engine.units import dimensions, si

if TYPE_CHECKING:
    import numpy as np

Headers: TypeAlias = "dict[str, tuple[Header, Header]]"  # of a split's images and labels
Numbers: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

_VAL_NAMES = ("val", "valid", "validation", "dev")


@dataset_at_path(
    "npz:",
    form="npz:PATH, arrays train_images and train_labels, val_* and test_* optional",
    outlines=True,
)
def outline(path: Path, wishes: Wishes = NO_WISHES) -> Outline:
    """train_* and, where there, val_* and test_*: images (N×H×W[×1|×3]) and labels (N, N×1 or one-hot N×classes).

    RequestError before any array is inflated where the headers do not fit each other, the file or this machine.
    """
    with open_arrays(path) as arrays:
        headers = _headers(path, arrays)
        numbers = {name: _numbers(path, arrays, name, labels) for name, (_, labels) in headers.items()}
        labels = read_labels(f"npz {as_text(path)}", numbers, wishes.labels)
        pixel_notes = _pixel_notes(path, arrays, {name: images for name, (images, _) in headers.items()})
    height, width = headers["train"][0].shape[1:3]
    counts = {name: int(stays.sum()) for name, stays in labels.kept.items()}
    sizes = Counter({(height, width): sum(counts.values())})
    choice = sizing.choose(sizes, wishes.sizing)
    shape = sizing.Fit(choice.height, choice.width)
    one_hot = any(len(header.shape) == 2 and header.shape[1] > 1 for _, header in headers.values())
    notes = (
        *pixel_notes,
        *labels.notes,
        *(["one-hot labels read as the place of their 1"] if one_hot else []),
        *_class_notes(labels),
        *([sizing.describe(choice, sizes)] if choice.size != (height, width) else []),
    )

    def read() -> Parts:
        with open_arrays(path) as arrays:
            if _headers(path, arrays) != headers:
                raise RequestError(f"npz {as_text(path)} has changed while it was read; try again")
            splits = {
                name: _split(path, arrays, header, labels.labels[name], labels.kept[name])
                for name, (header, _) in headers.items()
            }
        if choice.size != (height, width):
            splits = {name: fit_split(split, shape) for name, split in splits.items()}
        return Parts(splits["train"], splits.get("val"), splits.get("test"), labels.classes, choice.size, notes)

    return Outline(len(labels.classes), choice.size, read, counts, notes, labels.classes)


def read(path: Path, wishes: Wishes = NO_WISHES) -> Parts:
    """The arrays of an archive as a dataset; RequestError as `outline` has it, or where a member is damaged."""
    return outline(path, wishes).read()


def check_headers(path: Path) -> None:
    """RequestError unless an archive has the arrays of a dataset, by their headers: no image, no label is read."""
    with open_arrays(path) as arrays:
        _headers(path, arrays)


def _headers(path: Path, arrays: Arrays) -> Headers:
    """The headers of every split, which fit each other, the file and this machine."""
    headers = {}
    for name, key in _split_keys(path, arrays).items():
        headers[name] = arrays.header(f"{key}_images"), arrays.header(f"{key}_labels")
        _check(path, key, *headers[name])
    for header in (header for pair in headers.values() for header in pair):
        arrays.check_size(header)
    sizes = {name: images.shape[1:3] for name, (images, _) in headers.items()}
    other = next((name for name, size in sizes.items() if size != sizes["train"]), None)
    if other is not None:
        raise RequestError(
            f"npz {as_text(path)}: train images are {dimensions(sizes['train'])} px and {other} images "
            f"{dimensions(sizes[other])}; one size is needed"
        )
    _check_memory(path, headers)
    return headers


def _split_keys(path: Path, arrays: Arrays) -> dict[str, str]:
    """How the keys of each split that is there begin; RequestError where images come without labels, or no train."""
    present = {key.rpartition("_")[0] for key in arrays.keys if key.endswith(("_images", "_labels"))}
    val = [name for name in _VAL_NAMES if name in present]
    if len(val) > 1:
        listed = " and ".join(f"{name}_*" for name in val)
        raise RequestError(f"npz {as_text(path)} has {listed}, and one val split is taken; rename one")
    keys = {"train": "train", "val": val[0] if val else "val", "test": "test"}
    keys = {split: key for split, key in keys.items() if split == "train" or key in present}
    wanted = [f"{key}_{kind}" for key in keys.values() for kind in ("images", "labels")]
    missing = [key for key in wanted if key not in arrays.keys]
    if missing:
        raise RequestError(f"npz {as_text(path)} lacks {', '.join(missing)}; it holds {arrays.listing()}")
    return keys


def _check(path: Path, name: str, images: Header, labels: Header) -> None:
    """RequestError unless two headers are those of images and of a label for each."""
    shape = images.shape
    if problem := check_kind(images.dtype):
        raise RequestError(f"npz {as_text(path)}: {name}_images is of {_type(images)}; {problem}")
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)) or 0 in shape[1:]:
        last = "; channels come last" if len(shape) == 4 and shape[1] in (1, 3) else ""
        raise RequestError(
            f"npz {as_text(path)}: {name}_images has shape {_shape(images)}; images are N×H×W or N×H×W×3{last}"
        )
    one_hot = len(labels.shape) == 2 and 1 < labels.shape[1] <= MOST_CLASSES
    if labels.dtype.kind not in ("iubf" if one_hot else "iub"):
        raise RequestError(f"npz {as_text(path)}: {name}_labels is of {_type(labels)}; labels are whole numbers from 0")
    if not one_hot and len(labels.shape) != 1 and not (len(labels.shape) == 2 and labels.shape[1] == 1):
        raise RequestError(
            f"npz {as_text(path)}: {name}_labels has shape {_shape(labels)}; labels are N or N×1, one an image"
        )
    if shape[0] != labels.shape[0]:
        raise RequestError(f"npz {as_text(path)}: {name} has {shape[0]:,} images and {labels.shape[0]:,} labels")
    if shape[0] == 0:
        raise RequestError(f"npz {as_text(path)}: {name}_images is empty; every split needs at least one image")


def _check_memory(path: Path, headers: Headers) -> None:
    """RequestError where images of three channels, and the copies of them that are made on the way, are too large."""
    needed = 2 * sum(3 * math.prod(images.shape[:3]) for images, _ in headers.values())
    needed += max(images.size if images.dtype.itemsize > 1 else 0 for images, _ in headers.values())
    needed += sum(labels.size for _, labels in headers.values() if labels.size > labels.shape[0] * 8)
    available = psutil.virtual_memory().available
    if needed > available:
        raise RequestError(
            f"npz {as_text(path)} needs {si(needed, 'B')} of memory for its images, and this machine has "
            f"{si(available, 'B')} free; give it fewer or smaller images"
        )


def _numbers(path: Path, arrays: Arrays, name: str, header: Header) -> Numbers:
    """The numbers that a split has as labels, int64 N; RequestError for what is neither a number nor one-hot."""
    import numpy as np

    values = arrays.read(header)
    if values.ndim == 2 and values.shape[1] > 1:
        ones = values == 1
        if not ((ones.sum(1) == 1) & ((values == 0).sum(1) == values.shape[1] - 1)).all():
            raise RequestError(
                f"npz {as_text(path)}: {name}_labels has shape {_shape(header)}, and not a single 1 among zeros in "
                "each row; labels are N or N×1, one an image, or one-hot"
            )
        values = ones.argmax(1)
    if values.max() > np.iinfo(np.int64).max:
        raise RequestError(
            f"npz {as_text(path)}: {name}_labels goes up to {values.max()}; labels are whole numbers from 0"
        )
    numbers: Numbers = values.reshape(-1).astype(np.int64)
    return numbers


def _split(path: Path, arrays: Arrays, header: Header, labels: Numbers, kept: Array) -> Split:
    """The images of a split that stay, in memory."""
    import torch

    images = _bytes(path, arrays, header)
    pixels = torch.from_numpy(images if kept.all() else images[kept])
    if pixels.ndim == 4:
        pixels = pixels.permute(0, 3, 1, 2)
    return in_memory(pixels, torch.from_numpy(labels))


def _bytes(path: Path, arrays: Arrays, header: Header) -> Array:
    try:
        return as_bytes(arrays.read(header), header.key)
    except ValueError as error:
        raise RequestError(f"npz {as_text(path)}: {error}") from None


def _pixel_notes(path: Path, arrays: Arrays, images: Mapping[str, Header]) -> list[str]:
    """What is done to numbers that are no bytes, which are read for it; RequestError where no rule is for them."""
    other = [header for header in images.values() if header.dtype.kind != "u" or header.dtype.itemsize > 1]
    brightest = max((int(_bytes(path, arrays, header).max()) for header in other), default=0)
    try:
        return [describe(dtype, brightest) for dtype in sorted({header.dtype for header in other}, key=str)]
    except ValueError as error:
        raise RequestError(f"npz {as_text(path)}: {error}") from None


def _class_notes(labels: Labels) -> Iterator[str]:
    in_train = len(set(labels.labels["train"].tolist()))
    for name, values in labels.labels.items():
        absent = in_train - len(set(values.tolist()))
        if absent:
            yield f"{name} has no image of {absent:,} of {len(labels.classes):,} classes"


def _type(header: Header) -> str:
    return as_text(header.dtype if header.dtype.names is None else "several numbers each")[:60]


def _shape(header: Header) -> str:
    return dimensions(header.shape) if len(header.shape) <= 8 else f"of {len(header.shape)} sides"
