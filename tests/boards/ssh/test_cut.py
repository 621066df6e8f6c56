"""Boards that are not there, say nothing, or go away: each ends soon, in a sentence, with a retry that works."""

import hashlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.boards.registry import Board, parse
from engine.boards.ssh import connection as ssh
from engine.boards.ssh import limits, transport, trust
from tests.support.sshd import Sshd, free_port

pytestmark = pytest.mark.xdist_group("ssh-cut")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds where people wait for half a minute."""
    monkeypatch.setattr(limits, "KEEPALIVE_S", 0.3)
    monkeypatch.setattr(limits, "SILENCE_S", 2.0)
    monkeypatch.setattr(limits, "CLEANUP_S", 1.0)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """One second for each step of connecting to somebody who will not answer."""
    monkeypatch.setattr(limits, "CONNECT_S", 1.0)


@contextmanager
def port_that(does: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port that takes connections, and what it does with each."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                    kept.append(connection)
                    does(connection)
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for connection in kept:
            connection.close()


def works_again(device: Board, results: Path) -> bool:
    with ssh.connect(device, results) as board:
        return board.run(["echo", "again"], limit=120).out == "again\n"


# -- not there


def test_a_port_where_nobody_listens_is_unreachable(results: Path) -> None:
    device = parse("tx2", f"127.0.0.1:{free_port()}")
    for attempt in (ssh.connect, trust.fetch_host_key):
        with pytest.raises(ssh.Unreachable, match=r"no SSH server listens at .*; check the port"):
            attempt(device, results)


def test_a_name_that_no_host_has_is_unreachable(results: Path) -> None:
    with pytest.raises(ssh.Unreachable, match=r"no host is called 'no-such-host\.invalid'"):
        ssh.connect(parse("tx2", "no-such-host.invalid"), results)


@pytest.mark.usefixtures("hasty")
def test_a_host_that_never_answers_is_unreachable(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(address: object, timeout: float) -> socket.socket:
        time.sleep(timeout)
        raise TimeoutError("timed out")

    monkeypatch.setattr(transport.socket, "create_connection", never)
    with pytest.raises(ssh.Unreachable, match=r"nothing answered at 192\.0\.2\.1:22 within 1 s; is it switched on"):
        ssh.connect(parse("tx2", "192.0.2.1"), results)


def test_a_host_without_a_route_is_unreachable(results: Path) -> None:
    with pytest.raises(ssh.Unreachable, match="cannot be reached"):
        ssh.connect(parse("tx2", "255.255.255.255"), results)


@pytest.mark.usefixtures("hasty")
def test_a_port_that_says_nothing_is_unreachable_in_time(results: Path) -> None:
    with port_that(lambda connection: None) as port:
        began = time.monotonic()
        with pytest.raises(ssh.Unreachable, match=r"did not introduce itself as an SSH server \(limit 1 s\)"):
            ssh.connect(parse("tx2", f"127.0.0.1:{port}"), results)
        with pytest.raises(ssh.Unreachable, match="did not introduce itself"):
            trust.fetch_host_key(parse("tx2", f"127.0.0.1:{port}"), results, timeout=0.5)
        assert time.monotonic() - began < 50


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("greeting", "match"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" * 120, "is no SSH server"),
        (b"SSH-1.5-old\r\n", "no method in common|too old"),
        (b"SSH-2.0-half\r\n", "did not introduce itself"),
        (b"SSH-2.0-x\r\n" + os.urandom(4000), "tx2"),
    ],
    ids=["http", "ssh 1", "half a server", "noise"],
)
def test_a_port_of_something_else_is_unreachable(results: Path, greeting: bytes, match: str) -> None:
    with port_that(lambda connection: connection.sendall(greeting)) as port:
        began = time.monotonic()
        with pytest.raises(ssh.Unreachable, match=match):
            ssh.connect(parse("tx2", f"127.0.0.1:{port}"), results)
        assert time.monotonic() - began < 50


def test_a_port_that_hangs_up_is_unreachable(results: Path) -> None:
    with port_that(lambda connection: connection.close()) as port, pytest.raises(ssh.Unreachable):
        ssh.connect(parse("tx2", f"127.0.0.1:{port}"), results)


# -- gone away


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_connection_cut_during_a_command_is_told_at_once(
    device: Board, results: Path, server: Sshd, number: int
) -> None:
    with ssh.connect(device, results) as board:
        cut = threading.Timer(0.5, server.signal_sessions, [number])
        cut.start()
        began = time.monotonic()
        with pytest.raises(ssh.ConnectionCut, match="connection to tx2 was closed from the other side"):
            board.run(["sleep", "55"], limit=60)
        assert time.monotonic() - began < 50
        with pytest.raises(ssh.ConnectionCut, match="from the other side"):
            board.run(["true"], limit=120)
    assert works_again(device, results)


@pytest.mark.usefixtures("slow")
def test_a_connection_cut_during_an_upload_is_told_at_once(device: Board, results: Path, server: Sshd) -> None:
    content = os.urandom(20_000_000)
    digest = hashlib.sha256(content).hexdigest()
    with ssh.connect(device, results) as board:
        _ = board.folder

        def cut(sent: int, total: int) -> None:
            if sent > 1_000_000:
                server.signal_sessions(signal.SIGKILL)

        began = time.monotonic()
        with pytest.raises(ssh.ConnectionCut):
            board.upload(content, "models/cut.onnx", sha256=digest, on_progress=cut)
        assert time.monotonic() - began < 50
    assert not (server.cache / "models/cut.onnx").exists()
    end = time.monotonic() + 60
    while list((server.cache / "models").glob("cut.onnx.*")) and time.monotonic() < end:
        time.sleep(0.02)
    assert not list((server.cache / "models").glob("cut.onnx.*")), "half a file is left on the board"


def test_an_upload_after_a_cut_works(device: Board, results: Path, server: Sshd) -> None:
    with ssh.connect(device, results) as board:
        _ = board.folder
        server.signal_sessions(signal.SIGKILL)
        with pytest.raises(ssh.ConnectionCut):
            board.upload(b"x", "models/x", sha256=hashlib.sha256(b"x").hexdigest())
    with ssh.connect(device, results) as board:
        assert board.upload(b"x", "models/x", sha256=hashlib.sha256(b"x").hexdigest())


def test_a_cut_is_told_to_a_process_that_stays_and_its_stdin_ends(
    device: Board, results: Path, server: Sshd, tmp_path: Path
) -> None:
    script = 'echo held; cat >/dev/null; echo ended >"$0"'
    with (
        ssh.connect(device, results) as board,
        board.start(["sh", "-c", script, str(tmp_path / "ended")], limit=60) as remote,
    ):
        assert remote.readline(120) == "held\n"
        server.signal_sessions(signal.SIGKILL)
        with pytest.raises(ssh.ConnectionCut):
            remote.readline(120)
        with pytest.raises(ssh.ConnectionCut):
            remote.write(b"x")
    end = time.monotonic() + 60
    while not (tmp_path / "ended").exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert (tmp_path / "ended").exists()


@pytest.fixture
def frozen(server: Sshd) -> Iterator[Callable[[], None]]:
    """Stops the server's sessions as a board without power does: no answer, and no end of the connection either."""
    yield lambda: server.signal_sessions(signal.SIGSTOP) and None
    server.signal_sessions(signal.SIGCONT)
    server.signal_sessions(signal.SIGKILL)


