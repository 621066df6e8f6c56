"""A network of a run, and how a cut makes a smaller one of it."""

import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from engine.data.load import Data
from engine.data.loader import batches
from engine.graph.summarize import Structure, summarize
from engine.surgery import checked
from engine.surgery.plan import Plan, Step, dropped_identities
from engine.train.adversarial import Adaptation

CHECK_IMAGES = 16


@dataclass(frozen=True)
class Network:
    """The module, the plan that leads to it from the untouched network, and what goes along with it in a transfer."""

    module: nn.Module
    plan: Plan
    adaptation: Adaptation | None = None

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
        return Network(module, self.plan.then(step), self._adaptation_after(step)), error

    def clone(self) -> "Network":
        """One that is trained without this one."""
        adaptation = None if self.adaptation is None else self.adaptation.clone()
        return Network(copy.deepcopy(self.module), self.plan, adaptation)

    def _adaptation_after(self, step: Step) -> Adaptation | None:
        """What goes along, told which of the classifier's inputs stay."""
        if self.adaptation is None or step.blocks:
            return None if self.adaptation is None else self.adaptation.clone()
        trace = self.structure.trace
        features = next(reversed(trace.layers.values())).ins
        dropped = np.array(sorted(dropped_identities(step, trace)), dtype=np.int64)
        return self.adaptation.keep(torch.from_numpy(~np.isin(features, dropped)))

    def steps_since(self, earlier: "Network") -> tuple[Step, ...]:
        """What was removed from an earlier network on the way here."""
        return self.plan.steps[len(earlier.plan.steps) :]


def check_images(data: Data) -> Tensor:
    """A few validation images, N×C×H×W on the CPU, on which a cut is held against the masked network."""
    images, _ = next(batches(data.val, data, CHECK_IMAGES, "cpu"))
    return images
