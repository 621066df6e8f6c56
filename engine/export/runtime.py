"""ONNX Runtime's sessions, its log, and what it raises: its exceptions share no base class but `Exception`."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import onnxruntime as ort
import torch
from onnxruntime.capi import onnxruntime_pybind11_state as state

ORT_ERRORS: tuple[type[Exception], ...] = (
    state.EPFail,
    state.EngineError,
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.ModelLoaded,
    state.NoModel,
    state.NoSuchFile,
    state.NotImplemented,
    state.RuntimeException,
    RuntimeError,
    ValueError,
)

_FATAL, _ERROR, _WARNING = 4, 3, 2  # severities of ONNX Runtime's log; warning is its default


def open_session(path: Path) -> ort.InferenceSession:
    """A quiet session on the CPU with torch's number of threads; raises one of `ORT_ERRORS`.

    It asks for 8 bit kernels that do not saturate, as ONNX Runtime's usual ones may on x86 without VNNI.
    """
    options = session_options(torch.get_num_threads(), severity=_ERROR)
    options.add_session_config_entry("session.x64quantprecision", "1")
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def session_options(threads: int, severity: int = _FATAL) -> ort.SessionOptions:
    """Options of a session whose operators run one after the other, each in `threads` threads; errors are raised."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = severity
    return options


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keeps ONNX Runtime from printing, which it does on both streams where libraries are missing."""
    ort.set_default_logger_severity(_FATAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        ort.set_default_logger_severity(_WARNING)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, to stand inside a sentence."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].strip().rstrip(".")
