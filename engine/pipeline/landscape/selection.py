"""What one phase removes from a network for any share that is to be kept: scored once, selected as often as asked."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from engine.criteria.calibration import Calibration, prepare_calibration
from engine.criteria.registry import score_blocks, score_channels
from engine.data.load import Data
from engine.graph.cost import CostModel
from engine.graph.metric import Metric
from engine.pipeline.network import Network
from engine.prune import depth
from engine.prune.one_shot import OneShot
from engine.prune.protection import Protection, protection
from engine.spec.run import Phase, RunSpec
from engine.surgery import plan
from engine.surgery.reconstruction.reference import Reference


@dataclass(frozen=True)
class Conditions:
    """What a landscape's networks are selected by: the request, its data, and the baseline's widths by layer."""

    spec: RunSpec
    data: Data
    device: str
    metric: Metric
    widths: dict[str, int]
    unlabelled: Callable[[], Tensor]  # training images for criteria that read no labels, N×C×H×W on the device
    reference: Reference | None  # of the untouched network, where cuts are refitted

    def cost(self, network: Network) -> float:
        """What a network costs, in units of the metric."""
        return self.metric.of(CostModel(network.structure.summary))


@dataclass(frozen=True)
class Selection:
    """One-shot selection from one network, in one phase."""

    conditions: Conditions
    network: Network
    phase: Phase

    def step(self, share: float) -> plan.Step:
        """What goes so that at most `share` of the network's cost is left; TargetUnreachable when that cannot be."""
        limit = share * self.conditions.cost(self.network)
        return self._choose(limit)

    @cached_property
    def _choose(self) -> Callable[[float], plan.Step]:
        return self._blocks() if self.phase == "layers" else self._channels()

    def _blocks(self) -> Callable[[float], plan.Step]:
        structure, stays = self.network.structure, self._protection
        blocks = depth.candidates(structure.summary, protected=stays.blocks)
        scores = score_blocks(self._calibration(), blocks, self.conditions.spec.criterion)
        return lambda limit: self._one_shot.blocks(structure, scores, limit, stays)

    def _channels(self) -> Callable[[float], plan.Step]:
        scores = score_channels(self._calibration(), self.conditions.spec.criterion)
        return lambda limit: self._one_shot.channels(self.network.structure, scores, limit, self._protection)

    @property
    def _one_shot(self) -> OneShot:
        spec = self.conditions.spec
        return OneShot.of(self.conditions.metric, spec.criterion, spec.width)

    @cached_property
    def _protection(self) -> Protection:
        spec = self.conditions.spec
        summary = self.network.structure.summary
        return protection(summary, spec.keep_layers, spec.width.least_share, self.conditions.widths)

    def _calibration(self) -> Calibration:
        given, module, trace = self.conditions, self.network.module, self.network.structure.trace
        return prepare_calibration(
            module,
            trace,
            given.data.val,
            given.data,
            given.device,
            given.spec.seed,
            given.unlabelled,
            reference=given.reference,
        )
