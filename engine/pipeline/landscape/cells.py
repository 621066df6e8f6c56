"""The cells of a landscape: what a network costs, and how many of the validation images it has right."""

import time
from dataclasses import dataclass, replace

from engine.data.load import Split
from engine.graph.cost import CostModel, kept_widths
from engine.latency.predictor import Predictor
from engine.pipeline.landscape.levels import Level, Levels, Twins
from engine.pipeline.landscape.selection import Conditions
from engine.pipeline.network import Network
from engine.prune.solver import TargetUnreachable
from engine.storage.landscapes.grid import Accuracy, Cell, Grid, Shares, Untouched
from engine.storage.records.point import Reached
from engine.train.evaluate import evaluate

_METRICS = {"macs": "MACs", "params": "parameters", "latency": "time"}


@dataclass(frozen=True)
class Meter:
    """Measures networks on a part of the validation split, and predicts their milliseconds where there is a table."""

    conditions: Conditions
    images: Split
    predictor: Predictor | None

    def accuracy(self, network: Network) -> Accuracy:
        """How many of the images the network has right."""
        result = evaluate(network.module, self.images, self.conditions.data, self.conditions.device)
        return Accuracy.of(result.correct, result.total)

    def milliseconds(self, network: Network) -> float | None:
        """Of one image, by the table; None without one."""
        if self.predictor is None:
            return None
        return round(self.predictor.predict(CostModel(network.structure.summary)), 4)

    def untouched(self, network: Network) -> Untouched:
        """The baseline."""
        summary = network.structure.summary
        return Untouched(
            accuracy=self.accuracy(network),
            macs=summary.macs,
            params=summary.params,
            predicted_ms=self.milliseconds(network),
            widths=kept_widths(summary),
            removable_blocks=tuple(block.name for block in summary.blocks if block.removable),
        )

    def describe(self, network: Network, level: Level, asked: Shares, grid: Grid) -> Cell:
        """What a network is and costs, without its accuracy."""
        base, summary, predicted = grid.untouched, network.structure.summary, self.milliseconds(network)
        share = None if predicted is None or not base.predicted_ms else predicted / base.predicted_ms
        return Cell(
            asked=asked,
            kept=self._kept(network, level),
            blocks_removed=tuple(block for step in network.steps_since(level.untouched) for block in step.blocks),
            widths=kept_widths(summary, {name: width for name, (width, _) in base.widths.items()}),
            macs=summary.macs,
            params=summary.params,
            got=Reached.of(summary, base, share),
            predicted_ms=predicted,
        )

    def _kept(self, network: Network, level: Level) -> Shares:
        """What was kept by each of the two cuts."""
        costs = [self.conditions.cost(each) for each in (level.untouched, level.plain, network)]
        return shares_in_order(self.conditions, costs[1] / costs[0], costs[2] / costs[1])


def shares_in_order(conditions: Conditions, first: float, second: float) -> Shares:
    """The shares of what is cut first and of the rest as those of depth and width."""
    layers_first = conditions.spec.phases()[0] == "layers"
    return Shares(depth=first, width=second) if layers_first else Shares(depth=second, width=first)


def measure_cell(levels: Levels, meter: Meter, grid: Grid, first: float, second: float) -> Cell:
    """One cell: keep `first` of the baseline by what is cut first, and `second` of that by the rest."""
    started = time.monotonic()
    asked = shares_in_order(meter.conditions, first, second)
    whole = levels.untouched
    try:
        level = levels.level(first)
        whole = level.plain
        twins = levels.twins(level, second)
    except TargetUnreachable as error:
        share = error.least / meter.conditions.cost(whole)
        what = _METRICS[meter.conditions.metric.name]
        of = "the" if whole is levels.untouched else "the level's"
        cell = Cell(asked=asked, why=f"at least {share:.3f}× of {of} {what} remains {error.when}")
    else:
        described = meter.describe(twins.refitted, level, asked, grid)
        same = _same_network(grid, described)
        cell = _repeat(described, same) if same else _measured(described, twins, meter, grid)
    return replace(cell, seconds=round(time.monotonic() - started, 3))


def _measured(described: Cell, twins: Twins, meter: Meter, grid: Grid) -> Cell:
    plain = grid.untouched.accuracy if twins.is_whole else meter.accuracy(twins.plain)
    if not meter.conditions.spec.recover.reconstruct:
        return replace(described, plain=plain)
    reconstruction = twins.refit()
    refitted = plain if twins.refitted is twins.plain else meter.accuracy(twins.refitted)
    return replace(described, plain=plain, reconstructed=refitted, reconstruction=reconstruction)


def _same_network(grid: Grid, described: Cell) -> Cell | None:
    """A cell with the very same network: without the same blocks, and as wide, as the lowest channels go first."""
    removed = set(described.blocks_removed)
    same = (c for c in grid.cells if c.plain and c.widths == described.widths and set(c.blocks_removed) == removed)
    return next(same, None)


def _repeat(described: Cell, same: Cell) -> Cell:
    return replace(
        described,
        plain=same.plain,
        reconstructed=same.reconstructed,
        reconstruction=same.reconstruction,
        repeats=same.repeats or same.asked,
    )
