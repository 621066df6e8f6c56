"""Weights files that somebody prepared: one sentence, and little more memory than the file is large."""

import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from engine.errors import RequestError
from engine.zoo import build
from engine.zoo.checkpoints import selection
from engine.zoo.checkpoints.reading import read_state_dict
from tests.support.places import ROOT
from tests.zoo.test_weights import STATE, refusal

# --- pickles by hand: what torch.save would not write ------------------------------------------------


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def whole(number: int) -> bytes:
    digits = pickle.encode_long(number)
    return b"\x8a" + bytes([len(digits)]) + digits


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def group(*values: bytes) -> bytes:
    return b"(" + b"".join(values) + b"t"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + group(*arguments) + b"R"


def tensor(numbers: int, size: tuple[int, ...], stride: tuple[int, ...], start: int = 0, key: str = "0") -> bytes:
    """A view of a storage of float32."""
    storage = group(text("storage"), named("torch", "FloatStorage"), text(key), text("cpu"), whole(numbers)) + b"Q"
    hooks = call(named("collections", "OrderedDict"))
    shape = (group(*map(whole, size)), group(*map(whole, stride)))
    return call(named("torch._utils", "_rebuild_tensor_v2"), storage, whole(start), *shape, b"\x89", hooks)


def state(value: bytes) -> bytes:
    return b"\x80\x02}" + text("a.weight") + value + b"s."


def archive(path: Path, pickled: bytes, method: int = zipfile.ZIP_STORED, **storages: bytes) -> Path:
    """The file that torch.save would write around a pickle; storages are named `s0`, `s1`."""
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("archive/data.pkl", pickled)
        file.writestr("archive/byteorder", "little")
        for name, content in storages.items():
            file.writestr(f"archive/data/{name[1:]}", content)
        file.writestr("archive/version", "3\n")
    return path


SIXTEEN = bytes(64)  # bytes of sixteen numbers
LIST = b"(" + b"K\x01" * 4000 + b"l"  # of 4,000 numbers
SAVED: dict[str, tuple[bytes, str]] = {
    "a number repeated": (state(tensor(16, (10**12,), (0,))), "a view that repeats its numbers in a.weight"),
    "a window that slides": (state(tensor(16, (8, 8), (1, 1))), "a view that repeats its numbers in a.weight"),
    "a size below zero": (state(tensor(16, (-4,), (1,))), "corrupt"),
    "a size beyond all": (state(tensor(16, (2**62, 8), (1, 1))), "corrupt"),
    "beyond its storage": (state(tensor(16, (32,), (1,))), "corrupt"),
    "before its storage": (state(tensor(16, (4,), (1,), start=-8)), "corrupt"),
    "more than is there": (state(tensor(10**11, (10**11,), (1,))), "corrupt"),
    "a storage that is not there": (state(tensor(16, (16,), (1,), key="7")), "corrupt"),
    "an array of bytes": (
        state(call(named("__builtin__", "bytearray"), whole(2 * 10**9))),
        "would run code (__builtin__.bytearray)",
    ),
    "a tensor by its class": (state(call(named("torch", "Tensor"), whole(10**9))), "would run code (torch.Tensor)"),
    "what a call gives is called": (
        state(call(call(named("torch", "device"), text("cpu")), whole(1))),
        "would run code",
    ),
    "a list copied": (
        state(LIST + b"q\x010" + call(named("collections", "Counter"), b"h\x01") * 600),
        "copy lists of theirs over and over",
    ),
    "very many things": (state(b"N0" * 300_000 + b"N"), "hold more than 500,000 things"),
    "nested": (b"\x80\x02" + b"]" * 5000 + b"a" * 4999 + b".", "no state dict"),
    "no end": (b"\x80\x02}", "corrupt"),
    "an empty stack": (b"\x80\x02a.", "corrupt"),
    "no opcode": (b"\x80\x02\xff.", "corrupt"),
    "no memory of it": (b"\x80\x02h\x09.", "corrupt"),
}


@pytest.mark.parametrize("name", SAVED)
def test_a_pickle_made_by_hand_is_refused(name: str, tmp_path: Path) -> None:
    pickled, sentence = SAVED[name]
    assert sentence in refusal(archive(tmp_path / "w.pt", pickled, s0=SIXTEEN))


def test_the_same_by_hand_is_read_where_it_is_sound(tmp_path: Path) -> None:
    read = read_state_dict(archive(tmp_path / "w.pt", state(tensor(16, (4, 4), (1, 4))), s0=SIXTEEN))
    assert read["a.weight"].shape == (4, 4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: torch.zeros(4).to(torch.float8_e4m3fn), "a tensor of float8_e4m3fn in a.weight"),
        (lambda: torch.zeros(4, dtype=torch.complex64), "a tensor of complex64 in a.weight"),
        (lambda: torch.zeros(4, dtype=torch.uint16), "a tensor of uint16 in a.weight"),
        (lambda: torch.quantize_per_tensor(torch.zeros(4), 0.1, 0, torch.qint8), "hold a quantised tensor"),
        (lambda: torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]), "hold a nested tensor"),
        (lambda: torch.zeros(3, 3).to_sparse_csr(), "a sparse or empty tensor in a.weight"),
        (lambda: torch.zeros(1).expand(10**12), "a view that repeats its numbers in a.weight"),
        (lambda: torch.arange(9.0).as_strided((8, 2), (1, 1)), "a view that repeats its numbers in a.weight"),
        (lambda: torch.masked.masked_tensor(torch.zeros(2), torch.ones(2).bool()), "a class of its own"),
    ],
)
def test_tensors_of_other_kinds_are_refused(make: Callable[[], torch.Tensor], reason: str, tmp_path: Path) -> None:
    torch.save({"a.weight": make()}, tmp_path / "w.pt")
    assert reason in refusal(tmp_path / "w.pt")


