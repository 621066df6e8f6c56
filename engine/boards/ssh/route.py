"""The route to a board as ~/.ssh/config gives it: every host to pass, the board last. Nothing is connected here."""

import getpass
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import paramiko

from engine.boards.registry import Address, Board, parse_jumps
from engine.errors import RequestError, WorkError
from engine.spec.messages import quote
from engine.storage import files

_MOST_HOPS = 8
_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True)
class Hop:
    """One host to log in to: what messages call it, where it is (`place` is `host:port` for messages), and as whom.

    `identities` are the key files to try; `identities_only` says that the agent may offer no others.
    """

    label: str
    place: str
    host: str
    port: int
    user: str
    identities: tuple[Path, ...]
    identities_only: bool


def resolve_route(board: Board) -> list[Hop]:
    """The hosts to pass on the way to `board`, nearest first, the board itself last."""
    config = _config()
    target = Address(board.host, board.user, board.port)
    return _resolve_hops(config, board.name, target, board.jump, depth=0)


def _resolve_hops(config: paramiko.SSHConfig, label: str, target: Address, jump: str | None, depth: int) -> list[Hop]:
    if depth > _MOST_HOPS:
        raise RequestError(
            f"{label} is more than {_MOST_HOPS} jumps away; a ProxyJump of ~/.ssh/config leads in a circle"
        )
    options = _lookup(config, target.host)
    jump_list = jump or options.get("proxyjump", "none")
    if jump is None and options.get("proxycommand") is not None and jump_list.lower() == "none":
        raise RequestError(
            f"~/.ssh/config reaches {quote(target.host)} by a ProxyCommand, which is not run; use ProxyJump"
        )
    hops: list[Hop] = []
    if jump_list.lower() != "none":
        first, *others = parse_jumps(jump_list)
        # As ssh does: only the first jump host may have a jump host of its own.
        hops += _resolve_hops(config, f"the jump host {first.text}", first, None, depth + 1)
        hops += [_hop(f"the jump host {other.text}", other, _lookup(config, other.host)) for other in others]
    return [*hops, _hop(label, target, options)]


def _hop(label: str, target: Address, options: dict[str, str]) -> Hop:
    files = [Path(file) for file in options.get("identityfile", ()) if file != "none"]
    identities = files or [Path.home() / ".ssh" / name for name in _DEFAULT_KEYS]
    # Of an address with its interface paramiko would take %h for a token of ssh_config.
    host = target.host if "%" in target.host else options["hostname"]
    place = Address(host, port=target.port or _port(options, target.host))
    return Hop(
        label=label,
        place=place.text,
        host=place.host,
        port=place.port or 22,
        user=target.user or options.get("user") or getpass.getuser(),
        identities=tuple(identities),
        identities_only=options.get("identitiesonly", "no").lower() == "yes",
    )


def _lookup(config: paramiko.SSHConfig, host: str) -> dict[str, str]:
    try:
        options: dict[str, str] = config.lookup(host)
    except (paramiko.SSHException, LookupError, ValueError, OSError) as error:
        raise WorkError(f"~/.ssh/config cannot be understood for {quote(host)}: {quote(str(error))}") from None
    return options


def _config() -> paramiko.SSHConfig:
    folder = Path.home() / ".ssh"
    try:
        return paramiko.SSHConfig.from_file(StringIO("\n".join(_with_includes(folder / "config", folder, "Host *", 0))))
    except (paramiko.SSHException, ValueError) as error:
        raise WorkError(f"~/.ssh/config cannot be understood: {quote(str(error))}") from None


def _with_includes(path: Path, folder: Path, block: str, depth: int) -> list[str]:
    """The lines of a config, with what an Include names in the place of it, since paramiko passes over Include."""
    if depth > 16:
        raise WorkError(f"{path} is included more than 16 levels deep; an Include of ~/.ssh/config leads in a circle")
    out: list[str] = []
    for line in _lines(path):
        key, *values = line.replace("=", " ", 1).split() or [""]
        if key.lower() in ("host", "match"):
            block = line
        if key.lower() != "include":
            out.append(line)
            continue
        for value in values:
            for included in _included_files(value.strip('"'), folder):
                out += [*_with_includes(included, folder, block, depth + 1), block]  # the block goes on after it
    return out


def _included_files(pattern: str, folder: Path) -> list[Path]:
    """The files that an Include names: wildcards, `~`, and relative to ~/.ssh."""
    path = folder / (Path.home() / pattern[2:] if pattern.startswith("~/") else pattern)
    try:
        return sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    except (OSError, ValueError) as error:  # such as a name that is too long for any file
        raise WorkError(
            f"an Include of ~/.ssh/config names {quote(pattern)}, which cannot be looked for: {error.args[-1]}"
        ) from None


def _lines(path: Path) -> list[str]:
    try:
        return files.read_bytes(path, links=True).decode(errors="surrogateescape").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise WorkError(f"cannot read {path}: {error.strerror or error}") from None


def _port(options: dict[str, str], host: str) -> int:
    try:
        return int(options.get("port", "22"))
    except ValueError:
        raise WorkError(
            f"~/.ssh/config gives {quote(host)} a port that is no number: {quote(options['port'])}"
        ) from None
