"""The options of a host while its files are read: of each the first words, and where they stand."""

import socket
from dataclasses import dataclass, field

from engine.boards.ssh_config.tokens import BadToken, expand
from engine.errors import WorkError
from engine.spec.messages import quote

SSH_PORT = 22


@dataclass
class Options:
    """What applies so far: of each keyword the words and the place that gave them; and the key files, which add up."""

    values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    identities: list[str] = field(default_factory=list)

    def get(self, keyword: str) -> str | None:
        """The first word of an option; None where nothing gives it."""
        return self.values[keyword][0] if keyword in self.values else None

    def set(self, keyword: str, words: tuple[str, ...], place: str) -> None:
        """Takes the words unless an earlier place has given the option."""
        if keyword not in self.values:
            self.values[keyword], self.places[keyword] = words, place

    def flag(self, keyword: str, default: bool) -> bool:
        """A yes or a no. Raises WorkError for anything else."""
        word = (self.get(keyword) or ("yes" if default else "no")).lower()
        if word not in ("yes", "true", "no", "false"):
            raise WorkError(f"{self.places[keyword]} gives {keyword} as {quote(word)}; yes and no are allowed")
        return word in ("yes", "true")

    def port(self) -> int:
        """The port. Raises WorkError for what is none."""
        word = self.get("port")
        return SSH_PORT if word is None else parse_port(word, self.places["port"])


def parse_port(word: str, place: str) -> int:
    """A port by its number or by the name of its service. Raises WorkError."""
    if word.isascii() and word.isdigit() and len(word) <= 5 and 1 <= int(word) <= 65535:
        return int(word)
    try:
        return socket.getservbyname(word, "tcp")
    except (OSError, ValueError):
        raise WorkError(f"{place} gives a port that is none: {quote(word)}; 1 to 65535 are allowed") from None


def expand_host_name(options: Options, host: str) -> str:
    """The HostName with %h for the host asked for, and %% for %. Raises WorkError."""
    name = options.get("hostname")
    if name is None:
        return host
    try:
        return expand(name, {"h": host})
    except BadToken as error:
        raise WorkError(f"{options.places['hostname']} gives a HostName {quote(name)}, but {error}") from None
