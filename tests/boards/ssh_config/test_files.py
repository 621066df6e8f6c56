"""The files themselves: Include, quotes, who may write them, and what is passed over."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.boards.registry import Address
from engine.boards.ssh_config import lookup
from engine.boards.ssh_config.lookup import look_up
from engine.errors import WorkError
from tests.conftest import NO_USER

Write = Callable[[str], Path]


def user(host: str = "lab") -> str:
    return look_up(Address(host)).user


@pytest.mark.parametrize("pattern", ['"{}/a b/*.conf"', "'{}/a b/x.conf'", "{}/a\\ b/x.conf", '~/../"a b"/x.conf'])
def test_a_path_with_blanks_is_included_whole(write: Write, tmp_path: Path, pattern: str) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "x.conf").write_text("Host lab\n User right\n")
    write(f"Include {pattern.format(tmp_path)}\nHost *\n User wrong\n")
    assert user() == "right"


def test_tokens_and_variables_of_an_include_are_replaced(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", str(tmp_path))
    (tmp_path / "lab.conf").write_text("User right\n")
    write("Include ${PLACE}/%n.conf\n")
    assert (user(), user("gate") == "right") == ("right", False)


def test_what_an_include_says_stays_inside_its_block(write: Write, tmp_path: Path) -> None:
    (tmp_path / "more").write_text("Port 7\nHost *\n User wrong\nMatch all\n Port 8\n")
    write(f"Host gate\n Include {tmp_path}/more\n IdentitiesOnly yes\nHost lab\n User right\n")
    found = look_up(Address("lab"))
    assert (found.user, found.port, found.identities_only) == ("right", 22, False)
    assert look_up(Address("gate")).port == 7


def test_wildcards_include_no_hidden_file_and_no_folder(write: Write, home: Path) -> None:
    (home / ".ssh" / "conf.d" / "folder").mkdir(parents=True)
    (home / ".ssh" / "conf.d" / ".lab.swp").write_text("User wrong\n")
    (home / ".ssh" / "conf.d" / "lab").write_text("User right\n")
    write("Include conf.d/*\n")
    assert user() == "right"


def test_an_include_of_itself_ends_in_a_sentence(write: Write) -> None:
    write("Include config\n")
    with pytest.raises(WorkError, match="leads in a circle"):
        user()


@pytest.mark.parametrize(
    ("word", "why"), [("~no-such-user/x", "this machine does not have"), ("${NOT_SET}/x", "NOT_SET is not set")]
)
def test_an_include_of_nowhere_says_why(write: Write, word: str, why: str) -> None:
    write(f"Include {word}\n")
    with pytest.raises(WorkError, match=r"line 1 of ~/\.ssh/config includes .*" + why):
        user()


def test_the_systems_file_comes_after_the_users(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "system").write_text("Host lab\n User wrong\n Port 2222\n")
    monkeypatch.setattr(lookup, "SYSTEM_FILE", tmp_path / "system")
    write("Host lab\n User right\n")
    assert (user(), look_up(Address("lab")).port) == ("right", 2222)


@pytest.mark.parametrize("mode", [0o666, 0o646])
def test_a_file_that_others_may_write_is_not_followed(write: Write, mode: int) -> None:
    write("User wrong\n").chmod(mode)
    with pytest.raises(
        WorkError, match=r"others may write ~/\.ssh/config, so neither ssh nor we follow it; run: chmod"
    ):
        user()


@pytest.mark.skipif(os.geteuid() != 0, reason=NO_USER + "only root can give a file away")
def test_a_file_of_somebody_else_is_not_followed(write: Write) -> None:
    os.chown(write("User wrong\n"), 65533, 65533)
    with pytest.raises(WorkError, match="belongs to somebody else"):
        user()


def test_other_options_and_unknown_ones_are_passed_over(write: Write) -> None:
    write(
        "CanonicalizeHostname yes\nUpdateHostKeys ask\nAddKeysToAgent confirm\nWhateverComesNext 7\nRequestTTY=force\n"
        "LocalCommand echo 'it is\nSendEnv LANG LC_*\nGSSAPIAuthentication yes\nHost lab\n User right\n"
    )
    assert user() == "right"


@pytest.mark.parametrize(
    "text", ["USER = right", '"User" right', "\tuser\tright  ", "User right # me", "User=right\r", 'User "right"\f']
)
def test_a_line_is_read_however_it_is_written(write: Write, text: str) -> None:
    write(f"{text}\n")
    assert user() == "right"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        *(('Host ""', "gives host as nothing"), ("Host", "says 'host' and nothing after it")),
        *(("User", "says 'user' and nothing after it"), ('User ""', "gives user as nothing")),
        *(('User "x', "opens a quote"), ("User a b", "more than one value"), ("Port 0", "a port that is none: '0'")),
        *(("Port x", "a port that is none: 'x'"), ("IdentitiesOnly perhaps", "yes and no are allowed")),
        *(("HostName %x", "%x is no token there"), ("CanonicalizeHostname perhaps", "no, yes and always are allowed")),
    ],
)
def test_a_line_that_ssh_refuses_is_named(write: Write, line: str, why: str) -> None:
    write(f"# mine\n{line}\n")
    with pytest.raises(WorkError, match=r"line 2 of ~/\.ssh/config") as refused:
        user()
    assert why in str(refused.value) and str(refused.value).isprintable()
