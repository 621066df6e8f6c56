"""A real Python 3.6 with the last ONNX Runtime that many boards have, made once per machine."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.storage.directories import cache
from engine.storage.locks import Lock

ONNXRUNTIME = "onnxruntime==1.10.0"
_FOLDER = cache() / "python36"  # asked for here, before a test points the cache elsewhere
_INSTALLS = (
    ["pip==21.3.1"],  # the one that comes with 3.6 knows no wheel this new
    [ONNXRUNTIME, "numpy==1.19.5"],
)


@functools.cache
def interpreter() -> Path | None:
    """The Python 3.6 of this machine: $ESPALIER_PYTHON36, one on the PATH, or pyenv's; None where there is none."""
    named = os.environ.get("ESPALIER_PYTHON36")
    if named:
        assert _is_36(Path(named)), f"$ESPALIER_PYTHON36 names {named}, which is no Python 3.6"
        return Path(named)
    on_path = [Path(found) for name in ("python3.6", "python3") if (found := shutil.which(name))]
    pyenv = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    candidates = [*on_path, *sorted(pyenv.glob("versions/3.6*/bin/python"), reverse=True)]
    return next((path for path in candidates if _is_36(path)), None)


@functools.cache
def python36() -> Path | None:
    """The python of an environment with ONNX Runtime 1.10; None where there is no Python 3.6 to make it with.

    $ESPALIER_PYTHON36_VENV may name one that is ready. Several processes may ask at once: the first makes it.
    """
    ready = os.environ.get("ESPALIER_PYTHON36_VENV")
    if ready:
        return Path(ready) / "bin" / "python"
    base = interpreter()
    return None if base is None else _made(base)


def needed() -> Path:
    """The same, or a skipped test."""
    python = python36()
    if python is None:
        pytest.skip(
            "no Python 3.6 is on this machine: install one (pyenv install 3.6.15) or name it in ESPALIER_PYTHON36"
        )
    return python


def either(which: str) -> Path:
    """`python 3.6`, or the Python that runs the tests."""
    return needed() if which == "python 3.6" else Path(sys.executable)


def oldest() -> Path:
    """Python 3.6 where there is one, for what need not be tried with both."""
    return python36() or Path(sys.executable)


EITHER = ("python 3.6", "this python")


def _is_36(path: Path) -> bool:
    """Asked of itself: pyenv leaves a python3.6 on the PATH that only says which versions there are."""
    question = "import sys; print(sys.version_info[:2] == (3, 6))"
    try:
        done = subprocess.run([path, "-c", question], capture_output=True, text=True, timeout=120, check=False)
        return done.stdout == "True\n"
    except OSError:
        return False


def _made(base: Path) -> Path:
    _FOLDER.mkdir(parents=True, exist_ok=True)
    venv, done = _FOLDER / "venv", _FOLDER / "made"
    wanted = f"{base.resolve()}\n{_INSTALLS}\n"
    lock = Lock(_FOLDER / "lock")
    assert lock.acquire(240.0), f"somebody else has been making {venv} for four minutes"
    try:
        if not done.exists() or done.read_text() != wanted:
            done.unlink(missing_ok=True)
            shutil.rmtree(venv, ignore_errors=True)
            _run(base, "-m", "venv", venv)
            for packages in _INSTALLS:
                _run(venv / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check", "-q", *packages)
            done.write_text(wanted)
    finally:
        lock.release()
    return venv / "bin" / "python"


def _run(*argv: str | Path) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=220, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, argv))} failed:\n{done.stdout}{done.stderr}"
