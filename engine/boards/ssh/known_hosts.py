"""Which host keys are trusted: the user's files and the system's, only read, and our own beside them. No paramiko."""

import base64
import binascii
import hashlib
import hmac
import io
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.boards.ssh_config import patterns
from engine.boards.ssh_keys import certificates
from engine.errors import WorkError
from engine.storage import files
from engine.storage.atomic import atomic_write, behind_links
from engine.texts import printable

_MOST_BYTES = 4 * files.MIB  # of a file: tens of thousands of hosts
_AUTHORITY = "@cert-authority"
_HASHED, _HASH_BYTES = "|1|", 20  # SHA-1 under a salt

State = Literal["new", "known", "changed", "revoked"]


@dataclass(frozen=True)
class Entry:
    """One line of a known hosts file: who (patterns between commas, or the hash of a name), and the key in base64."""

    file: Path
    marker: str  # "", "@revoked" or _AUTHORITY
    hosts: str
    key_type: str
    key: str

    def matches(self, name: str) -> bool:
        """Whether the line speaks of `name`, with the wildcards, negations and hashes of sshd(8)."""
        if self.hosts.startswith(_HASHED):
            return _is_hash_of(self.hosts, name)
        return patterns.list_matches(self.hosts.lower(), name)

    def blob(self) -> bytes | None:
        """The key; None where that is no base64, which sshd(8) would not read either."""
        return _decode(self.key)


@dataclass(frozen=True)
class KeyPlace:
    """Where the keys of a host are looked up: under which `name`, in which files beside our own.

    `plain` is the name of the host without its port, which certificates are for. `revoked` are files of keys that no
    host may show.
    """

    name: str
    plain: str
    files: tuple[Path, ...]
    revoked: tuple[Path, ...] = ()


@dataclass(frozen=True)
class KeyStatus:
    """What the files say about a key: `trusted` is the fingerprint trusted until now, `file` where that is written.

    `remark` says what is wrong with a certificate that a trusted authority signed.
    """

    state: State
    trusted: str | None = None
    file: Path | None = None
    remark: str = ""


@dataclass(frozen=True)
class WantedKeys:
    """The types of the keys trusted for a host, and whether an authority is, so that certificates count."""

    types: tuple[str, ...]
    certified: bool


def name_of(host: str, port: int) -> str:
    """How a known hosts file writes a host: alone on port 22, else `[host]:port`."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


def fingerprint(blob: bytes) -> str:
    """`SHA256:…`, as ssh-keygen -l prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def own_file(root: Path) -> Path:
    """The file that we write."""
    return root / "known_hosts"


def users_file() -> Path:
    """The user's own file, which is only read."""
    return Path.home() / ".ssh" / "known_hosts"


def place_of(
    host: str,
    port: int,
    *,
    alias: str | None = None,
    files: tuple[Path, ...] | None = None,
    revoked: tuple[Path, ...] = (),
) -> KeyPlace:
    """Where the keys of a host are looked up; `alias` is a HostKeyAlias, `files` are others than the user's own."""
    name = alias or name_of(host, port)
    return KeyPlace(name, alias or host.lower(), (users_file(),) if files is None else files, revoked)


def check_key(root: Path, place: KeyPlace, key_type: str, blob: bytes, certificate: bytes | None = None) -> KeyStatus:
    """Known when a file holds this very key for the host; changed when they hold only others; else new.

    A key with a `certificate` is known, too, when an authority signed that which a file trusts for the host.
    """
    entries = list(_matching_entries(root, place))
    signer = None if certificate is None else certificates.signer(certificate)
    for entry, key in entries:
        if entry.marker == "@revoked" and key in (blob, signer):
            return KeyStatus("revoked", file=entry.file)
    for file in place.revoked:
        if {blob, signer} & _keys_in(file):
            return KeyStatus("revoked", file=file)
    remark = ""
    authority = next((entry for entry, key in entries if entry.marker == _AUTHORITY and key == signer), None)
    if authority is not None and certificate is not None and signer is not None:
        remark = certificates.fault(certificate, place.plain)
        if not remark:
            return KeyStatus("known", fingerprint(signer), authority.file)
    trusted = [(entry, key) for entry, key in entries if not entry.marker]
    for entry, key in trusted:
        if key == blob:
            return KeyStatus("known", fingerprint(blob), entry.file)
    if not trusted:
        return KeyStatus("new", remark=remark)
    # Of what is trusted, show the line that stands in the way: a file of the user first, there we change nothing.
    other, key = min(trusted, key=lambda pair: (pair[0].file == own_file(root), pair[0].key_type != key_type))
    return KeyStatus("changed", fingerprint(key), other.file, remark)


