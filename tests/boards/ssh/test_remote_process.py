"""Commands on a board: what they print, how they end, and that nothing of them is left running."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from engine.boards.registry import Board, parse
from engine.boards.ssh import connection as ssh
from engine.boards.ssh import limits
from engine.errors import RequestError, WorkError
from tests.support.sshd import Sshd, alive

pytestmark = pytest.mark.xdist_group("ssh-run")


def after(seconds: float) -> Callable[[], bool]:
    """A `stop` that becomes true after so long."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def runs(path: Path, seconds: float = 60.0) -> bool:
    """Whether the process that wrote its number into `path` still runs; a killed one gets `seconds` to end."""
    end = time.monotonic() + seconds
    try:
        process = psutil.Process(int(path.read_text()))
    except psutil.NoSuchProcess:
        return False
    while alive(process) and time.monotonic() < end:
        time.sleep(0.01)
    return alive(process)


def sleeper(path: Path, seconds: int = 300) -> list[str]:
    """A command that tells its number and then neither prints nor ends."""
    return ["sh", "-c", 'echo $$ >"$0"; exec sleep "$1"', str(path), str(seconds)]


def test_output_status_and_time_are_answered(board: ssh.Connection) -> None:
    answer = board.run(["sh", "-c", "echo out; echo err >&2; exit 3"], limit=120)
    assert (answer.status, answer.out, answer.err) == (3, "out\n", "err\n")
    assert 0 < answer.seconds < 60
    assert answer.command == "sh -c 'echo out; echo err >&2; exit 3'"


def test_stdin_is_sent_and_ended(board: ssh.Connection) -> None:
    data = os.urandom(300_000).hex().encode()
    assert board.run(["cat"], limit=120, stdin=data).out == data.decode()
    assert board.run(["cat"], limit=120, stdin=b"").out == ""


def test_without_stdin_it_is_held_open_while_the_command_lives(board: ssh.Connection) -> None:
    answer = board.run(["sh", "-c", "timeout 0.5 cat; echo $?"], limit=120)
    assert answer.out == "124\n"


def test_a_command_that_does_not_read_its_stdin_ends_well(board: ssh.Connection) -> None:
    assert board.run(["true"], limit=120, stdin=b"x" * 5_000_000).status == 0


def test_five_megabytes_on_both_streams_arrive_whole(board: ssh.Connection) -> None:
    script = "yes 0123456 | head -c 5000000 & yes abcdefg | head -c 5000000 >&2; wait"
    answer = board.run(["sh", "-c", script], limit=120)
    assert answer.out == "0123456\n" * 625_000
    assert answer.err == "abcdefg\n" * 625_000


