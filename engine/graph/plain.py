"""Networks whose layers compute with the weights that they store: what is put on top of them is removed, or refused."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from torch import nn
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm, remove_spectral_norm
from torch.nn.utils.weight_norm import WeightNorm, remove_weight_norm

from engine.errors import RequestError


class NotPlain(RequestError):
    """The network computes with something else than what it stores, and it cannot be made plain."""


def make_plain(model: nn.Module) -> tuple[str, ...]:
    """Store in `model` itself the weights that parametrizations, weight norms and masks make of others; notes say so.

    What it computes in evaluation mode stays the same. In place, as a module's own buffers and hooks change.
    """
    notes = []
    for path, module in list(model.named_modules()):
        names = [*_remove_parametrizations(module), *_remove_hooks(module)]
        notes += [f"{name} of {path or type(module).__name__} is stored as a plain weight" for name in names]
    return tuple(notes)


def check_plain(model: nn.Module) -> None:
    """NotPlain, by the module's name, for hooks, parametrizations and weights that two modules share."""
    for path, module in model.named_modules():
        where = f"{type(module).__name__} {path}".strip()
        if parametrize.is_parametrized(module):
            raise NotPlain(f"{where} has a parametrized weight; remove the parametrization first")
        if any(isinstance(p, UninitializedParameter) for p in module.parameters(recurse=False)):
            raise NotPlain(f"{where} has no weights yet; run the network on images of its size once")
        hooks = [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]
        if hooks:
            raise NotPlain(
                f"{where} has a forward hook ({_name(hooks[0])}), which a cut network would not fit; remove it"
            )
    if "forward" in vars(model):
        raise NotPlain(f"{type(model).__name__} has its forward replaced on the object; put it into the class")
    _check_sharing(model)


def _check_sharing(model: nn.Module) -> None:
    named = [
        (f"{path}.{name}".lstrip("."), parameter)
        for path, module in model.named_modules()
        for name, parameter in module.named_parameters(recurse=False)
    ]
    for identity, count in Counter(id(parameter) for _, parameter in named).items():
        if count > 1:
            first, second, *_ = (name for name, parameter in named if id(parameter) == identity)
            raise NotPlain(f"{first} and {second} are one and the same parameter; give each module its own")


def _remove_parametrizations(module: nn.Module) -> Iterable[str]:
    if not parametrize.is_parametrized(module):
        return
    held: Any = module.parametrizations
    for name in list(held):
        kinds = " and ".join(type(step).__name__.strip("_") for step in held[name])
        held[name].eval()  # in training spectral norm goes on with its estimate whenever it is asked
        parametrize.remove_parametrizations(module, name, leave_parametrized=True)
        yield f"{kinds} on {name}"


def _remove_hooks(module: nn.Module) -> Iterable[str]:
    for hook in list(module._forward_pre_hooks.values()):
        if isinstance(hook, WeightNorm):
            remove_weight_norm(module, hook.name)
            yield f"weight norm on {hook.name}"
        elif isinstance(hook, SpectralNorm):
            remove_spectral_norm(module, hook.name)
            yield f"spectral norm on {hook.name}"
        elif isinstance(hook, prune.BasePruningMethod):
            name = hook._tensor_name
            prune.remove(module, name)  # type: ignore[no-untyped-call]
            yield f"the pruning mask on {name}"


def _name(hook: Any) -> str:
    return getattr(hook, "__qualname__", type(hook).__name__)
