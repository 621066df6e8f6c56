"""What ~/.ssh/config and the system's file say about one host, in the end: the same as `ssh -G` prints.

Words of one's own, such as a user given with the host, go before both files. Options that do not say where to log in,
as whom, and whom to trust are passed over. Source: ssh_config(5), and main of OpenSSH's ssh.c.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.boards.registry import Address
from engine.boards.ssh_config import canonical
from engine.boards.ssh_config.jumps import last_jump, parse_jumps
from engine.boards.ssh_config.options import SSH_PORT, Options, expand_host_name
from engine.boards.ssh_config.reader import Reader
from engine.boards.ssh_config.tokens import BadToken, client_tokens, expand, expand_home, local_user
from engine.errors import WorkError
from engine.spec.messages import quote

SYSTEM_FILE = Path("/etc/ssh/ssh_config")
_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk")
_USERS_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_GLOBAL_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_USER_TOKENS = "Ldhijklnpu"
_ALIAS = re.compile(r"[A-Za-z0-9_.:\[\]-]{1,255}")
_AGENT_VARIABLE = "SSH_AUTH_SOCK"


@dataclass(frozen=True)
class HostSettings:
    """Where a host is, as whom to log in there, and whom to trust.

    `identities` are key files; `names_identities` says that a file names them, which defaults do not. `agent` is the
    socket of the SSH agent, None for no agent. `alias` is what known hosts files call the host, where that is not its
    name; `revoked_keys` are files of keys that no host may show. `jumps` are the hosts on the way, nearest first.
    `has_command` says that a ProxyCommand leads there.
    """

    host: str
    port: int
    user: str
    identities: tuple[Path, ...]
    names_identities: bool
    identities_only: bool
    agent: Path | None
    alias: str | None
    users_known_hosts: tuple[Path, ...]
    global_known_hosts: tuple[Path, ...]
    revoked_keys: tuple[Path, ...]
    jumps: tuple[Address, ...]
    has_command: bool


def look_up(target: Address, jumps: Sequence[Address] = ()) -> HostSettings:
    """What the files say about `target`; `jumps` are hosts on the way that go before theirs. Raises WorkError."""
    options = Options()
    given = {"user": target.user, "port": str(target.port) if target.port else None}
    for keyword, value in given.items():
        if value is not None:
            options.set(keyword, (value,), "the address")
    if jumps:
        options.set("proxyjump", (jumps[-1].text,), "the device")
        options.set("proxycommand", ("none",), "the device")
    host = _read(options, target.host)
    settings = _settings(options, target, host, _user(options, target, host))
    if jumps:
        return replace(settings, jumps=tuple(jumps))
    _refuse_loop(options, settings)
    return settings


def _read(options: Options, original: str) -> str:
    """Reads both files, twice where they ask for it; the host to connect to."""
    reader = _read_files(options, original, original, final=False)
    host = expand_host_name(options, original)
    is_direct = last_jump(options) is None and _command(options) is None
    host = canonical.settle(options, host, direct=is_direct)
    if reader.wants_final or canonical.mode(options) != "no":
        options.values["hostname"] = (host,)
        _read_files(options, host, original, final=True)
    return host


def _read_files(options: Options, host: str, original: str, *, final: bool) -> Reader:
    reader = Reader(options, host, original, final=final)
    reader.read(Path.home() / ".ssh" / "config", of_user=True)
    reader.read(SYSTEM_FILE, of_user=False)
    return reader


def _tokens(options: Options, target: Address, host: str, user: str) -> dict[str, str]:
    return client_tokens(
        host=host,
        original=target.host,
        port=options.port(),
        user=user,
        alias=_alias(options),
        jump=last_jump(options),
    )


def _user(options: Options, target: Address, host: str) -> str:
    """The user; tokens are those of a file only."""
    user = options.get("user")
    if user is None:
        return local_user()
    if target.user is not None:
        return user
    tokens = _tokens(options, target, host, "")
    known = {letter: tokens[letter] for letter in _USER_TOKENS}
    return _expanded("User", user, known, options.places["user"])


def _settings(options: Options, target: Address, host: str, user: str) -> HostSettings:
    tokens = _tokens(options, target, host, user)
    identities = [
        Path(_expanded("IdentityFile", _with_home("IdentityFile", name), tokens))
        for name in options.identities
        if name.lower() != "none"
    ]
    defaults = [] if options.identities else [Path.home() / ".ssh" / name for name in _DEFAULT_KEYS]
    return HostSettings(
        host=host,
        port=options.port(),
        user=user,
        identities=tuple(identities or defaults),
        names_identities=bool(identities),
        identities_only=options.flag("identitiesonly", False),
        agent=_agent(options, tokens),
        alias=_alias(options),
        users_known_hosts=_known_hosts(options, "userknownhostsfile", _USERS_KNOWN_HOSTS, tokens),
        global_known_hosts=_known_hosts(options, "globalknownhostsfile", _GLOBAL_KNOWN_HOSTS, None),
        revoked_keys=_known_hosts(options, "revokedhostkeys", ("none",), tokens),
        jumps=() if last_jump(options) is None else parse_jumps(options, tokens),
        has_command=_command(options) is not None,
    )


def _alias(options: Options) -> str | None:
    """The HostKeyAlias. Raises WorkError for one that a known hosts file could not hold as a name."""
    alias = options.get("hostkeyalias")
    if alias is not None and not _ALIAS.fullmatch(alias):
        raise WorkError(
            f"{options.places['hostkeyalias']} gives the HostKeyAlias {quote(alias)}; "
            "letters, digits and . _ - : [ ] are allowed, at most 255"
        )
    return alias and alias.lower()


def _agent(options: Options, tokens: Mapping[str, str]) -> Path | None:
    """The socket of the agent: by a variable, `$VARIABLE`, or by its path; without IdentityAgent, SSH_AUTH_SOCK."""
    word = options.get("identityagent") or _AGENT_VARIABLE
    if word == "none":
        return None
    if word == _AGENT_VARIABLE or (word.startswith("$") and not word.startswith("${")):
        value = os.environ.get(word.removeprefix("$"))
        return Path(value) if value else None
    return Path(_expanded("IdentityAgent", _with_home("IdentityAgent", word), tokens))


def _known_hosts(
    options: Options, keyword: str, default: tuple[str, ...], tokens: Mapping[str, str] | None
) -> tuple[Path, ...]:
    names = options.values.get(keyword, default)
    if names[0].lower() == "none":
        return ()
    expanded = [_with_home(keyword, name) for name in names if name != os.devnull]
    return tuple(Path(name if tokens is None else _expanded(keyword, name, tokens)) for name in expanded)


def _refuse_loop(options: Options, settings: HostSettings) -> None:
    """Raises WorkError for a host that is to be reached through itself, as a ProxyJump for every host would have it."""
    for jump in settings.jumps[-1:]:
        there = (jump.host, jump.port or SSH_PORT, jump.user or settings.user)
        if there == (settings.host, settings.port, settings.user):
            raise WorkError(
                f"{options.places['proxyjump']} leads to {quote(jump.host)} through itself; "
                f"add before it: Host {jump.host}, and in that block ProxyJump none"
            )


def _command(options: Options) -> str | None:
    command = options.get("proxycommand")
    return None if command is None or command.lower() == "none" else command


def _expanded(keyword: str, text: str, tokens: Mapping[str, str], place: str | None = None) -> str:
    try:
        return expand(text, tokens, variables=True)
    except BadToken as error:
        where = place or "~/.ssh/config"
        raise WorkError(f"{where} gives {keyword} as {quote(text)}, but {error}; correct it") from None


def _with_home(keyword: str, text: str) -> str:
    """The text with the home folder for `~`. Raises WorkError, with the keyword."""
    try:
        return expand_home(text)
    except BadToken as error:
        raise WorkError(f"~/.ssh/config gives {keyword} as {quote(text)}, but {error}; correct it") from None