def test_output_without_end_is_stopped(board: ssh.Connection, server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OUTPUT_BYTES", 2 << 20)
    with pytest.raises(WorkError, match="more than 2 MiB"):
        board.run(["yes"], limit=60)
    assert server.commands() == []


def test_output_that_is_no_utf8_is_readable(board: ssh.Connection) -> None:
    answer = board.run(["printf", r"a\377\376\000b\303\244"], limit=120)
    assert answer.out == "a\ufffd\ufffd\0bä"


def test_lines_of_both_streams_are_told_as_they_come(board: ssh.Connection) -> None:
    lines: list[tuple[str, str]] = []
    caller = threading.current_thread().name
    script = "echo one; sleep 0.3; echo two >&2; sleep 0.3; printf three"
    board.run(
        ["sh", "-c", script], limit=120, on_line=lambda line: lines.append((line, threading.current_thread().name))
    )
    assert lines == [("one", caller), ("two", caller), ("three", caller)]


def test_a_command_that_is_not_there_says_so(board: ssh.Connection) -> None:
    answer = board.run(["no-such-command"], limit=120)
    assert answer.status == 127
    assert "no-such-command" in answer.err


def test_a_signal_is_status_minus_one(board: ssh.Connection) -> None:
    assert board.run(["sh", "-c", "echo half; kill -9 $$"], limit=120).status == -1
    assert board.run(["true"], limit=120).status == 0


def test_stop_ends_a_silent_command_and_all_that_it_started(board: ssh.Connection, tmp_path: Path) -> None:
    script = 'sleep 300 & echo $! >"$1"; echo $$ >"$0"; exec sleep 300'
    began = time.monotonic()
    with pytest.raises(ssh.Stopped, match="was stopped on tx2"):
        board.run(["sh", "-c", script, str(tmp_path / "a"), str(tmp_path / "b")], limit=60, stop=after(0.5))
    assert time.monotonic() - began < 50
    assert not runs(tmp_path / "a")
    assert not runs(tmp_path / "b")


def test_stop_before_the_first_moment_leaves_nothing(board: ssh.Connection, server: Sshd) -> None:
    with pytest.raises(ssh.Stopped):
        board.run(["sleep", "300"], limit=60, stop=lambda: True)
    assert server.commands() == []


def test_a_command_that_ignores_being_asked_is_killed(
    board: ssh.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "GRACE_S", 0.5)
    script = """trap '' TERM HUP INT; echo $$ >"$0"; while :; do sleep 0.1; done"""
    pid = tmp_path / "pid"
    with pytest.raises(ssh.Stopped):
        board.run(["sh", "-c", script, str(pid)], limit=60, stop=pid.exists)
    assert not runs(tmp_path / "pid")


def test_a_command_is_given_time_to_undo_what_it_did(board: ssh.Connection, tmp_path: Path) -> None:
    script = """trap 'sleep 0.3; echo undone >"$0"; exit' TERM; echo >"$1"; while :; do sleep 0.1; done"""
    started = tmp_path / "started"
    with pytest.raises(ssh.Stopped):
        board.run(["sh", "-c", script, str(tmp_path / "undone"), str(started)], limit=60, stop=started.exists)
    assert (tmp_path / "undone").read_text() == "undone\n"


def test_the_limit_ends_a_silent_command(board: ssh.Connection, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(ssh.TimedOut, match=r"did not end within 0\.5 s on tx2"):
        board.run(sleeper(tmp_path / "pid"), limit=0.5)
    assert time.monotonic() - began < 50
    assert not runs(tmp_path / "pid")


def test_the_limit_keeps_what_was_printed(board: ssh.Connection) -> None:
    with pytest.raises(ssh.TimedOut) as over:
        board.run(["sh", "-c", "echo so far; echo bad >&2; sleep 300"], limit=0.5)
    assert (over.value.out, over.value.err) == ("so far\n", "bad\n")


def test_a_status_of_124_before_the_limit_is_an_answer(board: ssh.Connection) -> None:
    assert board.run(["sh", "-c", "exit 124"], limit=120).status == 124


def test_an_exception_of_the_caller_ends_the_command(board: ssh.Connection, server: Sshd) -> None:
    def fail(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        board.run(["sh", "-c", "echo now; sleep 300"], limit=60, on_line=fail)
    assert server.commands() == []


def test_what_a_command_leaves_running_is_ended_with_it(
    board: ssh.Connection, server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LEFT_S", 0.5)
    began = time.monotonic()
    answer = board.run(["sh", "-c", "sleep 300 & echo done"], limit=60)
    assert (answer.status, answer.out) == (0, "done\n")
    assert time.monotonic() - began < 50
    assert server.commands() == []


def test_what_a_command_leaves_talking_is_ended_at_the_limit(
    board: ssh.Connection, server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "GRACE_S", 0.3)
    script = "(while :; do echo more; sleep 0.1; done) & echo done"
    answer = board.run(["sh", "-c", script], limit=0.7)
    assert answer.out.startswith("done\n") or "\ndone\n" in answer.out
    assert server.commands() == []


def test_output_that_comes_late_is_not_lost(board: ssh.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LEFT_S", 0.4)
    script = "(for i in 1 2 3 4 5; do sleep 0.2; echo $i; done) & echo 0"
    assert board.run(["sh", "-c", script], limit=120).out == "0\n1\n2\n3\n4\n5\n"


def test_a_board_that_answers_every_command_with_talk_is_stopped(
    tmp_path: Path,
    key: Path,
    device: Board,
    results: Path,
    trusted: Callable[[Sshd], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "GRACE_S", 0.3)
    with Sshd(tmp_path / "sshd", config=["ForceCommand yes"]) as odd:
        odd.authorize(key.with_suffix(".pub"))
        trusted(odd)
        with (
            ssh.connect(parse("tx2", odd.target), results) as board,
            pytest.raises(ssh.ShellRefusal, match="printed more"),
        ):
            board.run(["true"], limit=120)


def test_a_board_that_runs_no_commands_says_why(
    tmp_path: Path, key: Path, device: Board, results: Path, trusted: Callable[[Sshd], None]
) -> None:
    with Sshd(tmp_path / "sshd", config=["ForceCommand echo This account is closed; exit 1"]) as odd:
        odd.authorize(key.with_suffix(".pub"))
        trusted(odd)
        with ssh.connect(parse("tx2", odd.target), results) as board:
            with pytest.raises(ssh.ShellRefusal, match="did not run the command; it printed: This account is closed"):
                board.run(["true"], limit=120)
            with pytest.raises(ssh.ShellRefusal, match="This account is closed"):
                _ = board.folder


def test_what_a_login_script_prints_is_no_output(
    tmp_path: Path, key: Path, device: Board, results: Path, trusted: Callable[[Sshd], None]
) -> None:
    with Sshd(tmp_path / "sshd", config=[f"ForceCommand sh {tmp_path / 'forced'}"]) as noisy:
        noisy.authorize(key.with_suffix(".pub"))
        trusted(noisy)
        (tmp_path / "forced").write_text('echo "Welcome!"; eval "$SSH_ORIGINAL_COMMAND"\n')
        with ssh.connect(parse("tx2", noisy.target), results) as board:
            assert board.run(["echo", "real"], limit=120).out == "real\n"
            with pytest.raises(ssh.Stopped):
                board.run(sleeper(tmp_path / "pid"), limit=60, stop=(tmp_path / "pid").exists)
    assert not runs(tmp_path / "pid")


def test_several_threads_may_use_one_connection(board: ssh.Connection) -> None:
    out: list[str] = []
    threads = [
        threading.Thread(target=lambda number=number: out.append(board.run(["echo", str(number)], limit=120).out))
        for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(out) == [f"{number}\n" for number in range(6)]


@pytest.mark.parametrize("limit", [0, -1, float("inf"), float("nan")])
def test_a_limit_that_is_none_is_refused(board: ssh.Connection, limit: float) -> None:
    with pytest.raises(RequestError, match="limit"):
        board.run(["true"], limit=limit)


# -- processes that stay


def test_a_process_that_stays_is_talked_to(board: ssh.Connection) -> None:
    with board.start(["cat"], limit=60) as remote:
        for line in ("one\n", "two\n"):
            remote.write(line.encode())
            assert remote.readline(10) == line
        assert remote.status is None
    assert remote.status == 0
    assert remote.readline(1) == ""


def test_a_process_that_says_nothing_times_out_and_goes_on(board: ssh.Connection) -> None:
    with board.start(["cat"], limit=60) as remote:
        with pytest.raises(ssh.TimedOut, match="printed nothing"):
            remote.readline(0.3)
        remote.write(b"late\n")
        assert remote.readline(10) == "late\n"


def test_a_process_that_ends_at_once_reads_as_ended(board: ssh.Connection) -> None:
    with board.start(["sh", "-c", "printf last; echo why >&2; exit 4"], limit=60) as remote:
        assert remote.readline(10) == "last"
        assert remote.readline(10) == ""
        assert (remote.status, remote.err) == (4, "why\n")
        with pytest.raises(WorkError, match="has ended with status 4"):
            remote.write(b"x")


def test_closing_lets_a_process_undo_what_it_did(board: ssh.Connection, tmp_path: Path) -> None:
    script = 'echo held; cat >/dev/null; sleep 0.5; echo undone >"$0"'
    with board.start(["sh", "-c", script, str(tmp_path / "undone")], limit=60) as remote:
        assert remote.readline(10) == "held\n"
    assert (tmp_path / "undone").read_text() == "undone\n"


def test_closing_ends_a_process_that_does_not_listen(
    board: ssh.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CLOSE_S", 0.5)
    with board.start(sleeper(tmp_path / "pid"), limit=60) as remote:
        while not (tmp_path / "pid").exists():
            time.sleep(0.02)
        assert runs(tmp_path / "pid", 1.0)
    remote.close()
    assert not runs(tmp_path / "pid")


def test_other_commands_run_beside_a_process_that_stays(board: ssh.Connection) -> None:
    with board.start(["cat"], limit=60) as remote:
        assert board.run(["echo", "beside"], limit=120).out == "beside\n"
        remote.write(b"still\n")
        assert remote.readline(10) == "still\n"


# -- the cache folder


def test_the_cache_folder_is_made_for_us_alone(board: ssh.Connection, server: Sshd) -> None:
    assert board.folder == str(server.cache)
    for path in (server.cache, *(server.cache / name for name in ("models", "engines", "scripts"))):
        assert path.stat().st_mode & 0o777 == 0o700


def test_a_cache_folder_that_cannot_be_made_says_why(
    tmp_path: Path, key: Path, device: Board, results: Path, trusted: Callable[[Sshd], None]
) -> None:
    (tmp_path / "file").touch()
    environment = {"XDG_CACHE_HOME": str(tmp_path / "file")}
    with Sshd(tmp_path / "sshd", environment=environment) as odd:
        odd.authorize(key.with_suffix(".pub"))
        trusted(odd)
        with (
            ssh.connect(parse("tx2", odd.target), results) as board,
            pytest.raises(WorkError, match=r"the cache folder has no place on tx2: .*Not a directory"),
        ):
            _ = board.folder
