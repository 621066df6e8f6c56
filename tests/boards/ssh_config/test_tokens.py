"""Tokens, variables and homes in the values of options, and the hosts on the way."""

import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.boards.registry import Address, parse
from engine.boards.ssh.route import resolve_route
from engine.boards.ssh_config.lookup import look_up
from engine.boards.ssh_config.tokens import local_user
from engine.errors import RequestError, WorkError

Write = Callable[[str], Path]
HERE = socket.gethostname()


def key() -> str:
    (found,) = look_up(Address("lab", "nvidia", 2222)).identities
    return str(found)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        *(("/%n", "/lab"), ("/%h", "/10.0.0.2"), ("/%p", "/2222"), ("/%r", "/nvidia"), ("/%u", f"/{local_user()}")),
        *(("/%i", f"/{os.getuid()}"), ("/%L", f"/{HERE.partition('.')[0]}"), ("/%l", f"/{HERE}"), ("/%k", "/lab")),
        *(("/%%h", "/%h"), ("/%j", "/b"), ("/${PLACE}/x", "/some place/x"), ("/$PLACE", "/$PLACE")),
        ("/%C", "/" + hashlib.sha1(f"{HERE}10.0.0.22222nvidiab".encode()).hexdigest()),
    ],
)
def test_each_token_of_a_key_file_is_replaced(
    write: Write, value: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", "some place")
    write(f"HostName 10.0.0.2\nProxyJump a,me@b:7\nIdentityFile {value}\n")
    assert key() == wanted


def test_homes_are_those_of_the_user_and_of_others(write: Write, home: Path) -> None:
    write("IdentityFile ~/k\nIdentityFile ~root/k\nIdentityFile %d/l\n")
    assert [str(file) for file in look_up(Address("lab")).identities] == [
        f"{home}/k",
        f"{Path('~root').expanduser()}/k",
        f"{home}/l",
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        *(("IdentityFile /k%T", "%T is no token there"), ("IdentityFile /${NOT_SET}", "NOT_SET is not set")),
        *(("IdentityFile ~no-such-user/k", "this machine does not have"), ("IdentityFile /k%", "% is no token there")),
        *(("IdentityAgent /a%T", "%T is no token there"), ("UserKnownHostsFile ${NOT_SET}", "NOT_SET is not set")),
        *(("User %T", "%T is no token there"), ("ProxyJump %T", "%T is no token there"), ("IdentityFile ${", "is no")),
    ],
)
def test_what_is_no_token_is_said_with_its_option(write: Write, line: str, why: str) -> None:
    write(f"{line}\n")
    with pytest.raises(WorkError, match=r"~/\.ssh/config gives") as refused:
        look_up(Address("lab"))
    assert why in str(refused.value)


def test_identity_none_leaves_no_key_file(write: Write) -> None:
    write("IdentityFile none\n")
    assert look_up(Address("lab")).identities == ()
    write("IdentityFile none\nIdentityFile /k\n")
    assert look_up(Address("lab")).identities == (Path("/k"),)


def test_the_agent_is_the_one_that_the_file_names(write: Write, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    monkeypatch.setenv("OTHER", "/run/other")
    for value, wanted in {
        "none": None,
        "SSH_AUTH_SOCK": Path("/run/agent"),
        "$OTHER": Path("/run/other"),
        "$NOT_SET": None,
        "~/%n.sock": home / "lab.sock",
    }.items():
        write(f"IdentityAgent {value}\n")
        assert look_up(Address("lab")).agent == wanted
    write("")
    assert look_up(Address("lab")).agent == Path("/run/agent")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        *(("ssh://me@b:22", "me@b:22"), ("ssh://b/", "b"), ("ssh://me;fingerprint=x@b", "me@b"), ("b # behind", "b")),
        *(("ssh://me%2Byou@b", "me+you@b"), ("a,ssh://me@b:7", "a then me@b:7"), ("ssh://[::1]:7", "[::1]:7")),
        *(("me@%n-gate", "me@lab-gate"), ("%r@b", f"{local_user()}@b"), ("b:ssh", "b:22"), ('"me@b"', "me@b")),
    ],
)
def test_a_proxyjump_names_hosts_on_the_way(write: Write, value: str, wanted: str) -> None:
    write(f"ProxyJump {value}\n")
    assert " then ".join(jump.text for jump in look_up(Address("lab")).jumps) == wanted


@pytest.mark.parametrize("value", ["@b", "ssh://b/path", "b:x", "a,,b", "[::1", "ssh://me:secret@b", "a b"])
def test_what_is_no_proxyjump_is_said_with_its_line(write: Write, value: str) -> None:
    write(f"ProxyJump {value}\n")
    with pytest.raises(WorkError, match=r"line 1 of ~/\.ssh/config gives a"):
        look_up(Address("lab"))


def test_of_proxyjump_and_proxycommand_the_first_counts(write: Write) -> None:
    write("ProxyJump gate\nProxyCommand nc %h %p\nHost gate\n ProxyJump none\n")
    assert [address.text for address in look_up(Address("lab")).jumps] == ["gate"]
    write("ProxyCommand none\nProxyJump gate\n")
    assert look_up(Address("lab")).jumps == ()
    write("ProxyCommand nc %h %p\nProxyJump gate\n")
    with pytest.raises(RequestError, match="by a ProxyCommand, which is not run"):
        resolve_route(parse("tx2", "lab"))


def test_only_the_first_jump_host_has_jump_hosts_of_its_own(write: Write) -> None:
    write("Host lab\n ProxyJump a,b\nHost b\n ProxyJump never\nHost a\n ProxyJump first\n")
    assert [hop.host for hop in resolve_route(parse("tx2", "lab"))] == ["first", "a", "b", "lab"]


def test_known_hosts_in_the_null_device_are_none_at_all(write: Write) -> None:
    write("UserKnownHostsFile /dev/null\nGlobalKnownHostsFile none\n")
    found = look_up(Address("lab"))
    assert (found.users_known_hosts, found.global_known_hosts) == ((), ())
