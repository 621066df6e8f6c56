"""What versions of TensorRT and ONNX Runtime read: operators, opsets and file formats. Pure data, no onnx.

TensorRT: the operator tables that its ONNX parser ships as docs/operators.md in github.com/onnx/onnx-tensorrt, one for
each release; the table of TensorRT 8.2, the last one for a Jetson TX2, is that of commit 29d0a84. An operator counts
from the first release whose table marks it as supported. Reciprocal is marked from 8.4 on, although the parsers before
it know it, too: the table is what is promised.
ONNX Runtime: docs/reference/compatibility.md in github.com/microsoft/onnxruntime.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Version = tuple[int, ...]


@dataclass(frozen=True)
class Limits:
    """The newest opset and the newest IR version that a release reads; None where it looks at no IR version."""

    opset: int
    ir: int | None


# A row holds until the next one begins; the first holds for what is older, too.
TENSORRT: dict[Version, Limits] = {
    (7, 0): Limits(11, 8),
    (7, 2): Limits(13, 8),
    (8, 4): Limits(17, None),
    (9, 0): Limits(19, None),
    (10, 0): Limits(20, None),
}
NEWEST_TENSORRT: Version = (10, 1)  # of which a table was read; newer releases are not limited by these

ONNXRUNTIME: dict[Version, Limits] = {
    (1, 0): Limits(11, 6),
    (1, 3): Limits(12, 7),
    (1, 6): Limits(13, 7),
    (1, 8): Limits(14, 7),
    (1, 9): Limits(15, 8),
    (1, 11): Limits(16, 8),
    (1, 12): Limits(17, 8),
    (1, 14): Limits(18, 8),
    (1, 15): Limits(19, 8),
    (1, 16): Limits(19, 9),
    (1, 17): Limits(20, 9),
    (1, 18): Limits(21, 10),
}
NEWEST_ONNXRUNTIME: Version = (1, 20)

# TensorRT before 7.2 promises opset 11 and reads 12 and 13, too, but for operators that these write in another way.
LENIENT_BEFORE: Version = (7, 2)
LENIENT_OPSET = 13
_REWRITTEN = """
    DequantizeLinear Dropout Hardmax LogSoftmax QuantizeLinear ReduceSum Softmax Split Squeeze Unsqueeze
"""
REWRITTEN = frozenset(_REWRITTEN.split())

_LISTED_FROM: dict[Version, str] = {
    (7, 0): """
        Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast Ceil Clip Concat
        Constant ConstantOfShape Conv ConvTranspose Cos Cosh DepthToSpace DequantizeLinear Div Elu Equal Erf Exp Expand
        Flatten Floor GRU Gather Gemm GlobalAveragePool GlobalMaxPool Greater HardSigmoid Identity ImageScaler
        InstanceNormalization LRN LSTM LeakyRelu Less Log LogSoftmax Loop MatMul Max MaxPool Mean Min Mul Neg Not Or
        PRelu Pad ParametricSoftplus Pow QuantizeLinear RNN RandomUniform RandomUniformLike Range ReduceL1 ReduceL2
        ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape
        Resize ScaledTanh Scan Selu Shape Sigmoid Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt
        Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile TopK Transpose Unsqueeze Upsample Where
    """,
    (7, 2): """
        Celu CumSum EyeLike GatherElements GlobalLpPool GreaterOrEqual LessOrEqual LpNormalization LpPool
        ReverseSequence
    """,
    (8, 0): "Dropout If NonMaxSuppression",
    (8, 2): "Einsum GatherND IsNaN Round Scatter ScatterElements ScatterND Sign",
    (8, 4): "HardSwish RandomNormal RandomNormalLike Reciprocal Shrink Xor",
    (8, 5): "GridSample MeanVarianceNormalization Mod NonZero OneHot RoiAlign Trilu",
    (8, 6): "GroupNormalization IsInf LayerNormalization",
    (9, 3): "CastLike Hardmax",
    (10, 0): "Gelu Mish",
    (10, 1): "DeformConv",
}
LISTED_FROM: dict[str, Version] = {name: since for since, names in _LISTED_FROM.items() for name in names.split()}


def find_unlisted(operators: frozenset[str], tensorrt: Version) -> dict[str, Version | None]:
    """Those of `operators` that this TensorRT does not list, by name: the first release that does, None for unknown."""
    if tensorrt[:2] > NEWEST_TENSORRT:
        return {}
    first = min(_LISTED_FROM)
    return {
        name: LISTED_FROM.get(name)
        for name in sorted(operators)
        if name not in LISTED_FROM or tensorrt[:2] < LISTED_FROM[name] != first
    }


def find_limits(table: Mapping[Version, Limits], newest: Version, version: Version) -> Limits | None:
    """The row of `table` for `version`; None for a release newer than `newest`, whose limits are not known."""
    if version[:2] > newest:
        return None
    return table[max((since for since in table if since <= version[:2]), default=min(table))]
