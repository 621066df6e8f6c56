"""Which host keys are trusted: the user's ~/.ssh/known_hosts, only read, and our own beside it. No paramiko."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.errors import WorkError
from engine.storage.atomic import atomic_write

State = Literal["new", "known", "changed", "revoked"]


@dataclass(frozen=True)
class Entry:
    """One line of a known hosts file: who (patterns, or one hash of a name), and the key."""

    file: Path
    marker: str  # "", "@revoked" or "@cert-authority"
    patterns: tuple[str, ...]
    key_type: str
    blob: bytes

    def matches(self, name: str) -> bool:
        """Whether the line speaks of `name`, with the wildcards, negations and hashes of sshd(8)."""
        entries = False
        for pattern in self.patterns:
            if pattern.startswith("|1|"):
                entries |= _hash_matches(pattern, name)
            elif _wildcards(pattern.removeprefix("!")).fullmatch(name):
                if pattern.startswith("!"):
                    return False
                entries = True
        return entries


@dataclass(frozen=True)
class KeyStatus:
    """What the files say about a key: `trusted` is the fingerprint trusted until now, `file` where that is written."""

    state: State
    trusted: str | None = None
    file: Path | None = None


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


def check_key(root: Path, host: str, port: int, key_type: str, blob: bytes) -> KeyStatus:
    """Known when either file holds this very key for the host; changed when they hold only others; else new."""
    entries = list(_matching_entries(root, name_of(host, port)))
    for entry in entries:
        if entry.marker == "@revoked" and entry.blob == blob:
            return KeyStatus("revoked", file=entry.file)
    trusted = [entry for entry in entries if not entry.marker]
    if not trusted:
        return KeyStatus("new")
    for entry in trusted:
        if entry.blob == blob:
            return KeyStatus("known", fingerprint(blob), entry.file)
    # Of what is trusted, show the line that stands in the way: the user's file first, there we change nothing.
    other = min(trusted, key=lambda entry: (entry.file != users_file(), entry.key_type != key_type))
    return KeyStatus("changed", fingerprint(other.blob), other.file)


def key_types(root: Path, host: str, port: int) -> list[str]:
    """The types of the keys trusted for a host: the ones to ask it for, lest another of its keys look like a change."""
    return [entry.key_type for entry in _matching_entries(root, name_of(host, port)) if not entry.marker]


def save(root: Path, host: str, port: int, key_type: str, blob: bytes) -> None:
    """Writes the key into our file, mode 600, in the place of any other of that host."""
    name, path = name_of(host, port), own_file(root)
    kept = [line for line in _lines(path) if not ((entry := _entry(path, line)) and entry.patterns == (name,))]
    kept.append(f"{name} {key_type} {base64.b64encode(blob).decode()}")
    with atomic_write(path) as part:
        part.touch(mode=0o600, exist_ok=False)
        part.write_text("\n".join(kept) + "\n", encoding="utf-8")


def _matching_entries(root: Path, name: str) -> Iterator[Entry]:
    for path in (users_file(), own_file(root)):
        for line in _lines(path):
            entry = _entry(path, line)
            if entry is not None and entry.matches(name):
                yield entry


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        # Going on without it would make a host whose key is trusted, or changed, look new.
        raise WorkError(f"cannot read {path}: {error.strerror or error}; make it readable and try again") from None


def _entry(path: Path, line: str) -> Entry | None:
    """The entry of a line; None for comments and for what sshd(8) would not read either."""
    words = line.split()
    marker = words.pop(0) if words and words[0].startswith("@") else ""
    if len(words) < 3 or words[0].startswith("#"):
        return None
    try:
        blob = base64.b64decode(words[2], validate=True)
    except (binascii.Error, ValueError):
        return None
    return Entry(path, marker, tuple(words[0].split(",")), words[1], blob)


def _hash_matches(pattern: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in pattern.split("|")[2:])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)


def _wildcards(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern.lower()).replace(r"\*", ".*").replace(r"\?", "."))
