"""The network without some of its channels or blocks: how many validation images it has right, as cut and refitted."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from torch import nn

from app.methods import demonstration
from app.methods.demonstration import BLOCKS, Ranking, Removal
from benchmarks.demonstration.validation import Validation
from engine.criteria.calibration import Calibration, prepare_calibration
from engine.criteria.registry import score_blocks, score_filters
from engine.data.load import Data
from engine.graph.cost import is_inside
from engine.graph.summarize import Structure, summarize
from engine.pipeline.reconstruction import calibration_images
from engine.spec.catalog import CRITERIA
from engine.surgery import plan
from engine.surgery.plan import Step
from engine.surgery.reconstruction.reference import Reference
from engine.surgery.reconstruction.refit import refit

SHARES = (0.12, 0.25, 0.4, 0.55, 0.75)  # of a layer's channels that go
IMAGES, SAMPLES, SEED = 256, 3072, 0  # that refits look at


@dataclass(frozen=True)
class Bench:
    """The untouched network and its images; what was measured once is not measured again."""

    module: nn.Module
    structure: Structure
    data: Data
    calibration: Calibration
    reference: Reference
    validation: Validation
    _measured: dict[Step, tuple[int, int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, module: nn.Module, data: Data) -> Self:
        """That of a network in evaluation mode."""
        structure = summarize(module, data.image)
        reference = Reference(structure, calibration_images(data, IMAGES, "cpu", SEED), SEED, SAMPLES)
        calibration = prepare_calibration(module, structure.trace, data.val, data, "cpu", SEED, reference=reference)
        return cls(module, structure, data, calibration, reference, Validation.of(module, data))

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
            correct = self.validation.correct(cut)
            return self.structure.summary.macs, correct, correct
        plan.apply(step, cut, self.structure)
        first = self._first_part(step)
        plain, structure = self.validation.correct(cut, first), summarize(cut, self.data.image)
        refit(structure, cut, self.reference, [step])
        return structure.summary.macs, plain, self.validation.correct(cut, self._before(first))

    def _first_part(self, step: Step) -> str:
        """The first part of the chain that a step changes."""
        changed = {*step.blocks, *(layer for layer, _ in step.channels)}
        return next(part for part in self.validation.parts if any(is_inside(name, (part,)) for name in changed))

    def _before(self, part: str) -> str | None:
        """The part before, which a refit changes where a block is gone; None where there is none."""
        parts = list(self.validation.parts)
        number = parts.index(part)
        return parts[number - 1] if number else None


def _rounded(scores: list[float]) -> tuple[float, ...]:
    """Five figures: what is stored is what ranks."""
    return tuple(float(f"{score:.5g}") for score in scores)
