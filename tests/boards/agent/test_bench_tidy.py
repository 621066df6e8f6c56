"""What goes from the cache on the board and what stays: `bench.py tidy`."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import python36
from tests.support.board_files import bench, tree
from tests.support.places import AGENT_SCRIPT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cache folder whose files are 1000 bytes each, last used one to six days ago."""
    files = ["models/a.onnx", "engines/a.engine", "bench-1.py", "models/b.onnx", "engines/b.engine", "models/c.onnx"]
    others = ["restore.json", "clocks.before", "lock", "notes.txt"]
    cache = tree(tmp_path / "espalier", dict.fromkeys([*files, *others], "x" * 1000))
    for days, name in enumerate(files, 1):
        used(cache / name, days)
    for name in others:
        used(cache / name, 1000)
    return cache


def used(path: Path, days: float) -> None:
    at = time.time() - days * 86400
    os.utime(path, (at, at))


def tidied(python: Path, folder: Path, most: int, days: float, *keep: str) -> dict[str, object]:
    limits = ("--most-bytes", str(most), "--older-days", str(days))
    return bench(python, "tidy", "--folder", folder, *limits, *(("--keep", *keep) if keep else ()))


def test_what_is_too_old_goes(python: Path, folder: Path) -> None:
    found = tidied(python, folder, 10**9, 3.5)
    assert found == {
        "removed": ["models/c.onnx", "engines/b.engine", "models/b.onnx"],
        "freed_bytes": 3000,
        "kept_bytes": 3000,
    }
    assert not (folder / "models/c.onnx").exists() and (folder / "models/a.onnx").exists()


def test_what_was_not_used_for_longest_goes_until_the_rest_is_small_enough(oldest: Path, folder: Path) -> None:
    found = tidied(oldest, folder, 4500, 1000)
    assert (found["removed"], found["kept_bytes"]) == (["models/c.onnx", "engines/b.engine"], 4000)


def test_what_is_to_be_kept_stays_and_counts(oldest: Path, folder: Path) -> None:
    found = tidied(oldest, folder, 3000, 1000, "c.onnx", "engines/b.engine")
    assert found["removed"] == ["models/b.onnx", "bench-1.py", "engines/a.engine"]
    assert (folder / "models/c.onnx").exists() and (folder / "engines/b.engine").exists()


def test_lock_settings_and_strangers_are_never_touched(oldest: Path, folder: Path) -> None:
    tidied(oldest, folder, 0, 0)
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        "clocks.before",
        "lock",
        "notes.txt",
        "restore.json",
    ]


def test_uploads_that_were_given_up_go_and_those_under_way_stay(oldest: Path, folder: Path) -> None:
    tree(folder, {"models/d.onnx.part": "x", "models/e.onnx.part": "x", "f.part": "x"})
    used(folder / "models/d.onnx.part", 0.1)
    used(folder / "f.part", -30)  # the clock was set back meanwhile
    assert tidied(oldest, folder, 10**9, 1000)["removed"] == ["models/d.onnx.part"]


def test_a_link_goes_and_not_what_it_points_to(oldest: Path, folder: Path) -> None:
    (folder / "models/link.onnx").symlink_to(folder / "notes.txt")
    tidied(oldest, folder, 0, 0)
    assert (folder / "notes.txt").exists() and not (folder / "models/link.onnx").is_symlink()


def test_the_script_that_tidies_stays(folder: Path) -> None:
    copy = folder / "bench-2.py"
    copy.write_bytes(AGENT_SCRIPT.read_bytes())
    used(copy, 1000)
    python = python36.either("this python")
    done = subprocess.run(
        [python, copy, "tidy", "--folder", folder, "--most-bytes", "0", "--older-days", "0"],
        capture_output=True,
        check=True,
    )
    assert len(json.loads(done.stdout)["removed"]) == 6 and copy.exists()


def test_a_folder_that_is_not_there_is_tidy(oldest: Path, tmp_path: Path) -> None:
    assert tidied(oldest, tmp_path / "none", 0, 0) == {"removed": [], "freed_bytes": 0, "kept_bytes": 0}
