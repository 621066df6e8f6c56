"""A server with which nothing is in common: both sides are said, and old is said of old ones only."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.boards.registry import parse
from engine.boards.ssh import trust
from engine.boards.ssh.algorithms import Peer, nothing_in_common
from engine.boards.ssh.errors import Unreachable
from tests.support.sshd import Sshd

COMMON = {
    "kex_algo_list": ["curve25519-sha256@libssh.org", "kex-strict-s-v00@openssh.com"],
    "server_key_algo_list": ["ssh-ed25519"],
    "client_encrypt_algo_list": ["aes128-ctr"],
    "server_encrypt_algo_list": ["aes128-ctr"],
    "client_mac_algo_list": ["hmac-sha2-256"],
    "server_mac_algo_list": ["hmac-sha2-256"],
    "client_compress_algo_list": ["none"],
    "server_compress_algo_list": ["none"],
}


@pytest.fixture
def peer() -> Iterator[Peer]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        made = Peer(ours, [], certified=False)
        made.offers = dict(COMMON)
        yield made


def test_what_is_in_common_is_no_trouble(peer: Peer) -> None:
    assert nothing_in_common(peer) is None


@pytest.mark.parametrize(
    ("name", "offer", "said"),
    [
        (
            "kex_algo_list",
            ["diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1"],
            "no key exchange in common with us: it takes diffie-hellman-group1-sha1, diffie-hellman-group14-sha1; we",
        ),
        (
            "server_key_algo_list",
            ["ssh-rsa", "ssh-dss"],
            "no kind of host key in common with us: it takes ssh-rsa, ssh",
        ),
        (
            "server_encrypt_algo_list",
            ["arcfour", "blowfish-cbc"],
            "no cipher in common with us: it takes arcfour, blow",
        ),
        (
            "client_mac_algo_list",
            ["hmac-ripemd160"],
            "no MAC in common with us: it takes hmac-ripemd160; we take hmac-",
        ),
    ],
)
def test_a_server_with_nothing_but_old_methods_is_too_old(peer: Peer, name: str, offer: list[str], said: str) -> None:
    peer.offers[name] = [*offer, "kex-strict-s-v00@openssh.com"] if name == "kex_algo_list" else offer
    sentence = nothing_in_common(peer)
    assert sentence is not None and said in sentence and sentence.endswith("is too old: bring it up to date")


@pytest.mark.parametrize(
    ("name", "offer", "keyword"),
    [
        ("kex_algo_list", ["sntrup761x25519-sha512@openssh.com"], "KexAlgorithms"),
        ("kex_algo_list", ["diffie-hellman-group1-sha1", "diffie-hellman-group18-sha512"], "KexAlgorithms"),
        ("server_key_algo_list", ["sk-ssh-ed25519@openssh.com"], "HostKeyAlgorithms"),
        ("client_mac_algo_list", ["umac-128-etm@openssh.com"], "MACs"),
        ("client_compress_algo_list", ["zlib@openssh.com"], "Compression"),
    ],
)
def test_a_server_with_newer_methods_is_not_called_old(peer: Peer, name: str, offer: list[str], keyword: str) -> None:
    peer.offers[name] = offer
    sentence = nothing_in_common(peer)
    assert sentence is not None and "old" not in sentence
    assert sentence.endswith(f"allow one of ours there, with {keyword} in its sshd_config")


def test_hostile_names_are_made_printable_and_few(peer: Peer) -> None:
    peer.offers["kex_algo_list"] = [f"\x1b[2J{number}" + "x" * 500 for number in range(1000)]
    sentence = nothing_in_common(peer)
    assert sentence is not None and sentence.isprintable() and len(sentence) < 2000 and "and 988 more" in sentence


def test_a_real_server_that_takes_one_cipher_only_is_told_with_ours(tmp_path: Path, results: Path) -> None:
    with (
        Sshd(tmp_path / "sshd", config=["Ciphers chacha20-poly1305@openssh.com"]) as server,
        pytest.raises(Unreachable) as refused,
    ):
        trust.fetch_host_key(parse("tx2", server.target), results)
    assert "tx2 at 127.0.0.1:" in str(refused.value)
    assert "no cipher in common with us: it takes chacha20-poly1305@openssh.com; we take aes128-ctr" in str(
        refused.value
    )
    assert "with Ciphers in its sshd_config" in str(refused.value)


def test_a_server_of_the_first_protocol_is_too_old(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(b"SSH-1.5-ancient\r\n")
                client.recv(1)

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(Unreachable, match=r"speaks another SSH than ours .*too old"):
            trust.fetch_host_key(parse("tx2", f"127.0.0.1:{server.getsockname()[1]}"), tmp_path)
