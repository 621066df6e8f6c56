"""Whom to trust: the key that a board shows, what was trusted until now, and taking it as trusted on consent."""

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.boards.registry import Device, changing
from engine.boards.ssh import known_hosts
from engine.boards.ssh.auth import Login
from engine.boards.ssh.errors import KeyChanged, Untrusted
from engine.boards.ssh.known_hosts import Verdict, fingerprint, judge, name_of
from engine.boards.ssh.route import Hop, route_to
from engine.boards.ssh.transport import Link

__all__ = ["KeyOffer", "accept", "key_offer", "meet", "refuse_stranger"]


@dataclass(frozen=True)
class KeyOffer:
    """The key that a host shows, for a person to compare: nobody has to trust it yet.

    `known` is the fingerprint trusted until now. `jump` says that it is a host on the way: once it is trusted, ask
    again for what lies behind it. `state` is about this key: "changed" when another one was trusted.
    """

    device: str
    host: str
    port: int
    key_type: str
    fingerprint: str
    state: Literal["new", "known", "changed"]
    known: str | None
    blob: str = field(repr=False)  # base64
    jump: bool = False


def key_offer(device: Device, root: Path, timeout: float = 10.0) -> KeyOffer:
    """Connects as far as the host key, without a login, and says what it is; `root` is the results folder.

    Behind a jump host this is the jump host's key until that is trusted; then the login there is needed, with keys
    or an agent. Raises Unreachable, LoginRefused (the jump host), KeyChanged (a revoked key).
    """
    link = Link(device.name, timeout)
    try:
        hops = route_to(device)
        for hop in hops:
            key, verdict = meet(link, hop, root)
            _refuse_revoked(device, hop, key, verdict)
            if verdict.state != "known" or hop is hops[-1]:
                return _offer(device, hop, key, verdict, jump=hop is not hops[-1])
            Login(link.transport, hop, None).run()
    finally:
        link.close()
    raise AssertionError("a way ends with the board")


def accept(root: Path, offered: KeyOffer) -> None:
    """Takes the key as trusted from now on, in our own file only; the place of a key of ours that has changed too.

    KeyChanged when the user's own file holds another key for the host: that is for the user to remove.
    """
    blob = base64.b64decode(offered.blob)
    with changing(root):
        verdict = judge(root, offered.host, offered.port, offered.key_type, blob)
        if verdict.state == "known":
            return
        if verdict.state == "revoked" or verdict.file == known_hosts.users():
            raise _changed(offered.device, offered.host, offered.port, offered.fingerprint, verdict)
        known_hosts.save(root, offered.host, offered.port, offered.key_type, blob)


def meet(link: Link, hop: Hop, root: Path) -> tuple[Any, Verdict]:
    """Connects to the next host of a way as far as its key, and judges it."""
    key = link.meet(hop, known_hosts.key_types(root, hop.host, hop.port))
    return key, judge(root, hop.host, hop.port, key.get_name(), key.asbytes())


def refuse_stranger(device: Device, hop: Hop, key: Any, verdict: Verdict) -> None:
    """Raises Untrusted or KeyChanged unless the key is trusted."""
    shown = fingerprint(key.asbytes())
    _refuse_revoked(device, hop, key, verdict)
    if verdict.state == "changed":
        raise _changed(device.name, hop.host, hop.port, shown, verdict)
    if verdict.state == "new":
        raise Untrusted(
            f"{hop.label} at {hop.place} shows the key {shown} ({key.get_name()}), which nobody has trusted yet; "
            f"compare it with what `ssh-keygen -lf` says there, then run: espalier device trust {device.name}",
            device=device.name,
            host=hop.host,
            port=hop.port,
            key_type=key.get_name(),
            fingerprint=shown,
        )


def _offer(device: Device, hop: Hop, key: Any, verdict: Verdict, *, jump: bool) -> KeyOffer:
    assert verdict.state != "revoked"
    return KeyOffer(
        device=device.name,
        host=hop.host,
        port=hop.port,
        key_type=key.get_name(),
        fingerprint=fingerprint(key.asbytes()),
        state=verdict.state,
        known=verdict.trusted,
        blob=key.get_base64(),
        jump=jump,
    )


def _refuse_revoked(device: Device, hop: Hop, key: Any, verdict: Verdict) -> None:
    if verdict.state == "revoked":
        raise _changed(device.name, hop.host, hop.port, fingerprint(key.asbytes()), verdict)


def _changed(device: str, host: str, port: int, shown: str, verdict: Verdict) -> KeyChanged:
    name = name_of(host, port)
    if verdict.state == "revoked":
        what = f"the key {shown} that {name} shows is marked as revoked in {verdict.file}; do not connect to it"
    else:
        remedy = f"ssh-keygen -R '{name}'" if verdict.file == known_hosts.users() else f"espalier device trust {device}"
        what = (
            f"the key of {device} has changed: {name} shows {shown}, but {verdict.file} trusts {verdict.trusted}; "
            f"either the board was set up anew, or somebody is in between: ask who runs it, and only then run: {remedy}"
        )
    return KeyChanged(what, device=device, host=host, port=port, fingerprint=shown, known=verdict.trusted)
