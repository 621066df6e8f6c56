"""The small network of the page Methods: seven convolutions one after the other, and its weights beside this file."""

import hashlib
from collections import OrderedDict
from pathlib import Path

from safetensors.torch import load_file, save
from torch import nn, random

from engine.data.load import Data, load
from engine.spec.parts import DataSpec
from engine.storage.atomic import atomic_write
from engine.train.fit import EpochResult, fit
from engine.train.recipe import Recipe
from engine.zoo.cifar import Unit

FILE = Path(__file__).with_name("network.safetensors")
DATA, EPOCHS, SEED = "clutter", 20, 0
_STEM, _WIDTHS, _UNITS = 12, (24, 32), 3  # channels of the stem and of both stages, and convolutions in each of these


def construct() -> nn.Module:
    """The network with random weights; what comes after the first of a stage may go as a whole."""
    parts: OrderedDict[str, nn.Module] = OrderedDict(stem=Unit(3, _STEM, nn.ReLU()))
    width_in = _STEM
    for number, width in enumerate(_WIDTHS, start=1):
        units = [Unit(width_in if first else width, width, nn.ReLU(), stride=2 if first else 1) for first in _firsts()]
        parts[f"stage{number}"] = nn.Sequential(*units)
        width_in = width
    parts |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "fc": nn.Linear(width_in, 10)}
    return nn.Sequential(parts)


def images() -> Data:
    """The data that it is trained and measured on."""
    return load(DataSpec(name=DATA), SEED)


def train(data: Data) -> nn.Module:
    """A network with trained weights, which are written to the file."""
    random.manual_seed(SEED)
    module = construct()

    def say(epoch: EpochResult) -> None:
        print(f"epoch {epoch.epoch}/{epoch.epochs}: {epoch.val_top1:.1%} of the validation images", flush=True)

    fit(module, data, Recipe(epochs=EPOCHS, lr=0.1), "cpu", SEED, on_epoch=say)
    with atomic_write(FILE) as part:
        part.write_bytes(save({name: value.contiguous() for name, value in module.state_dict().items()}))
    return module.eval()


def read() -> nn.Module:
    """The network with the weights of the file, in evaluation mode."""
    module = construct()
    module.load_state_dict(load_file(FILE))
    return module.eval()


def digest() -> str:
    """SHA-256 of the weights' file."""
    return hashlib.sha256(FILE.read_bytes()).hexdigest()


def _firsts() -> list[bool]:
    return [True] + [False] * (_UNITS - 1)
