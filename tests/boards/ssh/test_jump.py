"""Through a second sshd: its key is checked, too, and nobody talks to the board around it."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.boards.registry import Board, parse
from engine.boards.ssh import connection as ssh
from engine.boards.ssh import trust
from engine.errors import RequestError
from tests.support.sshd import Sshd, free_port

pytestmark = pytest.mark.xdist_group("ssh-jump")


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, key: Path) -> Iterator[Sshd]:
    """The jump host."""
    with Sshd(tmp_path_factory.mktemp("gate")) as sshd:
        sshd.authorize(key.with_suffix(".pub"))
        yield sshd


def test_a_board_behind_a_jump_host_is_reached_through_it(
    device: Board, results: Path, server: Sshd, gate: Sshd, trusted: Callable[[Sshd], None]
) -> None:
    trusted(gate)
    behind = parse("tx2", device.target, jump=gate.target)
    before = gate.log().count("Accepted publickey")
    with ssh.connect(behind, results) as board:
        assert board.run(["echo", "through"], limit=120).out == "through\n"
        assert board.upload(b"x" * 300_000, "models/x", sha256=_sha256(b"x" * 300_000))
    assert gate.log().count("Accepted publickey") == before + 1


def test_proxyjump_of_the_ssh_config_is_followed(
    device: Board, results: Path, gate: Sshd, home: Path, trusted: Callable[[Sshd], None], server: Sshd
) -> None:
    trusted(gate)
    (home / ".ssh" / "config").write_text(
        f"Host gate\n HostName 127.0.0.1\n Port {gate.port}\n User {gate.user}\n"
        f"Host lab\n HostName 127.0.0.1\n Port {server.port}\n User {server.user}\n ProxyJump gate\n"
    )
    before = gate.log().count("Accepted publickey")
    ssh.connect(parse("tx2", "lab"), results).close()
    assert gate.log().count("Accepted publickey") == before + 1


def test_two_jump_hosts_are_passed_one_after_the_other(
    device: Board, results: Path, gate: Sshd, trusted: Callable[[Sshd], None]
) -> None:
    trusted(gate)
    behind = parse("tx2", device.target, jump=f"{device.target},{gate.target}")
    with ssh.connect(behind, results) as board:
        assert board.run(["echo", "through"], limit=120).status == 0


def test_the_jump_hosts_key_is_to_be_trusted_first_then_the_boards(
    results: Path, server: Sshd, gate: Sshd, key: Path, home: Path
) -> None:
    (home / ".ssh" / "id_ed25519").write_bytes(key.read_bytes())
    behind = parse("tx2", server.target, jump=gate.target)
    with pytest.raises(ssh.Untrusted) as refused:
        ssh.connect(behind, results)
    assert refused.value.fingerprint == gate.fingerprint

    first = trust.fetch_host_key(behind, results)
    assert (first.fingerprint, first.jump, first.state) == (gate.fingerprint, True, "new")
    trust.accept(results, first)
    second = trust.fetch_host_key(behind, results)
    assert (second.fingerprint, second.jump, second.state) == (server.fingerprint, False, "new")
    with pytest.raises(ssh.Untrusted) as refused:
        ssh.connect(behind, results)
    assert refused.value.fingerprint == server.fingerprint
    trust.accept(results, second)
    ssh.connect(behind, results).close()


def test_a_changed_key_of_the_jump_host_is_refused(device: Board, results: Path, gate: Sshd, server: Sshd) -> None:
    with (results / "known_hosts").open("a") as file:
        file.write(f"[127.0.0.1]:{gate.port} {' '.join(server.public_key)}\n")
    with pytest.raises(ssh.KeyChanged):
        ssh.connect(parse("tx2", device.target, jump=gate.target), results)


def test_a_board_that_its_jump_host_cannot_reach_is_unreachable(
    device: Board, results: Path, gate: Sshd, trusted: Callable[[Sshd], None]
) -> None:
    trusted(gate)
    nowhere = parse("tx2", f"127.0.0.1:{free_port()}", jump=gate.target)
    with pytest.raises(ssh.Unreachable, match="through its jump host"):
        ssh.connect(nowhere, results)


def test_a_jump_host_that_does_not_let_us_in_is_named(
    device: Board, results: Path, gate: Sshd, trusted: Callable[[Sshd], None]
) -> None:
    trusted(gate)
    with pytest.raises(ssh.LoginRefused, match="the jump host no-such-user@"):
        ssh.connect(parse("tx2", device.target, jump=f"no-such-user@127.0.0.1:{gate.port}"), results)


def test_the_password_is_not_told_to_the_jump_host(
    tmp_path: Path, server: Sshd, results: Path, trusted: Callable[[Sshd], None]
) -> None:
    with Sshd(tmp_path / "sshd", password=True) as gate:
        trusted(gate)
        with pytest.raises(ssh.LoginRefused) as refused:
            ssh.connect(parse("tx2", server.target, jump=gate.target), results, password="secret words")
    assert refused.value.attempts == ()
    assert "Failed password" not in gate.log()


def test_jumps_in_a_circle_end_in_a_sentence(results: Path, home: Path) -> None:
    (home / ".ssh" / "config").write_text("Host a\n ProxyJump b\nHost b\n ProxyJump a\n")
    with pytest.raises(RequestError, match="circle"):
        ssh.connect(parse("tx2", "a"), results)


def test_a_proxycommand_is_refused_rather_than_passed_over(results: Path, home: Path) -> None:
    (home / ".ssh" / "config").write_text("Host a\n ProxyCommand nc %h %p\n")
    with pytest.raises(RequestError, match="ProxyCommand"):
        ssh.connect(parse("tx2", "a"), results)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
