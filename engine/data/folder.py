"""`folder:PATH`: images in folders by class, in memory where they fit, read from disk where they do not.

No torch at import.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.data.declare import dataset_at_path
from engine.data.images import sizing
from engine.data.images.listing import LeftOut, Listing, class_folders, is_hidden, is_image, list_split, subfolders
from engine.data.images.pixels import EXTENSIONS, TRAITS, WIDE, Header
from engine.data.images.reading import on_disk, read_all, read_headers
from engine.data.outline import NO_WISHES, Outline, Wishes
from engine.data.split import Parts, Split
from engine.errors import RequestError
from engine.spec.messages import as_text
from engine.words import count, first_names

IN_MEMORY_BYTES = 1 << 30
_DIM = 16  # of 255: what 12 bits come to in a format of 16
SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}


@dataclass(frozen=True)
class _Layout:
    """Where the splits of an image folder are, and what was decided to find them."""

    folders: Mapping[str, Path]  # of "train" and, where there, "val" and "test"
    notes: tuple[str, ...] = ()


@dataset_at_path(
    "folder:",
    form="folder:PATH, an image folder with train/ and one folder a class in it; val/ and test/ optional",
    outlines=True,
    files=True,
)
def outline(root: Path, wishes: Wishes = NO_WISHES) -> Outline:
    """train/CLASS/…, and val/CLASS/… and test/CLASS/… where there; or CLASS/… alone, from which all splits are cut."""
    left_out = LeftOut()
    layout = _find_layout(root, left_out)
    classes = find_classes(layout.folders["train"], left_out)
    listings = {name: list_part(name, folder, classes, left_out) for name, folder in layout.folders.items()}
    headers = read_headers(listings)
    sizes = {name: Counter(header.size for header in found) for name, found in headers.items()}
    choice = sizing.choose(sizes["train"], wishes.sizing, "in train")
    all_sizes: Counter[sizing.Size] = sum(sizes.values(), Counter())
    fits_in_memory = all_sizes.total() * 3 * choice.height * choice.width < IN_MEMORY_BYTES
    notes = (
        *layout.notes,
        sizing.describe(choice, all_sizes),
        *([] if fits_in_memory else ["the images do not fit in 1 GiB of memory and are read from disk"]),
        *_trait_notes([header for found in headers.values() for header in found]),
        *left_out.notes(),
        *class_notes(classes, listings),
        *_overlap_notes(listings),
    )

    def read() -> Parts:
        shape = sizing.Fit(choice.height, choice.width)
        if fits_in_memory:
            splits = read_all(listings, shape)
            more = tuple(_dim_notes(headers, splits))
        else:
            splits, more = {name: on_disk(listing, shape) for name, listing in listings.items()}, ()
        return Parts(splits["train"], splits.get("val"), splits.get("test"), classes, choice.size, (*notes, *more))

    counts = {name: len(files.files) for name, files in listings.items()}
    return Outline(len(classes), choice.size, read, counts, notes, classes)


def _find_layout(root: Path, left_out: LeftOut) -> _Layout:
    """The folders of the splits by their names, whatever their case; RequestError where there is no train."""
    if not root.is_dir():
        raise RequestError(f"there is no image folder {as_text(root)}")
    beside_splits = LeftOut()
    with_names = {name: root / name for name in subfolders(root, beside_splits)}
    found: dict[str, Path] = {}
    for split, names in SPLITS.items():
        folders = sorted(name for name in with_names if name.lower() in names)
        if len(folders) > 1:
            listed = " and ".join(f"{name}/" for name in folders)
            raise RequestError(f"image folder {as_text(root)} has {listed}, and one {split} split is taken; rename one")
        if folders:
            found[split] = with_names.pop(folders[0])
    if "train" not in found:
        return _flat(root, with_names, found)
    left_out.add(beside_splits)
    beside = sorted(as_text(name) for name in with_names)
    notes = [f"{count(len(beside), 'folder')} beside the splits not read: {first_names(beside)}"] if beside else []
    return _Layout(found, (*_name_notes(found), *notes))


def _flat(root: Path, folders: Mapping[str, Path], splits: Mapping[str, Path]) -> _Layout:
    """A folder whose own folders are the classes; RequestError for any other without train/."""
    if splits or not any(_holds_image(path) for path in folders.values()):
        inside = next((path for path in folders.values() if (path / "train").is_dir()), None) or _only(folders)
        raise RequestError(
            f"image folder {as_text(root)} has no train/ in it; it needs train/ with one folder of images a class, "
            "or such folders alone, from which the splits are cut"
            + (f"; did you mean folder:{as_text(inside)}?" if inside else "")
        )
    return _Layout({"train": root}, ("no train/ in the folder: its own folders are the classes",))


def _only(folders: Mapping[str, Path]) -> Path | None:
    """The only folder, where its own folders hold images, as `images/` of each domain of Office-31."""
    for path in folders.values() if len(folders) == 1 else ():
        if any(_holds_image(path / name) for name in subfolders(path, LeftOut())):
            return path
    return None


def _name_notes(found: Mapping[str, Path]) -> Iterator[str]:
    for split, path in found.items():
        if path.name != split:
            yield f"{split} split: {as_text(path.name)}/"


def _holds_image(folder: Path) -> bool:
    try:
        return any(is_image(path.name) and not is_hidden(path.name) and path.is_file() for path in folder.iterdir())
    except OSError as error:
        raise RequestError(f"cannot look into {as_text(folder)}: {error.strerror or error}") from None


def find_classes(folder: Path, left_out: LeftOut, hint: str = "") -> tuple[str, ...]:
    """The names of a split's class folders, of which there is at least one; `hint` ends the refusal of none."""
    loose = len(left_out.loose)
    classes = class_folders(folder, left_out)
    if not classes:
        images = len(left_out.loose) - loose
        what = f"holds {count(images, 'image')} and no folder" if images else "is empty"
        raise RequestError(f"{as_text(folder)} {what}; it needs one folder of images a class{hint}")
    return classes


