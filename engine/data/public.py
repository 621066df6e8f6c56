"""CIFAR through torchvision, downloaded once, and ImageNet from a local copy. No torch at import."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

from engine.data import folder
from engine.data.declare import dataset
from engine.data.images import sizing
from engine.data.images.listing import LeftOut
from engine.data.images.reading import on_disk
from engine.data.outline import Outline, Wishes
from engine.data.split import Parts, Split, in_memory
from engine.errors import RequestError, WorkError
from engine.spec.catalog import IMAGENET, SMALL_IMAGE, Root
from engine.storage import directories
from engine.units import dimensions

if TYPE_CHECKING:
    from PIL import Image
    from torchvision import datasets

_TIMEOUT = 30.0  # seconds without a byte
_FOLDERS = "the folder with ImageNet's train/ and val/"
_IMAGENET = f"{_FOLDERS}, one folder a class in each"


@dataset(
    "cifar10",
    image=SMALL_IMAGE,
    classes=10,
    summary="60,000 colour images of 10 kinds of things; downloaded",
    root=Root(),
    normalize=((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
)
def cifar10(root: Path | None) -> Parts:
    """CIFAR-10 (Krizhevsky 2009): 50,000 training and 10,000 test images of 32×32 px."""
    from torchvision import datasets

    return _cifar(datasets.CIFAR10, root)


@dataset(
    "cifar100",
    image=SMALL_IMAGE,
    classes=100,
    summary="60,000 colour images of 100 kinds of things; downloaded",
    root=Root(),
    normalize=((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
)
def cifar100(root: Path | None) -> Parts:
    """CIFAR-100 (Krizhevsky 2009): 50,000 training and 10,000 test images of 32×32 px."""
    from torchvision import datasets

    return _cifar(datasets.CIFAR100, root)


@dataclass(frozen=True)
class ResizeAndCrop:
    """The height × width px in the middle of an image that covers 8/7 of them: ImageNet's usual evaluation.

    For 224×224 px the shorter side is resized to 256.
    """

    height: int = 224
    width: int = 224

    @property
    def cover(self) -> tuple[int, int]:
        """Height and width that the resized image covers."""
        return round(self.height * 8 / 7), round(self.width * 8 / 7)

    def __call__(self, image: Image.Image) -> Image.Image:
        from PIL import Image

        high, wide = self.cover
        scale = max(wide / image.width, high / image.height)
        width, height = max(wide, round(image.width * scale)), max(high, round(image.height * scale))
        left, top = (width - self.width) // 2, (height - self.height) // 2
        resized = image.resize((width, height), Image.Resampling.BILINEAR)
        return resized.crop((left, top, left + self.width, top + self.height))


@dataset(
    "imagenet",
    image=(3, 224, 224),
    classes=1000,
    summary="ImageNet-1k from a local copy",
    root=Root(requirement=_FOLDERS, folders=("train", "val")),
    normalize=IMAGENET,
    outlines=True,
    files=True,
)
def imagenet(root: Path | None, wishes: Wishes) -> Outline:
    """ImageNet-1k from disk, at 224×224 px where nothing is said; its public validation images are the test split."""
    if root is None:
        raise RequestError(f"imagenet needs data.root, {_IMAGENET}", field="data.root")
    if not root.is_dir():
        raise RequestError(f"there is no folder {root}; data.root for imagenet is {_IMAGENET}", field="data.root")
    missing = next((name for name in ("train", "val") if not (root / name).is_dir()), None)
    if missing is not None:
        raise RequestError(f"image folder {root} has no {missing}/ in it; data.root for imagenet is {_IMAGENET}")
    left_out = LeftOut()
    classes = folder.find_classes(root / "train", left_out)
    listings = {
        split: folder.list_part(split, root / name, classes, left_out)
        for split, name in (("train", "train"), ("test", "val"))
    }
    size = sizing.choose(Counter({(224, 224): 1}), wishes.sizing).size
    shape = ResizeAndCrop(*size)
    notes = (
        "test split: ImageNet's validation images",
        f"images are resized to cover {dimensions(shape.cover)} px and cropped to {dimensions(size)}",
        *left_out.notes(),
        *folder.class_notes(classes, listings),
    )

    def read() -> Parts:
        train, test = (on_disk(listings[name], shape) for name in ("train", "test"))
        return Parts(train, None, test, classes, size, notes, shape.cover)

    counts = {name: len(listing.files) for name, listing in listings.items()}
    return Outline(len(classes), size, read, counts, notes, classes)


def _cifar(kind: type[datasets.CIFAR10], root: Path | None) -> Parts:
    where = root or directories.cache() / "data"
    try:
        with _socket_timeout(_TIMEOUT):
            train, test = (kind(where, train=train, download=True) for train in (True, False))
    except (FileExistsError, NotADirectoryError):
        raise RequestError(f"data.root {where} is not a folder", field="data.root") from None
    except (URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise WorkError(
            f"cannot download {kind.__name__} from {kind.url} ({reason}); is this machine online?"
        ) from None
    except RuntimeError:  # torchvision's word for a file whose checksum is wrong
        raise WorkError(f"the download of {kind.__name__} from {kind.url} came damaged; try again") from None
    except OSError as error:
        raise WorkError(f"cannot write {where}: {error.strerror or error}") from None
    return Parts(_split(train), None, _split(test), tuple(train.classes), (32, 32))


def _split(part: datasets.CIFAR10) -> Split:
    import torch

    return in_memory(torch.from_numpy(part.data).permute(0, 3, 1, 2), part.targets)


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
