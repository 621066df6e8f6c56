"""`remote/bench.py` at work on a board: put there, asked, and its one JSON answer read."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.boards.agent import probe as probes
from engine.boards.registry import Device
from engine.boards.sanitize import last_line, printable
from engine.boards.ssh import connection as ssh
from engine.errors import WorkError

SCRIPT = Path(__file__).with_name("bench.py")
PROBE_SECONDS = 60.0
TIDY_SECONDS = 60.0
HELD_SECONDS = 86_400.0
MARGIN_SECONDS = 20.0  # for the board's Python to start, and to end what it has started
BEAT_SECONDS = 10.0  # a board that hears nothing for a minute is let go
MOST_BYTES = 2_000_000_000  # of models and engines in the board's cache
OLDER_DAYS = 30

Document = dict[str, Any]


@dataclass(frozen=True)
class Agent:
    """The script on a board that one is connected to."""

    board: ssh.Connection
    script: str  # its path there
    holder: ssh.Remote | None = None  # what holds the board, if it is held

    def ask(self, command: str, *options: str, limit: float, argv: Sequence[str] = ()) -> Document:
        """The document of one command, which takes at most `limit` seconds.

        WorkError with the board's own sentence when it fails there, or when the board was to be held and no longer is;
        the connection's errors where that is what failed.
        """
        call = ["python3", self.script, command, "--leash", *options, *(["--", *argv] if argv else [])]
        with self._as_held() as stop:  # stdin stays open: the leash
            answer = self.board.run(call, limit=limit + MARGIN_SECONDS, stdin=None, stop=stop)
        return _document(answer.out, answer.err, answer.status, command)

    def send(self, file: Path, remote: str, *, sha256: str, on_progress: Callable[[int, int], None]) -> bool:
        """Brings a file to the board; False when it was there already. Raises what `ask` and `board.upload` raise."""
        with self._as_held() as stop:
            return self.board.upload(file, remote, sha256=sha256, stop=stop, on_progress=on_progress)

    @contextmanager
    def _as_held(self) -> Iterator[Callable[[], bool]]:
        """Gives a `stop` that ends work on a board that was let go, and says why it ended."""
        try:
            yield lambda: self._was_let_go
        except ssh.Stopped:
            self.check_held()
            raise

    def probe(self) -> probes.Probe:
        return probes.parse(self.ask("probe", limit=PROBE_SECONDS))

    def tidy(self, keep: Sequence[str]) -> Document:
        """Removes models and engines that were not used for long, or longest; never those in `keep`."""
        size = ("--most-bytes", str(MOST_BYTES), "--older-days", str(OLDER_DAYS))
        where = ("--folder", self.board.folder)
        return self.ask("tidy", *where, *size, "--keep", *keep, limit=TIDY_SECONDS)

    def check_held(self) -> None:
        """WorkError when the board was held and is not any more: its settings are back, and others may use it."""
        if self.holder is not None and self._was_let_go:
            self.holder.check()
            why = last_line(self.holder.err)
            raise WorkError(
                f"{self.board.device.name} was let go in the middle, so nothing was recorded"
                + (f" ({why})" if why else "")
                + "; time it again"
            )

    @property
    def _was_let_go(self) -> bool:
        return self.holder is not None and self.holder.status is not None

    @contextmanager
    def held(
        self,
        owner: str,
        *,
        power_mode: int | None = None,
        max_clocks: bool = False,
        waiting: Callable[[Mapping[str, Any]], None],
        told: Callable[[str], None],
    ) -> Iterator[tuple["Agent", Document]]:
        """The board for oneself, its settings changed if asked and put back at the end, however that comes.

        `waiting` is called with who holds it each time it is found taken; what it raises ends the wait. `told` hears
        when the settings could not be put back after a failure; after success that is a WorkError by itself.
        """
        options = ["--folder", self.board.folder, "--owner", owner]
        options += [] if power_mode is None else ["--power-mode", str(power_mode)]
        options += ["--max-clocks"] if max_clocks else []
        while True:
            with self.board.start(["python3", self.script, "hold", *options], limit=HELD_SECONDS) as holder:
                said = holder.readline(PROBE_SECONDS)
                document = _document(said, holder.err, holder.status or 0, "hold")
                if document["held"]:
                    with _put_back(holder, told), _beating(holder):
                        yield replace(self, holder=holder), document
                    return
            waiting(document["holder"] or {})


@contextmanager
def _put_back(holder: ssh.Remote, told: Callable[[str], None]) -> Iterator[None]:
    """Lets the board go, and listens to whether its settings are as they were."""
    try:
        yield
    except BaseException:
        holder.close()
        if holder.status and (why := last_line(holder.err)):
            told(why)
        raise
    holder.close()
    if holder.status != 0:
        raise WorkError(last_line(holder.err) or "the board did not say that its settings are as they were")


@contextmanager
def open_agent(device: Device, root: Path, password: str | None = None) -> Iterator[Agent]:
    """A connection to a device with the script on it; `root` is the results folder, which holds the trusted keys."""
    with ssh.connect(device, root, password=password) as board:
        yield install(board)


def install(board: ssh.Connection) -> Agent:
    """The script of this version on the board, sent only where it is not there yet."""
    content = SCRIPT.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    path = f"{board.folder}/scripts/bench-{digest[:12]}.py"
    board.upload(content, path, sha256=digest)
    return Agent(board, path)


def probe(device: Device, root: Path, password: str | None = None) -> probes.Probe:
    """What a device is and how it stands now: connects, asks, leaves."""
    with open_agent(device, root, password) as bench:
        return bench.probe()


@contextmanager
def _beating(holder: ssh.Remote) -> Iterator[None]:
    """Tells the holder on the board every few seconds that this process lives."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_SECONDS):
            try:
                holder.write(b"\n")
            except WorkError:
                return  # the connection is gone, as whoever uses it notices, too

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _document(out: str, err: str, status: int, command: str) -> Document:
    """The JSON object in what a command printed; WorkError with its sentence, or with its last words."""
    try:
        document = json.loads(out)
    except ValueError:
        document = None
    if isinstance(document, dict) and "error" in document:
        raise WorkError(printable(str(document["error"]), 2000))
    if isinstance(document, dict) and status == 0:
        return document
    last = last_line(err) or last_line(out) or "it printed nothing"
    if status == 127 or "not found" in last:
        raise WorkError(f"the board has no python3 that can be started ({last}); Python 3.6 or later is needed there")
    raise WorkError(f"`{command}` on the board ended with status {status} and no answer: {last}")
