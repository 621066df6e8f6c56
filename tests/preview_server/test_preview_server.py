"""The warm process and who asks it, as real processes: what they do when somebody asks, leaves, or is killed."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from engine.errors import RequestError, WorkError
from engine.pipeline.preview.answer import Preview
from engine.pipeline.preview.request import PreviewRequest, make_request
from engine.preview_server import client, inbox, place, wire
from engine.preview_server.client import Ask, Start
from engine.spec import run as specs
from tests.support import standin_previews as standin
from tests.support.places import ROOT
from tests.support.runtime_folder import runtime_folder
from tests.support.storm import wait_for

LONG = Start(idle_seconds=600.0, command=standin.COMMAND)


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with runtime_folder(monkeypatch, client._started) as folder:
        yield folder


def request(criterion: str = standin.AT_ONCE, keep: float = 0.5) -> PreviewRequest:
    return make_request(specs.parse({"criterion": criterion, "target": {"keep": [keep]}}), Path("results"))


def pid_of(preview: Preview) -> int:
    return int(preview.notes[0])


def ask(criterion: str = standin.AT_ONCE, start: Start = LONG) -> Preview:
    return client.ask(request(criterion), start=start)


def answered(asked: Ask) -> Preview:
    """What an ask that is on its way comes to."""
    answer: Preview = wait_for(lambda: asked.poll(0.2))
    return answer


def working(criterion: str = standin.SLOWLY) -> Ask:
    """An ask that is being worked on."""
    asked = Ask(request(criterion), LONG)
    wait_for(lambda: asked.poll(0.2) is None and asked.stage == "working")
    return asked


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_one_process_answers_all_asks_and_only_this_user_can_reach_it(runtime: Path) -> None:
    answers = [ask() for _ in range(3)]
    assert len({pid_of(answer) for answer in answers}) == 1 and pid_of(answers[0]) != os.getpid()
    assert [answer.notes[1] for answer in answers] == ["1", "2", "3"], "what it keeps is there for the next"
    (path,) = (runtime / "espalier").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.getsid(pid_of(answers[0])) == pid_of(answers[0]), "signals to a terminal's programs do not reach it"


def test_errors_arrive_as_they_were_raised_and_the_process_goes_on() -> None:
    first = ask()
    with pytest.raises(RequestError, match="there is no such thing") as refused:
        ask(standin.REFUSED)
    assert refused.value.field == "target.keep"
    with pytest.raises(WorkError, match=r"unexpected ZeroDivisionError in standin_previews.py:\d+: by nothing"):
        ask(standin.BROKEN)
    assert pid_of(ask()) == pid_of(first)


def test_a_process_that_is_killed_is_a_sentence_and_the_next_ask_starts_another(runtime: Path) -> None:
    first = ask()
    with working() as asked:
        os.kill(pid_of(first), signal.SIGKILL)
        with pytest.raises(WorkError, match="ended before it answered; ask again"):
            wait_for(lambda: asked.poll(0.2))
    assert list((runtime / "espalier").iterdir()), "its socket is left, and nobody listens"
    assert pid_of(ask()) != pid_of(first)


def test_it_ends_when_nobody_has_asked_for_a_while_and_leaves_nothing(runtime: Path) -> None:
    first = ask(start=Start(idle_seconds=0.2, command=standin.COMMAND))
    wait_for(lambda: is_gone(pid_of(first)))
    assert list((runtime / "espalier").iterdir()) == []
    assert client._started[0].wait(30) == 0
    assert pid_of(ask()) != pid_of(first)


def test_an_ask_that_is_closed_is_dropped_in_the_middle_and_the_next_one_answered() -> None:
    pid = pid_of(ask())
    old = working()
    new = Ask(request(), LONG)
    assert new.poll(0.3) is None, "one ask at a time"
    old.close()
    answer = answered(new)
    assert pid_of(answer) == pid and answer.notes[1] == "2"


def test_the_newest_ask_of_a_connection_is_the_one_that_counts() -> None:
    with working() as asked:
        wire.send(asked._connection, request(keep=0.25).to_json())
        assert answered(asked).criterion == standin.AT_ONCE


def test_two_who_ask_at_once_start_one_process_and_both_are_answered() -> None:
    asks = [Ask(request(), LONG) for _ in range(4)]
    assert len(client._started) == 1
    assert len({pid_of(answered(asked)) for asked in asks}) == 1


def test_a_bound_process_ends_with_the_one_that_started_it(runtime: Path) -> None:
    code = (
        "import sys\nfrom tests.preview_server import test_preview_server as t\n"
        "answer = t.ask(start=t.Start(bound=True, idle_seconds=600.0, command=t.standin.COMMAND))\n"
        "print(answer.notes[0], flush=True)\nsys.stdin.read()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    with working() as asked:  # even in the middle of something long
        parent.kill()
        parent.wait(30)
        wait_for(lambda: is_gone(pid))
        with pytest.raises(WorkError, match="ended before it answered"):
            wait_for(lambda: asked.poll(0.2))
    assert list((runtime / "espalier").iterdir()) == []


def test_what_is_no_ask_is_refused_and_disturbs_nobody() -> None:
    pid = pid_of(ask())
    path = place.socket_of("resnet20")
    for sent in (b"nonsense\n", b"[" * 100_000 + b"\n", b"x" * (wire.MOST_BYTES + 1)):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            try:
                connection.sendall(sent)
                assert connection.recv(100) == b""
            except (BrokenPipeError, ConnectionResetError):
                pass  # it was closed in the middle of the line
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(b'{"spec": {"model": "resnet21"}, "results": "/nowhere"}\n{"spec"')
        heard = wire.Lines().feed(_until_error(connection))
        assert "resnet21" in heard[-1]["error"]["sentence"] and heard[-1]["error"]["field"] == "model"
    assert pid_of(ask()) == pid


def _until_error(connection: socket.socket) -> bytes:
    data = b""
    while b"error" not in data or not data.endswith(b"\n"):
        data += connection.recv(1 << 16)
    return data


def test_no_more_connections_than_are_stated_are_held_open(monkeypatch: pytest.MonkeyPatch) -> None:
    ask()
    path = place.socket_of("resnet20")
    held = [socket.socket(socket.AF_UNIX) for _ in range(inbox.MOST_CONNECTIONS + 1)]
    try:
        for connection in held:
            connection.connect(str(path))
        held[-1].settimeout(30)
        assert held[-1].recv(1) == b"", "the last one is turned away"
    finally:
        for connection in held:
            connection.close()
    assert ask().notes[1] == "2"


def test_a_process_that_cannot_start_is_a_sentence() -> None:
    with pytest.raises(WorkError, match="cannot start: it ended with exit status 7"):
        ask(start=Start(command=(sys.executable, "-c", "raise SystemExit(7)")))


def test_a_folder_that_others_may_enter_is_not_used(runtime: Path) -> None:
    (runtime / "espalier").mkdir(mode=0o755)
    (runtime / "espalier").chmod(0o755)
    with pytest.raises(WorkError, match="no folder that only you may enter"):
        ask()
    (runtime / "espalier").rmdir()
    (runtime / "espalier").symlink_to(ROOT)
    with pytest.raises(WorkError, match="no folder that only you may enter"):
        ask()


def test_another_setting_of_the_environment_is_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    before = place.socket_of("resnet20")
    monkeypatch.setenv("ESPALIER_CACHE", "/elsewhere")
    assert place.socket_of("resnet20") != before