def test_parameters_shared_weights_and_python_2_pickles_are_read(tmp_path: Path) -> None:
    shared = torch.nn.Parameter(torch.arange(4.0))
    torch.save({"a": shared, "b": shared, "c": shared.detach()[1:3], "t": torch.ones(3, 2).T}, tmp_path / "w.pt")
    assert read_state_dict(tmp_path / "w.pt")["c"].tolist() == [1.0, 2.0]
    old = call(named("collections", "OrderedDict"), b"]" + b"]" + text("a") + b"a" + tensor(16, (16,), (1,)) + b"aa")
    archive(tmp_path / "old.pt", b"\x80\x02" + old + b".", s0=SIXTEEN)
    assert read_state_dict(tmp_path / "old.pt")["a"].numel() == 16


def test_a_name_of_two_lines_that_no_network_has_is_one_sentence(tmp_path: Path) -> None:
    torch.save({**build.construct("resnet20", 10).state_dict(), "a\nb": torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(RequestError, match=r"do not fit resnet20: a\\nb is not part of it"):
        build.build("resnet20", 10, (3, 16, 16), str(tmp_path / "w.pt"))


def test_one_storage_under_very_many_names_is_refused(tmp_path: Path) -> None:
    numbers = torch.zeros(100_000)
    torch.save({f"a{n}": numbers[n:] for n in range(200)}, tmp_path / "w.pt")
    assert "the same numbers under many names" in refusal(tmp_path / "w.pt")


def test_too_many_entries_and_names_that_are_no_line_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"a\n\ud800": torch.tensor([float("nan")])}, tmp_path / "w.pt")
    assert "not finite in a\\n\\ud800" in refusal(tmp_path / "w.pt")
    torch.save({"a" * 501: torch.zeros(1)}, tmp_path / "w.pt")
    assert "the longest name of 501 letters" in refusal(tmp_path / "w.pt")
    monkeypatch.setattr(selection, "MOST_ENTRIES", 1)
    torch.save(STATE, tmp_path / "w.pt")
    assert "hold 2 entries" in refusal(tmp_path / "w.pt")


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    for suffix in ("pt", "safetensors"):
        os.mkfifo(tmp_path / f"pipe.{suffix}")
        assert "it is a named pipe, and no regular file" in refusal(tmp_path / f"pipe.{suffix}")
    (tmp_path / "device.pt").symlink_to("/dev/zero")
    assert "it is a device, and no regular file" in refusal(tmp_path / "device.pt")


def test_safetensors_with_a_header_that_is_too_long_or_no_fit_are_refused(tmp_path: Path) -> None:
    for name, content in {
        "long": struct.pack("<Q", 2**63) + b"{}",
        "nested": struct.pack("<Q", 9000) + b"[" * 9000,
        "beyond": struct.pack("<Q", 66) + b'{"a.weight":{"dtype":"F32","shape":[4000],"data_offsets":[0,16000]}}',
    }.items():
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content + bytes(16))
        assert "corrupt" in refusal(path)
    save_file({"a.weight": torch.zeros(4).to(torch.float8_e5m2)}, tmp_path / "w.safetensors")
    assert "a tensor of float8_e5m2 in a.weight" in refusal(tmp_path / "w.safetensors")


MEASURED = """
import resource, sys
from pathlib import Path
from engine.errors import RequestError
from engine.zoo.checkpoints.reading import read_state_dict
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        read_state_dict(Path(path))
    except RequestError as error:
        print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_small_files_take_little_memory(tmp_path: Path) -> None:
    paths = [archive(tmp_path / f"{name}.pt", pickled, s0=SIXTEEN) for name, (pickled, _) in SAVED.items()]
    large = 200 << 20
    bomb = archive(tmp_path / "bomb.pt", state(tensor(large // 4, (large // 4,), (1,))), zipfile.ZIP_DEFLATED)
    with (
        zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open("archive/data/0", "w") as member,
    ):
        for _ in range(large >> 20):
            member.write(bytes(1 << 20))
    command = [sys.executable, "-c", MEASURED, *map(str, paths), str(bomb)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=100)
    *said, grown = done.stdout.splitlines()
    assert len(said) == len(paths) + 1
    assert "are compressed" in said[-1]
    assert int(grown) < 120 << 10, f"{int(grown) >> 10} MiB were taken"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_with_any_bytes_changed_is_read_or_refused_in_one_sentence(tmp_path: Path, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["archive.pt", "legacy.pt", "w.safetensors"]))
    path = tmp_path / kind
    if kind == "w.safetensors":
        save_file(STATE, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=kind == "archive.pt")
    content = bytearray(path.read_bytes())
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)
    ):
        content[place] = value
    path.write_bytes(content[: data.draw(st.integers(0, len(content))) or len(content)])
    try:
        read_state_dict(path)
    except RequestError as error:
        assert "\n" not in str(error)
