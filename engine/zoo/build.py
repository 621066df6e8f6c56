"""A model by name: built for a number of classes and an image size, with fresh weights, published ones or a file's."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from engine.errors import RequestError, concerns
from engine.spec import catalog, messages
from engine.zoo import hub
from engine.zoo.declare import MAKERS
from engine.zoo.weights import State, fetch, head_of, load_into, mismatch, plain_keys, read_state_dict

MOST_CLASSES = 100_000
MOST_SIDE = 65_536  # px
_LARGEST_SIDE = 512  # px; every network of the catalogue takes that


@dataclass(frozen=True)
class ZooModel:
    """A network on the CPU, in eval mode, every parameter trainable."""

    module: nn.Module
    notes: tuple[str, ...]  # what was decided on the way
    normalize: catalog.Normalization | None  # hub weights bring theirs
    pretrained: bool  # and complete: a replaced head has still to be trained
    name: str  # the catalogue model that was built, such as resnet20-a for a checkpoint with padded shortcuts


@concerns("weights")
def build(name: str, classes: int, image: tuple[int, int, int], weights: str = "none", seed: int = 0) -> ZooModel:
    """The catalogue model `name` for `classes` classes and images of (3, height, width).

    `weights` is "none" (initialised from `seed`), "hub" (downloaded once) or the path of a file.
    RequestError: an unknown name, too small an image, or weights that are missing, unsafe or of another network.
    """
    check(name, classes, image)
    if weights == "none":
        return _as_zoo_model(_initialise(name, classes, seed), (), None, pretrained=False, name=name)
    normalize = None
    if weights == "hub":
        source = hub.published(name)
        path, normalize = fetch(source.url, source.sha256), source.normalize
    else:
        path = Path(weights)
    state = plain_keys(read_state_dict(path))
    variant, notes = _match_checkpoint(name, state)
    module = _initialise(variant, classes, seed)
    if problem := mismatch(module, state):
        raise RequestError(f"weights {messages.as_text(path)} do not fit {name}: {problem}{_hint(name, state)}")
    replaced = load_into(module, state)
    notes += replaced
    if weights != "hub" and name.removeprefix("torchvision/") in hub.TRANSFORM_INPUT:
        notes += (f"{name}'s own weights expect mean and deviation 0.5 (data.normalize)",)
    return _as_zoo_model(module, notes, normalize, pretrained=not replaced, name=variant)


@concerns("model")
def check(name: str, classes: int, image: tuple[int, int, int]) -> None:
    """RequestError unless the catalogue has a model of that name, for so many classes and such images."""
    _check_network(name, classes)
    _check_image(name, image)


def construct(name: str, classes: int) -> nn.Module:
    """The bare network of the catalogue model `name`, initialised from torch's current random state.

    Nothing is downloaded for it. RequestError, before anything is built, for a name that the catalogue does not have.
    """
    _check_network(name, classes)
    return MAKERS[name].construct(name, classes)


@cache
def head_name(name: str) -> str:
    """The name of the layer that gives the logits of the catalogue model `name`."""
    return head_of(on_meta(name, 2))


def on_meta(name: str, classes: int) -> nn.Module:
    """The network's shapes only, in eval mode: no memory, no initialisation."""
    with _ShapesOnly():
        return construct(name, classes).eval()


class _ShapesOnly(TorchFunctionMode):
    """Puts what layers allocate on the meta device, and nothing else: RegNet computes its widths with tensors."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.empty, torch.zeros, torch.ones):
            kwargs = {**(kwargs or {}), "device": "meta"}
        return func(*args, **(kwargs or {}))


def _initialise(name: str, classes: int, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return construct(name, classes)


def _as_zoo_model(
    module: nn.Module, notes: tuple[str, ...], normalize: catalog.Normalization | None, *, pretrained: bool, name: str
) -> ZooModel:
    return ZooModel(module.requires_grad_(True).eval(), notes, normalize, pretrained, name)


def _check_network(name: str, classes: int) -> None:
    """The one place that says which networks are ever constructed, whoever names them."""
    catalog.check_model(name)
    if not 1 <= classes <= MOST_CLASSES:
        raise RequestError(f"a model takes 1 to {MOST_CLASSES:,} classes (got {messages.quote(classes)})")


@cache
def _check_image(name: str, image: tuple[int, int, int]) -> None:
    channels, height, width = image
    if channels != 3:
        raise RequestError(f"models take images of 3 channels, these have {messages.quote(channels)}")
    if max(height, width) > MOST_SIDE:
        raise RequestError(f"models take images of up to {MOST_SIDE:,} px, these are {height}×{width}")
    shapes = on_meta(name, 2)
    if _accepts(shapes, height, width):
        return
    low, high = min(height, width), _LARGEST_SIDE
    while high - low > 1:
        side = (low + high) // 2
        low, high = (low, side) if _accepts(shapes, side, side) else (side, high)
    raise RequestError(f"{name} needs images of at least {high}×{high} px, these are {height}×{width}")


def _accepts(shapes: nn.Module, height: int, width: int) -> bool:
    try:
        with torch.no_grad():
            shapes(torch.empty(1, 3, height, width, device="meta"))
    except RuntimeError:  # an intermediate size of zero, or a kernel larger than its input
        return False
    return True


def _match_checkpoint(name: str, state: State) -> tuple[str, tuple[str, ...]]:
    """The variant of a CIFAR ResNet that the checkpoint's shortcuts ask for."""
    if name.endswith("-a") or f"{name}-a" not in catalog.CIFAR_MODELS or any(".shortcut." in key for key in state):
        return name, ()
    return f"{name}-a", ("option A shortcuts, as in the checkpoint",)


def _hint(name: str, state: State) -> str:
    """Name a relative of `name` that the weights do fit, if there is one."""
    family = re.match(r"torchvision/[a-z]+", name)
    relatives = [n for n in catalog.MODELS if n.startswith(family[0])] if family else catalog.CIFAR_MODELS
    for relative in relatives:
        if relative != name and mismatch(on_meta(relative, 10), state) is None:
            return f"; they fit {relative}"
    return ""
