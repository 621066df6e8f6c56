"""ONNX Runtime as checks use it, and what it raises: its exceptions share no base class but `Exception`."""

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


def open_session(path: Path) -> ort.InferenceSession:
    """A quiet session on the CPU with torch's number of threads; raises one of `ORT_ERRORS`.

    It asks for 8 bit kernels that do not saturate, as ONNX Runtime's usual ones may on x86 without VNNI.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.x64quantprecision", "1")
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def first_line(error: BaseException) -> str:
    """The first line of an error's text, to stand inside a sentence."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].strip().rstrip(".")
