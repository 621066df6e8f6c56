"""The hosts on the way that ProxyJump names. Source: OpenSSH's parse_jump (readconf.c) and parse_uri (misc.c)."""

from collections.abc import Mapping
from urllib.parse import unquote

from engine.boards.registry import Address
from engine.boards.ssh_config.options import Options, parse_port
from engine.boards.ssh_config.tokens import BadToken, expand
from engine.errors import RequestError, WorkError
from engine.spec.messages import quote

_SCHEME = "ssh://"
_TOKENS = "hknpr"


def last_jump(options: Options) -> str | None:
    """The host of the last jump as a file names it, without user and port, as %j has it; None without a jump."""
    jumps = options.get("proxyjump")
    return None if jumps is None or jumps.lower() == "none" else _split(jumps.rpartition(",")[2])[1]


def parse_jumps(options: Options, tokens: Mapping[str, str]) -> tuple[Address, ...]:
    """The jump hosts, nearest first: each `[user@]host[:port]` or an `ssh://` URL. Raises WorkError."""
    known = {letter: tokens[letter] for letter in _TOKENS}
    place = options.places["proxyjump"]
    return tuple(_parse(part, place, known) for part in (options.get("proxyjump") or "").split(","))


def _parse(part: str, place: str, tokens: Mapping[str, str]) -> Address:
    user, host, port = _split(part)
    try:
        if user == "":
            raise RequestError(f"{quote(part)} has no user before its @")
        return Address(
            expand(host, tokens),
            None if user is None else expand(user, tokens),
            parse_port(port, place) if port else None,
        )
    except (RequestError, BadToken) as error:
        raise WorkError(f"{place} gives a ProxyJump that is none: {error}; correct it") from None


def _split(part: str) -> tuple[str | None, str, str]:
    """User, host and port of one jump host; what is no such thing stays in the host, which then is none."""
    part = part.strip()
    if part.startswith(_SCHEME):
        place = part.removeprefix(_SCHEME).removesuffix("/")
        before, at, behind = place.partition("@")
        user, place = (unquote(before.partition(";")[0]), behind) if at else (None, place)
    else:
        before, at, place = part.rpartition("@")
        user = before if at else None
    if not place.startswith("["):
        host, _, port = place.partition(":")
        return user, host, port
    host, bracket, rest = place[1:].partition("]")
    return (user, host, rest[1:]) if bracket and rest[:1] in ("", ":") else (user, place, "")
