"""Logging in: the keys of the agent, then key files, then a password if the caller has one. Nothing is stored."""

import base64
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import paramiko

from engine.boards.sanitize import printable
from engine.boards.ssh.errors import LoginRefused, TimedOut
from engine.boards.ssh.route import Hop
from engine.boards.ssh.transport import WIRE_ERRORS, reason
from engine.spec.messages import quote


class Login:
    """One login to one host, and what was tried so far."""

    def __init__(self, transport: Any, hop: Hop, password: str | None) -> None:
        self.transport = transport
        self.hop = hop
        self.password = password
        self.tried: list[str] = []
        self.hints: list[str] = []
        self.takes: tuple[str, ...] = ()

    def run(self) -> None:
        """Logs in; LoginRefused says what was tried and what the server takes, TimedOut that it never decided."""
        try:
            self.transport.auth_none(self.hop.user)
            return
        except paramiko.BadAuthenticationType as error:
            self.takes = tuple(error.allowed_types)
        except WIRE_ERRORS as error:
            self._refuse_if_over(error)
        if self._keys() or self._password():
            return
        raise self._refused("")

    def _keys(self) -> bool:
        if "publickey" not in self.takes:
            return False
        offered: set[bytes] = set()
        for name, key in self._candidates():
            if key.asbytes() in offered or "publickey" not in self.takes:
                continue
            offered.add(key.asbytes())
            if self._tried(name, partial(self.transport.auth_publickey, self.hop.user, key)):
                return True
        return False

    def _password(self) -> bool:
        if self.password is None:
            return False
        if not {"password", "keyboard-interactive"} & set(self.takes):
            self.hints.append("it takes no password")
            return False
        return self._tried("the password", partial(self.transport.auth_password, self.hop.user, self.password))

    def _tried(self, name: str, attempt: Callable[[], list[str]]) -> bool:
        """Whether the server lets us in now; when it wants another method besides, it says so in `takes`."""
        self.tried.append(name)
        try:
            wanted = attempt()
        except paramiko.BadAuthenticationType as error:
            self.takes = tuple(error.allowed_types)
            return False
        except WIRE_ERRORS as error:
            self._refuse_if_over(error)
            return False
        if wanted:
            self.takes = tuple(wanted)
            self.hints.append(f"after {name} it wants {_words(wanted, ' or ')} as well")
        return not wanted

    def _refuse_if_over(self, error: Exception) -> None:
        """Raises when no further attempt is possible: the server hung up, or does not answer."""
        if "timeout" in str(error).lower() and self.transport.is_active():
            limit = self.transport.auth_timeout
            raise TimedOut(f"{self.hop.label} at {self.hop.place} did not decide about the login within {limit:g} s")
        if not self.transport.is_active():
            hint = "where an agent holds many keys, name one: IdentityFile and IdentitiesOnly yes"
            raise self._refused(f"it hung up ({reason(error)}); {hint}")

    # -- keys

    def _candidates(self) -> Iterator[tuple[str, Any]]:
        """Keys and what to call them: the agent's first; with IdentitiesOnly only those that a key file names."""
        files = [(file, self._from_file(file)) for file in self.hop.identities]
        named = {_public(file) for file in self.hop.identities} | {key.asbytes() for _, key in files if key}
        agent = _agent()
        if agent is None:
            self.hints.append("the SSH agent did not answer")
        else:
            with closing(agent):
                for key in agent.get_keys():
                    if not self.hop.only or key.asbytes() in named:
                        yield f"the agent's key {quote(key.comment or key.get_name())}", key
        yield from ((str(file), key) for file, key in files if key)

    def _from_file(self, file: Path) -> Any | None:
        try:
            return paramiko.PKey.from_path(file)
        except FileNotFoundError:
            return None
        except (TypeError, paramiko.PasswordRequiredException):
            self.hints.append(f"{file} is encrypted: give it to an SSH agent (ssh-add {file})")
        except (OSError, ValueError, paramiko.SSHException, paramiko.UnknownKeyType) as error:
            self.hints.append(f"{file} cannot be used: {reason(error)}")
        return None

    def _refused(self, how: str) -> LoginRefused:
        hop, takes = self.hop, _words(self.takes, ", ") or "no method"
        target = shlex.quote(f"{hop.user}@{hop.host}")
        tried = ", ".join(self.tried) or "no key (none was found)"
        more = "; ".join([*([how] if how else []), *self.hints])
        return LoginRefused(
            f"{hop.label} refused the login of {quote(hop.user)} at {hop.place}: tried {tried}; it takes {takes}"
            + (f"; {more}" if more else "")
            + f"; check the user, or copy your key there with: ssh-copy-id -p {hop.port} {target}",
            tried=tuple(self.tried),
            takes=self.takes,
        )


def _agent(seconds: float = 5.0) -> Any | None:
    """The SSH agent with its keys, none of them when there is no agent; None when there is one that does not answer."""
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(paramiko.Agent())
        except (paramiko.SSHException, OSError):
            return  # `found` stays empty, which says it

    thread = threading.Thread(target=ask, daemon=True, name="ssh-agent")
    thread.start()
    thread.join(seconds)
    return found[0] if found else None


def _public(file: Path) -> bytes | None:
    """The public key of a key file, from the .pub file beside it, so that an encrypted key can be told, too."""
    public = file if file.suffix == ".pub" else file.with_name(file.name + ".pub")
    try:
        return base64.b64decode(public.read_text(encoding="utf-8").split()[1], validate=True)
    except (OSError, ValueError, IndexError):
        return None


def _words(methods: Iterable[str], between: str) -> str:
    """Names that the server sent, for a message."""
    return between.join(printable(method, 40) for method in methods)
