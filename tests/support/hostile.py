"""Disks that fill up, other users, and what a folder looked like. What a machine has none of skips the test by name."""

import errno
import os
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import NO_MOUNT, NO_USER
from tests.support.places import ROOT

PAGE = 4096
FILLER = "filler"


@contextmanager
def small_disk(path: Path, size: int, *, inodes: int = 100_000) -> Iterator[Path]:
    """A disk of `size` bytes, mounted at `path`."""
    path.mkdir(exist_ok=True)
    options = f"size={size},nr_inodes={inodes},mode=755"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    made = subprocess.run(mount, capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip(NO_MOUNT + made.stderr.decode().strip())
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(disk: Path, leave: int = 0) -> None:
    """Fills a disk but for `leave` bytes, in whole pages; with 0 nothing at all fits any more."""
    left = os.statvfs(disk)
    with (disk / FILLER).open("ab") as file:
        try:
            file.write(bytes(max(0, left.f_bavail * left.f_bsize - leave)))
        except OSError as error:
            assert error.errno == errno.ENOSPC


def use_inodes(disk: Path) -> list[Path]:
    """Makes files until a disk takes no more; those that it made."""
    made: list[Path] = []
    try:
        for number in range(100_000):
            path = disk / f"{FILLER}-{number}"
            path.touch()
            made.append(path)
    except OSError as error:
        assert error.errno == errno.ENOSPC
    return made


def make_space(disk: Path) -> None:
    (disk / FILLER).unlink()


@dataclass(frozen=True)
class User:
    """Somebody else on this machine: numbers of the system, the groups besides the own one, and a umask."""

    uid: int
    groups: Sequence[int] = ()
    umask: int = 0o022

    def command(self, *arguments: str) -> list[str]:
        """A Python that this user may run, with our packages; skips where there is none."""
        return [_python_of(self.uid), *arguments]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs `python ARGUMENTS` as this user, with some variables more."""
        return subprocess.run(
            self.command(*arguments),
            cwd=ROOT,
            env=self.environment() | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            user=self.uid,
            group=self.uid,
            extra_groups=list(self.groups),
            umask=self.umask,
        )

    def environment(self) -> dict[str, str]:
        return _environment()


def _environment() -> dict[str, str]:
    paths = os.pathsep.join((str(ROOT), *site.getsitepackages()))
    # Whatever another user's Python writes beside modules or into a home is none of the test's.
    return {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"}


@cache
def _python_of(uid: int) -> str:
    if os.geteuid() != 0:
        pytest.skip(NO_USER + "only root may become one")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            probe = subprocess.run(
                [python, "-c", "import pydantic, engine.jobs.worker"],
                cwd=ROOT,
                env=_environment(),
                user=uid,
                group=uid,
                extra_groups=[],
                capture_output=True,
                check=False,
            )
        except OSError:
            continue
        if probe.returncode == 0:
            return python
    pytest.skip(NO_USER + "none can run this Python and this checkout")


@contextmanager
def common_ground() -> Iterator[Path]:
    """A folder that every user may reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="espalier-people-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def snapshot(folder: Path) -> dict[str, tuple[object, ...]]:
    """All names below a folder, each with its kind, mode, bytes and times; nothing is followed."""
    states: dict[str, tuple[object, ...]] = {}
    for path in sorted([folder, *folder.rglob("*")]):
        state = path.lstat()
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else None
        link = str(path.readlink()) if path.is_symlink() else None
        states[str(path.relative_to(folder))] = (state.st_mode, state.st_mtime_ns, state.st_ino, data, link)
    return states
