"""What a node of a cluster is told before it has this program: the standard library alone. Sent as a value by Ray.

The folder of this program on a node is `cluster` in its cache, as `engine.storage.directories.cache` says it.
"""

import importlib
import io
import os
import platform
import shutil
import socket
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

_NODE = "engine.jobs.executors.ray.node"
_MEMORY = ("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")
STOP, CANCEL = "stop", "cancel"


def home() -> Path:
    """The folder of this program on this node; it may not exist yet."""
    cache = Path(os.environ.get("ESPALIER_CACHE") or "~/.cache/espalier").expanduser()
    return cache / "cluster"


def describe(packages: Sequence[str]) -> dict[str, Any]:
    """What this node is: its name, versions of Python and of the packages that are there, processor, its GPUs' MiB."""
    there = {package: version for package in packages if (version := _version(package)) is not None}
    return {
        "host": socket.gethostname(),
        "versions": {"Python": platform.python_version(), **there},
        "cpu": _processor(),
        "gpu_mib": _gpu_memory(),
    }


def work(code: bytes, digest: str, order: Mapping[str, Any]) -> Iterator[Any]:
    """Works on a run by this program's own code, which is unpacked where this node does not have it yet."""
    folder = str(unpacked(home() / "code" / digest, code))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    yield from importlib.import_module(_NODE).work(order)


def stop(attempt: str, word: str) -> None:
    """Has the process that works on a run on this node stop it: "stop", or "cancel" where that was its user's wish."""
    mark = mark_of(attempt)
    mark.parent.mkdir(parents=True, exist_ok=True)
    part = mark.with_name(f".{uuid.uuid4().hex}")
    part.write_text(word)
    part.replace(mark)


def mark_of(attempt: str) -> Path:
    """The file by which a run on this node is stopped."""
    return home() / "stops" / attempt


def unpacked(folder: Path, archive: bytes) -> Path:
    """The folder with what an archive of ours holds, unpacked whole where it is not there yet."""
    if folder.is_dir():
        return folder
    draft = folder.with_name(f".new-{uuid.uuid4().hex}")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as file:
            draft.mkdir(parents=True)
            file.extractall(draft)
        with suppress(OSError):  # another process was faster
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    with suppress(OSError):
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _gpu_memory() -> list[int]:
    """The MiB of each GPU, as far as the system's own tool says so."""
    if shutil.which(_MEMORY[0]) is None:
        return []
    try:
        done = subprocess.run(_MEMORY, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [int(line) for line in done.stdout.split() if line.isdecimal()]
