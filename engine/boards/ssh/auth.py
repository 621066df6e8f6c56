"""Logging in: the keys of the agent, then key files, then a password if the caller has one. Nothing is stored."""

import base64
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import paramiko

from engine.boards.ssh.errors import LoginRefused, TimedOut
from engine.boards.ssh.route import Hop
from engine.boards.ssh.transport import WIRE_ERRORS, reason
from engine.spec.messages import quote
from engine.storage import files
from engine.texts import printable

_MOST_METHODS = 8  # to log in that a sentence names


class Authentication:
    """The authentication at one host: the `attempts` made so far, and the methods that the server still allows."""

    def __init__(self, client: Any, hop: Hop, password: str | None) -> None:
        self.client = client
        self.hop = hop
        self.password = password
        self.attempts: list[str] = []
        self.hints: list[str] = []
        self.allowed_methods: tuple[str, ...] = ()

    def run(self) -> None:
        """Logs in; LoginRefused says what was attempted and what the server allows, TimedOut that it never decided."""
        try:
            self.client.auth_none(self.hop.user)
            return
        except paramiko.BadAuthenticationType as error:
            self.allowed_methods = tuple(error.allowed_types)
        except WIRE_ERRORS as error:
            self._raise_if_closed(error)
        if self._try_keys() or self._try_password():
            return
        raise self._refusal("")

    def _try_keys(self) -> bool:
        if "publickey" not in self.allowed_methods:
            return False
        offered: set[bytes] = set()
        for name, key in self._candidates():
            if key.asbytes() in offered or "publickey" not in self.allowed_methods:
                continue
            offered.add(key.asbytes())
            if self._attempt(name, partial(self.client.auth_publickey, self.hop.user, key)):
                return True
        return False

    def _try_password(self) -> bool:
        if self.password is None:
            return False
        if not {"password", "keyboard-interactive"} & set(self.allowed_methods):
            self.hints.append("it takes no password")
            return False
        return self._attempt("the password", partial(self.client.auth_password, self.hop.user, self.password))

    def _attempt(self, name: str, attempt: Callable[[], list[str]]) -> bool:
        """Whether the server lets us in now; when it wants another method besides, that becomes `allowed_methods`."""
        self.attempts.append(name)
        try:
            wanted = attempt()
        except paramiko.BadAuthenticationType as error:
            self.allowed_methods = tuple(error.allowed_types)
            return False
        except WIRE_ERRORS as error:
            self._raise_if_closed(error)
            return False
        if wanted:
            self.allowed_methods = tuple(wanted)
            self.hints.append(f"after {name} it wants {_join(wanted, ' or ')} as well")
        return not wanted

    def _raise_if_closed(self, error: Exception) -> None:
        """Raises when no further attempt is possible: the server hung up, or does not answer."""
        if "timeout" in str(error).lower() and self.client.is_active():
            limit = self.client.auth_timeout
            raise TimedOut(f"{self.hop.label} at {self.hop.place} did not decide about the login within {limit:g} s")
        if not self.client.is_active():
            hint = "where an agent holds many keys, name one: IdentityFile and IdentitiesOnly yes"
            raise self._refusal(f"it hung up ({reason(error)}); {hint}")

    # -- keys

    def _candidates(self) -> Iterator[tuple[str, Any]]:
        """Keys and what to call them: the agent's first; with IdentitiesOnly only those that a key file names."""
        files = [(file, self._load_key(file)) for file in self.hop.identities]
        named = {_read_public_key(file) for file in self.hop.identities} | {key.asbytes() for _, key in files if key}
        agent = _connect_agent()
        if agent is None:
            self.hints.append("the SSH agent did not answer")
        else:
            with closing(agent):
                for key in agent.get_keys():
                    if not self.hop.identities_only or key.asbytes() in named:
                        yield f"the agent's key {quote(key.comment or key.get_name())}", key
        yield from ((str(file), key) for file, key in files if key)

    def _load_key(self, file: Path) -> Any | None:
        try:
            with files.opened(file, links=True):  # paramiko would wait for the other end of a named pipe
                return paramiko.PKey.from_path(file)
        except FileNotFoundError:
            return None
        except (TypeError, paramiko.PasswordRequiredException):
            self.hints.append(f"{file} is encrypted: give it to an SSH agent (ssh-add {file})")
        except (OSError, ValueError, paramiko.SSHException, paramiko.UnknownKeyType) as error:
            self.hints.append(f"{file} cannot be used: {reason(error)}")
        return None

    def _refusal(self, ending: str) -> LoginRefused:
        hop, methods = self.hop, _join(self.allowed_methods, ", ") or "no method"
        target = shlex.quote(f"{hop.user}@{hop.host}")
        attempts = ", ".join(self.attempts) or "no key (none was found)"
        more = "; ".join([*([ending] if ending else []), *self.hints])
        return LoginRefused(
            f"{hop.label} refused the login of {quote(hop.user)} at {hop.place}: tried {attempts}; it takes {methods}"
            + (f"; {more}" if more else "")
            + f"; check the user, or copy your key there with: ssh-copy-id -p {hop.port} {target}",
            attempts=tuple(self.attempts),
            allowed_methods=self.allowed_methods,
        )


def _connect_agent(seconds: float = 5.0) -> Any | None:
    """The SSH agent with its keys, none of them when there is no agent; None when there is one that does not answer."""
    agents: list[Any] = []

    def connect() -> None:
        try:
            agents.append(paramiko.Agent())
        except (paramiko.SSHException, OSError):
            return  # `agents` stays empty, which says it

    thread = threading.Thread(target=connect, daemon=True, name="ssh-agent")
    thread.start()
    thread.join(seconds)
    return agents[0] if agents else None


def _read_public_key(file: Path) -> bytes | None:
    """The public key of a key file, from the .pub file beside it, so that an encrypted key can be recognised, too."""
    public = file if file.suffix == ".pub" else file.with_name(file.name + ".pub")
    try:
        return base64.b64decode(files.read_bytes(public, links=True).split(None, 2)[1], validate=True)
    except (OSError, ValueError, IndexError):
        return None


def _join(methods: Iterable[str], between: str) -> str:
    """Names that the server sent, for a message."""
    return between.join(printable(method, 40) for method in islice(methods, _MOST_METHODS))
