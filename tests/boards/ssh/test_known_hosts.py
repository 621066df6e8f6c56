"""Known hosts files that somebody prepared: read quickly or refused, whatever is in them."""

import base64
import functools
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.boards.ssh import known_hosts
from engine.boards.ssh_config import patterns
from engine.errors import WorkError

NAME = "h" * 250
BLOB = b"a key"
KEY = "ssh-ed25519 " + base64.b64encode(BLOB).decode()


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of the user's own file, which is not there yet."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    return tmp_path / ".ssh" / "known_hosts"


def state_of(tmp_path: Path, host: str = NAME) -> str:
    return known_hosts.check_key(tmp_path, known_hosts.place_of(host, 22), "ssh-ed25519", BLOB).state


@functools.cache
def fits(pattern: str, name: str) -> bool:
    """What a pattern means, by its definition."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return fits(pattern[1:], name) or (bool(name) and fits(pattern, name[1:]))
    return bool(name) and pattern[0] in ("?", name[0]) and fits(pattern[1:], name[1:])


@settings(deadline=None, max_examples=200)
@given(pattern=st.text("ab*?", max_size=12), name=st.text("ab", max_size=12))
def test_a_pattern_means_what_its_definition_says(pattern: str, name: str) -> None:
    assert patterns.matches(pattern, name) == fits(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "known"),
    [("*" * 10_000, True), ("*h" * 250, True), ("*h" * 250 + "*x", False), ("*?" * 5000, False), ("*h?" * 80, True)],
)
def test_a_pattern_of_many_stars_takes_no_time(users: Path, tmp_path: Path, pattern: str, known: bool) -> None:
    users.write_text(f"{pattern} {KEY}\n")
    began = time.monotonic()
    assert state_of(tmp_path) == ("known" if known else "new")
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "piece",
    ["*", "\n", ",", "a ", "*?*,", "*h?h*,", "*" + "h" * 120 + "?x*,", "|1|x|y a AAAA\n", f"x {KEY}\n", "@revoked "],
)
def test_a_file_full_of_anything_is_read_soon(users: Path, tmp_path: Path, piece: str) -> None:
    users.write_text(piece * (1_000_000 // len(piece)) + f" {KEY}\n")
    began = time.monotonic()
    state_of(tmp_path)
    assert time.monotonic() - began < 60


def test_a_hashed_name_stands_alone(users: Path, tmp_path: Path) -> None:
    users.write_text(f"|1|c2FsdA==|AAAA {KEY}\n|1||{'A' * 28} {KEY}\n|1|%|% {KEY}\n")
    assert state_of(tmp_path) == "new"


def test_a_comment_is_one_line_whatever_is_in_it(users: Path, tmp_path: Path) -> None:
    users.write_text(f"# hosts\u2028* {KEY}\x0c* {KEY}\n", encoding="utf-8")
    assert state_of(tmp_path) == "new"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("own", [False, True])
def test_what_is_no_file_is_a_sentence(users: Path, tmp_path: Path, make: Callable[[Path], None], own: bool) -> None:
    make(known_hosts.own_file(tmp_path) if own else users)
    with pytest.raises(WorkError, match="known_hosts"):
        state_of(tmp_path)


def test_a_file_of_100_mb_is_not_read(users: Path, tmp_path: Path) -> None:
    with users.open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(WorkError, match="larger than 4 MiB"):
        state_of(tmp_path)


def test_the_users_file_may_be_a_link(users: Path, tmp_path: Path) -> None:
    (tmp_path / "dotfile").write_text(f"{NAME} {KEY}\n")
    users.symlink_to(tmp_path / "dotfile")
    assert state_of(tmp_path) == "known"


def test_our_file_is_never_written_through_a_link(users: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("")
    known_hosts.own_file(tmp_path).symlink_to(tmp_path / "victim")
    known_hosts.save(tmp_path, "tx2", "ssh-ed25519", BLOB)
    assert state_of(tmp_path, "tx2") == "known" and (tmp_path / "victim").read_text() == ""
