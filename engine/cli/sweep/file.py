"""The file that a sweep is read from. No torch."""

from pathlib import Path

from engine.errors import RequestError
from engine.spec.messages import as_text
from engine.spec.sweep import document, yaml_text
from engine.spec.sweep.document import Document
from engine.storage import files

MOST_BYTES = 4 * files.MIB


def read(path: Path) -> Document:
    """A sweep's document; RequestError for a file that cannot be read, is no YAML (or JSON), or says something else."""
    shown = as_text(path)
    try:
        text = files.read_bytes(path, MOST_BYTES, links=True).decode()
    except OSError as error:
        raise RequestError(f"cannot read the sweep {shown}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise RequestError(f"the sweep {shown} is no UTF-8 text; save it as such") from None
    return document.read(yaml_text.parse(text, f"the sweep {shown}"), f"the sweep {shown}")
