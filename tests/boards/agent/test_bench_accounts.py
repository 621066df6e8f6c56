"""One timing at a time on a board, whichever of its accounts it logs in to."""

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from engine.boards.agent import bench as script
from tests.boards.agent.test_bench_hold import Holder
from tests.conftest import NO_USER
from tests.support.board_files import TX2, runs, started, tree
from tests.support.places import AGENT_SCRIPT
from tests.support.sshd import temporary_user


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tree(tmp_path / "board", TX2)


@pytest.fixture
def hold(root: Path, tmp_path: Path) -> Iterator[Callable[..., Holder]]:
    """Starts `hold` with the cache folder of an account."""
    with ExitStack() as stack:

        def start(python: Path, account: str, *options: str, board: Path = root) -> Holder:
            command = ("hold", "--folder", tmp_path / account / "espalier", "--owner", f"timing of {account}")
            process = stack.enter_context(started(python, *command, *options, root=board))
            stack.callback(process.kill)
            return Holder(process)

        yield start


def test_a_second_account_is_told_which_one_holds_the_board_and_has_it_next(
    oldest: Path, hold: Callable[..., Holder]
) -> None:
    first, second = hold(oldest, "ann"), hold(oldest, "bob")
    told = second.said["holder"]
    assert second.said["held"] is False and second.process.wait(120) == 0
    assert (told["pid"], told["account"], told["owner"]) == (first.process.pid, getpass.getuser(), "timing of ann")
    assert 0 <= told["held_s"] < 120
    assert runs(first.process.pid) and first.ended() == 0
    second = hold(oldest, "bob")
    assert second.said["held"] is True
    second.process.kill()
    second.process.wait()
    assert hold(oldest, "ann").said["held"] is True, "no file, and no killed process, is in the way"


def test_an_account_that_waits_has_it_as_soon_as_it_is_free(
    oldest: Path, hold: Callable[..., Holder], tmp_path: Path, root: Path
) -> None:
    first = hold(oldest, "ann")
    folder = tmp_path / "bob" / "espalier"
    with started(oldest, "hold", "--folder", folder, "--owner", "b", "--wait", "60", root=root) as waiting:
        assert first.ended() == 0
        assert Holder(waiting).said["held"] is True
        waiting.kill()


def test_two_boards_are_held_side_by_side(oldest: Path, hold: Callable[..., Holder], tmp_path: Path) -> None:
    other = tree(tmp_path / "other", TX2)
    assert hold(oldest, "ann").said["held"] and hold(oldest, "bob", board=other).said["held"]


def test_a_holder_that_hangs_is_named_by_its_account_and_process(oldest: Path, hold: Callable[..., Holder]) -> None:
    first = hold(oldest, "ann")
    first.process.send_signal(signal.SIGSTOP)
    told = hold(oldest, "bob").said["holder"]
    assert (told["pid"], told["account"], told["owner"]) == (first.process.pid, getpass.getuser(), None)


@pytest.mark.parametrize(
    ("answer", "owner"),
    [
        (b"", None),
        (b"\xff\xfe", None),
        (b"[1, 2]", None),
        (b'{"owner": 5, "held_s": "x"}', None),
        (b'{"owner": "' + b"A" * 3000 + b'", "held_s": 1e400}', "A" * 200),
        (b"[" * 4096, None),
        (b"x" * 100_000, None),
    ],
)
def test_whoever_has_the_name_may_say_anything(
    root: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, owner: str | None
) -> None:
    monkeypatch.setenv("ESPALIER_ROOT", str(root))
    lock = script.BoardLock("me")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(lock.name)
        server.listen(4)

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.setblocking(False)
                client.send(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        told = lock.take(0)
        thread.join()
    assert told is not None and told["pid"] == os.getpid() and told["account"] == getpass.getuser()
    assert told["owner"] == owner
    json.dumps(told, allow_nan=False)


def test_letting_go_twice_or_of_nothing_is_fine(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESPALIER_ROOT", str(root))
    first, second = script.BoardLock("first"), script.BoardLock("second")
    second.release()
    for _ in range(20):
        assert first.take(0) is None
        first.release()
        first.release()
        assert second.take(0) is None
        second.release()


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that every account may read, with the script in it; pytest's own are the user's alone."""
    with tempfile.TemporaryDirectory(prefix="espalier-board-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(AGENT_SCRIPT, folder / "bench.py")
        (folder / "bench.py").chmod(0o644)
        yield folder


def test_real_accounts_exclude_each_other(reachable: Path) -> None:
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if python is None:
        pytest.skip(NO_USER + "no Python lies where other accounts may run it")
    tree(reachable / "board", TX2)

    def command(user: str) -> subprocess.Popen[bytes]:
        folder = reachable / user
        folder.mkdir(exist_ok=True)
        shutil.chown(folder, user)
        argv: list[Any] = [python, reachable / "bench.py", "hold", "--folder", folder / "espalier", "--owner", user]
        pipe = subprocess.PIPE
        environment = {"ESPALIER_ROOT": str(reachable / "board"), "HOME": str(folder), "PATH": os.environ["PATH"]}
        return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, user=user, cwd=reachable)

    with (
        temporary_user(reachable / "a") as (first, _),
        temporary_user(reachable / "b") as (second, _),
        command(first) as holding,
    ):
        held = Holder(holding)
        with command(second) as waiting:
            told = Holder(waiting).said["holder"]
        assert held.said["held"] is True
        assert (told["account"], told["pid"], told["owner"]) == (first, holding.pid, first)
        assert held.ended() == 0
        with command(second) as free:
            last = Holder(free)
            assert last.said["held"] is True and last.ended() == 0
