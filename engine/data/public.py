"""CIFAR and sets of digits through torchvision, downloaded once, and ImageNet from a local copy. No torch at import."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

from engine.data import folder
from engine.data.clutter import CROP, DIGITS
from engine.data.declare import dataset
from engine.data.images import sizing
from engine.data.images.listing import LeftOut
from engine.data.images.reading import on_disk
from engine.data.outline import Outline, Wishes
from engine.data.split import Parts, in_memory
from engine.errors import RequestError, WorkError
from engine.spec.catalog import IMAGENET, SMALL_IMAGE, Root
from engine.storage import directories
from engine.units import dimensions

if TYPE_CHECKING:
    from PIL import Image
    from torchvision import datasets

_DAMAGED, _MIRRORS = "corrupted", "Tried"  # in torchvision's words
_TIMEOUT = 30.0  # seconds without a byte
_THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_FOLDERS = "the folder with ImageNet's train/ and val/"
_IMAGENET = f"{_FOLDERS}, one folder a class in each"


@dataset(
    "cifar10",
    image=SMALL_IMAGE,
    classes=10,
    summary="60,000 colour images of 10 kinds of things; downloaded",
    root=Root(),
    normalize=((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    names=_THINGS,
    title="CIFAR-10",
    counts=(50_000, 10_000),
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
    title="CIFAR-100",
    counts=(50_000, 10_000),
)
def cifar100(root: Path | None) -> Parts:
    """CIFAR-100 (Krizhevsky 2009): 50,000 training and 10,000 test images of 32×32 px."""
    from torchvision import datasets

    return _cifar(datasets.CIFAR100, root)


@dataset(
    "mnist",
    image=(3, 28, 28),
    classes=10,
    summary="70,000 handwritten digits; downloaded",
    root=Root(),
    flip=False,
    crop=CROP,
    names=DIGITS,
    title="MNIST",
    counts=(60_000, 10_000),
)
def mnist(root: Path | None) -> Parts:
    """MNIST (LeCun et al. 1998): 60,000 training and 10,000 test images of 28×28 px."""
    from torchvision import datasets

    def read(where: Path) -> Parts:
        train, test = (datasets.MNIST(where, train=train, download=True) for train in (True, False))
        return Parts(in_memory(train.data, train.targets), None, in_memory(test.data, test.targets), DIGITS, (28, 28))

    return _downloaded("MNIST", datasets.MNIST.mirrors[0], root, read)


@dataset(
    "usps",
    image=(3, 16, 16),
    classes=10,
    summary="9,298 handwritten digits from envelopes; downloaded",
    root=Root(),
    flip=False,
    crop=CROP,
    names=DIGITS,
    title="USPS",
    counts=(7291, 2007),
)
def usps(root: Path | None) -> Parts:
    """USPS (Hull 1994): 7,291 training and 2,007 test images of 16×16 px."""
    import torch
    from torchvision import datasets
    from torchvision.datasets.utils import download_url

    files = datasets.USPS.split_list

    def read(where: Path) -> Parts:
        for url, name, md5 in files.values():
            download_url(url, where, name, md5)  # USPS itself takes a file that is there for a whole one
        train, test = (datasets.USPS(where, train=train) for train in (True, False))
        splits = [in_memory(torch.from_numpy(part.data), part.targets) for part in (train, test)]
        return Parts(splits[0], None, splits[1], DIGITS, (16, 16))

    return _downloaded("USPS", files["train"][0], root, read)


@dataset(
    "svhn",
    image=SMALL_IMAGE,
    classes=10,
    summary="99,289 digits of house numbers, in colour; downloaded",
    root=Root(),
    flip=False,
    crop=CROP,
    names=DIGITS,
    title="SVHN",
    counts=(73_257, 26_032),
)
def svhn(root: Path | None) -> Parts:
    """SVHN (Netzer et al. 2011): 73,257 training and 26,032 test images of 32×32 px; `extra` is left out."""
    import torch
    from torchvision import datasets

    def read(where: Path) -> Parts:
        train, test = (datasets.SVHN(where, split=split, download=True) for split in ("train", "test"))
        splits = [in_memory(torch.from_numpy(part.data), part.labels) for part in (train, test)]
        return Parts(splits[0], None, splits[1], DIGITS, (32, 32))

    return _downloaded("SVHN", datasets.SVHN.split_list["train"][0], root, read)


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
    title="ImageNet",
    counts=(1_281_167, 50_000),
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
    import torch

    def read(where: Path) -> Parts:
        train, test = (kind(where, train=train, download=True) for train in (True, False))
        splits = [in_memory(torch.from_numpy(part.data).permute(0, 3, 1, 2), part.targets) for part in (train, test)]
        return Parts(splits[0], None, splits[1], tuple(train.classes), (32, 32))

    return _downloaded(kind.__name__, kind.url, root, read)


def _downloaded(title: str, url: str, root: Path | None, read: Callable[[Path], Parts]) -> Parts:
    """What `read` makes of the files of a public dataset in a folder, which it downloads where they are not there.

    RequestError when the folder is a file. WorkError when a download fails or comes damaged, or a file is damaged.
    """
    where = root or directories.cache() / "data"
    try:
        with _socket_timeout(_TIMEOUT):
            return read(where)
    except (FileExistsError, NotADirectoryError):
        raise RequestError(f"data.root {where} is not a folder", field="data.root") from None
    except (URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise WorkError(f"cannot download {title} from {url} ({reason}); is this machine online?") from None
    except (RuntimeError, AssertionError, EOFError, ValueError) as error:
        raise _failure(title, url, where, " ".join(str(error).split())) from None
    except OSError as error:
        raise WorkError(f"cannot read or write {where}: {error.strerror or error}") from None


def _failure(title: str, url: str, where: Path, reason: str) -> WorkError:
    """What torchvision says of a wrong checksum, of mirrors that are gone, or of a file that it cannot read."""
    if _DAMAGED in reason:
        return WorkError(f"the download of {title} from {url} came damaged; try again")
    if _MIRRORS in reason:
        return WorkError(f"cannot download {title} from {url} ({reason}); is this machine online?")
    return WorkError(f"a file of {title} in {where} is damaged ({reason or 'it ends too early'}); remove it, try again")


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
