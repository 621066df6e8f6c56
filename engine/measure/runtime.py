"""What ONNX Runtime raises, in one place: its exceptions share no base class but `Exception`."""

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


def first_line(error: BaseException) -> str:
    """The first line of an error's text, to stand inside a sentence."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].strip().rstrip(".")
