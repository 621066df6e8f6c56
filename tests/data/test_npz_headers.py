"""npz: archives that somebody prepared: headers before contents, one sentence, little memory, no waiting."""

import io
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.data import npz
from engine.data.load import load
from engine.errors import RequestError
from engine.spec.run import DataSpec
from tests.data.test_npz import arrays, refusal
from tests.support.places import ROOT


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def with_header(text: str, version: tuple[int, int] = (1, 0), data: bytes = b"") -> bytes:
    """An npy file with that header."""
    form = "<H" if version == (1, 0) else "<I"
    return b"\x93NUMPY" + bytes(version) + struct.pack(form, len(text)) + text.encode("latin1") + data


def write(path: Path, method: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    """An archive of npy members: the usual ones, with those that are given in their places."""
    usual = {key: npy(value) for key, value in arrays().items()}
    with zipfile.ZipFile(path, "w", method) as archive:
        for key, content in {**usual, **members}.items():
            archive.writestr(f"{key}.npy", content)
    return path


def zeros(path: Path, key: str, header: bytes, count: int) -> None:
    """An archive whose member `key` is a header and `count` zeros."""
    usual = {name: npy(value) for name, value in arrays().items() if name != key}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in usual.items():
            archive.writestr(f"{name}.npy", content)
        with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
            member.write(header)
            for _ in range(count >> 20):
                member.write(bytes(1 << 20))


def head(dtype: str, shape: tuple[int, ...]) -> str:
    return f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape!r}, }}"


