"""The SSH transports to a board, jump hosts first: opened with every timeout set, and watched while they live."""

import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import paramiko

from engine.boards.ssh import limits
from engine.boards.ssh.algorithms import Peer, nothing_in_common
from engine.boards.ssh.errors import ConnectionCut, TimedOut, Unreachable
from engine.boards.ssh.route import Hop
from engine.errors import WorkError
from engine.spec.messages import quote
from engine.texts import printable

# What paramiko raises when a connection breaks, or when the other side speaks no proper SSH: then it hands on whatever
# its own reading of that ran into.
WIRE_ERRORS = (
    *(paramiko.SSHException, EOFError, OSError),
    *(ValueError, LookupError, TypeError, ArithmeticError, struct.error, AttributeError, AssertionError),
)

# Whatever fails is raised as a sentence of ours; paramiko's own log would add tracebacks on stderr.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

_TICK = 10  # looks at the silence, per silence that is allowed


class _ActivitySocket:
    """A socket or channel that remembers when something last arrived from the other side."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self.last_received = time.monotonic()

    def recv(self, size: int) -> bytes:
        data: bytes = self._sock.recv(size)
        self.last_received = time.monotonic()
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class Transport:
    """The chain of SSH transports to one board. `connect` opens it hop by hop; after the last login `watch` it."""

    def __init__(self, label: str, timeout: float) -> None:
        self.label = label
        self.timeout = timeout
        self._transports: list[paramiko.Transport] = []
        self._socket: _ActivitySocket | None = None
        self._closed = threading.Event()
        self._loss_reason = ""
        self._opening = threading.Lock()
        self._further: list[Transport] = []
        self.log_in_again: Callable[[], Transport] | None = None  # to the same board, as the same account

    @property
    def inner(self) -> Any:
        """The paramiko transport to the host connected to last."""
        return self._transports[-1]

    def connect(self, hop: Hop, prefer: Sequence[str], *, certified: bool = False) -> Any:
        """Connects to the next host, through the one before, as far as its key, and returns it; nobody is trusted yet.

        `prefer` are the key types to ask for first; `certified` asks for keys with a certificate. Raises Unreachable.
        """
        sock = self._socket = _ActivitySocket(self._open_socket(hop))
        transport = Peer(sock, prefer, certified=certified)
        self._transports.append(transport)
        transport.banner_timeout = transport.auth_timeout = self.timeout
        transport.handshake_timeout = transport.channel_timeout = self.timeout
        try:
            transport.start_client(timeout=self.timeout)
            return transport.get_remote_server_key()  # raises when start_client returned because its time was over
        except WIRE_ERRORS as error:
            raise Unreachable(_no_ssh(hop, error, self.timeout, transport)) from error

    def _open_socket(self, hop: Hop) -> Any:
        if not self._transports:
            try:
                sock = socket.create_connection((hop.host, hop.port), timeout=self.timeout)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each small request waits 40 ms
                return sock
            except (OSError, UnicodeError) as error:
                raise Unreachable(_no_tcp(hop, error, self.timeout)) from error
        try:
            return self.inner.open_channel("direct-tcpip", (hop.host, hop.port), ("127.0.0.1", 0), timeout=self.timeout)
        except WIRE_ERRORS as error:
            raise Unreachable(
                f"{hop.label} cannot be reached at {hop.place} through its jump host: {reason(error)}; "
                "check the address as the jump host knows it, and that it may forward"
            ) from error

    def open_session(self) -> Any:
        """A channel for one command; on a further connection where the board allows no more on those that there are."""
        with self._opening:
            for transport in (self, *self._further):
                try:
                    return transport.inner.open_session(timeout=self.timeout)
                except paramiko.ChannelException as error:
                    refusal = error
            if self.log_in_again is None:
                raise refusal
            further = self.log_in_again()
            self._further.append(further)
            if self._closed.is_set():
                further.close()
            try:
                return further.inner.open_session(timeout=self.timeout)
            except paramiko.ChannelException as error:
                raise WorkError(
                    f"{self.label} opens no session for a command, not even as the first of a connection "
                    f"({printable(error.text, 200)}); its sshd_config needs MaxSessions 1 or more"
                ) from error

    # -- whether it still lives

    def watch(self) -> None:
        """Asks the board now and then whether it is there, and cuts the transport when it stays silent for too long."""
        for work in (self._send_keepalives, self._watch_silence):
            threading.Thread(target=work, daemon=True, name=f"ssh-{work.__name__.strip('_')}").start()

    def _send_keepalives(self) -> None:
        # paramiko's own keepalive wants no answer, and so cannot tell a silent board from a dead one.
        while not self._closed.wait(limits.KEEPALIVE_S):
            try:
                self.inner.global_request("keepalive@openssh.com", wait=True)
            except WIRE_ERRORS:
                return  # `lost` says so to whoever uses the transport

    def _watch_silence(self) -> None:
        assert self._socket is not None
        tick = limits.SILENCE_S / _TICK
        silent, since = 0.0, self._socket.last_received
        while not self._closed.wait(tick):
            # Counted in ticks: the time that this very process was stopped is no silence of the board.
            silent = silent + tick if self._socket.last_received == since else 0.0
            since = self._socket.last_received
            if silent >= limits.SILENCE_S:
                self.cut(f"{self.label} has not answered for {limits.SILENCE_S:g} s")

    def lost(self) -> str | None:
        """Why the transport is lost, or None while it lives."""
        if self._loss_reason:
            return self._loss_reason
        if not all(transport.is_active() for transport in self._transports):
            return f"the connection to {self.label} was closed from the other side"
        return next((why for further in self._further if (why := further.lost())), None)

    def confirm(self, what: str) -> None:
        """Raises ConnectionCut when the board does not answer at all."""
        question = partial(self.inner.global_request, "keepalive@openssh.com", wait=True)
        self.run_within(what, question, limits.CONFIRM_S)
        self.check()

    def check(self) -> None:
        """Raises ConnectionCut when the transport is lost."""
        why = self.lost()
        if why:
            self.cut(why)
            raise ConnectionCut(f"{why}; check the board and its network, and try again")

    def cut(self, why: str) -> None:
        """Gives the transport up: whatever waits for it, in any thread, fails now."""
        self._loss_reason = self._loss_reason or why
        self.close()

    def close(self) -> None:
        """Closes every transport; twice is fine. What still runs on the board is not ended by this."""
        self._closed.set()
        self._loss_reason = self._loss_reason or f"the connection to {self.label} is closed"
        # From our end on: so no farewell can wait for a host on the way that takes no bytes any more.
        for transport in (*self._further, *self._transports):
            transport.close()
        if self._socket is not None:
            self._socket.close()

    @contextmanager
    def translated_errors(self, what: str) -> Iterator[None]:
        """What paramiko raises inside becomes ConnectionCut, TimedOut, or a WorkError that `what` could not be done."""
        try:
            yield
        except TimeoutError as error:
            self.check()
            raise TimedOut(f"{self.label} took too long: could not {what}") from error
        except (*WIRE_ERRORS, paramiko.SFTPError) as error:
            self.wait_until_closed()
            self.check()
            raise WorkError(f"could not {what} on {self.label}: {reason(error)}") from error

    def wait_until_closed(self, seconds: float = 0.5) -> None:
        """Waits until a closed connection is known to be closed: its channels hear of it a moment earlier."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.lost():
            time.sleep(0.02)

    def run_within(self, what: str, work: Callable[[], object], seconds: float) -> bool:
        """Does `work`, which may wait for the board, and says whether it was done without an error.

        When that takes longer than `seconds`, the transport is cut instead, so that nothing waits for ever.
        """
        done: list[bool] = []

        def attempt() -> None:
            try:
                work()
                done.append(True)
            except (*WIRE_ERRORS, WorkError):
                done.append(False)

        thread = threading.Thread(target=attempt, daemon=True, name="ssh-bounded")
        thread.start()
        thread.join(seconds)
        if not done:
            self.cut(f"{self.label} did not answer for {seconds:g} s when asked to {what}")
        return bool(done and done[0])


