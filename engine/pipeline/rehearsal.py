"""What a run will ask of a network, tried in seconds before the first epoch: a refusal must not come after training."""

import copy
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from engine.errors import RequestError, WorkError
from engine.export import onnx
from engine.graph.source import line_of_error
from engine.graph.summarize import Structure, summarize
from engine.graph.summary import ModelSummary
from engine.measure.counters import count
from engine.surgery import checked, plan
from engine.surgery.cut import check_equal

SHARE = 0.4  # of the channels of every layer that go
_IMAGES = 2
_ALL_THE_SAME = (0.1, 0.5)  # what is added to parameters that are all one number: a gain of 0 would hide its branch


def rehearse(module: nn.Module, structure: Structure, *, blocks: bool) -> None:
    """Try a cut of 40 % of every layer's channels, training, both counts of MACs and the ONNX file, on random images.

    `structure` describes `module`, which stays as it is; with `blocks` all removable blocks go first. RequestError,
    with the line of the network's own code where there is one, when something of that fails.
    """
    summary, name = structure.summary, structure.summary.model
    images = torch.randn(_IMAGES, *summary.image, generator=torch.Generator().manual_seed(0))
    with _refusal(name, "be followed"):
        trial = _lively(module)
        _check_graph(module, structure, images)
    with _refusal(name, "be counted"):
        _check_counts(trial, summary)
    for select in (_all_blocks, _last_channels) if blocks else (_last_channels,):
        step = select(structure)
        if step.removes_something():
            with _refusal(name, "be cut"):
                trial, _ = checked.cut(trial, structure, step, images)
                structure = summarize(trial, summary.image, name)
                _check_counts(trial, structure.summary)
    with _refusal(name, "be trained after a cut"):
        _check_training(trial, images, summary.classes)
    with _refusal(name, "be written as ONNX after a cut"), tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
        onnx.export(trial, summary.image, Path(scratch) / "trial.onnx")


def _all_blocks(structure: Structure) -> plan.Step:
    return plan.Step(blocks=tuple(block.name for block in structure.summary.blocks if block.removable))


def _last_channels(structure: Structure) -> plan.Step:
    """The last 40 % of every group of channels that may lose some."""
    groups = enumerate(structure.summary.channel_groups)
    dropped = {c: np.arange(group.size - int(SHARE * group.size), group.size) for c, group in groups if group.removable}
    return plan.channel_step(structure.trace, structure.identities_at(dropped))


def _lively(module: nn.Module) -> nn.Module:
    """A copy in which no parameter or mean is all one number, as fresh ones are: each part then shows in the output."""
    trial = copy.deepcopy(module).cpu().eval()
    generator = torch.Generator().manual_seed(0)
    means = [tensor for name, tensor in trial.named_buffers() if name.endswith("running_mean")]
    with torch.no_grad():
        for tensor in (*trial.parameters(), *means):
            if tensor.is_floating_point() and tensor.numel() and bool((tensor == tensor.flatten()[0]).all()):
                tensor.add_(torch.empty(tensor.shape).uniform_(*_ALL_THE_SAME, generator=generator))
    return trial


def _check_graph(module: nn.Module, structure: Structure, images: Tensor) -> None:
    """The traced graph computes what the network does, for another batch than it was traced with."""
    device = next(module.parameters()).device
    with torch.inference_mode():
        check_equal(module, structure.trace.graph, images.to(device))


def _check_counts(module: nn.Module, summary: ModelSummary) -> None:
    counts = count(module, summary.image)
    if (counts.macs, counts.params) != (summary.macs, summary.params):
        raise WorkError(
            f"torch counts {counts.macs:,} MACs and {counts.params:,} parameters where its layers have "
            f"{summary.macs:,} and {summary.params:,}"
        )


def _check_training(module: nn.Module, images: Tensor, classes: int) -> None:
    """In training mode, too, it gives logits that a loss can be taken of."""
    trial = copy.deepcopy(module).requires_grad_(True).train()
    output = trial(images)
    if not isinstance(output, Tensor):
        raise WorkError(f"in training mode it gives a {type(output).__name__}; it must give the logits alone")
    if output.shape != (len(images), classes):
        raise WorkError(f"in training mode it gives {tuple(output.shape)} numbers for {len(images)} images")
    output.sum().backward()  # type: ignore[no-untyped-call]


@contextmanager
def _refusal(name: str, what: str) -> Iterator[None]:
    """RequestError for whatever the network, which is somebody else's code, raises inside."""
    try:
        yield
    except RequestError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RequestError(
            f"{name} cannot {what}, as tried before training: {reason}{line_of_error(error)}", field="model"
        ) from None
