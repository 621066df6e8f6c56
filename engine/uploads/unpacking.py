"""An archive of images made a folder, as far as its entries may be unpacked. No torch."""

import os
from pathlib import Path

from engine.spec.messages import quote
from engine.storage import archives, files
from engine.storage.archives import Archive, DamagedArchiveError
from engine.uploads.entries import Entry, choose
from engine.uploads.limits import MOST_ENTRIES

_CHUNK = files.MIB


def unpack(file: Path, folder: Path) -> None:
    """Puts the images of the zip archive `file` into `folder`, which is made; DamagedArchiveError where it may not be.

    Nothing of an archive is written before all of its entries were looked at.
    """
    with files.opened(file) as descriptor, archives.archive(descriptor, MOST_ENTRIES) as archive:
        entries = choose(archive.members)
        files.make_folder(folder)
        made = {folder}
        for entry in entries:
            place = folder.joinpath(*entry.parts)
            for parent in reversed(place.parents[: len(entry.parts) - 1]):
                if parent not in made:
                    files.make_folder(parent)
                    made.add(parent)
            _write(archive, entry, place)


def _write(archive: Archive, entry: Entry, place: Path) -> None:
    """Writes one image, of exactly as many bytes as the archive says."""
    left = archive.members[entry.name].file_size
    try:
        with (
            archive.reader(entry.name) as reader,
            files.opened(place, os.O_WRONLY | os.O_CREAT) as descriptor,
            open(descriptor, "wb", closefd=False) as out,
        ):
            while chunk := reader.read(_CHUNK):
                left -= out.write(chunk)
    except DamagedArchiveError as error:
        raise DamagedArchiveError(f"holds {quote(entry.name)}, which {error}") from None
    if left:
        raise DamagedArchiveError(f"holds {quote(entry.name)}, which is cut off or damaged")
