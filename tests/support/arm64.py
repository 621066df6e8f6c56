"""A Python for arm64, the processor of most boards, emulated by QEMU where both are on this machine."""

import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import NO_ARM64

_EMULATORS = ("qemu-aarch64-static", "qemu-aarch64")


def emulated_python(folder: Path) -> Path:
    """A python3 made in `folder` that is an emulated arm64 one; a skipped test where there is none.

    $ESPALIER_ARM64_ROOT names the root of an arm64 system with a Python, such as `.ci/arm64-python` makes.
    """
    root = Path(os.environ.get("ESPALIER_ARM64_ROOT") or "/usr/aarch64-linux-gnu")
    emulator = next((found for name in _EMULATORS if (found := shutil.which(name))), None)
    python = next(iter(sorted(root.glob("usr/bin/python3.[0-9]*[0-9]"))), None)
    if emulator is None or python is None:
        pytest.skip(NO_ARM64 + "it needs qemu-user, and ESPALIER_ARM64_ROOT with a Python in it")
    made = folder / "python3"
    # Under the name of this script it starts itself anew by this script, and so emulated.
    made.write_text(f'#!/bin/sh\nPYTHONHOME="{root}/usr" exec {emulator} -L "{root}" -0 "$0" "{python}" "$@"\n')
    made.chmod(0o755)
    return made
