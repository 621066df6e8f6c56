"""How a dataset declares itself: `dataset` or `dataset_at_path` above the function that gives its splits. No torch.

@dataset("digits", image=(3, 16, 16), classes=10, summary="…", flip=False, crop=2)
def digits() -> Parts: ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from engine.spec.catalog import DATASET_PREFIXES, DATASETS, Dataset, Image, Normalization, Root
from engine.spec.registry import Registry

if TYPE_CHECKING:
    from engine.data.outline import Outline
    from engine.data.split import Parts

F = TypeVar("F", bound="Callable[..., Parts | Outline]")


@dataclass(frozen=True)
class Source:
    """Where a dataset's splits come from, and how its training images may be varied."""

    # Of nothing, of data.root where the dataset takes one, or of the path after a prefix; and of the wishes where it
    # gives an outline.
    read: Callable[..., Parts | Outline]
    outlines: bool = False
    files: bool = False  # are its images files, which may be broken?
    flip: bool = True  # may a training image be mirrored?
    crop: int | None = None  # px of padding for random crops; None: an eighth of the shorter side


SOURCES: Registry[Source] = Registry("dataset", "engine.data", "a-z0-9_:-")  # by name or prefix


def dataset(
    name: str,
    *,
    image: Image,
    classes: int,
    summary: str,
    root: Root | None = None,
    normalize: Normalization | None = None,
    flip: bool = True,
    crop: int | None = None,
    outlines: bool = False,
    files: bool = False,
    names: tuple[str, ...] = (),
    title: str = "",
    counts: tuple[int, int] | None = None,
) -> Callable[[F], F]:
    """Declare the decorated `() -> Parts` as a dataset; with `root` it is `(data.root or None) -> Parts`.

    `image` is (3, height, width), `normalize` the means and deviations of values in 0..1 (None: ImageNet's). `flip` and
    `crop` say how training images may be varied. With `outlines` the function takes `Wishes`, too, and gives an
    `Outline`; `files` says that its images are files, `names` how its classes are called, `title` how people write its
    name, `counts` how many training and test images it has. RequestError when the name is taken.
    """

    def register(read: F) -> F:
        DATASETS.add(name, Dataset(name, image, classes, summary, root, normalize, names, title, counts), read)
        SOURCES.add(name, Source(read, outlines, files, flip, crop), read)
        return read

    return register


def dataset_at_path(prefix: str, *, form: str, outlines: bool = False, files: bool = False) -> Callable[[F], F]:
    """Declare the decorated `(path) -> Parts` as what reads a dataset named `prefix` + path, such as `npz:PATH`.

    `form` says what to write, `outlines` and `files` are as for `dataset`. RequestError when the prefix is taken.
    """

    def register(read: F) -> F:
        DATASET_PREFIXES.add(prefix, form, read)
        SOURCES.add(prefix, Source(read, outlines, files), read)
        return read

    return register
