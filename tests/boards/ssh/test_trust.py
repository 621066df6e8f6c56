"""Whom we talk to: nobody whose key was not accepted, and nobody whose key has changed."""

import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.boards.registry import Board, parse
from engine.boards.ssh import connection as ssh
from engine.boards.ssh import trust
from tests.support.sshd import Sshd, make_key

pytestmark = pytest.mark.xdist_group("ssh-trust")


@pytest.fixture
def sshd(tmp_path: Path, key: Path, home: Path) -> Sshd:  # type: ignore[misc]
    """A server of one's own, since its key will change."""
    (home / ".ssh" / "id_ed25519").write_bytes(key.read_bytes())
    with Sshd(tmp_path / "sshd") as server:
        server.authorize(key.with_suffix(".pub"))
        yield server


def at(sshd: Sshd) -> Board:
    return parse("tx2", sshd.target)


def test_an_unknown_key_is_offered_then_accepted_then_lets_us_connect(sshd: Sshd, results: Path) -> None:
    with pytest.raises(ssh.Untrusted) as refused:
        ssh.connect(at(sshd), results)
    assert refused.value.fingerprint == sshd.fingerprint
    assert sshd.fingerprint in str(refused.value)
    assert "espalier device trust tx2" in str(refused.value)

    offer = trust.fetch_host_key(at(sshd), results)
    assert (offer.state, offer.known, offer.fingerprint) == ("new", None, sshd.fingerprint)
    assert (offer.board, offer.host, offer.port, offer.key_type) == ("tx2", "127.0.0.1", sshd.port, "ssh-ed25519")
    assert not (results / "known_hosts").exists()
    trust.accept(results, offer)

    assert (results / "known_hosts").read_text() == sshd.known_hosts_line
    assert stat.S_IMODE((results / "known_hosts").stat().st_mode) == 0o600
    assert trust.fetch_host_key(at(sshd), results).state == "known"
    with ssh.connect(at(sshd), results) as board:
        assert board.run(["echo", "in"], limit=120).out == "in\n"


def test_nothing_is_sent_to_a_stranger(sshd: Sshd, results: Path) -> None:
    with pytest.raises(ssh.Untrusted):
        ssh.connect(at(sshd), results)
    trust.fetch_host_key(at(sshd), results)
    assert "ccepted publickey" not in sshd.log()
    assert "Failed" not in sshd.log()


def test_a_changed_key_of_ours_is_refused_until_it_is_accepted_anew(sshd: Sshd, results: Path) -> None:
    trust.accept(results, trust.fetch_host_key(at(sshd), results))
    before = sshd.fingerprint
    sshd.restart(new_key=True)

    with pytest.raises(ssh.KeyChanged) as refused:
        ssh.connect(at(sshd), results)
    assert (refused.value.known, refused.value.fingerprint) == (before, sshd.fingerprint)
    assert before in str(refused.value) and sshd.fingerprint in str(refused.value)
    assert "device trust tx2" in str(refused.value)

    offer = trust.fetch_host_key(at(sshd), results)
    assert (offer.state, offer.known, offer.fingerprint) == ("changed", before, sshd.fingerprint)
    trust.accept(results, offer)
    assert (results / "known_hosts").read_text() == sshd.known_hosts_line
    ssh.connect(at(sshd), results).close()


def test_a_changed_key_of_the_users_file_is_refused_and_never_touched(sshd: Sshd, results: Path, home: Path) -> None:
    users = home / ".ssh" / "known_hosts"
    users.write_text(sshd.known_hosts_line)
    before = sshd.fingerprint
    ssh.connect(at(sshd), results).close()
    sshd.restart(new_key=True)
    text = users.read_text()

    with pytest.raises(ssh.KeyChanged, match="ssh-keygen -R") as refused:
        ssh.connect(at(sshd), results)
    assert (refused.value.known, refused.value.fingerprint) == (before, sshd.fingerprint)
    offer = trust.fetch_host_key(at(sshd), results)
    assert offer.state == "changed"
    with pytest.raises(ssh.KeyChanged, match="ssh-keygen -R"):
        trust.accept(results, offer)
    assert users.read_text() == text
    assert not (results / "known_hosts").exists()

    command = str(refused.value).rsplit(": ", 1)[1]
    subprocess.run([*command.split()[:2], command.split()[2].strip("'"), "-f", str(users)], check=True)
    assert trust.fetch_host_key(at(sshd), results).state == "new"


