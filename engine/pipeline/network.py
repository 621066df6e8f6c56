"""A network of a run, and how a cut makes a smaller one of it."""

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor, nn

from engine.data.load import Data
from engine.data.loader import batches
from engine.graph.summarize import Structure, summarize
from engine.surgery import checked
from engine.surgery.plan import Plan, Step

CHECK_IMAGES = 16


@dataclass(frozen=True)
class Network:
    """The module, and the plan that leads to it from the untouched network."""

    module: nn.Module
    plan: Plan

    @cached_property
    def structure(self) -> Structure:
        """Its trace and model summary. Weights may be trained, the shape never changes: a cut makes another network."""
        return summarize(self.module, self.plan.image, self.plan.model)

    def cut(self, step: Step, images: Tensor) -> tuple["Network", float]:
        """The network after a step, on the CPU, proven equal to the masked one; and how far the two are apart.

        This one ends on the CPU, too, and is itself what comes out where the step removes nothing.
        """
        if not step.removes_something():
            return self, 0.0
        module, error = checked.cut(self.module.cpu(), self.structure, step, images)
        return Network(module, self.plan.then(step)), error

    def steps_since(self, earlier: "Network") -> tuple[Step, ...]:
        """What was removed from an earlier network on the way here."""
        return self.plan.steps[len(earlier.plan.steps) :]


def check_images(data: Data) -> Tensor:
    """A few validation images, N×C×H×W on the CPU, on which a cut is held against the masked network."""
    images, _ = next(batches(data.val, data, CHECK_IMAGES, "cpu"))
    return images
