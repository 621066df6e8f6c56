"""Servers that speak SSH wrongly, by mistake or on purpose: one sentence, before anything is trusted."""

import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.boards.registry import parse
from engine.boards.ssh import trust
from engine.boards.ssh.errors import Unreachable

DISCONNECT, KEXINIT, KEX_REPLY = b"\x01", b"\x14", b"\x1f"
CHOICES = (b"curve25519-sha256@libssh.org", b"ssh-ed25519", *2 * (b"aes128-ctr",), *2 * (b"hmac-sha2-256",))


def string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def packet(payload: bytes) -> bytes:
    padding = 8 - (len(payload) + 5) % 8 + 8
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


KEX = KEXINIT + os.urandom(16)
PROPER = KEX + b"".join(map(string, (*CHOICES, b"none", b"none", b"", b""))) + bytes(5)
ANSWERS = {
    "names that are no text": [KEX + string(b"\xff\xfe\xff\xfe")],
    "a list without an end": [KEX + struct.pack(">I", 0xFFFFFFFF)],
    "a goodbye that is no text": [DISCONNECT + struct.pack(">I", 2) + string(b"\xff\xfe\x1b[") + string(b"")],
    "an empty packet": [b""],
    "half a packet": [KEXINIT + b"abc"],
    "a key that is none": [PROPER, KEX_REPLY + string(b"abc") + string(b"12345") + string(b"zz")],
}


@pytest.fixture
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of a server that answers a client with these packets, whatever that says."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(b"SSH-2.0-odd\r\n")
                client.recv(4096)
                for payload in request.param:
                    client.sendall(packet(payload))
                over.wait(120)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"me@127.0.0.1:{server.getsockname()[1]}"
        over.set()
        thread.join()


@pytest.mark.parametrize("address", ANSWERS.values(), ids=ANSWERS.keys(), indirect=True)
def test_a_server_that_answers_nonsense_is_told_in_one_sentence(address: str, tmp_path: Path) -> None:
    with pytest.raises(Unreachable) as raised:
        trust.fetch_host_key(parse("odd", address), tmp_path, timeout=2.0)
    sentence = str(raised.value)
    assert sentence.startswith("odd") and sentence.isprintable()
