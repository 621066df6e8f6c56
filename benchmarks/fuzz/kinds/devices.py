"""The device file, both files of known hosts, and ~/.ssh/config: what says where boards are and whom to trust."""

import base64
import os
from functools import partial
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from benchmarks.fuzz import damage
from benchmarks.fuzz.inputs import Input
from benchmarks.fuzz.trial import Kind, look
from engine.boards.registry import Board, Registry
from engine.boards.ssh import known_hosts
from engine.boards.ssh.route import resolve_route
from engine.errors import RequestError

_BLOB = b"\0\0\0\x0bssh-ed25519" + bytes(range(36))
_KEY = f"ssh-ed25519 {base64.b64encode(_BLOB).decode()}"
_DEVICES = b"""[devices.tx2]
host = "192.168.1.20"
user = "nvidia"
port = 2222

[devices.nano]
host = "2001:db8::7"
jump = "me@gate:22,other"
"""
_KNOWN = f"""# a comment
tx2,192.168.1.* {_KEY}
@revoked [tx2]:2222 {_KEY}
|1|BMSDE0pSGJDu7pcqVW8oLyXwLAg=|zLgVDlDXVZYqPQMMxLM0tCXDcRk= {_KEY}
!b*d,*.example.org {_KEY}
""".encode()
_CONFIG = b"""Host tx2 nano*
  HostName 10.0.0.2
  User me
  Port 2222
  ProxyJump gate
  IdentityFile ~/.ssh/id_%h
Match host "gate" originalhost !tx2,* final
  User other
  IdentityAgent ~/agent-%n
  HostKeyAlias ${HOME}
  UserKnownHostsFile "/known %k" ~/b
CanonicalizeMaxDots 2
Include conf.d/*
"""
_TOML = (
    "[" * 5000,
    "{a=" * 5000,
    "9" * 5000,
    "1e999",
    "nan",
    "1979-05-27T07:32:00Z",
    '"\\u202e"',
    "true",
    "[1, 2]",
    "{}",
)
_PATTERNS = (
    "*" * 30 + "a",
    "*a" * 5000,
    "?" * 10_000,
    "!" * 1000,
    "|1|" * 100,
    "|1||",
    "," * 10_000,
    "[*]:*",
    "\0",
    "é" * 99,
)
_WORDS = ("Include config", "ProxyCommand x", '"', "%" * 999, "${", "~" * 99, "a\\", "'", "ssh://a;b@[::1]:7", "all")


def _attempt(folder: Path, tried: Input) -> None:
    (folder / "home" / ".ssh").mkdir(parents=True)
    (folder / "results").mkdir()
    os.environ["HOME"] = str(folder / "home")
    tried.write(folder)
    root = folder / "results"
    for host in ("tx2", "192.168.1.20", "a" * 250):
        look(partial(known_hosts.check_key, root, known_hosts.place_of(host, 22), "ssh-ed25519", _BLOB))
        look(partial(known_hosts.wanted_keys, root, known_hosts.place_of(host, 2222)))
    registry = Registry(root)
    boards = look(registry.all)
    for board in [*(boards or ()), Board("tx2", "tx2")]:
        look(partial(resolve_route, board))
    if boards is None:
        raise RequestError("the device file is refused")
    look(lambda: registry.add(Board("another", "host")))
    look(lambda: registry.remove("tx2"))
    look(lambda: known_hosts.save(root, "tx2", "ssh-ed25519", _BLOB))


def _text(valid: bytes, hostile: tuple[str, ...]) -> SearchStrategy[bytes]:
    """One word of a text replaced by something hostile, or any bytes of it changed."""
    words = sorted(set(valid.split()))
    replaced = st.tuples(st.sampled_from(words), st.sampled_from(hostile) | st.text(max_size=8)).map(
        lambda pair: valid.replace(pair[0], pair[1].encode(errors="surrogatepass"))
    )
    return st.one_of(replaced, damage.damaged_bytes(valid))


KIND = Kind(
    "devices",
    damage.damaged_files(
        {
            "results/devices.toml": _text(_DEVICES, _TOML),
            "results/known_hosts": _text(_KNOWN, _PATTERNS),
            "home/.ssh/known_hosts": _text(_KNOWN, _PATTERNS),
            "home/.ssh/config": _text(_CONFIG, (*_PATTERNS, *_WORDS)),
        }
    ),
    _attempt,
)
