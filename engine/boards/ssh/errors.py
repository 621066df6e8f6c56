"""What can go wrong on the way to a board, each with the one sentence that says what to do. No paramiko."""

from engine.errors import WorkError


class Unreachable(WorkError):
    """Nobody answers at the address, or whoever does is no SSH server."""


class Untrusted(WorkError):
    """The host showed a key that nobody has trusted yet. Nothing was sent to it."""

    def __init__(self, sentence: str, *, board: str, host: str, port: int, key_type: str, fingerprint: str) -> None:
        super().__init__(sentence)
        self.board, self.host, self.port = board, host, port
        self.key_type, self.fingerprint = key_type, fingerprint


class KeyChanged(WorkError):
    """The host showed another key than the one trusted, or a revoked one. Nothing was sent to it."""

    def __init__(self, sentence: str, *, board: str, host: str, port: int, fingerprint: str, known: str | None) -> None:
        super().__init__(sentence)
        self.board, self.host, self.port = board, host, port
        self.fingerprint, self.known = fingerprint, known


class LoginRefused(WorkError):
    """The host takes none of the keys, nor the password: what was attempted, and which methods it allows."""

    def __init__(self, sentence: str, *, attempts: tuple[str, ...], allowed_methods: tuple[str, ...]) -> None:
        super().__init__(sentence)
        self.attempts, self.allowed_methods = attempts, allowed_methods


class ConnectionCut(WorkError):
    """The connection was there, and is gone."""


class ShellRefusal(WorkError):
    """The login shell of the account did not run a command: what it printed is its own, and no answer."""


class TimedOut(WorkError):
    """Something took longer than its limit and was ended; `out` and `err` are what a command had printed by then."""

    def __init__(self, sentence: str, *, out: str = "", err: str = "") -> None:
        super().__init__(sentence)
        self.out, self.err = out, err


class BoardFull(WorkError):
    """The board has no room for a file; `needed` and `free` in bytes."""

    def __init__(self, sentence: str, *, needed: int, free: int) -> None:
        super().__init__(sentence)
        self.needed, self.free = needed, free


class Stopped(WorkError):
    """The caller's `stop` said so."""
