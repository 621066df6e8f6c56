"""Probing boards in threads, and keeping the results with their time. Nothing here draws.

The page connects to nothing by itself: a button probes a board, and the result stays until the next.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import streamlit as st

from app.tables import store
from engine.boards.registry import Board
from engine.errors import RequestError, WorkError

if TYPE_CHECKING:
    from engine.boards.agent.probe import Probe
    from engine.boards.ssh.trust import HostKey

State = Literal["reachable", "untrusted", "changed", "refused", "unreachable", "failed"]
_AT_ONCE = 8


@dataclass(frozen=True)
class ProbeResult:
    """A board's answer at `at` (Unix seconds): `probe`, or `host_key` when that is to be trusted first.

    `sentence` is what went wrong, `password` whether it would have taken a password.
    """

    board: Board
    at: float
    state: State
    sentence: str = ""
    probe: "Probe | None" = None
    host_key: "HostKey | None" = None
    password: bool = False


def probe_boards(boards: Sequence[Board]) -> None:
    """Probes the boards, all at once, and keeps the results; takes as long as the slowest of them."""
    from engine.boards.agent import session  # noqa: F401 (here, as threads that import at once wait for each other)

    root = store.results_root()
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="probe") as threads:
        for result in threads.map(lambda board: _probe(board, root), boards):
            _results(str(root))[result.board.name] = result


def last_result(board: Board) -> ProbeResult | None:
    """The last result of the board; None when it was never probed, or was another one of that name."""
    result = _results(str(store.results_root())).get(board.name)
    return result if result is not None and result.board == board else None


def remove_result(name: str) -> None:
    _results(str(store.results_root())).pop(name, None)


def trust(result: ProbeResult) -> bool:
    """Takes the key that the board showed as trusted; whether that went well. If not, its card says why."""
    from engine.boards.ssh import trust as keys

    assert result.host_key is not None
    try:
        keys.accept(store.results_root(), result.host_key)
    except (RequestError, WorkError) as error:
        _results(str(store.results_root()))[result.board.name] = replace(result, sentence=str(error), host_key=None)
        return False
    return True


@st.cache_resource(max_entries=8, show_spinner=False)
def _results(root: str) -> dict[str, ProbeResult]:
    """The results by board name, for every window that shows the results folder `root`."""
    return {}


def _probe(board: Board, root: Path) -> ProbeResult:
    from engine.boards.agent import session
    from engine.boards.ssh import errors as ssh_errors

    try:
        return ProbeResult(board, time.time(), "reachable", probe=session.probe(board, root))
    except (ssh_errors.Untrusted, ssh_errors.KeyChanged) as error:
        return _fetch_untrusted_key(board, root, error)
    except ssh_errors.LoginRefused as error:
        password = bool({"password", "keyboard-interactive"} & set(error.allowed_methods))
        return ProbeResult(board, time.time(), "refused", str(error), password=password)
    except (ssh_errors.Unreachable, ssh_errors.ConnectionCut, ssh_errors.TimedOut) as error:
        return ProbeResult(board, time.time(), "unreachable", str(error))
    except (RequestError, WorkError) as error:
        return ProbeResult(board, time.time(), "failed", str(error))


def _fetch_untrusted_key(board: Board, root: Path, refusal: WorkError) -> ProbeResult:
    """What a board that is not trusted shows; the key may be that of a host on the way to it."""
    from engine.boards.ssh import errors as ssh_errors
    from engine.boards.ssh import trust

    changed = isinstance(refusal, ssh_errors.KeyChanged)
    try:
        host_key = trust.fetch_host_key(board, root)
    except (RequestError, WorkError) as error:
        return ProbeResult(board, time.time(), "changed" if changed else "failed", str(error))
    state: State = "changed" if host_key.state == "changed" else "untrusted"
    return ProbeResult(board, time.time(), state, str(refusal), host_key=host_key)
