"""What a criterion looks at, and how filter scores become channel and block scores. No torch at import."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

from engine.errors import RequestError
from engine.graph.cost import is_inside
from engine.graph.summary import Block

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from engine.data.load import Data, Split
    from engine.graph.channel_ids import Trace
    from engine.surgery.reconstruction.reference import Reference

CALIBRATION_IMAGES, CALIBRATION_BATCH = 640, 64
EVALUATION_BATCH = 128  # as in `train.evaluate`: batches of another size may round differently

Scores: TypeAlias = "dict[str, NDArray[np.float64]]"  # layer → one number per output channel


class ImageSource(Protocol):
    """Images with labels, in one order, as a device sees them."""

    @property
    def device(self) -> torch.device: ...

    def __len__(self) -> int: ...

    def take(self, indices: Tensor) -> Self:
        """The images at `indices`, in that order."""

    def batches(self, size: int = EVALUATION_BATCH) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalised N×C×H×W images and N labels, in order."""


@dataclass(frozen=True)
class Images:
    """The images of a split, as a device sees them."""

    split: Split
    data: Data
    device: torch.device

    def __len__(self) -> int:
        return len(self.split)

    def take(self, indices: Tensor) -> Images:
        """The images at `indices`, in that order."""
        return Images(self.split.take(indices), self.data, self.device)

    def batches(self, size: int = EVALUATION_BATCH) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalised images and labels, in order."""
        from engine.data.loader import batches

        return batches(self.split, self.data, size, self.device)


@dataclass(frozen=True)
class Calibration:
    """A traced network in eval mode, the calibration images that criteria may use, and all images to attempt it on."""

    module: nn.Module
    trace: Trace
    batches: Callable[[], Iterator[tuple[Tensor, Tensor]]]  # the same batches at every call
    device: torch.device
    seed: int
    images: ImageSource | None = None  # None where nothing is attempted
    unlabelled: Callable[[], Tensor] | None = None  # N×C×H×W images; None: those of `batches`
    samples: int | None = None  # of what each layer reads, where a criterion takes some; None: as many as usual
    reference: Reference | None = None  # of this network, where a refit will look at the same unlabelled images

    def unlabelled_images(self) -> Tensor:
        """Images for criteria that read no labels, N×C×H×W on the device."""
        import torch

        if self.reference is not None:
            return self.reference.images
        if self.unlabelled is not None:
            return self.unlabelled()
        return torch.cat([images for images, _ in self.batches()])


Scorer: TypeAlias = "Callable[[Calibration], Scores]"
BlockScorer: TypeAlias = "Callable[[Calibration, list[Block]], dict[str, float]]"  # block → its score
IdentityScorer: TypeAlias = "Callable[[Calibration], dict[int, float]]"  # identity → its score


def prepare_calibration(
    module: nn.Module,
    trace: Trace,
    split: Split,
    data: Data,
    device: str,
    seed: int,
    unlabelled: Callable[[], Tensor] | None = None,
    samples: int | None = None,
    reference: Reference | None = None,
) -> Calibration:
    """`module` on `device`, with at most 640 images of `split` for calibration: all classes in proportion.

    `unlabelled` gives the images for criteria that read no labels (by default they take the same), `samples` is how
    many of what a layer reads they take of all of these together. A `reference` that describes this very trace has the
    images, too, and learns from the criterion's look at them what its own would tell.
    """
    import torch

    target = torch.device(device)
    trace.graph.to(target)  # the constants of its forward, too
    selected, _ = split.representative(min(len(split), CALIBRATION_IMAGES), seed=0)
    images = Images(split, data, target)
    calibration = images.take(selected)
    return Calibration(
        module.to(target).eval(),
        trace,
        lambda: calibration.batches(CALIBRATION_BATCH),
        target,
        seed,
        images,
        unlabelled,
        samples,
        reference if reference is not None and reference.structure.trace is trace else None,
    )


def identity_scores(trace: Trace, filters: Scores) -> dict[int, float]:
    """Scores of identities: the mean over its producing layers, each layer's scores divided by its mean."""
    import numpy as np

    total: dict[int, float] = {}
    count: dict[int, int] = {}
    for name, raw in filters.items():
        scores = raw / (raw.mean() or 1.0)
        identities, positions = np.unique(trace.layers[name].outs, return_inverse=True)
        means = np.bincount(positions, scores) / np.bincount(positions)
        for identity, score in zip(identities.tolist(), means.tolist(), strict=True):
            total[identity] = total.get(identity, 0.0) + score
            count[identity] = count.get(identity, 0) + 1
    return {identity: total[identity] / count[identity] for identity in total}


def block_scores(blocks: Iterable[Block], filters: Scores) -> dict[str, float]:
    """Scores of blocks: the mean over all filters inside, undivided (Elkerdawy et al. 2020)."""
    import numpy as np

    scores = {}
    for block in blocks:
        inside = [filters[name] for name in filters if is_inside(name, block.modules)]
        if not inside:
            sentence = f"this criterion scores no filter of {block.name}; choose another, such as l1"
            raise RequestError(sentence, field="criterion")
        scores[block.name] = float(np.concatenate(inside).mean())
    return scores


def zeros(calibration: Calibration) -> Scores:
    """0 for each output channel of each layer."""
    import numpy as np

    return {name: np.zeros(len(layer.outs)) for name, layer in calibration.trace.layers.items()}


def weights_of(calibration: Calibration) -> Iterator[tuple[str, Tensor]]:
    """Each layer's weights in float64 on the CPU, as (output channels, everything else)."""
    for name, layer in calibration.trace.layers.items():
        weight: Tensor = calibration.module.get_submodule(name).weight  # type: ignore[assignment]
        yield name, layer.filters(weight.detach().double().cpu())


def norm_scales(calibration: Calibration, criterion: str) -> dict[str, Tensor]:
    """For each layer that a batch norm with a scale directly follows: that scale, one number per output channel.

    RequestError, in the name of `criterion`, for a network without any.
    """
    from torch import Tensor

    from engine.graph.patterns import layer_nodes, unit

    scales = {}
    for name, node in layer_nodes(calibration.trace).items():
        norm = unit(calibration.trace, node)[1]
        path = "" if norm is None else calibration.trace.owner(norm)
        scale = calibration.module.get_submodule(path).weight if path else None
        if isinstance(scale, Tensor):
            scales[name] = scale
    if not scales:
        sentence = f"{criterion} needs batch norm after convolutions, and this network has none; choose l1"
        raise RequestError(sentence, field="criterion")
    return scales