def test_hashed_entries_of_the_users_file_are_known(sshd: Sshd, results: Path, home: Path) -> None:
    users = home / ".ssh" / "known_hosts"
    users.write_text(sshd.known_hosts_line)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(users)], check=True, capture_output=True)
    assert users.read_text().startswith("|1|")
    assert trust.fetch_host_key(at(sshd), results).state == "known"
    sshd.restart(new_key=True)
    assert trust.fetch_host_key(at(sshd), results).state == "changed"


@pytest.mark.parametrize("pattern", ["*", "[127.0.0.?]:*", "elsewhere,[127.0.0.1]:*"])
def test_patterns_of_the_users_file_are_known(sshd: Sshd, results: Path, home: Path, pattern: str) -> None:
    (home / ".ssh" / "known_hosts").write_text(f"{pattern} {' '.join(sshd.public_key)} a comment\n")
    assert trust.fetch_host_key(at(sshd), results).state == "known"


def test_a_negated_pattern_does_not_trust(sshd: Sshd, results: Path, home: Path) -> None:
    line = f"*,!{sshd.known_hosts_line}"
    (home / ".ssh" / "known_hosts").write_text(line)
    assert trust.fetch_host_key(at(sshd), results).state == "new"


def test_a_revoked_key_is_refused_even_when_trusted(sshd: Sshd, results: Path, home: Path) -> None:
    (home / ".ssh" / "known_hosts").write_text(f"@revoked * {' '.join(sshd.public_key)}\n" + sshd.known_hosts_line)
    with pytest.raises(ssh.KeyChanged, match="revoked"):
        ssh.connect(at(sshd), results)
    with pytest.raises(ssh.KeyChanged, match="revoked"):
        trust.fetch_host_key(at(sshd), results)


def test_damaged_lines_of_a_known_hosts_file_do_not_matter(sshd: Sshd, results: Path, home: Path) -> None:
    junk = b"\xff\xfe\x00\nhost ssh-ed25519 %%%\n|1|x|y ssh-rsa AAAA\n@odd\n# comment\n\n[127.0.0.1] ssh-rsa\n"
    (home / ".ssh" / "known_hosts").write_bytes(junk + sshd.known_hosts_line.encode())
    assert trust.fetch_host_key(at(sshd), results).state == "known"


def test_a_server_with_several_keys_is_asked_for_the_one_we_trust(sshd: Sshd, results: Path) -> None:
    other = make_key(sshd.folder / "other", kind="ecdsa")
    trust.accept(results, trust.fetch_host_key(at(sshd), results))
    sshd.config.insert(0, f"HostKey {other}")
    sshd.config.append("HostKeyAlgorithms ecdsa-sha2-nistp256,ssh-ed25519")
    sshd.restart()
    assert trust.fetch_host_key(at(sshd), results).key_type == "ssh-ed25519"
    assert trust.fetch_host_key(at(sshd), results).state == "known"


def test_keys_of_other_hosts_stay_when_one_is_accepted(sshd: Sshd, results: Path) -> None:
    results.mkdir()
    other = "elsewhere ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5dUeDPfqUY6a9K7vYvH7oM4LqvXc3cCkT5wK2bYy8Z\n"
    (results / "known_hosts").write_text(other)
    trust.accept(results, trust.fetch_host_key(at(sshd), results))
    assert (results / "known_hosts").read_text() == other + sshd.known_hosts_line


def test_every_key_type_can_be_trusted(
    tmp_path: Path, results: Path, trusted: Callable[[Sshd], None], key: Path, home: Path
) -> None:
    (home / ".ssh" / "id_ed25519").write_bytes(key.read_bytes())
    for kind in ("rsa", "ecdsa"):
        (tmp_path / kind).mkdir()
        make_key(tmp_path / kind / "host_key", kind=kind)
        with Sshd(tmp_path / kind) as server:
            server.authorize(key.with_suffix(".pub"))
            trust.accept(results, trust.fetch_host_key(at(server), results))
            assert trust.fetch_host_key(at(server), results).state == "known"
            ssh.connect(at(server), results).close()  # raises for a key that is not trusted
