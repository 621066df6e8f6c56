"""Reading as if some channels were not there: what a cut must equal, and what an attempt measures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn


class MaskedNorm(nn.Module):
    """A layer norm, or a group norm of one group, over the kept channels only, as the cut network has it."""

    def __init__(self, norm: nn.Module, kept: Tensor, dim: int) -> None:
        super().__init__()
        self.norm, self.kept, self.dim = norm, kept, dim

    def forward(self, x: Tensor) -> Tensor:
        norm: Any = self.norm
        part = x.index_select(self.dim, self.kept)
        weight, bias = (
            None if getattr(norm, name, None) is None else getattr(norm, name)[self.kept] for name in ("weight", "bias")
        )
        if isinstance(norm, nn.GroupNorm):
            part = F.group_norm(part, 1, weight, bias, norm.eps)
        else:
            last, shape = part.movedim(self.dim, -1), (len(self.kept),)
            if isinstance(norm, nn.RMSNorm):
                last = F.rms_norm(last, shape, weight, norm.eps)
            else:
                last = F.layer_norm(last, shape, weight, bias, norm.eps)
            part = last.movedim(-1, self.dim)
        return torch.zeros_like(x).index_copy(self.dim, self.kept, part)


_SHAPED = (F.layer_norm, F.rms_norm)  # they are told the number of channels


@dataclass(frozen=True)
class MaskedReading:
    """A function that reads all channels at once, called on the kept ones alone.

    Whatever lies along the channels goes with them: the first argument along `dim`, and parameters of `size` numbers.
    """

    kept: Tensor
    dim: int
    size: int
    returns: bool

    def to(self, device: torch.device) -> "MaskedReading":
        """The same on another device."""
        return replace(self, kept=self.kept.to(device))

    def __call__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        x: Tensor = args[0]
        if function in _SHAPED:
            args = (x, (len(self.kept),), *args[2:])
        out = function(
            x.index_select(self.dim, self.kept),
            *map(self._narrowed, args[1:]),
            **{name: self._narrowed(value) for name, value in kwargs.items()},
        )
        return torch.zeros_like(x).index_copy(self.dim, self.kept, out) if self.returns else out

    def _narrowed(self, value: Any) -> Any:
        if isinstance(value, Tensor) and value.shape == (self.size,):
            return value.index_select(0, self.kept)
        return value


class MaskedNetwork(nn.Module):
    """A traced network in which some functions read the kept channels alone."""

    def __init__(self, graph: fx.GraphModule, readings: Mapping[str, MaskedReading]) -> None:
        super().__init__()
        self.graph, self.readings = graph, dict(readings)

    def forward(self, images: Tensor) -> Any:
        return _Interpreter(self.graph, self.readings).run(images)


class _Interpreter(fx.Interpreter):
    def __init__(self, graph: fx.GraphModule, readings: Mapping[str, MaskedReading]) -> None:
        super().__init__(graph)
        self._readings = readings

    def run_node(self, n: fx.Node) -> Any:
        reading = self._readings.get(n.name)
        if reading is None:
            return super().run_node(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        return reading(function_of(n), args, kwargs)


def function_of(node: fx.Node) -> Callable[..., Any]:
    """What a call of a function or of a tensor's method calls, the tensor first."""
    if node.op == "call_method":
        return lambda x, *args, **kwargs: getattr(x, str(node.target))(*args, **kwargs)
    return node.target  # type: ignore[return-value]
