"""CIFAR through torchvision, downloaded once, and ImageNet from a local copy. No torch at import."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

from engine.data import folder
from engine.data.declare import dataset
from engine.data.split import Parts, Split, in_memory
from engine.errors import RequestError, WorkError
from engine.spec.catalog import IMAGENET, SMALL_IMAGE, Root
from engine.storage import directories

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
    """The shorter side at `side` px, then the `crop` × `crop` px in the middle: ImageNet's usual evaluation."""

    side: int = 256
    crop: int = 224

    def __call__(self, image: Image.Image) -> Image.Image:
        from PIL import Image

        scale = self.side / min(image.size)
        width, height = (max(self.side, round(length * scale)) for length in image.size)
        left, top = (width - self.crop) // 2, (height - self.crop) // 2
        resized = image.resize((width, height), Image.Resampling.BILINEAR)
        return resized.crop((left, top, left + self.crop, top + self.crop))


@dataset(
    "imagenet",
    image=(3, 224, 224),
    classes=1000,
    summary="ImageNet-1k from a local copy",
    root=Root(requirement=_FOLDERS, folders=("train", "val")),
    normalize=IMAGENET,
)
def imagenet(root: Path | None) -> Parts:
    """ImageNet-1k from disk at 224×224 px; its public validation images are the test split."""
    if root is None:
        raise RequestError(f"imagenet needs data.root, {_IMAGENET}", field="data.root")
    if not root.is_dir():
        raise RequestError(f"there is no folder {root}; data.root for imagenet is {_IMAGENET}", field="data.root")
    classes = folder.class_folders(root, "train")
    shape = ResizeAndCrop()
    train, test = (folder.on_disk(*folder.listing(root, name, classes), shape) for name in ("train", "val"))
    notes = (
        "test split: ImageNet's validation images",
        f"images are resized to {shape.side} px and cropped to {shape.crop}×{shape.crop}",
    )
    return Parts(train, None, test, classes, (shape.crop, shape.crop), notes)


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
