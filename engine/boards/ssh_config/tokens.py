"""The tokens of ssh_config(5): `%h` and its like, `${VAR}`, and `~`."""

import getpass
import hashlib
import os
import pwd
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from engine.texts import printable

_TOKEN = re.compile(r"%(.?)|\$\{([^}]*)(\}?)", re.DOTALL)


class BadToken(ValueError):
    """A text names a token or a variable that there is none of; the message says which."""


def local_user() -> str:
    """The name of whoever runs this, as the system knows it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return getpass.getuser()


def client_tokens(
    *, host: str, original: str, port: int, user: str, alias: str | None, jump: str | None
) -> dict[str, str]:
    """The tokens that most keywords take, by their letter: %C %L %d %h %i %j %k %l %n %p %r %u.

    `host` is where to connect, `original` what was asked for, `jump` the last host on the way. Source: ssh_config(5),
    TOKENS; %C is the hash of OpenSSH's ssh_connection_hash (readconf.c).
    """
    here = socket.gethostname()
    return {
        "C": hashlib.sha1(f"{here}{host}{port}{user}{jump or ''}".encode(errors="surrogateescape")).hexdigest(),
        "L": here.partition(".")[0],
        "d": str(Path.home()),
        "h": host,
        "i": str(os.getuid()),
        "j": jump or "",
        "k": alias or original,
        "l": here,
        "n": original,
        "p": str(port),
        "r": user,
        "u": local_user(),
    }


def expand(text: str, tokens: Mapping[str, str], *, variables: bool = False) -> str:
    """The text with its tokens replaced, %% by one %, and with `variables` each ${VAR}, too. Raises BadToken."""

    def replacement(found: re.Match[str]) -> str:
        letter, name, end = found.groups()
        if letter is None:
            return _variable(found.group(), name, end) if variables else found.group()
        if letter == "%":
            return "%"
        if letter not in tokens:
            raise BadToken(
                f"{printable(found.group())} is no token there; "
                f"{', '.join(f'%{known}' for known in ('%', *tokens))} are"
            )
        return tokens[letter]

    return _TOKEN.sub(replacement, text)


def expand_home(text: str) -> str:
    """The text with the home folder in the place of `~`, or that of a user in the place of `~user`. Raises BadToken."""
    if not text.startswith("~"):
        return text
    user, slash, rest = text[1:].partition("/")
    if not user:
        return str(Path.home()) + slash + rest.lstrip("/")
    try:
        return pwd.getpwnam(user).pw_dir + slash + rest.lstrip("/")
    except (KeyError, ValueError):
        raise BadToken(f"~{printable(user, 60)} names a user whom this machine does not have") from None


def _variable(text: str, name: str, end: str) -> str:
    if not end or not name:
        raise BadToken(f"{printable(text, 60)} is no variable; write ${{NAME}}")
    value = os.environ.get(name)
    if value is None:
        raise BadToken(f"the environment variable {printable(name, 60)} is not set")
    return value
