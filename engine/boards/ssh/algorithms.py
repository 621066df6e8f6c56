"""What two ends of SSH agree on: our side of it, and what to say when there is nothing."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import paramiko

from engine.texts import printable

_RSA = ("rsa-sha2-512", "rsa-sha2-256")  # the algorithms of a key whose type is ssh-rsa
_MOST_NAMES = 12  # of one side that a sentence lists

# Of each kind of method: the lists that a server sends, paramiko's own, and what sets it in an sshd_config.
_KINDS = (
    ("key exchange", ("kex_algo_list",), "preferred_kex", "KexAlgorithms"),
    ("kind of host key", ("server_key_algo_list",), "preferred_keys", "HostKeyAlgorithms"),
    ("cipher", ("client_encrypt_algo_list", "server_encrypt_algo_list"), "preferred_ciphers", "Ciphers"),
    ("MAC", ("client_mac_algo_list", "server_mac_algo_list"), "preferred_macs", "MACs"),
    ("compression", ("client_compress_algo_list", "server_compress_algo_list"), "preferred_compression", "Compression"),
)
# What OpenSSH stopped offering on its own by 7.0 (2015) or later calls a legacy: a server with nothing else is old.
_OLD_NAMES = {"ssh-rsa", "ssh-dss", "none"}
_OLD_ENDINGS = ("-sha1", "-cbc", "-cert-v00@openssh.com", "-cbc@lysator.liu.se")
_OLD_BEGINNINGS = ("arcfour", "rsa1024-", "hmac-md5", "hmac-sha1", "hmac-ripemd", "umac-64", "ssh-rsa-", "ssh-dss-")
_MARKS = ("ext-info-", "kex-strict-")  # which stand among the key exchanges, and are none


class Peer(paramiko.Transport):  # type: ignore[misc]
    """paramiko's transport, which can ask for host certificates first, and remembers what the server offers.

    `prefer` are the types of the host keys to ask for before others.
    """

    def __init__(self, sock: Any, prefer: Sequence[str], *, certified: bool) -> None:
        self.offers: dict[str, list[str]] = {}
        self._certified = certified
        self._wanted = [kind for key_type in prefer for kind in (_RSA if key_type == "ssh-rsa" else (key_type,))]
        super().__init__(sock)

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """The host key algorithms, best first: of the keys that are trusted, then certificates where they count."""
        plain = sorted(self._filter_algorithm("keys"), key=lambda kind: kind not in self._wanted)
        certificates = [f"{kind}-cert-v01@openssh.com" for kind in plain]
        if not self._certified:
            return (*plain, *certificates)
        trusted = len([kind for kind in plain if kind in self._wanted])
        return (*certificates[:trusted], *plain[:trusted], *certificates[trusted:], *plain[trusted:])

    def _really_parse_kex_init(self, m: Any, ignore_first_byte: bool = False) -> dict[str, Any]:
        parsed: dict[str, Any] = super()._really_parse_kex_init(m, ignore_first_byte)
        if not ignore_first_byte:  # with it, paramiko reads what we sent ourselves
            self.offers = {name: offer for name, offer in parsed.items() if isinstance(offer, list)}
        return parsed


def nothing_in_common(peer: Peer) -> str | None:
    """What is missing between a server and us, with both sides of it, and what to do; None where nothing is."""
    for kind, names, own, keyword in _KINDS:
        ours = getattr(peer, own)
        for name in names:
            theirs = [method for method in peer.offers.get(name, ()) if not method.startswith(_MARKS)]
            if theirs and not set(theirs) & set(ours):
                advice = (
                    "its SSH server is too old: bring it up to date"
                    if all(map(_is_old, theirs))
                    else f"allow one of ours there, with {keyword} in its sshd_config"
                )
                return f"has no {kind} in common with us: it takes {_listed(theirs)}; we take {_listed(ours)}; {advice}"
    return None


def _is_old(method: str) -> bool:
    return method in _OLD_NAMES or method.endswith(_OLD_ENDINGS) or method.startswith(_OLD_BEGINNINGS)


def _listed(methods: Sequence[str]) -> str:
    names = [printable(method, 60) for method in islice(methods, _MOST_NAMES)]
    more = len(methods) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
