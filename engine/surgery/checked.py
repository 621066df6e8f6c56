"""A cut that is proven: the network that comes out equals the masked one, or nothing comes out."""

import copy

from torch import Tensor, nn

from engine.graph.summarize import Structure
from engine.surgery import plan
from engine.surgery.cut import bypassed_copy, check_equal, masked_copy


def cut(module: nn.Module, structure: Structure, step: plan.Step, images: Tensor) -> tuple[nn.Module, float]:
    """A cut copy of `module`, which `structure` describes, and by how much its outputs differ from the masked one's.

    Compared on N×C×H×W `images`, on the CPU and in evaluation mode, in which both are left; the difference is relative
    to the largest output. WorkError when it is more than rounding.
    """
    smaller = copy.deepcopy(module)
    plan.apply(step, smaller, structure)
    if step.blocks:
        removed = [m for block in structure.summary.blocks if block.name in step.blocks for m in block.modules]
        reference = bypassed_copy(module, removed)
    else:
        reference = masked_copy(module, structure.trace, plan.dropped_identities(step, structure.trace))
    return smaller, check_equal(reference, smaller, images)
