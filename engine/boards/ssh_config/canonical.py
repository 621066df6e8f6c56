"""The whole name of a host from its short one, by the options CanonicalizeHostname and its like.

Source: OpenSSH's resolve_canonicalize (ssh.c).
"""

import socket

from engine.boards.ssh_config import patterns
from engine.boards.ssh_config.options import Options
from engine.errors import WorkError
from engine.spec.messages import quote

_MODES = {"no": "no", "false": "no", "yes": "yes", "true": "yes", "always": "always"}


def mode(options: Options) -> str:
    """What CanonicalizeHostname says: no, yes, or always (through jump hosts, too). Raises WorkError."""
    word = (options.get("canonicalizehostname") or "no").lower()
    if word not in _MODES:
        place = options.places["canonicalizehostname"]
        raise WorkError(f"{place} gives CanonicalizeHostname as {quote(word)}; no, yes and always are allowed")
    return _MODES[word]


def settle(options: Options, host: str, *, direct: bool) -> str:
    """The name to go on with: an address as the system writes it, a name in lower case and perhaps with its domain.

    `direct` says that no jump host resolves the name. Raises WorkError when no domain has it and none is not allowed.
    """
    address = _address(host)
    if address is not None:
        return address
    if _looks_like_address(host):
        return host
    host = host.lower()
    chosen = mode(options)
    if chosen == "no" or (chosen == "yes" and not direct):
        return host
    if host.count(".") > _most_dots(options) and not host.endswith("."):
        return _follow(options, host, host)
    candidates = [host] if host.endswith(".") else [f"{host}.{domain}." for domain in _domains(options)]
    for candidate in candidates:
        if _alias(candidate) is not None:
            return _follow(options, candidate[:-1], candidate)
    if not options.flag("canonicalizefallbacklocal", True):
        raise WorkError(
            f"no domain of CanonicalDomains has a host called {quote(host)}, and {_fallback(options)} forbids to go "
            "on without; check the name"
        )
    return _follow(options, host, host)


def _fallback(options: Options) -> str:
    return f"CanonicalizeFallbackLocal in {options.places['canonicalizefallbacklocal']}"


def _looks_like_address(host: str) -> bool:
    return ":" in host or "%" in host or not host.strip("0123456789.")


def _address(host: str) -> str | None:
    """An address as the system writes it; None for a name, and for the interface of another machine."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return socket.getnameinfo(found[0][4], socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0] if found else None
    except (OSError, UnicodeError):
        return None


def _alias(name: str) -> str | None:
    """The name that a name stands for by the name service: itself where it is no alias; None where there is none."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except (OSError, UnicodeError):
        return None
    return (found[0][3] or name) if found else None


def _follow(options: Options, name: str, asked: str) -> str:
    """The name that `asked` is an alias of, where a rule `names:aliases` allows that; else `name`."""
    rules = options.values.get("canonicalizepermittedcnames", ())
    alias = (_alias(asked) or name).lower().removesuffix(".") if rules else name
    for rule in rules:
        names, _, aliases = rule.lower().partition(":")
        if patterns.list_matches(names, name) and patterns.list_matches(aliases, alias):
            return alias
    return name


def _domains(options: Options) -> list[str]:
    domains = options.values.get("canonicaldomains", ())
    return [] if domains and domains[0].lower() == "none" else list(domains)


def _most_dots(options: Options) -> int:
    word = options.get("canonicalizemaxdots") or "1"
    if not (word.isascii() and word.isdigit() and len(word) <= 9):
        place = options.places["canonicalizemaxdots"]
        raise WorkError(f"{place} gives CanonicalizeMaxDots as {quote(word)}, which is no whole number")
    return int(word)
