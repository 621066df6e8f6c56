"""Asking boards how they are, in threads, and keeping the answers with their time. Nothing here draws.

The page connects to nothing by itself: a board is asked when a button was pressed, and the answer stays until the next.
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
class Answer:
    """How a device answered at `at` (Unix seconds): `probe`, or `host_key` when that is to be trusted first.

    `sentence` is what went wrong, `password` says that it would have taken a password.
    """

    device: Board
    at: float
    state: State
    sentence: str = ""
    probe: "Probe | None" = None
    host_key: "HostKey | None" = None
    password: bool = False


def ask(devices: Sequence[Board]) -> None:
    """Asks the devices, all at once, and keeps their answers; takes as long as the slowest of them."""
    from engine.boards.agent import session  # noqa: F401 (here, as threads that import at once wait for each other)

    root = store.results_root()
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="probe") as threads:
        for answer in threads.map(lambda device: _answer(device, root), devices):
            _kept(str(root))[answer.device.name] = answer


def known(device: Board) -> Answer | None:
    """The last answer of the device; None when it was never asked, or was another one of that name."""
    answer = _kept(str(store.results_root())).get(device.name)
    return answer if answer is not None and answer.device == device else None


def forget(name: str) -> None:
    _kept(str(store.results_root())).pop(name, None)


def trust(answer: Answer) -> bool:
    """Takes the key that the device showed as trusted; whether that went well. If not, its card says why."""
    from engine.boards.ssh import trust as keys

    assert answer.host_key is not None
    try:
        keys.accept(store.results_root(), answer.host_key)
    except (RequestError, WorkError) as error:
        _kept(str(store.results_root()))[answer.device.name] = replace(answer, sentence=str(error), host_key=None)
        return False
    return True


@st.cache_resource(max_entries=8, show_spinner=False)
def _kept(root: str) -> dict[str, Answer]:
    """The answers by device name, for every window that shows the results folder `root`."""
    return {}


def _answer(device: Board, root: Path) -> Answer:
    from engine.boards.agent import session
    from engine.boards.ssh import errors as ssh_errors

    try:
        return Answer(device, time.time(), "reachable", probe=session.probe(device, root))
    except (ssh_errors.Untrusted, ssh_errors.KeyChanged) as error:
        return _stranger(device, root, error)
    except ssh_errors.LoginRefused as error:
        password = bool({"password", "keyboard-interactive"} & set(error.allowed_methods))
        return Answer(device, time.time(), "refused", str(error), password=password)
    except (ssh_errors.Unreachable, ssh_errors.ConnectionCut, ssh_errors.TimedOut) as error:
        return Answer(device, time.time(), "unreachable", str(error))
    except (RequestError, WorkError) as error:
        return Answer(device, time.time(), "failed", str(error))


def _stranger(device: Board, root: Path, met: WorkError) -> Answer:
    """What a device that is not trusted shows; the key may be that of a host on the way to it."""
    from engine.boards.ssh import errors as ssh_errors
    from engine.boards.ssh import trust

    changed = isinstance(met, ssh_errors.KeyChanged)
    try:
        host_key = trust.fetch_host_key(device, root)
    except (RequestError, WorkError) as error:
        return Answer(device, time.time(), "changed" if changed else "failed", str(error))
    state: State = "changed" if host_key.state == "changed" else "untrusted"
    return Answer(device, time.time(), state, str(met), host_key=host_key)
