"""A model by name: built for a number of classes and an image size, with fresh weights, published ones or a file's."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.errors import RequestError, concerns
from engine.graph.plain import make_plain
from engine.spec import catalog, messages
from engine.spec.networks import own_names, timm_names
from engine.units import dimensions
from engine.zoo import hub, makers, source
from engine.zoo.checkpoints import fitting, reading
from engine.zoo.checkpoints.fitting import head_of
from engine.zoo.checkpoints.reading import Checkpoint, State
from engine.zoo.declare import Published
from engine.zoo.download import fetch
from engine.zoo.own import listing
from engine.zoo.shapes import ShapesOnly

MOST_CLASSES = 100_000
MOST_SIDE = 65_536  # px
_LARGEST_SIDE = 512  # px; every network of the catalogue takes that
_SMALL_SIDE = 128  # px, up to which a small network is tried as it is: the meta device takes a second to be ready


@dataclass(frozen=True)
class ZooModel:
    """A network on the CPU, in eval mode, every parameter trainable."""

    module: nn.Module
    notes: tuple[str, ...]  # what was decided on the way
    normalize: catalog.Normalization | None  # hub weights bring theirs
    pretrained: bool  # and complete: a replaced head has still to be trained
    name: str  # the catalogue model that was built, such as resnet20-a for a checkpoint with padded shortcuts
    conditions: Mapping[str, Any] = field(default_factory=dict)  # whose code it is, for the record of a run


@concerns("weights")
def build(name: str, classes: int, image: tuple[int, int, int], weights: str = "none", seed: int = 0) -> ZooModel:
    """The network `name` for `classes` classes and images of (3, height, width).

    `weights` is "none" (initialised from `seed`), "hub" (downloaded once) or the path of a file.
    RequestError: an unknown name, too small an image, or weights that are missing, unsafe or of another network.
    """
    check(name, classes, image)
    if weights == "none":
        with _seeded(seed):
            module = _as_written(name, classes)
        return _as_zoo_model(module, simplify(module), None, pretrained=False, name=name)
    checkpoint, normalize = _read_weights(name, weights)
    variant, notes = _match_checkpoint(name, checkpoint.state)
    with _seeded(seed):
        module = _as_written(variant, classes)
    simplified: tuple[str, ...] = ()
    try:
        replaced, read_notes = load_checkpoint(module, checkpoint, name, weights, head_name(variant))
    except RequestError:  # perhaps of a network whose layers were put as plain ones
        simplified = simplify(module)
        if not simplified:
            raise
        replaced, read_notes = load_checkpoint(module, checkpoint, name, weights, head_name(variant))
    notes += (*read_notes, *replaced, *(simplified or simplify(module)))
    if weights != "hub":
        notes += _normalization_notes(name)
    return _as_zoo_model(module, notes, normalize, pretrained=not replaced, name=variant)


def _read_weights(name: str, weights: str) -> tuple[Checkpoint, catalog.Normalization | None]:
    """The checkpoint that `weights` names, and what published ones were trained with."""
    if weights != "hub":
        file = source.parse_file(weights)
        return reading.read(file.path, file.key), None
    published = hub.published(name)
    checkpoint = dataclasses.replace(reading.read(_download(published)), notes=())
    return checkpoint, published.normalize


def load_checkpoint(
    module: nn.Module, checkpoint: Checkpoint, name: str, weights: str, head: str | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Load a checkpoint into the network called `name`, whose logits the layer `head` gives (None: as usual).

    Gives whether its head is replaced, and what else was decided, in words. RequestError, naming the file `weights`,
    where it does not fit: with the first difference, or a relative it fits.
    """
    try:
        fitted = fitting.fit(module, checkpoint.state, head)
        if problem := fitting.mismatch(module, fitted.state, fitted.original, head):
            raise ValueError(f"{problem}{_hint(name, checkpoint.state)}")
        state, casts = fitting.cast(module, fitted.state)
    except ValueError as error:
        raise RequestError(f"weights {messages.as_text(weights)} do not fit {name}: {error}") from None
    return fitting.load_into(module, state, head), (*checkpoint.notes, *fitted.notes, *casts)


