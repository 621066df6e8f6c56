"""What is tried: a few files, and what stands in the place of some of them. Written to disk, kept, and read again."""

import base64
import json
import os
import shutil
import socket
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

Special = Literal["missing", "folder", "pipe", "socket", "loop", "link", "endless", "sparse"]
SPECIALS: tuple[Special, ...] = ("missing", "folder", "pipe", "socket", "loop", "link", "endless", "sparse")
VICTIM = "victim"  # the file beside the inputs that a "link" leads to; nobody may write to it
_SPARSE = 3 << 30  # bytes, none of them on the disk


@dataclass(frozen=True)
class Input:
    """Contents by relative path; a `Special` is something else than a regular file that can be read in a moment."""

    files: Mapping[str, bytes | Special]

    def write(self, folder: Path) -> None:
        """Puts everything into a folder; what it replaces there is removed."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                _make(content, path)

    def dumps(self) -> str:
        """JSON, from which `loads` makes the same input."""
        files = {
            name: content if isinstance(content, str) else [base64.b64encode(zlib.compress(content)).decode()]
            for name, content in self.files.items()
        }
        return json.dumps(files, indent=1)

    @classmethod
    def loads(cls, text: str) -> "Input":
        files: dict[str, bytes | Special] = {}
        for name, content in json.loads(text).items():
            is_special = isinstance(content, str)
            files[name] = cast(Special, content) if is_special else zlib.decompress(base64.b64decode(content[0]))
        return cls(files)


def _make(special: Special, path: Path) -> None:
    if special == "folder":
        path.mkdir()
    elif special == "pipe":
        os.mkfifo(path)
    elif special == "socket":
        _bind(path)
    elif special == "sparse":
        with path.open("wb") as file:
            file.truncate(_SPARSE)
    elif special != "missing":
        targets = {"loop": Path(path.name), "link": _up(path) / VICTIM, "endless": Path("/dev/zero")}
        path.symlink_to(targets[special])


def _up(path: Path) -> Path:
    """The folder that has the victim, from wherever in it a path is."""
    return next(parent for parent in path.parents if (parent / VICTIM).exists())


def _bind(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's address is 108 bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)