HEADERS = {
    "no dictionary": with_header("[1, 2]"),
    "no Python": with_header("{'descr': "),
    "unfinished text": with_header("{'descr': '''"),
    "nested": with_header("(" * 3000),
    "nested in sum": with_header("-" * 3000 + "1"),
    "other keys": with_header("{'a': 1}"),
    "unsortable keys": with_header("{'a': 1, 2: 3}"),
    "no type": with_header("{'descr': [('a',)], 'fortran_order': False, 'shape': (12,), }"),
    "a call": with_header("{'descr': open('/dev/zero'), 'fortran_order': False, 'shape': (12,), }"),
    "shape of text": with_header("{'descr': '|u1', 'fortran_order': False, 'shape': ('12',), }"),
    "negative": with_header(head("|u1", (-12,))),
    "enormous": with_header(head("|u1", (2**70,))),
    "enormous product": with_header(head("|u1", (2**40, 2**40, 0))),
    "thousands of digits": with_header("{'descr': '|u1', 'fortran_order': False, 'shape': (0x" + "f" * 3800 + ",), }"),
    "huge header": with_header(" " * 60_000),
    "a header of 4 GB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
    "another version": b"\x93NUMPY\x09\x00\x10\x00{}",
    "no magic": b"NUMPY" * 9,
    "nothing": b"",
    "noise": bytes(range(256)) * 9,
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_broken_header_is_refused(name: str, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    path = write(tmp_path / "d.npz", train_labels=HEADERS[name])
    assert "train_labels is cut off or damaged" in refusal(path)
    assert not recwarn.list, "a warning would be a second sentence"


def test_columns_first_and_big_endian_numbers_come_out_as_they_were(tmp_path: Path) -> None:
    original = arrays()
    turned = np.asfortranarray(original["test_images"])
    write(tmp_path / "d.npz", test_images=npy(turned), test_labels=npy(original["test_labels"].astype(">i4")))
    data = load(DataSpec(name=f"npz:{tmp_path / 'd.npz'}"), 0)
    assert data.test.images is not None
    assert np.array_equal(data.test.images.permute(0, 2, 3, 1).numpy(), original["test_images"])
    assert data.test.labels.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
def test_every_compression_is_read_and_a_broken_one_is_refused(method: int, tmp_path: Path) -> None:
    path = write(tmp_path / "d.npz", method)
    assert len(load(DataSpec(name=f"npz:{path}"), 0).test) == 4
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("train_images.npy")
    content = bytearray(path.read_bytes())
    middle = member.header_offset + 30 + len("train_images.npy") + member.compress_size // 2
    content[middle : middle + 40] = bytes(40)
    path.write_bytes(content)
    assert "train_images is cut off or damaged" in refusal(path)


def patched(path: Path, offset: int, form: str, value: int) -> Path:
    """Changes one number of train_labels in the archive's list of members and in front of it."""
    content = bytearray(write(path).read_bytes())
    for mark, start in ((b"PK\x01\x02", offset), (b"PK\x03\x04", offset - 2)):
        name = content.rindex(b"train_labels.npy") if mark == b"PK\x01\x02" else content.index(b"train_labels.npy")
        struct.pack_into(form, content, content.rindex(mark, 0, name) + start, value)
    path.write_bytes(content)
    return path


def test_encrypted_members_and_unknown_methods_are_refused(tmp_path: Path) -> None:
    assert "train_labels is encrypted" in refusal(patched(tmp_path / "d.npz", 8, "<H", 1))
    assert "number 97) that is not known" in refusal(patched(tmp_path / "d.npz", 10, "<H", 97))


@pytest.mark.parametrize("size", [0, 5, 200, 2**31, 2**32 - 2])
def test_members_that_lie_about_their_size_are_refused(size: int, tmp_path: Path) -> None:
    assert "train_labels is cut off or damaged" in refusal(patched(tmp_path / "d.npz", 24, "<I", size))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "d.npz")
    with zipfile.ZipFile(tmp_path / "d.npz", "a") as archive:
        archive.writestr("train_labels.npy", b"")
    assert "names a member twice" in refusal(tmp_path / "d.npz")


def test_a_name_that_is_no_line_of_text_does_not_break_the_sentence(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("two\nlines", *(f"a{n}" for n in range(50))):
            archive.writestr(name, b"")
    assert "it holds two\\nlines, a0" in refusal(path)
    assert len(refusal(path)) < 400


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    assert "it is a named pipe, and no regular file" in refusal(tmp_path / "pipe.npz")
    (tmp_path / "device.npz").symlink_to("/dev/zero")
    assert "it is a device, and no regular file" in refusal(tmp_path / "device.npz")
    (tmp_path / "loop.npz").symlink_to(tmp_path / "loop.npz")
    assert "cannot read npz" in refusal(tmp_path / "loop.npz")
    (tmp_path / "link.npz").symlink_to(write(tmp_path / "d.npz"))
    assert len(load(DataSpec(name=f"npz:{tmp_path / 'link.npz'}"), 0).test) == 4


def test_images_that_do_not_fit_in_memory_are_refused_with_both_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Memory:
        available = 5_000

    monkeypatch.setattr(npz.psutil, "virtual_memory", Memory)
    assert "needs 6.14 kB of memory for its images, and this machine has 5.00 kB free" in refusal(
        write(tmp_path / "d.npz")
    )


MEASURED = """
import resource, sys
from pathlib import Path
import torch
from engine.data.npz import read
from engine.errors import RequestError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        read(Path(path))
    except RequestError as error:
        print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
SIZE = 120 << 20
BOMBS: dict[str, tuple[str, str, tuple[int, ...], str]] = {
    "labels": ("train_labels", "|u1", (SIZE,), "train has 12 images and 125,829,120 labels"),
    "wide labels": ("train_labels", "<i8", (SIZE // 8,), "train has 12 images and 15,728,640 labels"),
    "text labels": ("train_labels", "<U4", (SIZE // 16,), "train_labels is of <U4"),
    "one label": ("train_labels", f"<U{SIZE >> 2}", (1,), "train_labels is of <U31457280"),
    "images": ("test_images", "|u1", (4, SIZE // 12, 1, 3), "which is no archive of images"),
    "float images": ("test_images", "<f4", (4, SIZE // 48, 1, 3), "which is no archive of images"),
}


def test_a_small_file_of_very_many_zeros_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    for name, (key, dtype, shape, _) in BOMBS.items():
        zeros(tmp_path / name, key, with_header(head(dtype, shape)), SIZE)
        assert (tmp_path / name).stat().st_size < 2 << 20
    command = [sys.executable, "-c", MEASURED, *(str(tmp_path / name) for name in BOMBS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=240)
    *said, grown = done.stdout.splitlines()
    for sentence, (*_, fragment) in zip(said, BOMBS.values(), strict=True):
        assert fragment in sentence
    assert int(grown) < 50 << 10, f"{int(grown) >> 10} MiB were taken"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_archive_with_any_bytes_changed_is_read_or_refused_in_one_sentence(
    tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / "d.npz"
    content = bytearray(
        write(path, data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))).read_bytes()
    )
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=8)
    ):
        content[place] = value
    path.write_bytes(content[: data.draw(st.integers(0, len(content))) or len(content)])
    try:
        npz.read(path)
    except RequestError as error:
        assert "\n" not in str(error)
