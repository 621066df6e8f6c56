"""Whole names from short ones: CanonicalizeHostname, with a name service of our own."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.boards.registry import Address
from engine.boards.ssh_config.lookup import look_up
from engine.errors import WorkError

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The names there are, each with what it is an alias of."""
    known = {"lab.example.org.": "board7.example.net", "gate.example.org.": "gate.example.org"}
    real = socket.getaddrinfo

    def look(host: str, port: Any, **more: Any) -> Any:
        if more.get("flags") == socket.AI_NUMERICHOST:
            return real(host, port, **more)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, known[host], ("10.0.0.2", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look)
    return known


ON = "CanonicalizeHostname yes\nCanonicalDomains example.com example.org\n"


def test_the_first_domain_that_has_the_host_makes_its_name(write: Write) -> None:
    write(ON + "Host *.example.org\n User right\nMatch canonical originalhost lab\n Port 7\n")
    found = look_up(Address("LAB"))
    assert (found.host, found.user, found.port) == ("lab.example.org", "right", 7)


def test_a_name_with_its_domain_stays(write: Write) -> None:
    write(ON)
    assert look_up(Address("lab.else.where")).host == "lab.else.where"
    assert look_up(Address("10.0.0.9")).host == "10.0.0.9"


def test_a_name_that_no_domain_has_stays_or_is_refused(write: Write) -> None:
    write(ON)
    assert look_up(Address("nobody")).host == "nobody"
    write(ON + "CanonicalizeFallbackLocal no\n")
    with pytest.raises(WorkError, match="no domain of CanonicalDomains has a host called 'nobody'"):
        look_up(Address("nobody"))


def test_behind_a_jump_host_a_name_is_that_hosts_business(write: Write) -> None:
    write(ON + "ProxyJump other\n")
    assert look_up(Address("lab")).host == "lab"
    write((ON + "ProxyJump other\n").replace("yes", "always"))
    assert look_up(Address("lab")).host == "lab.example.org"


def test_an_alias_is_followed_where_a_rule_allows_it(write: Write) -> None:
    write(ON + "CanonicalizePermittedCNAMEs *.example.org:*.example.net\n")
    assert look_up(Address("lab")).host == "board7.example.net"
    write(ON + "CanonicalizePermittedCNAMEs *.example.org:*.example.com\n")
    assert look_up(Address("lab")).host == "lab.example.org"
