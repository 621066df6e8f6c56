"""Files appear whole or not at all; lines outlive what tears them."""

import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import WorkError
from engine.storage import atomic
from tests.support.places import ROOT


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic.atomic_write(path) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old" and names(tmp_path) == ["model.onnx"]


def test_the_part_keeps_the_suffix_for_writers_that_look_at_it(tmp_path: Path) -> None:
    with atomic.atomic_write(tmp_path / "p1.safetensors") as part:
        assert part.suffix == ".safetensors"
        part.write_text("x")
    assert (tmp_path / "p1.safetensors").read_text() == "x"


def test_a_folder_is_filled_with_one_wait_for_the_disk_a_file_and_one_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[int] = []
    monkeypatch.setattr(os, "fsync", waits.append)
    atomic.fill_folder(tmp_path, {"a.json": {"n": 1}, "b.json": {"x": "y"}})
    assert len(waits) == 3 and names(tmp_path) == ["a.json", "b.json"]
    assert atomic.read_json(tmp_path / "a.json") == {"n": 1} and atomic.read_json(tmp_path / "b.json") == {"x": "y"}
    with pytest.raises(WorkError, match=r"c\.json may hold finite numbers only"):
        atomic.fill_folder(tmp_path, {"c.json": {"n": float("nan")}})


def test_what_a_killed_writer_left_is_tidied(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from engine.storage.atomic import atomic_write\n"
        "with atomic_write(Path(sys.argv[1])) as part: part.write_text('half'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.json")], cwd=ROOT, check=False)
    assert len(names(tmp_path)) == 1 and not (tmp_path / "a.json").exists()
    atomic.remove_leftovers(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("at", ["fsync", "write"])
def test_a_full_disk_is_one_sentence_and_takes_a_line_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    path = tmp_path / "points.jsonl"
    atomic.append_line(path, {"n": 1})
    before, real = path.read_bytes(), os.write

    def full(fd: int, *data: bytes) -> int:
        if at == "write" and len(data[0]) > 1:
            return real(fd, data[0][:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(WorkError, match=r"the disk is full: .*points\.jsonl"):
        patch.setattr(os, at, full)
        atomic.append_line(path, {"n": 2} if at == "fsync" else {})
    assert path.read_bytes() == before


def test_a_file_too_large_for_the_disk_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    atomic.write_json(path, {"state": "queued"})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        with pytest.raises(WorkError, match=r"cannot write .*status\.json"):
            atomic.write_json(path, {"state": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert atomic.read_json(path) == {"state": "queued"} and names(tmp_path) == ["status.json"]


@pytest.mark.parametrize("torn", [b'{"n": 3', b'{"n": 3}', b"x" * 20_000])
def test_a_torn_last_line_is_not_read_and_is_cut_off_by_the_next_append(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "events.jsonl"
    atomic.append_line(path, {"n": 1})
    atomic.append_line(path, {"n": 2})
    with path.open("ab") as file:
        file.write(torn)
    assert [line["n"] for line in atomic.read_lines(path)] == [1, 2]
    atomic.append_line(path, {"n": 4})
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [1, 2, 4]


def test_lines_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert atomic.read_lines(path) == []
    atomic.append_line(path, {"text": "größer"})
    atomic.append_line(path, {"text": "a name that is no text: \udcff"})
    assert atomic.read_lines(path) == [{"text": "größer"}, {"text": "a name that is no text: ?"}]


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "points.jsonl"
    path.write_text('{"n": 1}\n{"n"\n{"n": 3}\n')
    with pytest.raises(WorkError, match=r"points\.jsonl is damaged: line 2"):
        atomic.read_lines(path)


def test_a_number_that_json_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="finite numbers only"):
        atomic.append_line(tmp_path / "points.jsonl", {"loss": float("nan")})
    assert names(tmp_path) == []


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_a_json_file_without_an_object_is_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(WorkError, match="is damaged"):
        atomic.read_json(tmp_path / "a.json")


@pytest.mark.parametrize("count", [0, 3, 5000])
def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path, count: int) -> None:
    path = tmp_path / "log.txt"
    lines = [f"line {n}" for n in range(count)]
    path.write_text("".join(line + "\n" for line in lines))
    assert atomic.tail(path, 4, block=16) == lines[-4:]
    assert atomic.tail(tmp_path / "none", 4) == []
