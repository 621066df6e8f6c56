"""A board to talk to: a real sshd for each module, and a user of our own with keys and an empty home for each test."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.boards.registry import Board, parse
from engine.boards.ssh import connection as ssh
from engine.boards.ssh import transfer
from tests.support.sshd import Sshd, make_key


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key that `server` lets in."""
    return make_key(tmp_path_factory.mktemp("key") / "id_ed25519")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, key: Path) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("sshd")) as sshd:
        sshd.authorize(key.with_suffix(".pub"))
        yield sshd


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of whoever connects: an empty ~/.ssh, no agent."""
    path = tmp_path / "home"
    (path / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def trusted(results: Path) -> Callable[[Sshd], None]:
    """Takes a server's key as trusted, as a person did before."""

    def trust(sshd: Sshd) -> None:
        line = (results / "known_hosts").read_text() if (results / "known_hosts").exists() else ""
        results.mkdir(exist_ok=True)
        (results / "known_hosts").write_text(line + sshd.known_hosts_line)

    return trust


@pytest.fixture
def device(server: Sshd, key: Path, home: Path, trusted: Callable[[Sshd], None]) -> Board:
    """The module's server: its key is trusted, and ours is the default one."""
    trusted(server)
    shutil.copy(key, home / ".ssh" / "id_ed25519")
    return parse("tx2", server.target)


@pytest.fixture
def board(device: Board, results: Path) -> Iterator[ssh.Connection]:
    with ssh.connect(device, results) as connection:
        yield connection


@pytest.fixture
def canary(server: Sshd) -> Iterator[Path]:
    """A file in the home of the board that no hostile name may touch."""
    path = server.home / "canary"
    path.write_text("sings")
    yield path
    assert path.read_text() == "sings"
    assert [file.name for file in server.home.iterdir()] == ["canary"]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes an upload of 20 MB last for some seconds, so that something can happen in the middle of it."""
    piece = transfer._read_chunk

    def slowed(file: object) -> bytes:
        time.sleep(0.005)
        return piece(file)  # type: ignore[arg-type]

    monkeypatch.setattr(transfer, "_read_chunk", slowed)
