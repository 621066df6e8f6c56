"""The network without some of its channels or blocks: how many validation images it has right, as cut and refitted."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from torch import nn

from app.methods import demonstration
from app.methods.demonstration import BLOCKS, Ranking, Removal
from engine.criteria.calibration import Calibration, prepare_calibration
from engine.criteria.registry import score_blocks, score_filters
from engine.data.load import Data
from engine.graph.summarize import Structure, summarize
from engine.pipeline.reconstruction import calibration_images
from engine.spec.catalog import CRITERIA
from engine.surgery import plan
from engine.surgery.plan import Step
from engine.surgery.reconstruction.reference import Reference
from engine.surgery.reconstruction.refit import refit
from engine.train.evaluate import evaluate

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 0.9)  # of a layer's channels that go
IMAGES, SEED = 1024, 0  # that refits look at


@dataclass(frozen=True)
class Bench:
    """The untouched network and its images; what was measured once is not measured again."""

    module: nn.Module
    structure: Structure
    data: Data
    calibration: Calibration
    reference: Reference
    _measured: dict[Step, tuple[int, int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, module: nn.Module, data: Data) -> Self:
        """That of a network in evaluation mode."""
        structure = summarize(module, data.image)
        reference = Reference(structure, calibration_images(data, IMAGES, "cpu", SEED), SEED)
        calibration = prepare_calibration(module, structure.trace, data.val, data, "cpu", SEED, reference=reference)
        return cls(module, structure, data, calibration, reference)

    def correct(self, module: nn.Module) -> int:
        """How many of the validation images a network has right."""
        return evaluate(module, self.data.val, self.data, "cpu", batch_size=256).correct

    def rank(self, criterion: str) -> dict[str, Ranking]:
        """The rankings by a criterion: of every convolution's channels, or of the blocks that may go."""
        if CRITERIA[criterion].scope == "blocks":
            return {BLOCKS: self._rank_blocks(criterion)}
        scores = score_filters(self.calibration, criterion)
        return {name: self._rank_layer(name, scores[name].tolist()) for name in self.layers()}

    def layers(self) -> dict[str, int]:
        """The convolutions and their widths, in order of depth."""
        return {layer.name: layer.width for layer in self.structure.summary.layers if layer.kind != "linear"}

    def blocks(self) -> tuple[str, ...]:
        """The blocks that may go."""
        return tuple(block.name for block in self.structure.summary.blocks if block.removable)

    def _rank_layer(self, name: str, exact: list[float]) -> Ranking:
        scores = _rounded(exact)
        counts = demonstration.counts(len(scores), SHARES)
        return Ranking(scores=scores, removals=tuple(self.remove_channels(name, scores, count) for count in counts))

    def _rank_blocks(self, criterion: str) -> Ranking:
        blocks = [block for block in self.structure.summary.blocks if block.removable]
        by_name = score_blocks(self.calibration, blocks, criterion)
        scores = _rounded([by_name[name] for name in self.blocks()])
        removals = []
        for count in range(len(scores) + 1):
            lowest = demonstration.lowest(scores, count)
            removals.append(self._remove(Step(blocks=tuple(self.blocks()[number] for number in lowest)), count))
        return Ranking(scores=scores, removals=tuple(removals))

    def remove_channels(self, layer: str, scores: Sequence[float], count: int) -> Removal:
        """What it comes to when the `count` channels of a layer with the lowest scores go."""
        return self._remove(Step(channels=((layer, demonstration.lowest(scores, count)),) if count else ()), count)

    def _remove(self, step: Step, count: int) -> Removal:
        if step not in self._measured:
            self._measured[step] = self._measure(step)
        macs, plain, reconstructed = self._measured[step]
        return Removal(count=count, macs=macs, plain=plain, reconstructed=reconstructed)

    def _measure(self, step: Step) -> tuple[int, int, int]:
        cut = copy.deepcopy(self.module)
        if not step.removes_something():
            correct = self.correct(cut)
            return self.structure.summary.macs, correct, correct
        plan.apply(step, cut, self.structure)
        plain, structure = self.correct(cut), summarize(cut, self.data.image)
        refit(structure, cut, self.reference, [step])
        return structure.summary.macs, plain, self.correct(cut)


def _rounded(scores: list[float]) -> tuple[float, ...]:
    """Five figures: what is stored is what ranks."""
    return tuple(float(f"{score:.5g}") for score in scores)
