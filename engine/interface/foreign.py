"""A module that somebody else wrote: what is checked of it, and how it stood when it came."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from engine.errors import RequestError
from engine.zoo.build import simplify

_SAMPLE_IMAGES = 2  # images


@dataclass(frozen=True)
class ModuleState:
    """Device, train or eval mode and frozen parameters, by the names of a module's parts."""

    device: torch.device
    training: Mapping[str, bool]
    requires_grad: Mapping[str, bool]

    @classmethod
    def of(cls, module: nn.Module) -> Self:
        """The state of `module`; RequestError when its tensors are on several devices."""
        tensors = [*module.parameters(), *module.buffers()]
        devices = sorted({str(tensor.device) for tensor in tensors})
        if len(devices) > 1:
            raise RequestError(f"the model is on {' and '.join(devices)}; move it to one device first")
        training = {name: part.training for name, part in module.named_modules()}
        frozen = {name: parameter.requires_grad for name, parameter in module.named_parameters()}
        return cls(torch.device(devices[0] if devices else "cpu"), training, frozen)

    def restore(self, module: nn.Module) -> nn.Module:
        """`module`, a cut copy, as the original stood; what took the place of a removed block stands as it did."""
        for name, part in module.named_modules():
            part.training = self.training[name]
        for name, parameter in module.named_parameters():  # a plain weight that was made of several trains
            parameter.requires_grad_(self.requires_grad.get(name, True))
        return module.to(self.device)


def working_copy(model: nn.Module, image: tuple[int, int, int]) -> nn.Module:
    """A copy of `model` on the CPU in evaluation mode, for N×C×H×W images of `image` = (channels, height, width).

    RequestError when it is no module, holds numbers other than float32, or does not give one tensor for such images.
    """
    if not isinstance(model, nn.Module):
        raise RequestError(f"a model is a torch.nn.Module; a {type(model).__name__} was given")
    if not any(isinstance(part, nn.Conv2d | nn.Linear) for part in model.modules()):
        raise RequestError(f"{type(model).__name__} has no convolution or linear layer, so there is nothing to prune")
    clone = copy.deepcopy(model).cpu().eval()
    simplify(clone)
    kinds = {str(p.dtype).removeprefix("torch.") for p in clone.parameters() if p.is_floating_point()}
    if kinds - {"float32"}:
        raise RequestError(f"the model holds {min(kinds - {'float32'})} numbers; call .float() on it first")
    output_of(clone, image)
    return clone


def output_of(module: nn.Module, image: tuple[int, int, int]) -> Tensor:
    """What `module` gives for two random images; RequestError when it does not read them, or gives no single tensor."""
    size = "×".join(map(str, image))
    try:
        with torch.inference_mode():
            output = module(torch.randn(_SAMPLE_IMAGES, *image, generator=torch.Generator().manual_seed(0)))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:  # what torch raises for shapes that do not fit
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RequestError(
            f"{type(module).__name__} cannot read {size} images: {reason}; give image=(channels, height, width)"
        ) from None
    if not isinstance(output, Tensor):
        raise RequestError(f"{type(module).__name__} gives a {type(output).__name__}; a single tensor is needed")
    return output
