"""The file that a sweep is read from. No torch."""

from pathlib import Path
from typing import Any

from engine.errors import RequestError
from engine.spec.messages import as_text
from engine.spec.sweep import document, yaml_text
from engine.spec.sweep.document import Document
from engine.storage import files

MOST_BYTES = 4 * files.MIB


def read(path: Path) -> Document:
    """A sweep's document; RequestError for a file that cannot be read, is no YAML (or JSON), or says something else."""
    shown = f"the sweep {as_text(path)}"
    return document.read(plain(path, shown), shown)


def plain(path: Path, shown: str) -> Any:
    """What a file of YAML says in plain values; RequestError, which calls it `shown`, for one that says nothing."""
    try:
        text = files.read_bytes(path, MOST_BYTES, links=True).decode()
    except OSError as error:
        raise RequestError(f"cannot read {shown}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise RequestError(f"{shown} is no UTF-8 text; save it as such") from None
    return yaml_text.parse(text, shown)
