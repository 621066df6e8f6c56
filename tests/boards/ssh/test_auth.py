"""Logging in: agent, keys, password, in this order; a refusal says what was tried and what the server takes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from engine.boards.registry import Board, parse
from engine.boards.ssh import connection as ssh
from engine.errors import WorkError
from tests.support.sshd import Sshd, agent, make_key, temporary_user

pytestmark = pytest.mark.xdist_group("ssh-login")


@pytest.fixture
def stranger(server: Sshd, trusted: Callable[[Sshd], None]) -> Board:
    """The device, its key trusted, for somebody who has no key yet."""
    trusted(server)
    return parse("tx2", server.target)


def who(device: Board, results: Path, password: str | None = None) -> str:
    with ssh.connect(device, results, password=password) as board:
        return board.run(["id", "-un"], limit=120).out.strip()


def test_a_default_key_file_logs_in(device: Board, results: Path, server: Sshd) -> None:
    assert who(device, results) == server.user


def test_an_agent_logs_in(
    stranger: Board, results: Path, server: Sshd, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with agent(tmp_path, key) as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        assert who(stranger, results) == server.user


def test_the_agent_is_asked_before_key_files(
    device: Board, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Sshd
) -> None:
    with agent(tmp_path, make_key(tmp_path / "unknown")) as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        assert who(device, results) == server.user
        with pytest.raises(ssh.LoginRefused) as refused:
            ssh.connect(parse("tx2", f"no-such-user@127.0.0.1:{server.port}"), results)
    assert [tried.rsplit("/", 1)[-1] for tried in refused.value.attempts] == ["the agent's key 'unknown'", "id_ed25519"]


def test_an_agent_that_is_gone_does_not_matter(
    device: Board, results: Path, server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
    assert who(device, results) == server.user


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_other_key_types_log_in(stranger: Board, results: Path, server: Sshd, home: Path, kind: str) -> None:
    server.authorize(make_key(home / ".ssh" / f"id_{kind}", kind=kind).with_suffix(".pub"))
    assert who(stranger, results) == server.user


def test_the_ssh_config_names_host_port_user_and_key(
    server: Sshd, results: Path, home: Path, key: Path, trusted: Callable[[Sshd], None]
) -> None:
    trusted(server)
    (home / "a key").write_bytes(key.read_bytes())
    (home / ".ssh" / "config").write_text(
        f'Host lab-*\n HostName 127.0.0.1\n Port {server.port}\n User {server.user}\n IdentityFile "~/a key"\n'
    )
    assert who(parse("tx2", "lab-7"), results) == server.user


def test_what_the_device_says_goes_before_the_ssh_config(
    device: Board, results: Path, server: Sshd, home: Path
) -> None:
    (home / ".ssh" / "config").write_text("Host *\n Port 1\n User nobody-at-all\n")
    assert who(device, results) == server.user


def test_an_include_of_the_ssh_config_is_read(device: Board, results: Path, server: Sshd, home: Path) -> None:
    (home / ".ssh" / "config").write_text("Include conf.d/*\nHost other\n User x\n")
    (home / ".ssh" / "conf.d").mkdir()
    (home / ".ssh" / "conf.d" / "lab").write_text(f"Host lab\n HostName 127.0.0.1\n Port {server.port}\n")
    assert who(parse("tx2", f"{server.user}@lab"), results) == server.user


def test_an_include_that_no_file_can_be_called_is_one_sentence(device: Board, results: Path, home: Path) -> None:
    (home / ".ssh" / "config").write_text(f"Include {'x' * 5000}\n")
    with pytest.raises(
        WorkError, match=r"an Include of ~/\.ssh/config names .* cannot be looked for: File name too long"
    ):
        who(device, results)


def test_identities_only_keeps_the_agents_other_keys_back(
    stranger: Board,
    results: Path,
    server: Sshd,
    key: Path,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named = make_key(tmp_path / "named")
    (home / ".ssh" / "config").write_text(f"Host *\n IdentitiesOnly yes\n IdentityFile {named}\n")
    with agent(tmp_path, key, named) as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        with pytest.raises(ssh.LoginRefused) as refused:
            ssh.connect(stranger, results)
    assert refused.value.attempts == ("the agent's key 'named'",)


def test_a_key_that_a_file_names_is_the_first_of_the_agents_keys(
    stranger: Board, results: Path, server: Sshd, key: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [make_key(tmp_path / f"other{number}") for number in range(8)]  # more than a server puts up with
    (home / ".ssh" / "config").write_text(f"IdentityFile {key.with_suffix('.pub')}\n")
    with agent(tmp_path, *others, key) as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        assert who(stranger, results) == server.user


def test_the_agent_that_the_config_names_is_asked_and_no_other(
    stranger: Board, results: Path, server: Sshd, key: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with agent(tmp_path, key) as path:
        (home / ".ssh" / "config").write_text(f'IdentityAgent "{path}"\n')
        assert who(stranger, results) == server.user
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        (home / ".ssh" / "config").write_text("IdentityAgent none\n")
        with pytest.raises(ssh.LoginRefused, match="tried no key"):
            ssh.connect(stranger, results)
        (home / ".ssh" / "config").write_text("IdentityAgent ~/gone\n")
        with pytest.raises(ssh.LoginRefused, match=f"no SSH agent answers at {home}/gone"):
            ssh.connect(stranger, results)


def test_a_key_file_that_is_not_there_is_named_where_the_config_names_it(
    device: Board, results: Path, home: Path, server: Sshd
) -> None:
    (home / ".ssh" / "config").write_text("IdentityFile ~/.ssh/gone-%h\n")
    with pytest.raises(ssh.LoginRefused, match=r"gone-127\.0\.0\.1, an IdentityFile of ~/\.ssh/config, is not there"):
        ssh.connect(device, results)
    (home / ".ssh" / "config").write_text("IdentityFile none\n")
    with pytest.raises(ssh.LoginRefused, match="tried no key") as refused:
        ssh.connect(device, results)
    assert "not there" not in str(refused.value)


def test_a_key_in_pkcs8_logs_in(stranger: Board, results: Path, server: Sshd, home: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (home / ".ssh" / "id_ecdsa").write_bytes(private.private_bytes(*form))
    public = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    (home / "public").write_bytes(private.public_key().public_bytes(*public) + b"\n")
    server.authorize(home / "public")
    assert who(stranger, results) == server.user


def test_an_encrypted_key_is_not_asked_for_but_named(stranger: Board, results: Path, home: Path) -> None:
    make_key(home / ".ssh" / "id_ed25519", passphrase="secret words")
    with pytest.raises(ssh.LoginRefused, match=r"id_ed25519 is encrypted: give it to an SSH agent \(ssh-add "):
        ssh.connect(stranger, results)


def test_a_damaged_key_file_is_named(stranger: Board, results: Path, home: Path) -> None:
    (home / ".ssh" / "id_rsa").write_text("no key")
    with pytest.raises(ssh.LoginRefused, match="id_rsa cannot be used"):
        ssh.connect(stranger, results)


def test_a_refusal_says_what_was_tried_and_what_the_server_takes(
    stranger: Board, results: Path, home: Path, server: Sshd
) -> None:
    make_key(home / ".ssh" / "id_ed25519")
    with pytest.raises(ssh.LoginRefused) as refused:
        ssh.connect(stranger, results)
    assert refused.value.allowed_methods == ("publickey",)
    assert refused.value.attempts == (str(home / ".ssh" / "id_ed25519"),)
    for part in ("refused the login", server.user, str(server.port), "id_ed25519", "publickey", "ssh-copy-id"):
        assert part in str(refused.value)


def test_without_any_key_the_refusal_says_so(stranger: Board, results: Path) -> None:
    with pytest.raises(ssh.LoginRefused, match="no key"):
        ssh.connect(stranger, results)


def test_a_wrong_user_is_refused(device: Board, results: Path, server: Sshd) -> None:
    with pytest.raises(ssh.LoginRefused, match="'no-such-user'"):
        ssh.connect(parse("tx2", f"no-such-user@127.0.0.1:{server.port}"), results)


def test_a_password_is_not_tried_where_none_is_taken(stranger: Board, results: Path) -> None:
    with pytest.raises(ssh.LoginRefused, match="it takes no password") as refused:
        ssh.connect(stranger, results, password="secret words")
    assert "secret words" not in str(refused.value)


def test_too_many_keys_end_in_a_sentence_that_says_what_to_do(
    stranger: Board, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with agent(tmp_path, *(make_key(tmp_path / f"k{number}") for number in range(8))) as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        with pytest.raises(ssh.LoginRefused, match="IdentitiesOnly"):
            ssh.connect(stranger, results)


def test_a_password_logs_in_only_when_the_caller_gives_it(
    tmp_path: Path, results: Path, home: Path, trusted: Callable[[Sshd], None]
) -> None:
    with (
        temporary_user(tmp_path / "user") as (name, password),
        Sshd(tmp_path / "sshd", password=True, environment={"XDG_CACHE_HOME": "/nonexistent"}) as server,
    ):
        trusted(server)
        device = parse("tx2", f"{name}@127.0.0.1:{server.port}")
        assert who(device, results, password) == name
        with pytest.raises(ssh.LoginRefused) as refused:
            ssh.connect(device, results)
        assert set(refused.value.allowed_methods) == {"publickey", "password"}
        with pytest.raises(ssh.LoginRefused) as refused:
            ssh.connect(device, results, password="wrong words")
        assert refused.value.attempts == ("the password",)
        assert "wrong words" not in str(refused.value)
        kept = [file.read_bytes() for file in (*results.rglob("*"), *home.rglob("*")) if file.is_file()]
        assert not any(password.encode() in content for content in kept)


def test_a_server_that_wants_key_and_password_gets_both(
    tmp_path: Path, results: Path, home: Path, trusted: Callable[[Sshd], None]
) -> None:
    public = make_key(home / ".ssh" / "id_ed25519").with_suffix(".pub")
    config = [
        "AuthenticationMethods publickey,password",
        f"AuthorizedKeysCommand /bin/cat {public}",  # the user may not look into our folders
        "AuthorizedKeysCommandUser root",
    ]
    with (
        temporary_user(tmp_path / "user") as (name, password),
        Sshd(tmp_path / "sshd", password=True, config=config) as server,
    ):
        trusted(server)
        device = parse("tx2", f"{name}@127.0.0.1:{server.port}")
        assert who(device, results, password) == name
        with pytest.raises(ssh.LoginRefused, match="it wants password as well"):
            ssh.connect(device, results)
