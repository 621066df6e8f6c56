"""A results folder that cannot be written to, and a disk that is full."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Espalier = Callable[..., Any]
Refused = Callable[..., str]
ASKED = ("--data", "digits", "--limit", "48", "--train-epochs", "0", "--recover-epochs", "0", "--keep", "0.5")
COMMANDS = [("run", *ASKED), ("submit", "--no-worker", *ASKED), ("runs",), ("reindex",), ("worker", "--drain")]


@contextmanager
def full_disk(free: int) -> Iterator[None]:
    """Files may not grow beyond `free` bytes: what a full disk does to a writer, without filling one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_in_its_place(refused: Refused, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "taken").write_text("mine")
    for folder in (tmp_path / "taken", tmp_path / "taken/results"):
        assert "is a file" in refused(*command, results=folder)
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_place_where_nothing_can_be_made(refused: Refused, command: tuple[str, ...]) -> None:
    assert "cannot be written to" in refused(*command, results=Path("/proc/espalier"))


def test_a_name_that_no_folder_can_have(refused: Refused) -> None:
    assert "cannot be used" in refused("runs", results=Path("x" * 300))
    assert "cannot be used" in refused("runs", results=Path("~nobody-of-that-name/results"))


@pytest.mark.parametrize("free", [0, 100, 1000, 10_000, 30_000])
def test_a_full_disk_refuses_a_submission_whole(espalier: Espalier, results: Path, free: int) -> None:
    with full_disk(free):
        answer = espalier("submit", "--no-worker", *ASKED)
    assert answer.code == 1 and answer.out == "" and answer.err.count("\n") == 1, answer.err
    assert "should not have happened" not in answer.err
    assert not list(results.glob("runs/*")), "no run, and no hidden folder of one"
    assert not list(results.rglob(".~*"))
    assert espalier("submit", "--no-worker", *ASKED).code == 0, "with space again, all is well"


def test_a_disk_that_fills_up_during_a_run_fails_it_with_a_reason(espalier: Espalier, results: Path) -> None:
    with full_disk(20_000):
        answer = espalier("run", *ASKED)
    assert answer.code == 1 and answer.out == "" and answer.err.count("\n") == 1, answer.err
    assert not list(results.rglob(".~*")), "nothing is left half-written"
    for path in results.glob("runs/*/status.json"):
        document = espalier("show", path.parent.name, "--json").json()
        assert document["status"]["state"] == "failed" and document["status"]["error"] in answer.err


def test_a_full_disk_refuses_an_export_whole(espalier: Espalier, finished: tuple[Path, str], tmp_path: Path) -> None:
    results, run_id = finished
    with full_disk(5000):
        answer = espalier("export", run_id, "--point", "0", "--out", str(tmp_path / "p.onnx"), results=results)
    assert answer.code == 1 and answer.err.count("\n") == 1 and "cannot write" in answer.err
    assert not (tmp_path / "p.onnx").exists() and not list(tmp_path.glob(".~*"))
