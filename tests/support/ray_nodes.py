"""A Ray cluster of two nodes on this computer, of which each has a cache of its own, and sweeps of stand-ins on it.

`python -m tests.support.ray_nodes ADDRESS RESULTS COUNT EPOCHS` is the process of such a sweep.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from engine.jobs.crew import Stop
from engine.jobs.executors.ray.executor import RayExecutor
from engine.jobs.signals import handle_signals
from engine.jobs.sweep import place
from engine.storage.store import Store
from tests.support import standin, sweeps, tethered
from tests.support.storm import wait_for

HOST = "127.0.0.1"
GRACE = 3.0
_STARTED = "Ray runtime started"
_TRIES = 4  # a node that has not started within half a minute, as on a machine that does much else, gives up
_SMALL = (
    "--num-cpus=1",
    "--include-log-monitor=false",
    "--object-store-memory=100000000",
    "--disable-usage-stats",
    f"--node-ip-address={HOST}",
)


@dataclass
class Nodes:
    """The nodes of a cluster by the processes that started them; the first one is the head."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp")))  # sockets: short
    port: int = 0
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    hidden: Path | None = None  # a folder that the nodes do not see; needs `can_hide`

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        """One more node, at work when this returns."""
        log = self.folder / f"node-{len(self.processes)}.log"
        for _ in range(_TRIES):
            if self._has_begun(log):
                return
        raise AssertionError(log.read_text())

    def _has_begun(self, log: Path) -> bool:
        """Starts a node, and waits until it works or has given up."""
        number = len(self.processes)
        if not self.processes:
            with socket.create_server((HOST, 0)) as free:
                self.port = free.getsockname()[1]
            how = [
                "--head",
                f"--port={self.port}",
                "--include-dashboard=false",
                f"--temp-dir={self.folder}",
                "--no-monitor",
            ]
        else:
            how = [f"--address={self.address}"]
        own = {"ESPALIER_CACHE": str(self.cache(number)), "RAY_worker_niceness": "0", "PYTHONDONTWRITEBYTECODE": ""}
        command = [*self._apart(), sys.executable, "-m", "ray.scripts.scripts", "start", *how, *_SMALL, "--block"]
        with log.open("ab") as file:
            process = subprocess.Popen(
                command, stdout=file, stderr=file, env={**os.environ, **own}, start_new_session=True
            )
        wait_for(lambda: _STARTED in log.read_text() or process.poll() is not None)
        if process.poll() is None:
            self.processes.append(process)
        return process.poll() is None

    def _apart(self) -> list[str]:
        """What starts a command for which an empty folder is in the place of the hidden one."""
        if self.hidden is None:
            return []
        return ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(self.hidden)]

    def cache(self, number: int) -> Path:
        """The cache of a node."""
        return self.folder / f"cache-{number}"

    def kill(self, number: int) -> None:
        """Ends a node as when its computer goes off: all but the runs' own processes, which have nobody left then."""
        process = psutil.Process(self.processes[number].pid)
        for each in [process, *process.children()]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self.processes[number].wait()

    def end(self) -> None:
        """Ends all of it."""
        for process in reversed(self.processes):
            if process.poll() is None:
                parent = psutil.Process(process.pid)
                for each in [parent, *parent.children(recursive=True)]:
                    with suppress(psutil.NoSuchProcess):
                        each.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def can_hide() -> bool:
    """Whether a process started here may have mounts of its own."""
    if shutil.which("unshare") is None:
        return False
    tried = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


def executor_of(store: Store, address: str, kind: str = "steady") -> RayExecutor:
    """An executor of stand-ins."""
    command, packages = tethered.command(kind), tethered.PACKAGES
    return RayExecutor(store, address=address, grace=GRACE, command=command, packages=packages)


def processes_of(folder: Path) -> list[psutil.Process]:
    """The processes of runs that work in a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "tests.support.tethered" in words and any(word.startswith(str(folder)) for word in words):
            found.append(process)
    return found


def main(address: str, root: str, count: str, epochs: str) -> int:
    store, stop = Store(Path(root), gallery=Path(root) / "gallery"), Stop()
    specs = [standin.make_spec(seed, int(epochs)) for seed in range(int(count))]
    with place.driving(store, sweeps.NAME), handle_signals(stop):
        sweeps.drive(store, specs, executor_of(store, address), stopped=lambda: stop.requested)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
