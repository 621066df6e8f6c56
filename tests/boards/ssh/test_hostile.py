"""Names that want to be commands are refused, or are names: nothing of them ever runs, here or on the board."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.boards.registry import Board, parse
from engine.boards.ssh import connection as ssh
from engine.errors import RequestError, WorkError
from tests.support.sshd import Sshd

pytestmark = pytest.mark.xdist_group("ssh-hostile")

HOSTILE = [
    "; rm -rf ~",
    "$(rm -rf ~)",
    "`rm -rf ~`",
    "x\nrm -rf ~",
    "x\rrm -rf ~",
    "' ; rm -rf ~ ; '",
    '" ; rm -rf ~ ; "',
    "a b",
    "&& rm -rf ~",
    "| rm -rf ~",
    "-rf",
    "--help",
    "-oProxyCommand=rm -rf ~",
    "../../../canary",
    "~",
    "$HOME",
    "\\",
    "*",
    "\x1b[2J",
    "ünïcödé ☃",
    "\u202etxt.x",
    "x\0y",
    "\ud800",
    "%h%n%s",
    "",
    "a" * 5000,
]


@pytest.fixture(scope="module")
def board(server: Sshd, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ssh.Connection]:
    """One connection for all the words."""
    folder = tmp_path_factory.mktemp("client")
    (folder / ".ssh").mkdir()
    shutil.copy(key, folder / ".ssh" / "id_ed25519")
    (folder / "known_hosts").write_text(server.known_hosts_line)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        patch.delenv("SSH_AUTH_SOCK", raising=False)
        connection = ssh.connect(parse("tx2", server.target), folder)
    with connection:
        yield connection


def short(text: str) -> str:
    return ascii(text)[:30]


@pytest.mark.parametrize("text", HOSTILE, ids=short)
def test_hostile_words_arrive_as_they_are_or_are_refused(board: ssh.Connection, canary: Path, text: str) -> None:
    if "\0" in text or "\ud800" in text:
        with pytest.raises(RequestError):
            board.run(["printf", "%s", text], limit=120)
        with pytest.raises(RequestError):
            board.start([text], limit=120)
    else:
        assert board.run(["printf", "%s|", text, "next"], limit=120).out == f"{text}|next|"


@pytest.mark.parametrize("text", HOSTILE, ids=short)
def test_a_hostile_word_as_the_command_is_not_found(board: ssh.Connection, canary: Path, text: str) -> None:
    if "\0" in text or "\ud800" in text:
        return
    answer = board.run([text], limit=120)
    assert answer.status in (126, 127)


@pytest.mark.parametrize("text", HOSTILE, ids=short)
def test_a_hostile_path_is_one_file_below_the_cache_or_refused(
    board: ssh.Connection, server: Sshd, canary: Path, text: str
) -> None:
    digest = hashlib.sha256(b"content").hexdigest()
    path = f"models/{text}"
    try:
        assert board.upload(b"content", path, sha256=digest)
    except (RequestError, WorkError) as refused:
        assert "\n" not in str(refused)
        assert "\x1b" not in str(refused)
        assert not any(file.read_bytes() == b"content" for file in server.cache.rglob("*") if file.is_file())
        return
    assert (server.cache / path).read_bytes() == b"content"
    assert not board.upload(b"content", path, sha256=digest)
    (server.cache / path).unlink()
    assert [file for file in server.cache.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize("text", HOSTILE, ids=short)
def test_hostile_names_users_and_hosts_are_no_device(text: str) -> None:
    jumps = [text, f"{text}@127.0.0.1", f"127.0.0.1,{text}"] if text else ["@127.0.0.1", "127.0.0.1,"]
    for name, target, jump in [
        (text, "host", None),
        ("tx2", text, None),
        ("tx2", f"{text}@127.0.0.1", None),
        ("tx2", f"{text}:22", None),
        ("tx2", f"127.0.0.1:{text}", None),
        *(("tx2", "host", jump) for jump in jumps),
    ]:
        with pytest.raises(RequestError) as refused:
            parse(name, target, jump)
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 400


def test_hostile_values_of_the_ssh_config_reach_no_shell(
    device: Board, results: Path, home: Path, canary: Path, server: Sshd, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    (home / ".ssh" / "config").write_text(
        f"Host a\n HostName $(touch {mark})\nHost b\n HostName 127.0.0.1\n Port {server.port}\n User ;touch {mark}\n"
        f"Host c\n HostName 127.0.0.1\n Port `touch {mark}`\nHost d\n ProxyJump ;touch {mark}\n"
        f"Host e\n HostName 127.0.0.1\n Port {server.port}\n IdentityFile $(touch {mark})\n"
    )
    for alias in "abcde":
        with pytest.raises((WorkError, RequestError)) as refused:
            ssh.connect(parse("tx2", alias), results)
        assert str(refused.value).isprintable()
    assert not mark.exists()


def test_a_hostile_home_on_the_board_is_only_a_name(tmp_path: Path, key: Path, device: Board, results: Path) -> None:
    folder = tmp_path / "; touch mark; $(touch mark) ' x"
    with Sshd(tmp_path / "sshd", environment={"XDG_CACHE_HOME": str(folder)}) as sshd:
        sshd.authorize(key.with_suffix(".pub"))
        (results / "known_hosts").write_text(sshd.known_hosts_line)
        with ssh.connect(parse("tx2", sshd.target), results) as board:
            assert board.folder == f"{folder}/espalier"
            assert board.upload(b"x", "models/m", sha256=hashlib.sha256(b"x").hexdigest())
        assert (folder / "espalier/models/m").read_bytes() == b"x"
        assert list(sshd.home.iterdir()) == []


def test_what_a_stranger_says_cannot_write_to_the_terminal(
    tmp_path: Path, key: Path, device: Board, results: Path
) -> None:
    banner = tmp_path / "banner"
    banner.write_text("\x1b[2J\x1b]0;owned\x07\n")
    with Sshd(tmp_path / "sshd", config=[f"Banner {banner}"]) as sshd:
        (results / "known_hosts").write_text(sshd.known_hosts_line)
        with pytest.raises(ssh.LoginRefused) as refused:
            ssh.connect(parse("tx2", sshd.target), results)
    assert str(refused.value).isprintable()


def test_no_ssh_program_is_ever_started(
    board: ssh.Connection, monkeypatch: pytest.MonkeyPatch, device: Board, results: Path
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with ssh.connect(device, results) as other:
        assert other.run(["true"], limit=120).status == 0
