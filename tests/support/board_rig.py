"""A whole setting for timings: a fake board behind a real sshd, a results folder that trusts it, and real networks."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from engine.boards import timing_job
from engine.boards.registry import Registry, parse
from engine.jobs.child import execute
from engine.spec import board_timing
from engine.storage.folders.run import Run
from engine.storage.store import GALLERY, Store
from engine.storage.timings.job import Timing
from tests.support.board import Board
from tests.support.sshd import Sshd, make_key

NAME = "tx2"


@dataclass
class Rig:
    """`points` are two networks of the gallery that come with their ONNX files, the larger one first."""

    board: Board
    sshd: Sshd
    store: Store
    points: tuple[board_timing.PointId, ...]

    def request(self, *points: board_timing.PointId, **more: Any) -> board_timing.TimingRequest:
        """A short one, without a layer profile unless the test asks for it."""
        asked: dict[str, Any] = {"device": NAME, "points": points or self.points[:1], "rounds": 1, "seconds": 0.2}
        asked |= {"layers": False, **more}
        return board_timing.parse({**asked, "points": [point.model_dump() for point in asked["points"]]})

    def timed(self, *points: board_timing.PointId, **more: Any) -> Timing:
        """A timing from start to end in this process; its status says how it ended."""
        made = self.store.create_timing(self.request(*points, **more), foreground=True)
        execute(made, timing_job.run)
        return made

    def measured(self, point: board_timing.PointId | None = None) -> list[dict[str, Any]]:
        """What the board measured of a point, by default the first, oldest first."""
        wanted = point or self.points[0]
        run: Run = self.store.run(wanted.run)
        return [found.to_json() for found in run.measurements() if found.point == wanted.point]

    def onnx(self, point: board_timing.PointId) -> Path:
        return self.store.run(point.run).path / "models" / f"p{point.point}.onnx"

    def leftovers(self) -> list[str]:
        """What a timing must not leave on the board: processes, a lock that is held, half-written files, settings."""
        cache = self.board.cache / "espalier"
        found = [f"process {' '.join(words_of(process))}" for process in self.sshd.commands()]
        found += [f"process {pid} of trtexec" for pid in self.board.stalled() if psutil.pid_exists(pid)]
        found += [str(path) for path in cache.rglob("*") if path.suffix == ".part" or path.name == "restore.json"]
        return found

    def settled(self, seconds: float = 60.0) -> list[str]:
        """The same, given the board a moment to notice that it was left."""
        end = time.monotonic() + seconds
        while (found := self.leftovers()) and time.monotonic() < end:
            time.sleep(0.05)
        return found

    def trust(self) -> None:
        """Takes the sshd's key as trusted, as a person did before."""
        self.store.prepare()
        (self.store.root / "known_hosts").write_text(self.sshd.known_hosts_line)


@contextmanager
def rigged(folder: Path, key: Path, config: Sequence[str] = (), **board: Any) -> Iterator[Rig]:
    """The setting in `folder`; `key` is a private key that the board lets in, and that lies in ~/.ssh here.

    `config` are lines for its sshd.
    """
    made = Board(folder, **board)
    with Sshd(folder / "sshd", environment=made.environment(), config=config) as sshd:
        sshd.authorize(key.with_suffix(".pub"))
        store = Store(folder / "results")
        rig = Rig(made, sshd, store, gallery_points())
        rig.trust()
        Registry(store.root).add(parse(NAME, sshd.target))
        yield rig


def gallery_points() -> tuple[board_timing.PointId, ...]:
    """Two networks shipped with the project, the largest and the smallest of a run."""
    run = sorted(path for path in GALLERY.iterdir() if (path / "models").is_dir())[0]
    files = sorted((run / "models").glob("*.onnx"), key=lambda path: path.stat().st_size)
    numbers = [int(path.stem.removeprefix("p")) for path in (files[-1], files[0])]
    return tuple(board_timing.PointId(run=run.name, point=number) for number in numbers)


def own_home(folder: Path) -> Path:
    """A home with one key, and no agent, for whoever connects; the key. To be put into HOME by the caller."""
    ssh = folder / "home" / ".ssh"
    ssh.mkdir(parents=True, mode=0o700)
    return make_key(ssh / "id_ed25519")


def in_phase(made: Timing, phase: str) -> bool:
    return bool(made.status().phase == phase)


def words_of(process: psutil.Process) -> list[str]:
    """Its command line; nothing of a process that has just ended."""
    try:
        return [str(word) for word in process.cmdline()]
    except psutil.NoSuchProcess:
        return []