@concerns("model")
def check(name: str, classes: int, image: tuple[int, int, int]) -> None:
    """RequestError unless the catalogue has a model of that name, for so many classes and such images."""
    _check_network(name, classes)
    if own_names.is_own(name):
        _check_own(name, classes, image, makers.state_of(name))
    else:
        _check_image(name, image)


def construct(name: str, classes: int) -> nn.Module:
    """The bare network `name`, initialised from torch's current random state.

    Nothing is downloaded for it. RequestError, before anything is built, for a name that may not be constructed.
    """
    module = _as_written(name, classes)
    simplify(module)
    return module


def simplify(module: nn.Module) -> tuple[str, ...]:
    """Put layers that compute their weights anew in each pass as plain ones, in place; notes say which."""
    notes = make_plain(module)
    if not any(type(part).__module__.startswith("timm.") for part in module.modules()):
        return notes
    from engine.zoo import timm_layers

    return (*notes, *timm_layers.simplify(module))


def _as_written(name: str, classes: int) -> nn.Module:
    """The network as its code makes it, which files of weights are made for."""
    _check_network(name, classes)
    return makers.maker_of(name).construct(name, classes)


def head_name(name: str) -> str:
    """The name of the layer that gives the logits of the network `name`."""
    return _head_name(name, makers.state_of(name))


def on_meta(name: str, classes: int) -> nn.Module:
    """The network's shapes only, in eval mode: no memory, no initialisation. The user's own code is left as it is."""
    if own_names.is_own(name):
        return initialise(name, classes, 0).eval()
    with ShapesOnly():
        module = construct(name, classes).eval()
    return module.to("meta")  # what is made of lists of numbers, too


@cache
def _head_name(name: str, _state: str) -> str:
    module = on_meta(name, 2)
    if not own_names.is_own(name):
        return head_of(module)
    # A stranger may define the head before what it reads: it is what another number of classes changes.
    two, three = module.state_dict(), on_meta(name, 3).state_dict()
    changed = [key for key, tensor in two.items() if key in three and tensor.shape != three[key].shape]
    return changed[-1].rpartition(".")[0] if changed else head_of(module)


def initialise(name: str, classes: int, seed: int) -> nn.Module:
    """What `construct` gives, initialised from `seed`; torch's own random state stays as it is."""
    with _seeded(seed):
        return construct(name, classes)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _as_zoo_model(
    module: nn.Module, notes: tuple[str, ...], normalize: catalog.Normalization | None, *, pretrained: bool, name: str
) -> ZooModel:
    return ZooModel(module.requires_grad_(True).eval(), notes, normalize, pretrained, name, conditions_of(name))


def conditions_of(name: str) -> Mapping[str, Any]:
    """Whose code the network `name` is, for the record of a run: timm's, or which state of which file of the user's."""
    if own_names.is_own(name):
        return listing.condition(listing.find(name), makers.state_of(name))
    return {"timm": metadata.version("timm")} if name.startswith(timm_names.TIMM) else {}


def _download(source: Published) -> Path:
    if not source.repository:
        return fetch(source.url, source.sha256)
    from engine.zoo import timm_networks

    return timm_networks.download(source.repository)


def _normalization_notes(name: str) -> tuple[str, ...]:
    """What published weights of a network expect, where that is not ImageNet's values and a file says nothing of it."""
    expected = catalog.IMAGENET
    if name.removeprefix("torchvision/") in hub.TRANSFORM_INPUT:
        expected = hub.HALF
    elif name.startswith(timm_names.TIMM):
        from engine.zoo import timm_networks

        expected = timm_networks.normalization_of(name)
    if expected == catalog.IMAGENET:
        return ()
    mean, deviation = ("/".join(f"{value:g}" for value in dict.fromkeys(values)) for values in expected)
    if expected == hub.HALF:
        return (f"{name}'s own weights expect mean and deviation 0.5 (data.normalize)",)
    return (f"{name}'s own weights expect mean {mean} and deviation {deviation} (data.normalize)",)


