"""Where the warm process listens: a socket in a folder that is this user's alone. No torch."""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import RequestError, WorkError
from engine.spec.ids import digest_of
from engine.spec.networks import own_names
from engine.storage import directories
from engine.zoo.own import listing

_LONGEST_PATH = 100  # bytes of a socket's address; Linux takes 107, macOS 103
_SETTINGS = ("ESPALIER_", "OMP_", "MKL_", "CUDA_", "TORCH_", "PYTHON")  # beginnings of variables that it inherits


def folder() -> Path:
    """The folder of the sockets, made where it is missing; WorkError when it is not this user's alone."""
    path = _place()
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
    except OSError as error:
        raise WorkError(f"cannot make {path}: {error.strerror or error}; preview with --no-warm") from None
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise WorkError(
            f"{path} is no folder that only you may enter, so no process is kept warm there; remove it, or preview "
            "with --no-warm"
        )
    return path


def socket_of(model: str) -> Path:
    """The socket of the process that previews `model`.

    Its name stands for this program as it is now, for the settings that a process inherits, and for the user's own
    code: where any of it has changed, another process is asked.
    """
    settings = {name: value for name, value in os.environ.items() if name.startswith(_SETTINGS)}
    state = [str(directories.PACKAGES), _newest(directories.PACKAGES / "engine"), settings, _own_code(model)]
    return folder() / f"preview-{digest_of(state)}.sock"


@contextmanager
def locked() -> Iterator[None]:
    """Nobody else of this user starts or ends a warm process inside."""
    descriptor = os.open(folder(), os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _place() -> Path:
    """In the system's folder for this user's sockets, where there is one that a socket's address can name."""
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    if runtime.is_absolute() and runtime.is_dir() and len(os.fsencode(runtime)) + 40 < _LONGEST_PATH:
        return runtime / "espalier"
    return Path(tempfile.gettempdir()) / f"espalier-{os.geteuid()}"


def _own_code(model: str) -> list[int]:
    """The state of the code beside a network of the user's own; nothing for any other."""
    if not own_names.is_own(model):
        return []
    try:
        return _newest(Path(listing.find(model).path).parent, "*.py")
    except RequestError:
        return []  # not on the list, which whoever builds it says


def _newest(path: Path, pattern: str = "**/*.py") -> list[int]:
    """How many files of code there are, and when the last of them changed."""
    changed = [file.stat().st_mtime_ns for file in path.glob(pattern)]
    return [len(changed), max(changed, default=0)]
