"""A file that somebody uploads, checked by its headers and kept whole, or refused in one sentence. No torch.

What its numbers are is looked at when it is asked for: by the check that is made of every request before it is queued.
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from engine.data import folder, npz
from engine.errors import RequestError
from engine.spec.messages import as_text, quote
from engine.storage import files
from engine.storage.archives import DamagedArchiveError
from engine.storage.atomic import as_work_error
from engine.uploads.limits import MOST_BYTES
from engine.uploads.shelf import DIGEST_LENGTH, Kind, Shelf, Upload
from engine.uploads.unpacking import unpack
from engine.zoo.checkpoints import formats, selection

SUFFIXES: Mapping[Kind, tuple[str, ...]] = {
    "weights": (".safetensors", ".pth", ".pt", ".th"),
    "arrays": (".npz",),
    "images": (".zip",),
}
_WANTED = "zip images alone, in a folder for each class"
_MOST = (
    f"{MOST_BYTES // files.MIB} MB, the most that a browser may send; put it on this computer's disk, and give its path"
)
_ODD = re.compile(r"[^\w.+() -]")
_LONGEST = 100  # bytes of a name that is kept
_ARCHIVE = ".archive"  # the name of one until it is unpacked: no upload is called so


def receive(root: Path, kind: Kind, name: str, stream: IO[bytes]) -> Upload:
    """Checks what was uploaded under `name`, and keeps it in the results folder `root`; the same twice is one upload.

    RequestError for what is no file of that kind, is too large, or would do harm; WorkError for what the disk refuses.
    """
    shelf = Shelf(root)
    kept_name = name_to_keep(kind, name)
    with shelf.draft() as draft:
        file = draft / (_ARCHIVE if kind == "images" else kept_name)
        digest = _write(stream, file, quote(name))
        known = shelf.find(kind, digest)
        if known is not None:
            return shelf.renew(known)
        with _named(draft, file, kept_name):
            _CHECKS[kind](file, draft / kept_name)
        return shelf.put(draft, kind, digest)


def name_to_keep(kind: Kind, name: str) -> str:
    """The name of a file without what a path, a request or a screen would make something else of.

    RequestError where it does not end as files of that kind do.
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    suffix = next((suffix for suffix in SUFFIXES[kind] if last.lower().endswith(suffix)), None)
    if suffix is None:
        allowed = " or ".join(SUFFIXES[kind])
        raise RequestError(f"{quote(name)} is none that is taken here; choose a file that ends in {allowed}")
    stem = _ODD.sub("_", last[: -len(suffix)]).encode()[: _LONGEST - len(suffix)].decode(errors="ignore").strip(" .")
    return (stem or kind) + (suffix if kind != "images" else "")


def _write(stream: IO[bytes], file: Path, shown: str) -> str:
    """Writes a file through to the disk; the beginning of its SHA-256."""
    digest, size = hashlib.sha256(), 0
    with as_work_error(file), files.opened(file, os.O_WRONLY | os.O_CREAT) as descriptor:
        with open(descriptor, "wb", closefd=False) as out:
            while chunk := stream.read(files.MIB):
                size += len(chunk)
                if size > MOST_BYTES:
                    raise RequestError(f"{shown} is larger than {_MOST}")
                digest.update(chunk)
                out.write(chunk)
        os.fsync(descriptor)
    return digest.hexdigest()[:DIGEST_LENGTH]


@contextmanager
def _named(draft: Path, file: Path, name: str) -> Iterator[None]:
    """What is refused of a draft is said of the name that its user knows."""
    try:
        yield
    except DamagedArchiveError as error:
        raise RequestError(f"{name}.zip {error}; {_WANTED}") from None
    except RequestError as error:
        sentence = str(error).replace(as_text(file), name).replace(f"{as_text(draft)}/", "")
        raise RequestError(sentence, field=error.field) from None


def _check_weights(file: Path, _: Path) -> None:
    """That a file holds tensors; which of several state dicts is meant may still be said. No code in it runs."""
    with formats.opened(file) as contents, suppress(selection.SeveralError):
        selection.select(contents.value, None)


def _check_arrays(file: Path, _: Path) -> None:
    npz.check_headers(file)


def _unpack_images(file: Path, place: Path) -> None:
    """Puts the images into a folder, whole on the disk, and looks at the header of each."""
    with as_work_error(place):
        unpack(file, place)
        folder.outline(place)
        file.unlink()
        os.sync()  # one by one, thousands of files would take minutes


_CHECKS: Mapping[Kind, Callable[[Path, Path], None]] = {
    "weights": _check_weights,
    "arrays": _check_arrays,
    "images": _unpack_images,
}