def list_part(name: str, folder: Path, classes: tuple[str, ...], left_out: LeftOut) -> Listing:
    """The images of one split; RequestError where it has a class that train lacks, or train one without an image."""
    if name != "train":
        _check_classes(name, folder, classes, left_out)
    listing = list_split(folder, classes, left_out)
    present = set(listing.labels)
    empty = next((c for label, c in enumerate(classes) if label not in present), None)
    if name == "train" and empty is not None:
        raise RequestError(f"{as_text(folder / empty)} holds no image ({', '.join(EXTENSIONS)}); fill or remove it")
    if not present:
        raise RequestError(
            f"{as_text(folder)} holds no image of any class ({', '.join(EXTENSIONS)}); fill or remove it"
        )
    return listing


def _check_classes(name: str, folder: Path, classes: Sequence[str], left_out: LeftOut) -> None:
    """RequestError where a split has no class folder, or that of a class that train lacks."""
    optional = folder.name.lower() in SPLITS[name]  # ImageNet's is called otherwise
    hint = f"; without {as_text(folder.name)}/, a {name} split is cut from train" if optional else ""
    unknown = sorted(set(find_classes(folder, left_out, hint)) - set(classes))
    if unknown:
        alike = next((name for name in classes if name.lower() == unknown[0].lower()), None)
        hint = f"; there it is called {alike!r}" if alike else ""
        raise RequestError(f"{as_text(folder)} has a folder {unknown[0]!r}, which is no class of train/{hint}")


def _trait_notes(headers: Sequence[Header]) -> Iterator[str]:
    counts = Counter(trait for header in headers for trait in header.traits)
    for trait in TRAITS:
        if counts[trait]:
            yield f"{count(counts[trait], 'image')} {trait}"


def _dim_notes(headers: Mapping[str, Sequence[Header]], splits: Mapping[str, Split]) -> Iterator[str]:
    """Of images of 16 bits that were made with fewer: they are nearly black by the range of their format."""
    dim = 0
    for name, found in headers.items():
        wide = [index for index, header in enumerate(found) if WIDE in header.traits]
        images = splits[name].images
        if wide and images is not None:
            dim += int((images[wide].flatten(1).amax(1) <= _DIM).sum())
    if dim:
        yield f"{count(dim, 'image')} of 16 bits with less than a sixteenth of their range in use: nearly black"


def class_notes(classes: tuple[str, ...], listings: Mapping[str, Listing]) -> Iterator[str]:
    for name, listing in listings.items():
        present = set(listing.labels)
        absent = [as_text(class_name) for label, class_name in enumerate(classes) if label not in present]
        if absent:
            yield f"{name} has no image of {count(len(absent), 'class', 'classes')}: {first_names(absent)}"
    if all(name.isdecimal() for name in classes) and list(classes) != sorted(classes, key=int):
        yield f"classes are in the order of their names as text: {first_names(classes)}"


def _overlap_notes(listings: Mapping[str, Listing]) -> Iterator[str]:
    train = set(listings["train"].real)
    for name, listing in listings.items():
        if name == "train":
            twice = len(listing.real) - len(train)
            shared = f"{count(twice, 'image')} of train in two classes, by links"
        else:
            twice = sum(place in train for place in listing.real)
            shared = f"{count(twice, 'image')} of {name} in train, too, by links"
        if twice:
            yield shared
