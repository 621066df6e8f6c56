"""The test images of a run: which they are, their classes, and small pictures of some. One file a run. No torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from engine.storage import atomic, files
from engine.storage.records.record import Record, Whole

FILE = "test.json"
MOST_BYTES = 16 * files.MIB
LONGEST_PICTURE = 30_000  # characters
Name = Annotated[str, Field(max_length=1000)]
Picture = Annotated[
    str, Field(max_length=LONGEST_PICTURE, pattern=r"^data:image/(?:png|jpeg);base64,[A-Za-z0-9+/]+={0,2}$")
]


@dataclass(frozen=True, kw_only=True)
class Thumbnail(Record):
    """A small picture, as the URI of its data, of the image at one place of the test split."""

    image: Whole
    picture: Picture


@dataclass(frozen=True, kw_only=True)
class ImageList(Record):
    """The images in their order, by the number of their class in `classes`; two lists of one `digest` are the same."""

    digest: Name
    classes: tuple[Name, ...]
    labels: tuple[Whole, ...]
    thumbnails: tuple[Thumbnail, ...] = ()

    def __post_init__(self) -> None:
        if not self.labels or max(self.labels) >= len(self.classes):
            raise ValueError("its labels are no numbers of its classes")


def write(folder: Path, images: ImageList) -> None:
    """Writes the file of the run in `folder`, whole."""
    atomic.write_json(folder / FILE, images.to_json())


def read(folder: Path) -> ImageList | None:
    """What `write` wrote; None in a run of an earlier version, WorkError where the file is damaged."""
    file = folder / FILE
    if not is_kept(folder):
        return None
    return ImageList.from_json(atomic.read_json(file, MOST_BYTES), str(file))


def is_kept(folder: Path) -> bool:
    """Whether there is such a file."""
    return (folder / FILE).exists()
