"""A network of the user's own: what it is like where no data says for which images, and whether it is the same yet."""

import torch
from torch import nn

from engine.errors import RequestError, concerns
from engine.graph.summarize import summarize
from engine.graph.summary import ModelSummary
from engine.spec.networks import own_names
from engine.storage.folders.job import Job
from engine.zoo.build import ZooModel
from engine.zoo.own import listing, source
from engine.zoo.own.listing import OwnNetwork

CLASSES = 10
_SIDES = (224, 32, 28, 64, 96, 128, 160, 256, 299, 384, 512)  # px; usual ones, of which the first that fits is taken


@concerns("model")
def summarize_file(model: str) -> ModelSummary:
    """The summary of FILE.py:FUNCTION, whether it is listed or not: for who names it in a terminal.

    RequestError when it cannot be built or holds an operation that no rule knows.
    """
    file = own_names.parse(listing.whole_path(model))
    _, sha256 = listing.read_code(file.path)
    return summarize_own(OwnNetwork(path=file.path, function=file.function, sha256=sha256))


@concerns("model")
def summarize_own(network: OwnNetwork) -> ModelSummary:
    """The summary of a network for 10 classes and the first usual image size that it reads."""
    module = source.construct(network, CLASSES).eval()
    return summarize(module, _image_for(module, network), network.model).summary


def refuse_other(folder: Job, zoo_model: ZooModel, *, begun: bool) -> None:
    """RequestError when a job has begun with another state of the user's own file."""
    before, now = folder.env().get("network"), zoo_model.conditions.get("network")
    if begun and before and now and before != now:
        change = listing.change_since(folder.env())
        raise RequestError(f"{change}; put the file back as it was, or start a new {folder.noun}")


def _image_for(module: nn.Module, network: OwnNetwork) -> tuple[int, int, int]:
    """The first usual image size that the network reads; RequestError if it reads none."""
    first: RequestError | None = None
    for side in _SIDES:
        try:
            with source.failures_of(network, f"cannot read 3×{side}×{side} images"), torch.no_grad():
                module(torch.zeros(2, 3, side, side))
        except RequestError as error:
            first = first or error
        else:
            return 3, side, side
    assert first is not None
    raise first
