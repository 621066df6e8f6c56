"""What is left after a cut, refitted to the untouched network's values on training images without their labels."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from engine.data.load import Data, Split
from engine.data.loader import batches
from engine.pipeline.network import Network
from engine.pipeline.shared.samples import SampleMemory
from engine.pipeline.shared.sharing import Sharing
from engine.spec.parts import FEWEST_CALIBRATION_IMAGES, FEWEST_USUAL, RecoverSpec
from engine.storage.records.point import Reconstruction
from engine.surgery.reconstruction.reference import Reference
from engine.surgery.reconstruction.refit import check_images, refit
from engine.surgery.reconstruction.samples import SAMPLES, samples_of

MOST_PIXELS = 256 * 224 * 224  # of them all
Note = Callable[[str], None]


@dataclass(frozen=True)
class Reconstructor:
    """Refits networks that were cut from an untouched one; what that gives for the images is worked out once."""

    untouched: Network
    reference: Reference
    ridge: float
    note: Note
    _noted: set[str] = field(default_factory=set)

    @classmethod
    def of(
        cls,
        untouched: Network,
        images: Tensor,
        settings: RecoverSpec,
        seed: int,
        note: Note,
        sharing: Sharing | None = None,
    ) -> Self:
        """With N×C×H×W images, normalised and on the device on which refits are made."""
        outputs = sum(len(layer.outs) for layer in untouched.structure.trace.layers.values())
        # Those that are there, not those asked for: a landscape's cell names them to the run of its network.
        samples = SAMPLES if settings.calibration_images is None else samples_of(len(images), outputs)
        memory = None if sharing is None else SampleMemory.of(sharing, untouched, images, seed, samples)
        return cls(untouched, Reference(untouched.structure, images, seed, samples, memory), settings.ridge, note)

    def reconstruct(self, pruned: Network) -> Reconstruction | None:
        """Refit `pruned`, whose plan goes on from that of the untouched one, in place; None where nothing was cut.

        Both end on the images' device, in evaluation mode. What could not be refitted is noted, once.
        """
        steps = pruned.steps_since(self.untouched)
        if not any(step.removes_something() for step in steps):
            return None
        started = time.monotonic()
        for network in (pruned, self.untouched):
            network.module.to(self.reference.images.device).eval()
            network.structure.trace.graph.to(self.reference.images.device)
        result = refit(pruned.structure, pruned.module, self.reference, steps, self.ridge)
        for sentence in result.remarks():
            if sentence not in self._noted:
                self.note(sentence)
                self._noted.add(sentence)
        return Reconstruction(
            seconds=round(time.monotonic() - started, 2),
            images=result.images,
            layers=len(result.layers),
            checked=result.checked,
            before=result.before,
            after=result.after,
            kept=result.kept,
        )


def reconstruction_images(
    settings: RecoverSpec, data: Data, device: str, seed: int, note: Note, usual: int = FEWEST_USUAL
) -> Tensor | None:
    """The images of a job's refits, as `calibration_images`; None where its cuts stay as they are.

    RequestError for images that will not do.
    """
    if not settings.reconstruct:
        return None
    images = calibration_images(data, settings.calibration_images, device, seed, usual)
    check_images(images)
    if settings.calibration_images is not None and len(images) < settings.calibration_images:
        note(f"reconstruction looks at all {len(images):,} training images, fewer than the number asked for")
    return images


def _chosen(data: Data, count: int, seed: int) -> Split:
    """Training images, the classes in proportion; of a pair of datasets half from each."""
    if data.target is None:
        return data.train.take(data.train.representative(min(len(data.train), count), seed)[0])
    halves = [data.train, data.target.train]
    source, target = (half.take(half.representative(min(len(half), count // 2), seed)[0]) for half in halves)
    return source.joined(target)


def calibration_images(data: Data, count: int | None, device: str, seed: int, usual: int = FEWEST_USUAL) -> Tensor:
    """Training images as networks read them, drawn by the seed, the classes in proportion: N×C×H×W on `device`.

    As many as there are, at most `count`; `usual` where that is None, or fewer of large images.
    """
    height, width = data.image[1:]
    fewer = max(FEWEST_CALIBRATION_IMAGES, min(usual, MOST_PIXELS // (height * width)))
    images = torch.cat([images for images, _ in batches(_chosen(data, count or fewer, seed), data, 256, device)])
    return images.contiguous(memory_format=torch.channels_last)  # convolutions, and samples of pixels, are faster so
