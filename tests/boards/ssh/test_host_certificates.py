"""Hosts that an authority speaks for, and known hosts files in other places, by another name."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.boards.registry import Board, parse
from engine.boards.ssh import connection as ssh
from engine.boards.ssh import trust
from engine.boards.ssh.route import resolve_route
from engine.errors import WorkError
from tests.support.sshd import Sshd, make_key

pytestmark = pytest.mark.xdist_group("ssh-certificates")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture
def sshd(tmp_path: Path, key: Path, home: Path, authority: Path) -> Iterator[Sshd]:
    """A server whose host key has a certificate; not started yet, so that a test can make another one."""
    (home / ".ssh" / "id_ed25519").write_bytes(key.read_bytes())
    server = Sshd(tmp_path / "sshd")
    server.authorize(key.with_suffix(".pub"))
    make_key(server.folder / "host_key")
    server.config = [f"HostCertificate {server.folder / 'host_key-cert.pub'}"]
    sign(server, authority, "-h", "-n", "127.0.0.1")
    yield server
    server.stop()


def sign(server: Sshd, authority: Path, *how: str) -> None:
    command = ["ssh-keygen", "-q", "-s", str(authority), "-I", "board", *how, str(server.folder / "host_key.pub")]
    subprocess.run(command, check=True, capture_output=True)


def trust_authority(home: Path, authority: Path, hosts: str = "127.0.0.*", marker: str = "@cert-authority") -> None:
    with (home / ".ssh" / "known_hosts").open("a") as file:
        file.write(f"{marker} {hosts} {authority.with_suffix('.pub').read_text()}")


def at(sshd: Sshd) -> Board:
    return parse("tx2", sshd.target)


def test_a_board_that_a_trusted_authority_speaks_for_is_known(
    sshd: Sshd, home: Path, results: Path, authority: Path
) -> None:
    sshd.start()
    with pytest.raises(ssh.Untrusted):
        ssh.connect(at(sshd), results)
    trust_authority(home, authority)
    assert trust.fetch_host_key(at(sshd), results).state == "known"
    ssh.connect(at(sshd), results).close()
    sshd.stop()
    (sshd.folder / "host_key").unlink()
    make_key(sshd.folder / "host_key")
    sign(sshd, authority, "-h", "-n", "127.0.0.1")
    sshd.start()  # set up anew, with another key that the authority has signed
    ssh.connect(at(sshd), results).close()


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (("-h", "-n", "elsewhere"), "its certificate is for elsewhere, and not for 127.0.0.1"),
        (("-h", "-n", "127.0.0.1", "-V", "20200101:20200102"), "its certificate has expired"),
        (("-h", "-n", "127.0.0.1", "-V", "20900101:20910101"), "its certificate is not yet valid"),
    ],
)
def test_a_certificate_that_does_not_hold_is_said(
    sshd: Sshd, home: Path, results: Path, authority: Path, how: tuple[str, ...], why: str
) -> None:
    trust_authority(home, authority)
    sign(sshd, authority, *how)
    sshd.start()
    with pytest.raises(ssh.Untrusted, match="nobody has trusted yet") as refused:
        ssh.connect(at(sshd), results)
    assert why in str(refused.value)
    trust.accept(results, trust.fetch_host_key(at(sshd), results))  # the key by itself
    ssh.connect(at(sshd), results).close()


def test_an_authority_that_nobody_trusts_counts_for_nothing(
    sshd: Sshd, home: Path, results: Path, authority: Path, tmp_path: Path
) -> None:
    sshd.start()
    trust_authority(home, make_key(tmp_path / "another"))
    trust_authority(home, authority, hosts="10.0.0.*")
    with pytest.raises(ssh.Untrusted):
        ssh.connect(at(sshd), results)


def test_a_revoked_authority_is_refused(sshd: Sshd, home: Path, results: Path, authority: Path) -> None:
    sshd.start()
    trust_authority(home, authority)
    trust_authority(home, authority, hosts="*", marker="@revoked")
    with pytest.raises(ssh.KeyChanged, match="revoked"):
        ssh.connect(at(sshd), results)


def test_a_key_that_is_trusted_by_itself_stays_so_beside_an_authority(
    sshd: Sshd, home: Path, results: Path, authority: Path, tmp_path: Path
) -> None:
    sshd.start()
    trust.accept(results, trust.fetch_host_key(at(sshd), results))
    trust_authority(home, make_key(tmp_path / "another"))
    ssh.connect(at(sshd), results).close()


@pytest.mark.parametrize("keyword", ["UserKnownHostsFile", "GlobalKnownHostsFile"])
def test_the_files_that_the_config_names_are_read_under_the_hosts_alias(
    sshd: Sshd, home: Path, results: Path, keyword: str
) -> None:
    sshd.start()
    keys = home / "keys of tx2"
    keys.write_text(f"board-7 {' '.join(sshd.public_key)}\n")
    (home / ".ssh" / "config").write_text(f'HostKeyAlias Board-7\n{keyword} "{keys}"\n')
    ssh.connect(at(sshd), results).close()
    sshd.restart(new_key=True)
    with pytest.raises(ssh.KeyChanged) as refused:
        ssh.connect(at(sshd), results)
    assert f"run: ssh-keygen -R 'board-7' -f '{keys}'" in str(refused.value)
    with pytest.raises(ssh.KeyChanged):
        trust.accept(results, trust.fetch_host_key(at(sshd), results))


def test_a_key_is_saved_under_the_alias(sshd: Sshd, home: Path, results: Path) -> None:
    sshd.start()
    (home / ".ssh" / "config").write_text("HostKeyAlias board-7\nUserKnownHostsFile /dev/null\n")
    trust.accept(results, trust.fetch_host_key(at(sshd), results))
    assert (results / "known_hosts").read_text() == f"board-7 {' '.join(sshd.public_key)}\n"
    ssh.connect(at(sshd), results).close()


@pytest.mark.parametrize("alias", ["'a b'", "a,b", "*", "@revoked", "#x", "|1|x"])
def test_an_alias_that_is_no_name_is_refused(home: Path, alias: str) -> None:
    (home / ".ssh" / "config").write_text(f'HostKeyAlias "{alias}"\n')
    with pytest.raises(WorkError, match=r"line 1 of ~/\.ssh/config gives the HostKeyAlias .* are allowed"):
        resolve_route(parse("tx2", "lab"))


def test_keys_that_the_config_revokes_are_refused(sshd: Sshd, home: Path, results: Path, authority: Path) -> None:
    sshd.start()
    trust_authority(home, authority)
    revoked = home / "revoked"
    (home / ".ssh" / "config").write_text("RevokedHostKeys ~/revoked\n")
    with pytest.raises(WorkError, match=r"of RevokedHostKeys in ~/\.ssh/config: No such file"):
        ssh.connect(at(sshd), results)
    revoked.write_text("# none yet\n")
    ssh.connect(at(sshd), results).close()
    for key in (authority.with_suffix(".pub"), sshd.folder / "host_key.pub"):
        revoked.write_text(key.read_text())
        with pytest.raises(ssh.KeyChanged, match=r"marked as revoked in .*/revoked"):
            ssh.connect(at(sshd), results)
    revoked.write_bytes(b"SSHKRL\n\0binary")
    with pytest.raises(WorkError, match="is a binary list of revoked keys"):
        ssh.connect(at(sshd), results)
