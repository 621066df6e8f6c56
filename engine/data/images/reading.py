"""Many image files: their headers, and their pixels at once or when they are needed. No torch at import."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from engine.data.images.listing import Listing
from engine.data.images.pixels import Header, Shape, pixels, read_errors, read_header, reason
from engine.data.images.sizing import Fit
from engine.data.split import Item, Split
from engine.errors import RequestError, WorkError
from engine.spec.messages import as_text
from engine.words import count

if TYPE_CHECKING:
    from torch import Tensor

    from engine.data.split import ImageSource

_THREADS = 4
_MOST_NAMED = 5
_CANNOT_READ = "cannot read the image "


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
        except read_errors() as error:
            raise WorkError(f"{_CANNOT_READ}{as_text(file)}: {reason(file, error)}") from None


def on_disk(listing: Listing, shape: Shape) -> Split:
    """A split whose images are read when they are needed."""
    import torch

    labels = torch.tensor(listing.labels, dtype=torch.int64)
    return Split(None, labels, ImageFiles(listing.files, listing.labels, shape))


def read_all(listings: Mapping[str, Listing], shape: Fit) -> dict[str, Split]:
    """Splits in memory; RequestError that names the files that cannot be read."""
    import torch

    splits: dict[str, Split] = {}
    broken: list[str] = []
    for name, listing in listings.items():
        images = torch.empty(len(listing.files), 3, shape.height, shape.width, dtype=torch.uint8)

        def fill(index: int, files: list[Path] = listing.files, images: Tensor = images) -> str | None:
            try:
                images[index] = pixels(files[index], shape)
            except read_errors() as error:
                return _named(files[index], error)
            return None

        broken += _problems(fill, len(listing.files))
        splits[name] = Split(images, torch.tensor(listing.labels, dtype=torch.int64))
    refuse_broken(broken)
    return splits


def read_headers(listings: Mapping[str, Listing]) -> dict[str, list[Header]]:
    """What each file of each split is; RequestError that names those that cannot be read."""
    broken: list[str] = []
    headers: dict[str, list[Header]] = {name: [] for name in listings}
    for name, listing in listings.items():
        for file in listing.files:
            try:
                headers[name].append(read_header(file))
            except read_errors() as error:
                broken.append(_named(file, error))
    refuse_broken(broken)
    return headers


def find_broken(source: ImageSource) -> list[str]:
    """Decode every image once: path and reason of each that cannot be read."""

    def decode(index: int) -> str | None:
        try:
            source[index]
        except WorkError as error:
            return str(error).removeprefix(_CANNOT_READ)
        return None

    return _problems(decode, len(source))


def _problems(find: Callable[[int], str | None], count: int) -> list[str]:
    """What is found wrong with the first so many, looked at side by side."""
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(_THREADS) as pool:  # PIL's, of odd headers
        return [text for text in pool.map(find, range(count)) if text is not None]


def _named(file: Path, error: Exception) -> str:
    return f"{as_text(file)} ({reason(file, error)})"


def refuse_broken(named: Sequence[str]) -> None:
    """RequestError that names the first few of what is broken, if anything is."""
    if not named:
        return
    if len(named) == 1:
        raise RequestError(f"{_CANNOT_READ}{named[0]}; mend or remove it")
    more = f" and {count(len(named) - _MOST_NAMED, 'other')}" if len(named) > _MOST_NAMED else ""
    raise RequestError(
        f"cannot read {len(named):,} images: {', '.join(named[:_MOST_NAMED])}{more}; mend or remove them"
    )


def fit_split(split: Split, shape: Fit) -> Split:
    """A split with its images resized to cover a size, and cut at the centre."""
    import torch

    if split.disk is not None:
        return Split(None, split.labels, _Fitted(split.disk, shape))
    assert split.images is not None
    images = torch.empty(len(split), 3, shape.height, shape.width, dtype=torch.uint8)
    for index, image in enumerate(split.images):
        images[index] = _fit_tensor(image, shape)
    return Split(images, split.labels)


class _Fitted:
    """Images of another source, resized when they are read."""

    def __init__(self, source: ImageSource, shape: Fit) -> None:
        self.source, self.shape = source, shape

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Item:
        image, label = self.source[index]
        return _fit_tensor(image, self.shape), label


def _fit_tensor(image: Tensor, shape: Fit) -> Tensor:
    """A uint8 3×H×W image at the shape's size, through the same code as a file's."""
    import numpy as np
    import torch
    from PIL import Image

    resized = shape(Image.fromarray(image.permute(1, 2, 0).numpy()))
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1)
