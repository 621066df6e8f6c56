"""What is left after a cut, refitted to the untouched network's values on training images without their labels."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.data.load import Data
from engine.data.loader import batches
from engine.pipeline.recorder import Network
from engine.spec.parts import RecoverSpec
from engine.storage.records.point import Reconstruction
from engine.surgery.reconstruction.reference import Reference
from engine.surgery.reconstruction.refit import LEAST_IMAGES, check_images, refit

USUAL_IMAGES = 1_024
MOST_PIXELS = 256 * 224 * 224  # of them all, where their number is not asked for


@dataclass
class Reconstructor:
    """Refits cut networks; what an untouched one gives for the images is worked out once for all of its cuts."""

    images: Tensor  # normalised N×C×H×W, on the device
    ridge: float
    seed: int
    note: Callable[[str], None]
    _reference: Reference | None = None

    def __post_init__(self) -> None:
        self._noted: set[str] = set()

    def reconstruct(self, pruned: Network, untouched: Network) -> Reconstruction | None:
        """Refit `pruned`, whose plan goes on from that of `untouched`, in place; None where nothing was cut.

        Both end on the images' device, in evaluation mode. What could not be refitted is noted, once in a run.
        """
        steps = pruned.plan.steps[len(untouched.plan.steps) :]
        if not any(step.removes_something() for step in steps):
            return None
        started = time.monotonic()
        for network in (pruned, untouched):
            network.module.to(self.images.device).eval()
            network.structure.trace.graph.to(self.images.device)
        result = refit(pruned.structure, pruned.module, self._reference_to(untouched), steps, self.ridge)
        self._say(result.left)
        if not result.kept:
            self._say(
                (
                    f"a refit came out no nearer to the untouched network than the plain cut, on {result.checked} "
                    "images kept back for this, so the cut stays as it was",
                )
            )
        return Reconstruction(
            seconds=round(time.monotonic() - started, 2),
            images=result.images,
            layers=len(result.layers),
            before=result.before,
            after=result.after,
            kept=result.kept,
        )

    def _reference_to(self, untouched: Network) -> Reference:
        if self._reference is None or self._reference.structure is not untouched.structure:
            self._reference = Reference(untouched.structure, self.images, self.seed)
        return self._reference

    def _say(self, sentences: tuple[str, ...]) -> None:
        for sentence in sentences:
            if sentence not in self._noted:
                self.note(sentence)
                self._noted.add(sentence)


def prepare_reconstruction(
    settings: RecoverSpec, data: Data, device: str, seed: int, note: Callable[[str], None]
) -> Reconstructor | None:
    """With the images of a run; None where its cuts stay as they are. RequestError for images that will not do."""
    if not settings.reconstruct:
        return None
    images = calibration_images(data, settings.calibration_images, device, seed)
    check_images(images)
    if settings.calibration_images is not None and len(images) < settings.calibration_images:
        note(f"reconstruction looks at all {len(images):,} training images, fewer than the number asked for")
    return Reconstructor(images, settings.ridge, seed, note)


def calibration_images(data: Data, count: int | None, device: str, seed: int) -> Tensor:
    """Training images as networks read them, drawn by the seed, the classes in proportion: N×C×H×W on `device`.

    As many as there are, at most `count`; 1,024 where that is None, or fewer of large images.
    """
    height, width = data.image[1:]
    usual = max(LEAST_IMAGES, min(USUAL_IMAGES, MOST_PIXELS // (height * width)))
    chosen, _ = data.train.representative(min(len(data.train), count or usual), seed)
    return torch.cat([images for images, _ in batches(data.train.take(chosen), data, 256, device)])
