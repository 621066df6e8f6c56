"""Zip archives as people and strangers make them. Test-only."""

import io
import stat
import zipfile
from collections.abc import Callable, Mapping

from PIL import Image

Change = Callable[[zipfile.ZipFile], None]


def image(grey: int = 0) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (grey, 2, 3)).save(file, "PNG")
    return file.getvalue()


def archive(members: Mapping[str, bytes | str], change: Change | None = None) -> bytes:
    """A zip with these members; `change` does what no packer does, before the list of them is written."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
        if change is not None:
            change(packed)
    return file.getvalue()


def classes(top: str = "", count: int = 3) -> dict[str, bytes | str]:
    """Images of two classes in folders, in a folder `top`."""
    return {f"{top}{name}/{n}.png": image(n) for name in ("cat", "dog") for n in range(count)}


def of_mode(mode: int) -> bytes:
    """Two classes, and an entry of that mode."""

    def add(packed: zipfile.ZipFile) -> None:
        member = zipfile.ZipInfo("cat/odd.png")
        member.create_system, member.external_attr = 3, (mode | 0o644) << 16
        packed.writestr(member, "/etc/passwd" if stat.S_ISLNK(mode) else b"")

    return archive(classes(), add)


def encrypted() -> bytes:
    def mark(packed: zipfile.ZipFile) -> None:
        packed.filelist[0].flag_bits |= 1

    return archive(classes(), mark)


def that_says(size: int) -> bytes:
    """Two classes, of which the list of members says one image to be of that size."""

    def say(packed: zipfile.ZipFile) -> None:
        packed.filelist[0].file_size = size

    return archive(classes(), say)