@pytest.mark.usefixtures("impatient")
def test_a_board_that_vanishes_during_a_command_is_noticed(
    device: Board, results: Path, frozen: Callable[[], None]
) -> None:
    with ssh.connect(device, results) as board:
        threading.Timer(0.3, frozen).start()
        began = time.monotonic()
        with pytest.raises(ssh.ConnectionCut, match=r"tx2 has not answered for 2 s"):
            board.run(["sleep", "55"], limit=60)
        assert 1 < time.monotonic() - began < 50
    assert works_again(device, results)


def test_a_board_that_vanishes_before_a_command_begins_is_not_taken_for_a_login_shell_that_waits(
    tmp_path: Path,
    key: Path,
    device: Board,
    results: Path,
    trusted: Callable[[Sshd], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "START_S", 2.0)
    monkeypatch.setattr(limits, "CONFIRM_S", 1.0)
    with Sshd(tmp_path / "sshd", config=["ForceCommand sleep 55"]) as waiting:
        waiting.authorize(key.with_suffix(".pub"))
        trusted(waiting)
        with ssh.connect(parse("tx2", waiting.target), results) as board:
            threading.Timer(0.5, waiting.signal_sessions, [signal.SIGSTOP]).start()
            with pytest.raises(ssh.ConnectionCut, match="did not answer for 1 s when asked to run `true`"):
                board.run(["true"], limit=120)


@pytest.mark.usefixtures("impatient")
def test_a_board_that_vanishes_during_an_upload_is_noticed(
    device: Board, results: Path, frozen: Callable[[], None]
) -> None:
    content = os.urandom(30_000_000)
    with ssh.connect(device, results) as board:
        _ = board.folder
        frozen_once: list[None] = []

        def freeze(sent: int, total: int) -> None:
            if not frozen_once:
                frozen_once.append(frozen())

        began = time.monotonic()
        with pytest.raises(ssh.ConnectionCut, match="has not answered"):
            board.upload(content, "models/v.onnx", sha256=hashlib.sha256(content).hexdigest(), on_progress=freeze)
        assert time.monotonic() - began < 50


@pytest.mark.usefixtures("impatient")
def test_stop_ends_soon_when_the_board_has_vanished(
    device: Board, results: Path, frozen: Callable[[], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(limits, "SILENCE_S", 60.0)
    started = tmp_path / "started"

    def stop() -> bool:
        if started.exists():
            frozen()
        return started.exists()

    with ssh.connect(device, results) as board:
        began = time.monotonic()
        with pytest.raises(ssh.Stopped, match="could not confirm it any more"):
            board.run(["sh", "-c", 'echo >"$0"; exec sleep 55', str(started)], limit=60, stop=stop)
        assert time.monotonic() - began < 50


@pytest.mark.usefixtures("impatient")
def test_a_board_that_is_silent_but_there_is_not_given_up(device: Board, results: Path) -> None:
    with ssh.connect(device, results) as board:
        assert board.run(["sh", "-c", "sleep 2.8; echo awake"], limit=120).out == "awake\n"


def test_a_closed_connection_says_so_and_leaves_no_thread(device: Board, results: Path) -> None:
    before = threading.active_count()
    board = ssh.connect(device, results)
    board.run(["true"], limit=120)
    board.close()
    board.close()
    with pytest.raises(ssh.ConnectionCut, match="is closed"):
        board.run(["true"], limit=120)
    end = time.monotonic() + 60
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.02)
    assert threading.active_count() <= before