def reason(error: BaseException) -> str:
    """An exception in words, without anything odd that the other side may have put there."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return printable(str(error) or type(error).__name__, 200)


def _no_tcp(hop: Hop, error: Exception, timeout: float) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"{hop.label} cannot be reached: no host is called {quote(hop.host)}; check its name or give its address"
    if isinstance(error, TimeoutError):
        return (
            f"{hop.label} cannot be reached: nothing answered at {hop.place} within {timeout:g} s; is it switched on?"
        )
    if isinstance(error, ConnectionRefusedError):
        return (
            f"{hop.label} cannot be reached: no SSH server listens at {hop.place}; check the port, or start sshd there"
        )
    return f"{hop.label} cannot be reached at {hop.place}: {reason(error)}; check its address and the network"


def _no_ssh(hop: Hop, error: Exception, timeout: float, peer: Peer) -> str:
    text = str(error)
    if "Indecipherable" in text or "Invalid SSH banner" in text:
        return f"{hop.label}: what listens at {hop.place} is no SSH server; check the port"
    if isinstance(error, paramiko.IncompatiblePeer):
        missing = nothing_in_common(peer)
        why = (
            missing or f"speaks another SSH than ours ({reason(error)}): its SSH server is too old; bring it up to date"
        )
        return f"{hop.label} at {hop.place} {why}"
    if "banner" in text or isinstance(error, EOFError) or "No existing session" in text:
        return (
            f"{hop.label}: {hop.place} took the connection, but did not introduce itself as an SSH server "
            f"(limit {timeout:g} s); check the port, or try again in a moment"
        )
    return f"{hop.label} at {hop.place} ended the connection before the login: {reason(error)}"
