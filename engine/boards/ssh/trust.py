"""Whom to trust: the key that a board shows, what was trusted until now, and taking it as trusted on consent."""

import base64
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.boards.registry import Board, lock_boards
from engine.boards.ssh import known_hosts
from engine.boards.ssh.auth import Authentication
from engine.boards.ssh.errors import KeyChanged, Untrusted
from engine.boards.ssh.known_hosts import KeyPlace, KeyStatus, check_key, fingerprint, place_of
from engine.boards.ssh.route import Hop, resolve_route
from engine.boards.ssh.transport import Transport

__all__ = ["HostKey", "accept", "connect_and_check", "fetch_host_key", "refuse_untrusted"]


@dataclass(frozen=True)
class HostKey:
    """The key that a host presents, for a person to compare: nobody has to trust it yet.

    `known` is the fingerprint trusted until now. `jump` says that it is a host on the way: once it is trusted, fetch
    the key of what lies behind it. `state` is about this key: "changed" when another one was trusted.
    """

    board: str
    host: str
    port: int
    key_type: str
    fingerprint: str
    state: Literal["new", "known", "changed"]
    known: str | None
    blob: str = field(repr=False)  # base64
    jump: bool = False
    place: KeyPlace | None = field(default=None, repr=False)  # where its key is looked up, if not by host and port


def fetch_host_key(board: Board, root: Path, timeout: float = 10.0) -> HostKey:
    """Connects as far as the host key, without a login, and returns it; `root` is the results folder.

    Behind a jump host this is the jump host's key until that is trusted; then the login there is needed, with keys
    or an agent. Raises Unreachable, LoginRefused (the jump host), KeyChanged (a revoked key).
    """
    transport = Transport(board.name, timeout)
    try:
        hops = resolve_route(board)
        for hop in hops:
            key, status = connect_and_check(transport, hop, root)
            _refuse_revoked(board, hop, key, status, root)
            if status.state != "known" or hop is hops[-1]:
                return _host_key(board, hop, key, status, jump=hop is not hops[-1])
            Authentication(transport.inner, hop, None).run()
    finally:
        transport.close()
    raise AssertionError("a route ends with the board")


def accept(root: Path, host_key: HostKey) -> None:
    """Takes the key as trusted from now on, in our own file only; the place of a key of ours that has changed too.

    KeyChanged when the user's own file holds another key for the host: that is for the user to remove.
    """
    blob = base64.b64decode(host_key.blob)
    with lock_boards(root):
        place = host_key.place or place_of(host_key.host, host_key.port)
        status = check_key(root, place, host_key.key_type, blob)
        if status.state == "known":
            return
        if status.state == "revoked" or status.file not in (None, known_hosts.own_file(root)):
            raise _key_changed(host_key, place, status, root)
        known_hosts.save(root, place.name, host_key.key_type, blob)


def connect_and_check(transport: Transport, hop: Hop, root: Path) -> tuple[Any, KeyStatus]:
    """Connects to the next host of a route as far as its key, and looks that up."""
    place = hop.key_place
    wanted = known_hosts.wanted_keys(root, place)
    key = transport.connect(hop, wanted.types, certified=wanted.certified)
    certificate = key.public_blob.key_blob if wanted.certified and key.public_blob else None
    return key, check_key(root, place, key.get_name(), key.asbytes(), certificate)


def refuse_untrusted(board: Board, hop: Hop, key: Any, status: KeyStatus, root: Path) -> None:
    """Raises Untrusted or KeyChanged unless the key is trusted."""
    _refuse_revoked(board, hop, key, status, root)
    if status.state == "changed":
        raise _key_changed(_host_key(board, hop, key, status), hop.key_place, status, root)
    if status.state == "new":
        presented = fingerprint(key.asbytes())
        remark = f" ({status.remark})" if status.remark else ""
        raise Untrusted(
            f"{hop.label} at {hop.place} shows the key {presented} ({key.get_name()}), which nobody has trusted yet"
            f"{remark}; compare it with what `ssh-keygen -lf` says there, then run: espalier device trust {board.name}",
            board=board.name,
            host=hop.host,
            port=hop.port,
            key_type=key.get_name(),
            fingerprint=presented,
        )


def _host_key(board: Board, hop: Hop, key: Any, status: KeyStatus, *, jump: bool = False) -> HostKey:
    return HostKey(
        board=board.name,
        host=hop.host,
        port=hop.port,
        key_type=key.get_name(),
        fingerprint=fingerprint(key.asbytes()),
        state="changed" if status.state == "revoked" else status.state,
        known=status.trusted,
        blob=key.get_base64(),
        jump=jump,
        place=hop.key_place,
    )


def _refuse_revoked(board: Board, hop: Hop, key: Any, status: KeyStatus, root: Path) -> None:
    if status.state == "revoked":
        raise _key_changed(_host_key(board, hop, key, status), hop.key_place, status, root)


def _key_changed(shown: HostKey, place: KeyPlace, status: KeyStatus, root: Path) -> KeyChanged:
    if status.state == "revoked":
        sentence = (
            f"the key {shown.fingerprint} that {place.name} shows is marked as revoked in {status.file}; "
            "do not connect to it"
        )
    else:
        sentence = (
            f"the key of {shown.board} has changed: {place.name} shows {shown.fingerprint}, but {status.file} trusts "
            f"{status.trusted}; either the board was set up anew, or somebody is in between: ask who runs it, and only "
            f"then run: {_remedy(shown.board, place, status, root)}"
        )
    return KeyChanged(
        sentence,
        board=shown.board,
        host=shown.host,
        port=shown.port,
        fingerprint=shown.fingerprint,
        known=status.trusted,
    )


def _remedy(board: str, place: KeyPlace, status: KeyStatus, root: Path) -> str:
    """The command that lets a changed key go."""
    if status.file in (None, known_hosts.own_file(root)):
        return f"espalier device trust {board}"
    where = "" if status.file == known_hosts.users_file() else f" -f {shlex.quote(str(status.file))}"
    return f"ssh-keygen -R '{place.name}'{where}"