def _check_network(name: str, classes: int) -> None:
    """The one place that says which networks are ever constructed, whoever names them."""
    makers.check_allowed(name)
    if not 1 <= classes <= MOST_CLASSES:
        raise RequestError(f"a model takes 1 to {MOST_CLASSES:,} classes (got {messages.quote(classes)})")


def _check_sides(image: tuple[int, int, int]) -> tuple[int, int]:
    channels, height, width = image
    if channels != 3:
        raise RequestError(f"models take images of 3 channels, these have {messages.quote(channels)}")
    if max(height, width) > MOST_SIDE:
        raise RequestError(f"models take images of up to {MOST_SIDE:,} px, these are {height}×{width}")
    return height, width


@cache
def _check_own(name: str, classes: int, image: tuple[int, int, int], _state: str) -> None:
    """What the user's network gives for two images: two rows of logits, or a RequestError."""
    from engine.zoo.own import source

    height, width = _check_sides(image)
    module = initialise(name, classes, 0).eval()
    with source.failures_of(listing.find(name), f"cannot read 3×{height}×{width} images"), torch.no_grad():
        output = module(torch.zeros(2, 3, height, width))
    if isinstance(output, torch.Tensor) and output.shape != (2, classes):
        raise RequestError(
            f"{messages.as_text(name)} gives {dimensions(output.shape)} numbers for 2 images of {height}×{width} px "
            f"and {classes} classes; a classifier gives 2×{classes}"
        )


@cache
def _check_image(name: str, image: tuple[int, int, int]) -> None:
    height, width = _check_sides(image)
    is_small = name in catalog.CIFAR_MODELS and max(height, width) <= _SMALL_SIDE
    shapes = initialise(name, 2, 0).eval() if is_small else on_meta(name, 2)
    published = makers.published_for(name)[0]
    if not _accepts(shapes, *published[1:]):  # it works with numbers that only a whole network has
        shapes = initialise(name, 2, 0).eval()
    if _accepts(shapes, height, width):
        return
    low, high = min(height, width), _LARGEST_SIDE
    while high - low > 1:
        side = (low + high) // 2
        low, high = (low, side) if _accepts(shapes, side, side) else (side, high)
    if high == _LARGEST_SIDE:  # it has a size of its own
        made = dimensions(published[1:])
        raise RequestError(f"{name} takes no images of {height}×{width} px; it was made for {made}")
    raise RequestError(f"{name} needs images of at least {high}×{high} px, these are {height}×{width}")


def _accepts(shapes: nn.Module, height: int, width: int) -> bool:
    try:
        with torch.no_grad():
            shapes(torch.zeros(1, 3, height, width, device=next(shapes.parameters()).device))
    except (RuntimeError, AssertionError, ValueError):  # an intermediate size of zero, a kernel larger than its input
        return False
    return True


def _match_checkpoint(name: str, state: State) -> tuple[str, tuple[str, ...]]:
    """The variant of a CIFAR ResNet that the checkpoint's shortcuts ask for."""
    if name.endswith("-a") or f"{name}-a" not in catalog.CIFAR_MODELS or any(".shortcut." in key for key in state):
        return name, ()
    return f"{name}-a", ("option A shortcuts, as in the checkpoint",)


def _hint(name: str, state: State) -> str:
    """Name a relative of `name` that the weights do fit, if there is one."""
    if name not in catalog.MODELS:
        return ""
    family = re.match(r"torchvision/[a-z]+", name)
    relatives = [n for n in catalog.MODELS if n.startswith(family[0])] if family else catalog.CIFAR_MODELS
    for relative in relatives:
        if relative != name and _fits(on_meta(relative, 10), state):
            return f"; they fit {relative}"
    return ""


def _fits(module: nn.Module, state: State) -> bool:
    try:
        return fitting.mismatch(module, fitting.fit(module, state).state) is None
    except ValueError:  # weights in parts that cannot be put together
        return False
