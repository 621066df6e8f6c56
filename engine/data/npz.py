"""`npz:PATH`: a NumPy archive with MedMNIST's keys. Never unpickles. No torch at import."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.data.declare import dataset_at_path
from engine.data.split import Parts, Split, in_memory
from engine.errors import RequestError
from engine.units import dimensions

if TYPE_CHECKING:
    import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

_FORM = "N×H×W or N×H×W×3 of uint8"


@dataset_at_path("npz:", form="npz:PATH, arrays train_images, train_labels, test_images, test_labels, val_* optional")
def read(path: Path) -> Parts:
    """train_*, test_* and, where there, val_* images (N×H×W[×1|×3] uint8) and labels (N or N×1, from 0)."""
    archive = _open(path)
    with archive:
        missing = [f"{s}_{k}" for s in ("train", "test") for k in ("images", "labels") if f"{s}_{k}" not in archive]
        if missing:
            raise RequestError(f"npz {path} lacks {', '.join(missing)}; it holds {', '.join(archive) or 'nothing'}")
        train, test = _split(path, archive, "train"), _split(path, archive, "test")
        has_val = "val_images" in archive or "val_labels" in archive
        val = _split(path, archive, "val") if has_val else None
    classes = _classes(path, train, {"test": test} if val is None else {"val": val, "test": test})
    assert train.images is not None
    height, width = train.images.shape[2:]
    return Parts(train, val, test, tuple(map(str, range(classes))), (height, width))


def _open(path: Path) -> np.lib.npyio.NpzFile:
    import numpy as np

    try:
        archive = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise RequestError(f"there is no npz file {path}") from None
    except IsADirectoryError:
        raise RequestError(f"npz {path} is a folder; write folder:PATH for an image folder") from None
    except OSError as error:
        raise RequestError(f"cannot read npz {path}: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise RequestError(f"{path} is not an npz archive, or it is cut off") from None
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise RequestError(f"{path} is a single array; an npz archive of named arrays is needed")
    return archive


def _array(path: Path, archive: np.lib.npyio.NpzFile, key: str) -> Array:
    import numpy as np

    if key not in archive:
        raise RequestError(f"npz {path} lacks {key}; it holds {', '.join(archive)}")
    try:
        return np.asarray(archive[key])
    except MemoryError:
        raise RequestError(f"npz {path}: {key} does not fit in this machine's memory") from None
    except (ValueError, EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        if "allow_pickle" in str(error):
            raise RequestError(
                f"npz {path}: {key} is an array of objects, which are never unpickled; save numbers"
            ) from None
        raise RequestError(f"npz {path}: {key} is cut off or damaged") from None


def _split(path: Path, archive: np.lib.npyio.NpzFile, name: str) -> Split:
    import numpy as np
    import torch

    images, labels = _array(path, archive, f"{name}_images"), _array(path, archive, f"{name}_labels")
    if images.dtype != np.uint8:
        raise RequestError(f"npz {path}: {name}_images is of {images.dtype}; images are {_FORM}")
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)) or 0 in images.shape[1:]:
        raise RequestError(f"npz {path}: {name}_images has shape {dimensions(images.shape)}; images are {_FORM}")
    if labels.dtype.kind not in "iu":
        raise RequestError(f"npz {path}: {name}_labels is of {labels.dtype}; labels are whole numbers from 0")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise RequestError(
            f"npz {path}: {name}_labels has shape {dimensions(labels.shape)}; labels are N or N×1, one an image"
        )
    if len(images) != len(labels):
        raise RequestError(f"npz {path}: {name} has {len(images):,} images and {len(labels):,} labels")
    if len(images) == 0:
        raise RequestError(f"npz {path}: {name}_images is empty; every split needs at least one image")
    if labels.min() < 0:
        raise RequestError(f"npz {path}: {name}_labels goes down to {labels.min()}; labels are whole numbers from 0")
    if labels.max() > np.iinfo(np.int64).max:
        raise RequestError(f"npz {path}: {name}_labels goes up to {labels.max()}; labels are whole numbers from 0")
    pixels = torch.from_numpy(images)
    if pixels.ndim == 4:
        pixels = pixels.permute(0, 3, 1, 2)
    return in_memory(pixels, torch.from_numpy(labels.astype(np.int64)))


def _classes(path: Path, train: Split, others: dict[str, Split]) -> int:
    """The number of classes, which train decides; every split has its image size and none has a class that it lacks."""
    assert train.images is not None
    classes = int(train.labels.max()) + 1
    if classes > len(train):
        raise RequestError(f"npz {path}: train_labels goes up to {classes - 1} in {len(train):,} images; count from 0")
    for name, split in others.items():
        assert split.images is not None
        if split.images.shape[2:] != train.images.shape[2:]:
            sizes = ["×".join(map(str, s.images.shape[2:])) for s in (train, split) if s.images is not None]
            raise RequestError(
                f"npz {path}: train images are {sizes[0]} px and {name} images {sizes[1]}; one size is needed"
            )
        unknown = sorted(set(split.labels.tolist()) - set(train.labels.tolist()))
        if unknown:
            raise RequestError(f"npz {path}: {name}_labels holds class {unknown[0]}, of which train has no image")
    return classes
