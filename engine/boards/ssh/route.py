"""The route to a board as ~/.ssh/config gives it: every host to pass, the board last. Nothing is connected here."""

from dataclasses import dataclass
from pathlib import Path

from engine.boards.registry import Address, Board, parse_jumps
from engine.boards.ssh.known_hosts import KeyPlace, place_of
from engine.boards.ssh_config.lookup import HostSettings, look_up
from engine.errors import RequestError
from engine.spec.messages import quote

_MOST_HOPS = 8


@dataclass(frozen=True)
class Hop:
    """One host to log in to: what messages call it, where it is (`place` is `host:port` for messages), and as whom.

    `identities` are the key files to try; `names_identities` says that ~/.ssh/config names them, `identities_only` that
    the agent may offer no others. `agent` is the agent's socket; None for no agent. `key_place` says where its own keys
    are looked up.
    """

    label: str
    place: str
    host: str
    port: int
    user: str
    identities: tuple[Path, ...]
    names_identities: bool
    identities_only: bool
    agent: Path | None
    key_place: KeyPlace


def resolve_route(board: Board) -> list[Hop]:
    """The hosts to pass on the way to `board`, nearest first, the board itself last. Raises RequestError, WorkError."""
    target = Address(board.host, board.user, board.port)
    jumps = () if board.jump is None else tuple(parse_jumps(board.jump))
    return _resolve_hops(board.name, target, jumps, depth=0)


def _resolve_hops(label: str, target: Address, jumps: tuple[Address, ...], depth: int) -> list[Hop]:
    if depth > _MOST_HOPS:
        raise RequestError(
            f"{label} is more than {_MOST_HOPS} jumps away; a ProxyJump of ~/.ssh/config leads in a circle"
        )
    settings = look_up(target, jumps)
    if settings.has_command:
        raise RequestError(
            f"~/.ssh/config reaches {quote(target.host)} by a ProxyCommand, which is not run; use ProxyJump"
        )
    hops: list[Hop] = []
    if settings.jumps:
        # As ssh does: only the first jump host may have a jump host of its own.
        *before, last = settings.jumps
        hops = _resolve_hops(f"the jump host {last.text}", last, tuple(before), depth + 1)
    return [*hops, _hop(label, settings)]


def _hop(label: str, settings: HostSettings) -> Hop:
    place = Address(settings.host, port=settings.port)
    files = (*settings.users_known_hosts, *settings.global_known_hosts)
    return Hop(
        label=label,
        place=place.text,
        host=place.host,
        port=settings.port,
        user=settings.user,
        identities=settings.identities,
        names_identities=settings.names_identities,
        identities_only=settings.identities_only,
        agent=settings.agent,
        key_place=place_of(
            settings.host, settings.port, alias=settings.alias, files=files, revoked=settings.revoked_keys
        ),
    )
