"""Where in somebody's source a network does something."""

import sys
import traceback
from pathlib import Path
from types import FrameType

import torch

_TORCH = str(Path(torch.__file__).parent)
_ENGINE = Path(__file__).parents[1]
_NETWORKS = str(_ENGINE / "zoo")
_TRACE = str(Path(__file__).parent / "trace.py")


def line_of_network() -> str:
    """` (file:line)` of the innermost line of a network's own code that is being traced; "" where there is none."""
    frame: FrameType | None = sys._getframe(1)
    inside = False  # handlers are not the network's code, and what called the trace is not either
    while frame is not None and not _begins(frame):
        inside = inside or frame.f_code.co_filename == _TRACE
        if inside and _is_foreign(frame):
            return _shown(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return ""


def line_of_error(error: BaseException) -> str:
    """` (file:line)` of the innermost line of a network's own code that an error passed; "" where there is none."""
    found = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if _is_foreign(frame):
            found = _shown(frame.f_code.co_filename, line)
    return found


def _begins(frame: FrameType) -> bool:
    return frame.f_code.co_filename == _TRACE and frame.f_code.co_name == "trace"


def _is_foreign(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return file.startswith(_NETWORKS) or not file.startswith((_TORCH, str(_ENGINE), "<"))


def _shown(file: str, line: int) -> str:
    path, here = Path(file), Path.cwd()
    return f" ({path.relative_to(here) if path.is_relative_to(here) else path}:{line})"
