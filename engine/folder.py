"""One run folder: the truth about a run, in files that people and programs can read. No torch.

Only the process that holds `Run.lock` writes to `status.json` and to the results, from the moment that the folder
has its name; the kernel lets go of the lock when that process dies, however it dies.
"""

import time
from pathlib import Path
from typing import Any

from engine import files, spec
from engine.errors import WorkError
from engine.locks import Lock

STATES = ("queued", "running", "done", "failed", "cancelled", "interrupted")
ENDED = ("done", "failed", "cancelled")


class Run:
    """A run folder. `gallery` marks one that is shipped with the project and is only read."""

    def __init__(self, path: Path, *, gallery: bool = False) -> None:
        self.path = path
        self.gallery = gallery
        self.lock = Lock(path / ".lock")

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def checkpoint(self) -> Path:
        """The folder of what the run resumes from; may not exist."""
        return self.path / "checkpoint"

    @property
    def cancel_mark(self) -> Path:
        """The file whose presence asks for the run to be cancelled; it outlives every process."""
        return self.path / ".cancel"

    # -- what was asked, and how it stands

    def spec(self) -> spec.RunSpec:
        """The request; RequestError when this version does not read it, WorkError when the file is damaged."""
        return spec.parse(files.read_json(self.path / "spec.json"))

    def status(self) -> dict[str, Any]:
        """`state, progress, phase, message, times{created,queued,started,finished}, error` and the queue's keys."""
        return files.read_json(self.path / "status.json")

    def update(self, **changes: Any) -> None:
        """Changes keys of the status, whole; `times` is merged, so that one time can be given alone."""
        status = self.status()
        times = {**status.get("times", {}), **changes.pop("times", {})}
        files.write_json(self.path / "status.json", {**status, **changes, "times": times})

    def end(self, state: str, message: str) -> None:
        """Writes a final state (done, failed, cancelled) or `interrupted`, with its one sentence."""
        done = {"progress": 1.0} if state == "done" else {}
        error = message if state == "failed" else None
        self.update(state=state, message=message, error=error, times={"finished": time.time()}, **done)
        if state in ENDED:
            with files.told(self.cancel_mark):
                self.cancel_mark.unlink(missing_ok=True)

    def write_env(self, env: dict[str, Any]) -> None:
        """Versions, hardware, threads and seed of the process that works on the run."""
        files.write_json(self.path / "env.json", env)

    def env(self) -> dict[str, Any]:
        """What `write_env` wrote; empty before the run has started."""
        path = self.path / "env.json"
        return files.read_json(path) if path.exists() else {}

    # -- what happened

    def event(self, kind: str, **fields: Any) -> None:
        """Appends one event, stamped with the Unix time `t`."""
        files.append_line(self.path / "events.jsonl", {"t": time.time(), "kind": kind, **fields})

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """All events but the first `after`."""
        return self.events_from(0)[0][after:]

    def events_from(self, offset: int) -> tuple[list[dict[str, Any]], int]:
        """The events from a byte offset on, and the offset to read on from: what a live view calls again and again."""
        return files.read_lines(self.path / "events.jsonl", offset)

    def log(self, line: str) -> None:
        """Appends to log.txt, where the child's own output goes too."""
        path = self.path / "log.txt"
        with files.told(path), path.open("a", encoding="utf-8") as file:
            file.write(line.rstrip("\n") + "\n")

    def log_from(self, offset: int) -> tuple[list[str], int]:
        """The finished log lines from a byte offset on, and the offset to read on from."""
        return files.read_text_lines(self.path / "log.txt", offset)

    def log_tail(self, lines: int = 40) -> list[str]:
        """The last lines of the log, read from its end."""
        return files.tail(self.path / "log.txt", lines)

    # -- what came out

    def append_point(self, point: dict[str, Any]) -> None:
        files.append_line(self.path / "points.jsonl", point)

    def points(self) -> list[dict[str, Any]]:
        return files.read_lines(self.path / "points.jsonl")[0]

    def append_measurement(self, measurement: dict[str, Any]) -> None:
        files.append_line(self.path / "measurements.jsonl", measurement)

    def measurements(self) -> list[dict[str, Any]]:
        return files.read_lines(self.path / "measurements.jsonl")[0]

    def model_file(self, point: int, suffix: str) -> Path:
        """`models/p<point>.<suffix>`, for example suffix `plan.json`; the folder exists then, the file may not."""
        path = self.path / "models" / f"p{point}.{suffix.lstrip('.')}"
        with files.told(path):
            path.parent.mkdir(exist_ok=True)
        return path

    def steps(self) -> int:
        """How many different steps are behind the run: points, and epochs of each stage, however often repeated."""
        keys = ("stage", "phase", "keep", "epoch")
        epochs = {tuple(map(str, map(event.get, keys))) for event in self.events() if event.get("kind") == "epoch"}
        return len(self.points()) + len(epochs)


def new_status(now: float, *, foreground: bool) -> dict[str, Any]:
    """The status of a run that nobody has started; a `foreground` run is not the queue's to start."""
    return {
        "state": "queued",
        "progress": 0.0,
        "phase": "",
        "message": "waiting",
        "times": {"created": now, "queued": now, "started": None, "finished": None},
        "error": None,
        "foreground": foreground,
        "crashes": 0,
        "steps": 0,
    }


def damage(run: Run) -> str | None:
    """One sentence about what cannot be read in the run folder, or None."""
    try:
        run.status()
        files.read_json(run.path / "spec.json")
        run.points()
    except WorkError as error:
        return str(error)
    return None
