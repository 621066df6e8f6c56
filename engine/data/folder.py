"""`folder:PATH`: images in folders by class, in memory where they fit, read from disk where they do not.

No torch at import.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from engine.data.declare import dataset_at_path
from engine.data.split import Item, Parts, Split
from engine.errors import RequestError, WorkError

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

IN_MEMORY_BYTES = 1 << 30
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
_THREADS = 4

Shape: TypeAlias = "Callable[[Image.Image], Image.Image]"


@dataclass(frozen=True)
class Resize:
    """Any image at exactly height × width px."""

    height: int
    width: int

    def __call__(self, image: Image.Image) -> Image.Image:
        from PIL import Image

        size = (self.width, self.height)
        return image if image.size == size else image.resize(size, Image.Resampling.BILINEAR)


class ImageFiles:
    """Images that stay on disk; each gives (uint8 3×H×W, label), or a WorkError when it cannot be read any more."""

    def __init__(self, files: Sequence[Path], labels: Sequence[int], shape: Shape) -> None:
        self.files, self.labels, self.shape = list(files), list(labels), shape

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Item:
        try:
            return pixels(self.files[index], self.shape), self.labels[index]
        except _read_errors() as error:
            raise WorkError(f"cannot read the image {self.files[index]}: {error}") from None


@dataset_at_path("folder:", form="folder:PATH, an image folder with train/ and test/, val/ optional")
def read(root: Path) -> Parts:
    """train/CLASS/…, test/CLASS/… and, where there, val/CLASS/…; all images at the commonest size in train."""
    names = [name for name in ("train", "val", "test") if name != "val" or (root / name).is_dir()]
    classes = class_folders(root, "train")
    listings = {name: listing(root, name, classes) for name in names}
    sizes = {name: _sizes(files) for name, (files, _) in listings.items()}
    (width, height), _ = max(Counter(sizes["train"]).items(), key=lambda item: (item[1], item[0]))
    all_sizes = [size for name in names for size in sizes[name]]
    notes = [_size_note(height, width, sum(size != (width, height) for size in all_sizes), len(all_sizes))]
    fits_in_memory = len(all_sizes) * 3 * height * width < IN_MEMORY_BYTES
    if not fits_in_memory:
        notes.append("the images do not fit in 1 GiB of memory and are read from disk")
    shape = Resize(height, width)
    read_split = _read_all if fits_in_memory else on_disk
    splits = {name: read_split(files, labels, shape) for name, (files, labels) in listings.items()}
    return Parts(splits["train"], splits.get("val"), splits["test"], classes, (height, width), tuple(notes))


def class_folders(root: Path, name: str) -> tuple[str, ...]:
    """The class names of one split: its subfolders, sorted."""
    if not root.is_dir():
        raise RequestError(f"there is no image folder {root}")
    if not (root / name).is_dir():
        raise RequestError(f"image folder {root} has no {name}/ in it")
    classes = tuple(sorted(p.name for p in (root / name).iterdir() if p.is_dir() and not p.name.startswith(".")))
    if not classes:
        raise RequestError(f"{root / name} is empty; it needs one folder of images a class")
    return classes


def listing(root: Path, name: str, classes: tuple[str, ...]) -> tuple[list[Path], list[int]]:
    """Image files and labels of one split, which must have exactly the folders `classes`, none without an image."""
    folders = class_folders(root, name)
    if missing := sorted(set(classes) - set(folders)):
        raise RequestError(f"{root / name} has no folder {missing[0]!r}, a class of train/")
    if unknown := sorted(set(folders) - set(classes)):
        raise RequestError(f"{root / name} has a folder {unknown[0]!r}, which is no class of train/")
    files: list[Path] = []
    labels: list[int] = []
    for label, class_name in enumerate(classes):
        folder = root / name / class_name
        images = sorted(p for p in folder.rglob("*") if p.suffix.lower() in EXTENSIONS and p.is_file())
        if not images:
            raise RequestError(f"{folder} holds no image ({', '.join(EXTENSIONS)})")
        files += images
        labels += [label] * len(images)
    return files, labels


def on_disk(files: list[Path], labels: list[int], shape: Shape) -> Split:
    """A split whose images are read when they are needed."""
    import torch

    return Split(None, torch.tensor(labels), ImageFiles(files, labels, shape))


def pixels(file: Path, shape: Shape) -> Tensor:
    """One image as uint8 3×H×W; grey and palette images become RGB."""
    import numpy as np
    import torch
    from PIL import Image

    with Image.open(file) as image:
        return torch.from_numpy(np.array(shape(image.convert("RGB")))).permute(2, 0, 1)


def _read_all(files: list[Path], labels: list[int], shape: Resize) -> Split:
    from concurrent.futures import ThreadPoolExecutor

    import torch

    images = torch.empty(len(files), 3, shape.height, shape.width, dtype=torch.uint8)

    def fill(index: int) -> None:
        try:
            images[index] = pixels(files[index], shape)
        except _read_errors() as error:
            raise _unreadable(files[index], error) from None

    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(fill, range(len(files))):
            continue
    return Split(images, torch.tensor(labels))


def _sizes(files: list[Path]) -> list[tuple[int, int]]:
    """(width, height) of each image, from its header alone."""
    return [_size(file) for file in files]


def _size(file: Path) -> tuple[int, int]:
    from PIL import Image

    try:
        with Image.open(file) as image:
            size: tuple[int, int] = image.size
            return size
    except _read_errors() as error:
        raise _unreadable(file, error) from None


def _read_errors() -> tuple[type[Exception], ...]:
    """What PIL raises on a file that is no image, or not a whole one."""
    from PIL import Image

    return OSError, SyntaxError, ValueError, Image.DecompressionBombError


def _unreadable(file: Path, error: Exception) -> RequestError:
    return RequestError(
        f"cannot read the image {file} ({str(error).splitlines()[0] or type(error).__name__}); mend or remove it"
    )


def _size_note(height: int, width: int, resized: int, total: int) -> str:
    if not resized:
        return f"images are {height}×{width} px"
    return f"images are {height}×{width} px, the commonest size in train; {resized:,} of {total:,} were resized to it"
