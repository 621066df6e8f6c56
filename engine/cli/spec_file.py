"""The spec file that a command names. No torch."""

import json
from pathlib import Path
from typing import Any

from engine.errors import RequestError
from engine.spec.messages import as_text, quote
from engine.storage import files

MOST_BYTES = 4 * files.MIB  # a spec with every key has one thousand


def read(path: Path) -> dict[str, Any]:
    """The JSON object in a spec file, not yet checked; RequestError for one that is none, is large or no regular file.

    A number that is not finite is the spec's to refuse, by its field.
    """
    shown = as_text(path)
    try:
        raw = json.loads(files.read_bytes(path, MOST_BYTES, links=True).decode())
    except OSError as error:
        raise RequestError(f"cannot read the spec file {shown}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the spec file {shown} is not JSON: {as_text(error)}") from None
    if not isinstance(raw, dict):
        raise RequestError(f"the spec file {shown} holds {quote(raw)}; a spec is one JSON object")
    return raw
