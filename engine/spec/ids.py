"""How runs, experiments and boards are named: the patterns, and the digest that a run's id ends with. No torch."""

import hashlib
import json
from typing import Any

from engine.errors import RequestError

RUN_ID = r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}(-[0-9]+)?"  # when it was made, and the digest of the request
POINT = rf"(?P<run>{RUN_ID}):(?P<point>[0-9]{{1,6}})"  # a run's point, as weights may name it
DEVICE_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}"

LONGEST_EXPERIMENT = 100  # characters


def check_experiment(name: str) -> str:
    """`name`, what several runs are launched as; RequestError where it is empty, long, or more than one line."""
    if name.strip() != name or not 0 < len(name) <= LONGEST_EXPERIMENT or not name.isprintable():
        raise RequestError(
            f"an experiment's name is one line of 1 to {LONGEST_EXPERIMENT} characters, without spaces around it; "
            "choose another one"
        )
    return name


def canonical_json(document: Any) -> str:
    """The one JSON text of a request's document: sorted keys, no spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def digest_of(document: Any) -> str:
    """First 8 hex digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()[:8]
