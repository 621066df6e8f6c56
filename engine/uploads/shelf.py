"""Where uploads are kept: `results/uploads/KIND/DIGEST/NAME`, so that the same file twice is one. No torch."""

import errno
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from engine.errors import WorkError
from engine.storage import directories, files, leftovers
from engine.storage.atomic import as_work_error, prepare_folder

Kind = Literal["weights", "arrays", "images"]
KINDS: tuple[Kind, ...] = get_args(Kind)
DIGEST_LENGTH = 32  # hexadecimal digits of the file's SHA-256
_DIGEST = re.compile(rf"[0-9a-f]{{{DIGEST_LENGTH}}}")


@dataclass(frozen=True)
class Upload:
    """A file, or a folder of images, that was uploaded under a name; `at` is when, as a Unix time."""

    kind: Kind
    digest: str
    path: Path
    at: float

    @property
    def name(self) -> str:
        """What its user called it, as far as a disk takes that."""
        return self.path.name


class Shelf:
    """The uploads of a results folder, which may not be there yet."""

    def __init__(self, root: Path) -> None:
        self.folder = directories.uploads(root)

    def all(self, *kinds: Kind) -> list[Upload]:
        """Those of some kinds, the last one first; what else lies there is none."""
        found: list[Upload] = []
        for kind in kinds or KINDS:
            names = filter(_DIGEST.fullmatch, _names_in(self.folder / kind))
            found += [upload for name in names if (upload := self.find(kind, name)) is not None]
        return sorted(found, key=lambda upload: (-upload.at, upload.name))

    def find(self, kind: Kind, digest: str) -> Upload | None:
        """The upload of a kind and a digest; None where there is none."""
        folder = self.folder / kind / digest
        if files.kind_of(folder) != "a folder":
            return None
        try:
            (name,) = files.names_in(folder)
            return Upload(kind, digest, folder / name, folder.stat().st_mtime)
        except (ValueError, FileNotFoundError):
            return None  # it is on its way out

    def of(self, path: str) -> Upload | None:
        """The upload that a path of a request names; None where it names something else."""
        place = Path(path)
        kind, digest = place.parent.parent.name, place.parent.name
        if kind not in KINDS or not _DIGEST.fullmatch(digest) or place.parent.parent.parent != self.folder:
            return None
        found = self.find(kind, digest)
        return found if found is not None and found.path == place else None

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """A hidden folder to put an upload into; what is left in it at the end is removed."""
        prepare_folder(self.folder)
        draft = leftovers.new_path(self.folder)
        prepare_folder(draft)
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def put(self, draft: Path, kind: Kind, digest: str) -> Upload:
        """Gives a draft that holds one file or folder its place; where the same is there already, that stays."""
        place = self.folder / kind / digest
        prepare_folder(place.parent)
        with as_work_error(place):
            try:
                draft.rename(place)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            with files.held_folder(place.parent) as folder:
                os.fsync(folder)
        upload = self.find(kind, digest)
        if upload is None:
            raise WorkError(f"{place} was removed in the meantime; upload the file again")
        return upload

    def renew(self, upload: Upload) -> Upload:
        """The same upload as of now, as somebody uploaded it once more."""
        with suppress(PermissionError, FileNotFoundError):  # another user's, or gone by now
            os.utime(upload.path.parent)
        return replace(upload, at=time.time())

    def remove(self, upload: Upload) -> None:
        """Removes an upload, whole or not at all; one that is gone already is fine."""
        aside = self.folder / leftovers.removed_name()
        with as_work_error(upload.path), suppress(FileNotFoundError):
            upload.path.parent.rename(aside)
            leftovers.remove(aside)


def _names_in(folder: Path) -> list[str]:
    try:
        return files.names_in(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise WorkError(f"cannot read {folder}: {error.strerror or error}") from None
