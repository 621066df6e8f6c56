"""Match lines: what speaks of a host, what does not, and what is no Match line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.boards.registry import Address
from engine.boards.ssh import limits
from engine.boards.ssh_config.lookup import look_up
from engine.errors import WorkError

Write = Callable[[str], Path]


def user(host: str = "lab", **given: str) -> str:
    return look_up(Address(host, given.get("user"))).user


@pytest.mark.parametrize("criterion", ["weather sunny", "!weather sunny", "weather=sunny", "host lab weather sunny"])
def test_a_criterion_that_nobody_knows_never_matches(write: Write, criterion: str) -> None:
    write(f"Match {criterion}\n User wrong\nHost lab\n User right\n")
    assert user() == "right"


@pytest.mark.parametrize(
    ("criterion", "matches"),
    [
        *(("tagged x", False), ("!tagged x", True), ('tagged ""', True), ("sessiontype exec", True)),
        *(("version OpenSSH_*", False), ("localnetwork 127.0.0.0/8", True), ("localnetwork 203.0.113.0/24", False)),
        *(("host=lab", True), ("originalhost lab,gate", True), ("host *,!lab", False), ("user right", False)),
        *(("canonical", False), ("!final host lab", True), ("host LAB", True), ("all", True)),
    ],
)
def test_a_criterion_that_ssh_knows_decides(write: Write, criterion: str, matches: bool) -> None:
    write(f"Match {criterion}\n User matched\nHost lab\n User passed\n")
    assert user() == ("matched" if matches else "passed")


def test_a_second_reading_has_the_host_name_that_the_first_one_gave(write: Write) -> None:
    write("Host lab\n HostName 10.0.0.2\nMatch final host 10.0.0.2\n Port 7\nHost 10.*\n User right\n")
    assert (user(), look_up(Address("lab")).port) == ("right", 7)


def test_a_tag_of_an_earlier_line_is_matched(write: Write) -> None:
    write("Host lab\n Tag bench\nMatch tagged bench\n User right\n")
    assert user() == "right"


def test_the_user_of_the_address_is_matched(write: Write) -> None:
    write("Match user nvidia\n Port 2222\n")
    assert look_up(Address("lab", "nvidia")).port == 2222
    assert look_up(Address("lab")).port == 22


def test_a_command_of_the_users_own_is_asked_as_ssh_asks_it(write: Write, tmp_path: Path) -> None:
    write(f'Match originalhost lab exec "touch {tmp_path}/asked-%h-%r"\n User right\n')
    assert user() == "right"
    assert user("gate") != "right"
    assert [file.name.split("-")[1] for file in tmp_path.glob("asked*")] == ["lab"]


@pytest.mark.parametrize("command", ["false", "exit 3", "no-such-program-at-all"])
def test_a_command_that_fails_does_not_match(write: Write, command: str) -> None:
    write(f'Match exec "{command}"\n User wrong\nMatch !exec "{command}"\n User right\n')
    assert user() == "right"


@pytest.mark.parametrize("shape", ["Match exec {}", "Match host gate exec {}\nHost gate\n Match exec {}"])
def test_a_command_that_does_not_end_is_ended_and_said(
    write: Write, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MATCH_S", 0.2)
    write(shape.replace("{}", '"sleep 600"') + "\n User x\n")
    with pytest.raises(WorkError, match=r"of ~/\.ssh/config asks the command 'sleep 600', which did not end within"):
        user()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        *(("Match host", "host needs an argument"), ("Match", "nothing after it"), ("Match # x", "nothing after it")),
        *(("Match all host lab", "all stands by itself"), ("Match localnetwork home", "is no list of networks")),
        *(("Match host lab user", "user needs an argument"), ('Match exec "a %T"', "%T is no token there")),
        *(("Match exec 'kill -9 $$'", "which signal 9 ended"), ('Match host "lab', "opens a quote")),
    ],
)
def test_what_ssh_refuses_is_refused_by_its_line(write: Write, line: str, why: str) -> None:
    write(f"Host x\n{line}\n User x\n")
    with pytest.raises(WorkError, match=r"line 2 of ~/\.ssh/config") as refused:
        user()
    assert why in str(refused.value)
