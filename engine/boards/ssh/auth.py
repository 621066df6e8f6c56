"""Logging in: the keys of the agent, then key files, then a password if the caller has one. Nothing is stored."""

import shlex
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
from engine.boards.ssh_keys.agent import connect_agent
from engine.boards.ssh_keys.key_files import Encrypted, load_key, read_public_key
from engine.spec.messages import quote
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
        """Keys and what to call them: the agent's, those that a key file names first, then key files, as ssh does.

        With IdentitiesOnly the agent's others are left out.
        """
        files = [(file, self._load_key(file)) for file in self.hop.identities]
        named = [read_public_key(file) or (key.asbytes() if key else None) for file, key in files]
        yield from self._agent_keys([blob for blob in named if blob is not None])
        yield from ((printable(str(file)), key) for file, key in files if key)

    def _agent_keys(self, named: list[bytes]) -> Iterator[tuple[str, Any]]:
        agent = connect_agent(self.hop.agent)
        if agent is None:
            self.hints.append("the SSH agent did not answer")
            return
        if self.hop.agent is not None and not agent.is_there:
            self.hints.append(f"no SSH agent answers at {printable(str(self.hop.agent))}")
        with closing(agent):
            keys: dict[bytes, Any] = {}
            for key in agent.get_keys():
                keys.setdefault(key.asbytes(), key)
            chosen = [blob for blob in named if blob in keys]
            if not self.hop.identities_only:
                chosen += keys
            for blob in dict.fromkeys(chosen):
                yield f"the agent's key {quote(keys[blob].comment or keys[blob].get_name())}", keys[blob]

    def _load_key(self, file: Path) -> Any | None:
        name = printable(str(file))
        try:
            return load_key(file)
        except (FileNotFoundError, NotADirectoryError):
            if self.hop.names_identities and read_public_key(file) is None:
                self.hints.append(f"{name}, an IdentityFile of ~/.ssh/config, is not there")
        except Encrypted:
            self.hints.append(f"{name} is encrypted: give it to an SSH agent (ssh-add {shlex.quote(name)})")
        except (*WIRE_ERRORS, paramiko.UnknownKeyType) as error:
            if file.suffix != ".pub" or read_public_key(file) is None:  # a public key names one of the agent's
                self.hints.append(f"{name} cannot be used: {reason(error)}")
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


def _join(methods: Iterable[str], between: str) -> str:
    """Names that the server sent, for a message."""
    return between.join(printable(method, 40) for method in islice(methods, _MOST_METHODS))
