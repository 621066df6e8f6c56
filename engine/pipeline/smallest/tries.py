"""The networks that a search cuts: each is refitted and measured on validation images, once.

The test split is touched once for each reported point, so a try has figures of the validation split alone: a choice
among many networks by test images would be a choice of luck. A try is a line of points.jsonl all the same, as that is
what a search that was interrupted goes on from.
"""

import time
from pathlib import Path

from engine.pipeline import recovery, select
from engine.pipeline.duration.length import SEARCH
from engine.pipeline.network import Network, check_images
from engine.pipeline.reconstruction import Reconstructor
from engine.pipeline.recorder import Recorder
from engine.pipeline.select import Baseline, PhaseTarget, Scores
from engine.pipeline.smallest.bisection import ratio, tries_expected
from engine.pipeline.smallest.candidate import Candidate, candidates
from engine.pipeline.step import StepKey
from engine.prune.solver import TargetUnreachable
from engine.spec.run import Phase
from engine.storage.records import event
from engine.storage.records.point import Point
from engine.surgery import serialization
from engine.surgery.plan import Step
from engine.train.evaluate import hits

CLOSE = 1e-9  # of shares that are the same


class Tries:
    """Every network that was cut for a search, from now or from before an interruption."""

    def __init__(
        self,
        recorder: Recorder,
        baseline: Baseline,
        untouched: Network,
        reconstructor: Reconstructor | None,
        least: float,
    ) -> None:
        self.recorder, self.least, self.stage = recorder, least, recovery.stage_of_cuts(recorder.spec)
        self._baseline, self._untouched, self._reconstructor = baseline, untouched, reconstructor
        self._images = check_images(recorder.data)
        self._known: dict[tuple[Candidate, float], Point | None] = {
            (Candidate(point.criterion, point.depth_share), point.keep): point
            for point in recorder.points()
            if point.is_try and point.criterion is not None and point.depth_share is not None
        }
        self._scores: dict[tuple[str, Phase, tuple[Step, ...]], Scores] = {}
        self._expected = tries_expected(len(candidates(recorder.spec)))

    def holds(self, candidate: Candidate, place: int) -> bool:
        """Whether the network that a candidate makes at a place of the grid has the accuracy; False out of reach."""
        keep = ratio(place)
        if (candidate, keep) not in self._known:
            self._known[candidate, keep] = self._try(candidate, keep)
        point = self._known[candidate, keep]
        return point is not None and self._has_accuracy(point)

    def all(self) -> list[Point]:
        """The tries in their order."""
        return [point for point in self.recorder.points() if point.is_try]

    def best(self) -> Point | None:
        """The smallest of the tries that have the accuracy; of equally small ones the most accurate."""
        held = filter(self._has_accuracy, self.all())
        return min(held, key=lambda point: (self.cost(point), -point.val_top1, point.point), default=None)

    def cost(self, point: Point) -> float:
        """What a point's network costs, in units of the target's metric."""
        value = point.predicted_ms if point.predicted_ms is not None else getattr(point, self.recorder.metric.name)
        return float(value)

    def network_of(self, point: Point) -> Network:
        """The network of the best try: as it was kept, or cut anew where it was not."""
        plan_file, weights_file = self._files(point.point)
        if plan_file.exists() and weights_file.exists():
            return Network(*serialization.read(plan_file, weights_file))
        assert point.criterion is not None and point.depth_share is not None
        return self._refit(self._cut(Candidate(point.criterion, point.depth_share), point.keep, point.step or 0))

    def _has_accuracy(self, point: Point) -> bool:
        return point.val_top1 >= self.least - CLOSE

    def _try(self, candidate: Candidate, keep: float) -> Point | None:
        """Cut and measure; None where the rules do not allow the ratio, and the point before where it is the same."""
        recorder, spec, started = self.recorder, self.recorder.spec, time.monotonic()
        recorder.reconstruction = None
        number, name = len(recorder.points()), candidate.name(spec)
        key = StepKey(self.stage, spec.phases()[-1], keep, step=len(self.all()) + 1)
        try:
            network = self._cut(candidate, keep, len(self.all()) + 1)
        except TargetUnreachable:
            return None
        described = recorder.describe(key, network)
        mine = [point for point in self.all() if point.trajectory == name]
        same = [p for p in mine if (p.blocks_removed, p.widths) == (described["blocks_removed"], described["widths"])]
        if same:
            return same[0]
        network = self._refit(network)
        self._report(keep, f"try {key.step}, measuring")
        right = hits(network.module, recorder.data.val, recorder.data, recorder.device)
        point = Point(
            point=number,
            final=False,
            top1=None,
            top5=None,
            loss=None,
            val_top1=int(right.sum()) / len(right),
            val_total=len(right),
            seconds=round(time.monotonic() - started, 2),
            before_recovery=False,
            trajectory=name,
            place=len(mine) + 1,
            passed=(),
            criterion=candidate.criterion,
            depth_share=candidate.depth_share,
            reconstruction=recorder.reconstruction,
            **described,
        )
        replaced = self._keep_if_best(point, network)
        recorder.append(point)
        for file in replaced:
            file.unlink(missing_ok=True)
        recorder.folder.append_event(
            event.PointEvent(point=number, stage=key.stage, phase=key.phase, keep=keep, top1=None)
        )
        return point

    def _cut(self, candidate: Candidate, keep: float, number: int) -> Network:
        """The untouched network cut to a ratio phase by phase, as a run with this ratio alone would.

        What the last phase leaves has yet to be refitted.
        """
        recorder = self.recorder.under(candidate.request(self.recorder.spec, keep))
        network = self._untouched
        for place, phase in enumerate(recorder.spec.phases()):
            network = self._refit(network) if place else network
            target = select.phase_target(recorder, self._baseline, phase, keep)
            scores = self._score(recorder, network, target, f"try {number}")
            self._report(keep, f"try {number}, cutting by {candidate.name(self.recorder.spec)}")
            step = select.choose(recorder, network, self._baseline, target, scores)
            network, _ = network.cut(step, self._images)
        return network

    def _score(self, recorder: Recorder, network: Network, target: PhaseTarget, name: str) -> Scores:
        """The scores of a network that was cut by the same steps before are the same."""
        key = (recorder.spec.criterion, target.phase, network.plan.steps)
        if key not in self._scores:
            self._report(target.keep, f"{name}, scoring by {recorder.spec.criterion}")
            self._scores[key] = select.score(recorder, network, self._baseline, target.phase)
        return self._scores[key]

    def _refit(self, network: Network) -> Network:
        if self._reconstructor is not None:
            self.recorder.reconstruction = self._reconstructor.reconstruct(network)
        return network

    def _keep_if_best(self, point: Point, network: Network) -> tuple[Path, ...]:
        """Write the network of a new best try, for a search that goes on from here; gives the files that it replaces.

        Those go once the point is there, so that an interruption leaves the one or the other.
        """
        best = self.best()
        if not self._has_accuracy(point) or (best is not None and self.cost(best) <= self.cost(point)):
            return ()
        plan_file, weights_file = self._files(point.point)
        card = self.recorder.card(point.point)
        serialization.write(network.module, network.plan, card, plan_file, weights_file)
        return () if best is None else self._files(best.point)

    def _files(self, number: int) -> tuple[Path, Path]:
        weights_file = self.recorder.checkpoint(number)
        return weights_file.with_suffix(".plan.json"), weights_file

    def _report(self, keep: float, message: str) -> None:
        part = SEARCH * min(len(self.all()) / self._expected, 1.0)
        self.recorder.report(StepKey(self.stage, self.recorder.spec.phases()[-1], keep), message, part)
