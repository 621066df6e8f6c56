"""This program's own code, as what it computes depends on it. No torch."""

import hashlib
from functools import cache
from pathlib import Path

_ENGINE = Path(__file__).resolve().parents[1]
# The rooms whose code decides what comes out.
_ROOMS = ("graph", "data", "zoo", "train", "surgery", "criteria", "pipeline")


@cache
def digest() -> str:
    """The SHA-256 of the files that compute what a run keeps."""
    found = hashlib.sha256()
    for room in _ROOMS:
        for path in sorted((_ENGINE / room).rglob("*.py")):
            found.update(f"{path.relative_to(_ENGINE.parent)}\n".encode())
            found.update(path.read_bytes())
    return found.hexdigest()
