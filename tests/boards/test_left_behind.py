"""A timing leaves the home folder of the board's account as it found it, and nobody else can time there meanwhile."""

import getpass
import hashlib
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.board_aftermath import failed
from tests.support.board_files import started
from tests.support.board_rig import Rig

OURS = (".cache", "espalier")
BEFORE = {".bashrc": "PS1='$ '\n", ".cache/pip/selfcheck": "{}", "notes/todo.txt": "prune\n", ".python_history": ""}


@pytest.fixture
def settled_home(rig: Callable[..., Rig]) -> Callable[..., Rig]:
    """A board whose account has some files of its own, and its cache where it is by default."""

    def make(**board: Any) -> Rig:
        here = rig(session={"XDG_CACHE_HOME": ""}, **board)
        for name, text in BEFORE.items():
            path = here.sshd.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return here

    return make


def contents(home: Path) -> dict[str, tuple[int, str]]:
    """Mode and digest of every file, folder and link below a home, but for those of our own folder."""
    found = {}
    for path in sorted(home.rglob("*")):
        if path.relative_to(home).parts[:2] != OURS:
            text = b"" if path.is_dir() else str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
            found[str(path.relative_to(home))] = (path.lstat().st_mode, hashlib.sha256(text).hexdigest())
    return found


def test_a_timing_with_trtexec_leaves_the_home_as_it_was(settled_home: Callable[..., Rig]) -> None:
    here = settled_home(mode=1)
    before = contents(here.sshd.home)
    assert here.timed(power_mode=0, max_clocks=True, rounds=1).status().state == "done"
    assert contents(here.sshd.home) == before
    ours = {path.name for path in here.sshd.home.joinpath(*OURS).iterdir()}
    assert {"models", "engines", "scripts", "cuda"} <= ours and not {"lock", "restore.json", "clocks.before"} & ours


def test_a_timing_with_this_onnx_runtime_leaves_the_home_as_it_was(settled_home: Callable[..., Rig]) -> None:
    """ONNX Runtime keeps a data base and a number of the device in the home folder unless it is told not to."""
    here = settled_home(tensorrt=None, python=Path(sys.executable))
    before = contents(here.sshd.home)
    made = here.timed(here.points[1], rounds=1, seconds=0.1)
    assert made.status().state == "done", made.status()
    assert contents(here.sshd.home) == before


def test_a_timing_says_which_account_has_the_board(rig: Callable[..., Rig], tmp_path: Path) -> None:
    here = rig()
    other = ("hold", "--folder", tmp_path / "another", "--owner", "timing of ann")
    with started(here.board.python, *other, root=here.board.root) as holding:
        assert holding.stdout is not None and b'"held": true' in holding.stdout.readline()
        sentence = failed(here.timed(wait=0))
        holding.send_signal(signal.SIGSTOP)
        of_a_silent_one = failed(here.timed(wait=0))
        holding.kill()
    held = f", logged in as {getpass.getuser()}, holds tx2 and did not leave it within 0 s; try again later, or end it"
    assert (sentence, of_a_silent_one) == (f"timing of ann{held}", f"process {holding.pid}{held}")
