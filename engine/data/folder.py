"""`folder:PATH`: images in folders by class, in memory where they fit, read from disk where they do not.

No torch at import.
"""

from __future__ import annotations

import os
import struct
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from engine.data.declare import dataset_at_path
from engine.data.split import Item, Parts, Split
from engine.errors import RequestError, WorkError
from engine.spec.messages import as_text
from engine.storage.files import opened

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

IN_MEMORY_BYTES = 1 << 30
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
# By what is in a file, whatever it is called; PIL's other readers start programs, or know no bounds.
FORMATS = ("JPEG", "PNG", "PPM", "BMP", "DIB", "GIF", "TIFF", "WEBP")
MOST_PIXELS = 50_000_000  # of an image, which takes 4 bytes for each while it is read, and as many again
_LARGE = 4_000_000  # pixels; images of more are read one at a time
_THREADS = 4
_one_at_a_time = threading.Lock()

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
        file = self.files[index]
        try:
            return pixels(file, self.shape), self.labels[index]
        except _read_errors() as error:
            raise WorkError(f"cannot read the image {as_text(file)}: {_first_line(error)}") from None


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
        raise RequestError(f"there is no image folder {as_text(root)}")
    if not (root / name).is_dir():
        raise RequestError(f"image folder {as_text(root)} has no {name}/ in it")
    with _as_request_error(root / name):
        paths = [path for path in (root / name).iterdir() if path.is_dir() and not path.name.startswith(".")]
    odd = next((path for path in paths if not path.name.isprintable()), None)
    if odd is not None:
        raise RequestError(f"the name of the class folder {as_text(odd)} is no line of text; rename it")
    if not paths:
        raise RequestError(f"{as_text(root / name)} is empty; it needs one folder of images a class")
    return tuple(sorted(path.name for path in paths))


def listing(root: Path, name: str, classes: tuple[str, ...]) -> tuple[list[Path], list[int]]:
    """Image files and labels of one split, which must have exactly the folders `classes`, none without an image.

    What is no regular file is left out: folders, named pipes, devices, links to nothing.
    """
    folders = class_folders(root, name)
    if missing := sorted(set(classes) - set(folders)):
        raise RequestError(f"{as_text(root / name)} has no folder {missing[0]!r}, a class of train/")
    if unknown := sorted(set(folders) - set(classes)):
        raise RequestError(f"{as_text(root / name)} has a folder {unknown[0]!r}, which is no class of train/")
    files: list[Path] = []
    labels: list[int] = []
    for label, class_name in enumerate(classes):
        folder = root / name / class_name
        with _as_request_error(folder):
            images = sorted(p for p in folder.rglob("*") if p.suffix.lower() in EXTENSIONS and p.is_file())
        if not images:
            raise RequestError(f"{as_text(folder)} holds no image ({', '.join(EXTENSIONS)})")
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

    with _image(file) as image, _one_at_a_time if image.width * image.height > _LARGE else nullcontext():
        return torch.from_numpy(np.array(shape(image.convert("RGB")))).permute(2, 0, 1)


@contextmanager
def _image(file: Path) -> Iterator[Image.Image]:
    """An image of which the header was read; ValueError for one of more pixels than are taken."""
    from PIL import Image

    with (
        opened(file, links=True) as descriptor,
        os.fdopen(os.dup(descriptor), "rb") as stream,
        Image.open(stream, formats=FORMATS) as image,
    ):
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"it has {image.width:,} × {image.height:,} px; at most {MOST_PIXELS:,} are taken")
        yield image


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
    with warnings.catch_warnings(action="ignore"):  # PIL's, of very many pixels and of odd headers
        return [_size(file) for file in files]


def _size(file: Path) -> tuple[int, int]:
    try:
        with _image(file) as image:
            return image.width, image.height
    except _read_errors() as error:
        raise _unreadable(file, error) from None


def _read_errors() -> tuple[type[Exception], ...]:
    """What PIL raises on a file that is no image, or not a whole one."""
    from PIL import Image

    broken = (SyntaxError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, struct.error)
    return OSError, EOFError, RuntimeError, MemoryError, Image.DecompressionBombError, *broken


def _unreadable(file: Path, error: Exception) -> RequestError:
    return RequestError(f"cannot read the image {as_text(file)} ({_first_line(error)}); mend or remove it")


def _first_line(error: Exception) -> str:
    """What an error says; the operating system's words do without the path, which the sentence has already."""
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return f"it is none of {', '.join(FORMATS)}"
    text = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    return as_text(text.splitlines()[0])


@contextmanager
def _as_request_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RequestError(f"cannot look into {as_text(folder)}: {error.strerror or error}") from None


def _size_note(height: int, width: int, resized: int, total: int) -> str:
    if not resized:
        return f"images are {height}×{width} px"
    return f"images are {height}×{width} px, the commonest size in train; {resized:,} of {total:,} were resized to it"
