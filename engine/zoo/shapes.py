"""Networks of shapes only: what is constructed takes no memory and no time to fill."""

from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

_DRAWS = {torch.Tensor.normal_, torch.Tensor.uniform_}  # in place


class ShapesOnly(TorchFunctionMode):
    """Puts what layers allocate on the meta device, and nothing else: RegNet computes its widths with tensors."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.empty, torch.zeros, torch.ones):
            kwargs = {**(kwargs or {}), "device": "meta"}
        elif func in _DRAWS or getattr(func, "__module__", "") == nn.init.__name__:
            tensor = args[0] if args else kwargs["tensor"]
            if tensor.is_meta:  # there is nothing to fill, which takes torch longer than anything else here
                return tensor
        return func(*args, **(kwargs or {}))
