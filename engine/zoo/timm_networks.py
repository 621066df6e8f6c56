"""timm's networks as `timm/NAME` or `timm/NAME.TAG`: their images, normalisation and weights as timm's own tables say.

https://github.com/huggingface/pytorch-image-models (Apache 2.0). timm is imported when a network of it is first asked
for.
"""

import contextlib
import io
import os
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from engine.errors import RequestError, WorkError
from engine.spec.catalog import Image, Normalization
from engine.spec.networks.timm_names import TIMM
from engine.texts import without_credentials
from engine.zoo.declare import Published

_WEIGHTS_FILE = "model.safetensors"  # pickled ones are never downloaded


def construct(model: str, classes: int) -> nn.Module:
    """timm's network without weights, from torch's current random state; layers as its exporters use them."""
    _configuration(model)
    module: nn.Module = _timm().create_model(_name(model), pretrained=False, num_classes=classes, exportable=True)
    return module


def published_for(model: str) -> tuple[Image, int]:
    """The images (3, height, width) and the number of classes that timm's configuration of `model` states."""
    channels, height, width = _configuration(model).input_size
    return (int(channels), int(height), int(width)), int(_configuration(model).num_classes)


def normalization_of(model: str) -> Normalization:
    """The mean and deviation that timm's configuration of `model` states."""
    configuration = _configuration(model)
    return tuple(configuration.mean), tuple(configuration.std)


def published(model: str) -> Published:
    """Where the Hugging Face hub has the weights of `model`; RequestError where nobody published any."""
    configuration = _configuration(model)
    if not configuration.hf_hub_id:
        raise RequestError(
            f"there are no hub weights for {model}: timm has none of it as safetensors; give a file or none",
            field="weights",
        )
    return Published("", "", normalization_of(model), repository=str(configuration.hf_hub_id))


def download(repository: str) -> Path:
    """The weights in a repository of the Hugging Face hub ($HF_ENDPOINT names another), downloaded once.

    WorkError when they cannot be had whole. The hub's own client keeps them in its cache, where timm finds them, too.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    endpoint = os.environ.get("HF_ENDPOINT") or None
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return Path(hf_hub_download(repository, _WEIGHTS_FILE, endpoint=endpoint, library_name="timm"))
    except LocalEntryNotFoundError:
        reason = "is this machine online?"
    except (OSError, ValueError) as error:  # which all of the client's own errors are
        reason = without_credentials(" ".join(str(error).split()))[:300]
    raise WorkError(f"cannot download {_WEIGHTS_FILE} of {repository}: {reason}")


@cache
def _configuration(model: str) -> Any:
    """timm's configuration of a network; RequestError when it has no weights of that tag."""
    name = _name(model)
    _timm()
    from timm.models import get_pretrained_cfg

    try:
        configuration = get_pretrained_cfg(name, allow_unregistered=False)
    except (RuntimeError, ValueError):
        configuration = None
    if configuration is None:
        base = name.partition(".")[0]
        from timm.models import list_pretrained

        tags = ", ".join(TIMM + tagged for tagged in list_pretrained(f"{base}.*")) or "none with a tag"
        raise RequestError(f"timm has no weights {model}; of {base} it has {tags}", field="model")
    return configuration


def _name(model: str) -> str:
    return model.removeprefix(TIMM)


@cache
def _timm() -> ModuleType:
    """timm, imported without a word: what it imports prints where a part that nothing here needs is missing."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        import timm
    return timm
