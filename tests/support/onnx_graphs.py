"""ONNX files made by hand, each with one thing that a board may not read, and what is said of it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, save

from engine.boards.onnx_support.check import refuse_unfit
from engine.errors import RequestError

IMAGE = (3, 8, 8)
TX2 = (8, 2, 1)  # its last TensorRT


def constant(name: str, value: Any, dtype: Any = np.float32) -> TensorProto:
    return numpy_helper.from_array(np.asarray(value, dtype), name)


CONV = constant("w", np.ones((4, 3, 3, 3)))


def network(
    nodes: Sequence[NodeProto],
    stored: Iterable[TensorProto] = (),
    *,
    opset: int = 13,
    ir: int = 7,
    imports: Iterable[tuple[str, int]] = (),
    shape: Sequence[int | str] = ("N", *IMAGE),
) -> ModelProto:
    """A network from `input` to `logits`, checked by nobody: what is wrong with it is the point."""
    graph = helper.make_graph(
        list(nodes),
        "made by hand",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        initializer=list(stored),
    )
    sets = [helper.make_opsetid(domain, version) for domain, version in (("", opset), *imports)]
    return helper.make_model(graph, opset_imports=sets, ir_version=ir)


def one(
    operator: str, *inputs: str, stored: Iterable[TensorProto] = (), opset: int = 13, **attributes: Any
) -> ModelProto:
    """A network of one operator, called `it`, which reads `input` and then the values called `inputs`."""
    node = helper.make_node(operator, ["input", *inputs], ["logits"], name="it", **attributes)
    return network([node], stored, opset=opset)


def written(model: ModelProto, path: Path) -> Path:
    save(model, str(path))
    return path


def refused(model: ModelProto, folder: Path, tensorrt: tuple[int, ...] | None = TX2, **others) -> str:  # type: ignore[no-untyped-def]
    """The sentence that refuses a network."""
    with pytest.raises(RequestError) as caught:
        refuse_unfit(written(model, folder / "p3.onnx"), tensorrt=tensorrt, **({"onnxruntime": None} | others))
    sentence = str(caught.value)
    assert sentence.startswith("p3.onnx ")
    assert "\n" not in sentence
    return sentence


def accepted(model: ModelProto, folder: Path, tensorrt: tuple[int, ...] | None = TX2, **others) -> None:  # type: ignore[no-untyped-def]
    refuse_unfit(written(model, folder / "p3.onnx"), tensorrt=tensorrt, **({"onnxruntime": None} | others))
