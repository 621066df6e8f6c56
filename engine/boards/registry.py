"""The boards that the user has added, in `devices.toml` of the results folder, without any secret. No paramiko."""

import ipaddress
import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import tomli_w

from engine.errors import RequestError, WorkError
from engine.spec.ids import DEVICE_NAME
from engine.spec.messages import quote
from engine.storage import files
from engine.storage.atomic import atomic_write, behind_links, prepare_folder
from engine.storage.locks import Lock
from engine.texts import printable

_MOST_BYTES = files.MIB // 4  # of the file: over a thousand boards
_MOST_LINE = 2048  # bytes: reading a key of many parts takes the square of their number
_MOST_JUMP = 1024  # characters
_SCHEME = "ssh://"

_NAME = re.compile(DEVICE_NAME)
_USER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@+-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})")
_SCOPE = re.compile(r"[A-Za-z0-9_.-]{1,32}")


@dataclass(frozen=True)
class Address:
    """Where a host is: what `[user@]host[:port]` says. What is None is for ~/.ssh/config to say."""

    host: str
    user: str | None = None
    port: int | None = None

    def __post_init__(self) -> None:
        if self.user is not None and not _USER.fullmatch(self.user):
            raise RequestError(
                f"{quote(self.user)} is no user name: letters, digits and . _ + - @ are allowed, at most 64"
            )
        if not _HOST.fullmatch(self.host) and not _is_ipv6(self.host):
            raise RequestError(
                f"{quote(self.host)} is no host: give a name of letters, digits, . _ and -, an address, "
                "or an alias of ~/.ssh/config; IPv6 in brackets"
            )
        if self.port is not None and not (type(self.port) is int and 1 <= self.port <= 65535):
            raise RequestError(f"{quote(str(self.port))} is no port: 1 to 65535 are allowed")

    @property
    def text(self) -> str:
        """`[user@]host[:port]` again."""
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{user}{host}" + (f":{self.port}" if self.port else "")


@dataclass(frozen=True)
class Board:
    """A board: its name here, and where it is. `jump` lists the hosts to go through, joined by commas, nearest first.

    Raises RequestError for what is none; so no hostile name gets further than this.
    """

    name: str
    host: str
    user: str | None = None
    port: int | None = None
    jump: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise RequestError(
                f"{quote(self.name)} is no device name: a letter or digit, then letters, digits, - and _, at most 32"
            )
        Address(self.host, self.user, self.port)
        if self.jump is not None:
            if len(self.jump) > _MOST_JUMP:
                raise RequestError(f"the jump hosts of {self.name} take more than the {_MOST_JUMP} characters allowed")
            parse_jumps(self.jump)

    @property
    def target(self) -> str:
        """`[user@]host[:port]` again."""
        return Address(self.host, self.user, self.port).text


def parse(name: str, target: str, jump: str | None = None) -> Board:
    """The board at `target`, a text as `parse_address` takes it; RequestError when that is no address."""
    address = parse_address(target)
    return Board(name, address.host, address.user, address.port, jump or None)


def parse_address(text: str) -> Address:
    """The address in `[user@]host[:port]`, or in `ssh://` before the same; the host may be an alias of ~/.ssh/config.

    IPv6 comes in brackets; a link-local address with its interface, which no port can follow, may do without them.
    """
    before, at, place = _without_scheme(text).rpartition("@")
    user = before if at else None
    if ":" in before:
        raise RequestError("an address holds no password; give [user@]host[:port] alone")
    if "%" in place and _is_ipv6(place):
        return Address(place, user)
    if place.startswith("["):
        host, bracket, rest = place[1:].partition("]")
        if not bracket or not _is_ipv6(host) or (rest and not rest.startswith(":")):
            raise RequestError(f"{quote(text)} is no address: IPv6 is written [2001:db8::7] or [2001:db8::7]:22")
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = place.partition(":")
        if ":" in port:
            raise RequestError(f"{quote(text)} is no address: [user@]host[:port] is allowed, IPv6 in brackets")
    return Address(host, user, _port(port) if colon else None)


def _without_scheme(text: str) -> str:
    """The rest of an `ssh://` URL, in which the % before an interface is %25 (RFC 6874); other texts as they are."""
    if not text.lower().startswith(_SCHEME):
        return text
    place = text[len(_SCHEME) :].removesuffix("/")
    return unquote(place) if re.search("%25", place) else place


