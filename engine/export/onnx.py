"""Networks as ONNX files that old runtimes read: a true opset, one file, the same outputs as in torch."""

import copy
import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from torch import nn
from torch.jit._trace import TracerWarning

from engine.errors import WorkError
from engine.export.pools import with_exportable_pools
from engine.export.runtime import ORT_ERRORS, first_line, open_session
from engine.storage.atomic import atomic_write
from engine.units import dimensions

OPSET = 13  # the newest that TensorRT 8.2, the last one for a Jetson TX2, reads
NEWEST_IR = 8  # the newest that ONNX Runtime 1.11, the last one for a Jetson TX2, reads
TOLERANCE = 1e-3  # of the largest logit

INPUT, OUTPUT = "input", "logits"

_TRACED_BATCH, _CHECKED_BATCH = 2, 3  # different, so that a batch size frozen into the file is noticed
STANDARD = ("", "ai.onnx")  # the two names of ONNX's own operators


def export(
    module: nn.Module,
    image: tuple[int, int, int],
    path: Path,
    opset: int = OPSET,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes `module` in evaluation mode: `input` N×C×H×W float32, `logits` N×classes, N free, weights inside.

    `metadata` goes in as it is, key by key (`ModelCard.to_text`).
    The file appears only after `verify` accepted it; `module` is not changed. Raises WorkError when the network
    cannot be written at this opset or image size.
    """
    plain = copy.deepcopy(module).cpu().float().eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    model = onnx.load_from_string(_serialized(with_exportable_pools(plain), image, opset))
    _resolve_aliases(model)
    onnx.helper.set_model_props(model, dict(metadata or {}))
    with atomic_write(path) as part:
        part.write_bytes(model.SerializeToString())
        verify(plain, image, part, opset)


def verify(module: nn.Module, image: tuple[int, int, int], path: Path, opset: int = OPSET) -> None:
    """Compares a file with the requested opset and with `module` (on the CPU, in evaluation mode).

    Raises WorkError when the file is not valid ONNX, needs another opset, a domain beside ONNX's own or an IR version
    above 8, or when its logits for a fixed random batch differ by more than 1e-3 of torch's largest.
    """
    check_versions(path, opset)
    shape = (_CHECKED_BATCH, *image)
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = module(images).numpy()
    try:
        got = open_session(path).run([OUTPUT], {INPUT: images.numpy()})[0]
    except ORT_ERRORS as error:
        raise WorkError(f"ONNX Runtime cannot run the exported network: {first_line(error)}") from None
    if got.shape != expected.shape:
        raise WorkError(f"the exported network gives logits of shape {got.shape} where torch gives {expected.shape}")
    scale = float(np.abs(expected).max())
    difference = float(np.abs(got - expected).max())
    if not difference <= TOLERANCE * scale:  # also when either is not a number
        raise WorkError(
            f"the exported network disagrees with torch: the logits differ by {difference:.3g} where the largest is "
            f"{scale:.3g} and {TOLERANCE * scale:.3g} is allowed"
        )


def check_versions(path: Path, opset: int = OPSET) -> onnx.ModelProto:
    """The model in a file that holds everything and needs `opset` alone, with an IR version of at most 8.

    Raises WorkError for any other.
    """
    try:
        model = onnx.load(str(path), load_external_data=False)
        if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
            raise WorkError("the exported file keeps weights outside of itself; one file was asked for")
        onnx.checker.check_model(model, full_check=True)
    except (DecodeError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError, OSError) as error:
        raise WorkError(f"the exported file is not valid ONNX: {first_line(error)}") from None
    imports = {entry.domain: entry.version for entry in model.opset_import}
    if set(imports) - set(STANDARD) or set(imports.values()) != {opset}:
        shown = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in imports.items())
        raise WorkError(f"the exported file needs {shown or 'no opset'} where opset {opset} alone was asked for")
    if model.ir_version > NEWEST_IR:
        raise WorkError(f"the exported file has IR version {model.ir_version}; at most {NEWEST_IR} is allowed")
    return model


def _resolve_aliases(model: onnx.ModelProto) -> None:
    """Makes every use of stored values read them directly.

    The exporter stores equal vectors once, as the biases of a fresh network are, and hands them on through Identity;
    TensorRT before 8.5 then takes a convolution's bias for computed, and refuses it.
    """
    stored = {tensor.name for tensor in model.graph.initializer}
    aliases = {n.output[0]: n.input[0] for n in model.graph.node if n.op_type == "Identity" and n.input[0] in stored}
    kept = [node for node in model.graph.node if node.output[0] not in aliases]
    for node in kept:
        node.input[:] = [aliases.get(name, name) for name in node.input]
    del model.graph.node[:]
    model.graph.node.extend(kept)


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """The exporter prints the whole graph on standard output where it fails, whatever its log is set to."""
    log = torch._C._jit_onnx_log
    torch._C._jit_onnx_log = lambda *_: None
    try:
        yield
    finally:
        torch._C._jit_onnx_log = log


def _serialized(module: nn.Module, image: tuple[int, int, int], opset: int) -> bytes:
    buffer = io.BytesIO()
    free = {INPUT: {0: "N"}, OUTPUT: {0: "N"}}
    example = torch.zeros(_TRACED_BATCH, *image)
    with warnings.catch_warnings(), _quiet_exporter():
        # Only this exporter writes opset 13; the newer one writes 18 whatever is asked for.
        warnings.simplefilter("ignore", DeprecationWarning)
        # What the tracer cannot follow shows in `verify`, which runs another input and batch size.
        warnings.simplefilter("ignore", TracerWarning)
        # A strided slice (a padded shortcut) is merely not folded.
        warnings.filterwarnings("ignore", "Constant folding", UserWarning)
        try:
            torch.onnx.export(
                module,
                (example,),
                buffer,  # type: ignore[arg-type]  # the exporter for opset 13 takes one
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=opset,
                dynamo=False,
                dynamic_axes=free,
                do_constant_folding=True,
            )
        except (RuntimeError, ValueError) as error:  # the exporter's errors derive from these two
            if "2GiB" in str(error):
                raise WorkError(
                    f"{type(module).__name__} holds more than 2 GiB of weights, and one ONNX file cannot; "
                    "a smaller network can be written"
                ) from None
            raise WorkError(
                f"this network cannot be written as ONNX opset {opset} for {dimensions(image)} images: "
                f"{first_line(error)}"
            ) from None
    return buffer.getvalue()
