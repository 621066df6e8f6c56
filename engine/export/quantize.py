"""8 bit networks: static quantisation of an exported file, calibrated on real images, by ONNX Runtime's own tool.

Scales are measured once and stored (Jacob et al. 2018): for each output channel of a weight, for each tensor of
activations. The file keeps weights as int8 and says with QuantizeLinear and DequantizeLinear where 8 bit begin and end.
"""

import contextlib
import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from engine.data.load import Data
from engine.data.loader import batches
from engine.errors import WorkError
from engine.export.onnx import INPUT, OUTPUT, STANDARD, check_versions
from engine.export.runtime import ORT_ERRORS, first_line, open_session, silence
from engine.storage.atomic import atomic_write

CALIBRATION_IMAGES = 256

Images = npt.NDArray[np.float32]

_SEED, _BATCH = 0, 32  # of the calibration images
_LAYERS = ("Conv", "Gemm", "MatMul")
_TOOL_ERRORS: tuple[type[Exception], ...] = (
    *ORT_ERRORS,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
)


def quantize_on_data(source: Path, target: Path, data: Data) -> None:
    """Writes `target`, the int8 form of the exported file `source`, calibrated on 256 training images of `data`.

    The images are the same ones each time, with the classes in proportion. Raises WorkError as `quantize` does.
    """
    images = data.unlabelled
    sample = images.take(images.representative(CALIBRATION_IMAGES, _SEED)[0])
    quantize(source, target, (images.numpy() for images, _ in batches(sample, data, _BATCH, "cpu")))


def quantize(source: Path, target: Path, images: Iterable[Images]) -> None:
    """Writes `target`: the exported float32 file `source` with convolutions and linear layers in 8 bit.

    `images` are normalised batches, N×3×H×W, that set the range of every tensor of activations (its least and largest
    value). Weights are symmetric int8, activations uint8 with a zero point: of what ONNX Runtime offers on a CPU only
    that is faster than float32 (symmetric int8 activations took 2.8 times as long on ResNet-56). A Jetson TX2 has no
    8 bit arithmetic, so these files are for CPUs. Like `source`, the file needs opset 13 alone and holds everything,
    the same metadata, too. It appears only when ONNX Runtime gave finite outputs with it.

    Raises WorkError when `source` is of another opset, there are no images, a value is not finite, or the result
    would need operators beside ONNX's own.
    """
    original = check_versions(source)
    _check_finite(original.graph.initializer)
    with tempfile.TemporaryDirectory(prefix="espalier-int8-") as scratch, atomic_write(target) as part:
        prepared, raw = Path(scratch) / "prepared.onnx", Path(scratch) / "int8.onnx"
        reader = _Reader(_run(source, images))  # calibration ignores what is not a number: here it ends the work
        with _silence_tool():
            try:
                # Its symbolic shape inference is for transformers; ONNX's own, which follows, is enough here.
                quant_pre_process(source, prepared, skip_symbolic_shape=True)
                _quantize(prepared, raw, reader)
            except _TOOL_ERRORS as error:
                raise WorkError(f"this network cannot be quantised: {first_line(error)}") from None
        model = onnx.load(str(raw))
        _keep_standard_opset(model)
        onnx.helper.set_model_props(model, {entry.key: entry.value for entry in original.metadata_props})
        _check_finite(_scales(model))
        part.write_bytes(model.SerializeToString())
        check_versions(part)
        for _ in _run(part, [reader.last()]):
            pass


def stored_bytes(path: Path) -> int:
    """The bytes of the tensors stored in an exported file: weights, scales and constants."""
    return sum(
        int(np.prod(tensor.dims, dtype=np.int64)) * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        for tensor in check_versions(path).graph.initializer
    )


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime comes without types
    """Hands one batch after the other to the calibration, and keeps the last."""

    def __init__(self, images: Iterator[Images]) -> None:
        self._images = images
        self._last: Images | None = None

    def get_next(self) -> dict[str, Images] | None:
        batch = next(self._images, None)
        if batch is None:
            self.last()
            return None
        self._last = batch
        return {INPUT: batch}

    def last(self) -> Images:
        if self._last is None:
            raise WorkError("there are no images to calibrate on; int8 needs some of the training split")
        return self._last


def _quantize(source: Path, target: Path, reader: CalibrationDataReader) -> None:
    quantize_static(
        source,
        target,
        reader,
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=list(_LAYERS),
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
        calibration_providers=["CPUExecutionProvider"],
        extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
    )


def _keep_standard_opset(model: onnx.ModelProto) -> None:
    """Drops the operator sets that ONNX Runtime lists and nothing uses: old runtimes refuse files that name them."""
    foreign = sorted({f"{node.domain}.{node.op_type}" for node in model.graph.node if node.domain not in STANDARD})
    if foreign:
        raise WorkError(f"the quantised network needs {', '.join(foreign)}, which are not ONNX's own operators")
    kept = [entry for entry in model.opset_import if entry.domain in STANDARD]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _scales(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """What 8 bit values are multiplied by; WorkError when there are none."""
    names = {node.input[1] for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")}
    if not names:
        raise WorkError(f"there is nothing to quantise: the network has none of {', '.join(_LAYERS)}")
    return [tensor for tensor in model.graph.initializer if tensor.name in names]


def _check_finite(tensors: Iterable[onnx.TensorProto]) -> None:
    if not all(np.isfinite(onnx.numpy_helper.to_array(tensor)).all() for tensor in tensors):
        raise WorkError("the network's weights or activations are not finite numbers, so 8 bit cannot stand for them")


def _run(path: Path, batches_of_images: Iterable[Images]) -> Iterator[Images]:
    """Gives each batch back once a file was run on it; WorkError when that fails or gives what is not finite."""
    try:
        session = open_session(path)
        for images in batches_of_images:
            if not np.isfinite(session.run([OUTPUT], {INPUT: images})[0]).all():
                raise WorkError("the outputs for the calibration images are not finite numbers, so 8 bit have no range")
            yield images
    except ORT_ERRORS as error:
        raise WorkError(f"ONNX Runtime cannot run the network on the calibration images: {first_line(error)}") from None


@contextlib.contextmanager
def _silence_tool() -> Iterator[None]:
    """ONNX Runtime's tool prints, and logs to the root logger, which it gives a handler when there is none."""
    root, disabled, none = logging.getLogger(), logging.root.manager.disable, logging.NullHandler()
    root.addHandler(none)
    logging.disable()
    try:
        with silence():
            yield
    finally:
        logging.disable(disabled)
        root.removeHandler(none)