def parse_jumps(jump: str) -> list[Address]:
    """The jump hosts, nearest first, of `[user@]host[:port][,…]`."""
    return [parse_address(part.strip(" ")) for part in jump.split(",")]


class Registry:
    """The boards of a results folder, in the order in which they were added."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "devices.toml"

    def all(self) -> list[Board]:
        """Every board; WorkError when the file is damaged."""
        try:
            document = _parse_toml(files.read_bytes(self.path, _MOST_BYTES, links=True))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise WorkError(f"cannot read {self.path}: {error.strerror or error}; correct it or remove it") from None
        except ValueError as error:
            raise self._damaged(str(error)) from None
        tables = document.get("devices", {})
        if not isinstance(tables, dict) or set(document) - {"devices"}:
            raise self._damaged("it may hold tables [devices.NAME] only")
        return [self._parse_table(name, table) for name, table in tables.items()]

    def get(self, name: str) -> Board:
        """The board of that name; RequestError, which lists the names there are, when there is none."""
        boards = self.all()
        for board in boards:
            if board.name == name:
                return board
        names = ", ".join(board.name for board in boards)
        hint = f"there are {names}" if names else "add one with: espalier device add NAME [USER@]HOST[:PORT]"
        raise RequestError(f"there is no device {quote(name)}; {hint}")

    def add(self, board: Board) -> None:
        """Adds `board`; RequestError when its name is taken."""
        with lock_boards(self.root):
            boards = self.all()
            if any(board.name == other.name for other in boards):
                raise RequestError(f"the name {board.name} is taken; choose another, or remove that device first")
            self._write([*boards, board])

    def remove(self, name: str) -> None:
        """Removes the board; RequestError when there is none of that name. What was measured on it stays."""
        with lock_boards(self.root):
            removed = self.get(name)
            self._write([board for board in self.all() if board != removed])

    def _parse_table(self, name: str, table: Any) -> Board:
        allowed = {field.name: field.type for field in fields(Board) if field.name != "name"}
        if not isinstance(table, dict) or set(table) - set(allowed) or "host" not in table:
            unknown = next((key for key in table if key not in allowed), None) if isinstance(table, dict) else None
            holds = "" if unknown is None else f" holds {quote(unknown)},"
            needs = f"needs host, and may hold {', '.join(allowed)}"
            raise self._damaged(f"[devices.{quote(name)}]{holds} {needs}")
        for key, value in table.items():
            if type(value) is not (int if key == "port" else str):
                raise self._damaged(f"{key} of [devices.{quote(name)}] is of the wrong type")
        try:
            return Board(name, **table)
        except RequestError as error:
            raise self._damaged(str(error)) from None

    def _damaged(self, reason: str) -> WorkError:
        return WorkError(f"{self.path} is damaged: {reason}; correct it or remove it")

    def _write(self, boards: list[Board]) -> None:
        tables = {board.name: asdict(board) for board in boards}
        tables = {
            name: {key: value for key, value in table.items() if key != "name" and value is not None}
            for name, table in tables.items()
        }
        with atomic_write(behind_links(self.path)) as part:
            part.write_text(tomli_w.dumps({"devices": tables}), encoding="utf-8")


@contextmanager
def lock_boards(root: Path) -> Iterator[None]:
    """No other process changes a results folder's boards and trusted keys; WorkError when one does not end."""
    prepare_folder(Path(os.path.realpath(root)))
    with Lock(behind_links(root / ".devices.lock")).holding(wait=10.0) as mine:
        if not mine:
            raise WorkError(f"the devices of {root} are being changed by another process; try again")
        yield


def _parse_toml(data: bytes) -> dict[str, Any]:
    """The tables in a file; ValueError, with the reason, when it is no TOML."""
    number = next((n for n, line in enumerate(data.split(b"\n"), 1) if len(line) > _MOST_LINE), None)
    if number is not None:
        raise ValueError(f"line {number} is longer than {_MOST_LINE} bytes")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1} is no UTF-8") from None
    except RecursionError:
        raise ValueError("its values are nested too deep") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(printable(str(error), 200)) from None
    except ValueError:  # of what the grammar allows and Python does not hold
        raise ValueError("it holds a number or a date that is too large") from None


def _is_ipv6(text: str) -> bool:
    host, percent, scope = text.partition("%")
    if percent and not _SCOPE.fullmatch(scope):
        return False
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text):
        raise RequestError(f"{quote(text)} is no port: 1 to 65535 are allowed")
    return int(text)