def wanted_keys(root: Path, place: KeyPlace) -> WantedKeys:
    """The keys to ask a host for, lest another of its keys look like a change."""
    entries = [entry for entry, _ in _matching_entries(root, place)]
    return WantedKeys(
        types=tuple(entry.key_type for entry in entries if not entry.marker),
        certified=any(entry.marker == _AUTHORITY for entry in entries),
    )


def save(root: Path, name: str, key_type: str, blob: bytes) -> None:
    """Writes the key into our file, in the place of any other of that host; others read it if they share the folder."""
    path = own_file(root)
    lines = [line for line in _lines(path) if not ((entry := _entry(path, line)) and entry.hosts == name)]
    lines.append(f"{name} {key_type} {base64.b64encode(blob).decode()}")
    is_shared = root.stat().st_mode & stat.S_IWGRP
    with atomic_write(behind_links(path), mode=None if is_shared else 0o600) as part:
        part.touch(mode=0o600, exist_ok=False)
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _matching_entries(root: Path, place: KeyPlace) -> Iterator[tuple[Entry, bytes]]:
    """The entries of all files that speak of a host, each with its key.

    Authorities for its name alone count on every port, as they do for ssh.
    """
    for path in (*place.files, own_file(root)):
        for line in _lines(path):
            entry = _entry(path, line)
            if entry is None:
                continue
            is_named = entry.matches(place.name) or (entry.marker == _AUTHORITY and entry.matches(place.plain))
            if is_named and (key := entry.blob()) is not None:
                yield entry, key


def _keys_in(path: Path) -> set[bytes | None]:
    """The keys of a file of RevokedHostKeys, one in each line. Raises WorkError where there is none to read, as ssh."""
    try:
        path.stat()
    except OSError as error:
        why = f"cannot read {printable(str(path))}, of RevokedHostKeys in ~/.ssh/config"
        raise WorkError(f"{why}: {error.strerror or error}; correct the line") from None
    keys: set[bytes | None] = set()
    for line in _lines(path):
        if line.startswith("SSHKRL"):
            raise WorkError(f"{printable(str(path))} is a binary list of revoked keys; write them one in each line")
        words = line.split(None, 2)
        if len(words) > 1 and not line.startswith("#") and (key := _decode(words[1])):
            keys.add(key)
    return keys


def _lines(path: Path) -> Iterator[str]:
    try:
        data = files.read_bytes(path, _MOST_BYTES, links=True)
    except FileNotFoundError:
        return
    except OSError as error:
        # Going on without it would make a host whose key is trusted, or changed, look new.
        raise WorkError(
            f"cannot read {printable(str(path))}: {error.strerror or error}; make it readable and try again"
        ) from None
    for line in io.BytesIO(data):
        yield line.decode(errors="replace").rstrip("\r\n")


def _entry(path: Path, line: str) -> Entry | None:
    """The entry of a line; None for comments and for what has no key."""
    words = line.split(None, 4)
    marker = words.pop(0) if words and words[0].startswith("@") else ""
    if len(words) < 3 or words[0].startswith("#"):
        return None
    return Entry(path, marker, *words[:3])


def _decode(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _is_hash_of(hosts: str, name: str) -> bool:
    """Whether `|1|salt|hash` is of `name`."""
    salt, _, digest = hosts.removeprefix(_HASHED).partition("|")
    expected, key = _decode(digest), _decode(salt)
    if expected is None or key is None or len(expected) != _HASH_BYTES:
        return False
    return hmac.compare_digest(hmac.digest(key, name.encode(), hashlib.sha1), expected)
