"""folder: what lies among images and is none, or is one that would take all memory."""

import os
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from engine.data.images import listing
from engine.data.images import pixels as image_pixels
from engine.data.images.listing import Listing
from engine.data.images.pixels import pixels
from engine.data.images.reading import on_disk
from engine.data.images.sizing import Fit
from engine.errors import WorkError
from tests.data.test_folder import read, refusal, root  # noqa: F401 - a fixture


def bomb(path: Path, side: int) -> None:
    """A small PNG that says it has side × side white pixels, and has."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(1 + side // 8)) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def test_pipes_devices_and_links_to_nothing_are_left_out(root: Path) -> None:  # noqa: F811
    cat = root / "train" / "cat"
    os.mkfifo(cat / "pipe.png")
    (cat / "device.png").symlink_to("/dev/zero")
    (cat / "loop.png").symlink_to(cat / "loop.png")
    (cat / "up").symlink_to(root)
    (cat / "folder.png").mkdir()
    (root / "train" / "loop").symlink_to(root / "train" / "loop")
    data = read(root)
    assert (data.classes, len(data.train) + len(data.val)) == (("cat", "dog"), 8)


def test_a_pipe_that_takes_an_image_s_place_is_refused_without_waiting(root: Path) -> None:  # noqa: F811
    file = root / "train" / "cat" / "0.png"
    split = on_disk(Listing([file], [0], [str(file)]), Fit(8, 10))
    file.unlink()
    os.mkfifo(file)
    assert split.disk is not None
    with pytest.raises(WorkError, match="it is a named pipe, and no regular file"):
        split.disk[0]


def test_an_image_of_too_many_pixels_is_refused(root: Path, recwarn: pytest.WarningsRecorder) -> None:  # noqa: F811
    for side in (8_000, 12_000, 40_000):
        bomb(root / "train" / "cat" / "0.png", side)
        assert "px" in refusal(root) or "pixels" in refusal(root)
    assert not recwarn.list


@pytest.mark.parametrize("content", [b"", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_no_image_of_a_kind_that_is_read_is_refused(content: bytes, root: Path) -> None:  # noqa: F811
    (root / "train" / "cat" / "0.png").write_bytes(content)
    assert "it is none of JPEG, PNG" in refusal(root)


def test_names_that_are_no_text_are_read_and_said_on_one_line(root: Path) -> None:  # noqa: F811
    odd = os.fsencode(root / "train" / "cat") + b"/\xff\n.png"
    os.rename(root / "train" / "cat" / "0.png", odd)  # noqa: PTH104 - a name of bytes
    assert len(read(root).train) == 6
    Path(os.fsdecode(odd)).write_bytes(b"no image")
    assert "\\udcff\\n.png" in refusal(root)
    refusal(root).encode()
    os.rename(root / "train" / "dog", os.fsencode(root / "train") + b"/\xff")  # noqa: PTH104
    assert "\\udcff is no line of text; rename it" in refusal(root)


def test_a_folder_that_may_not_be_looked_into_is_refused(
    root: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scan = os.scandir

    def refuse(path: Path) -> object:
        if path == root / "train":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(listing.os, "scandir", refuse)
    assert f"cannot look into {root / 'train'}: Permission denied" in refusal(root)


def test_large_images_are_read_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_pixels, "_LARGE", 100)
    Image.new("RGB", (11, 11)).save(tmp_path / "large.png")
    at_once: list[int] = [0]
    most: list[int] = []

    def shape(image: Image.Image) -> Image.Image:
        at_once[0] += 1
        most.append(at_once[0])
        time.sleep(0.01)
        at_once[0] -= 1
        return image

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: pixels(tmp_path / "large.png", shape), range(12)))
    assert max(most) == 1
