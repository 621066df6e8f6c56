"""What looking for the next removal costs, beside plain loops in the same run.

    python -m benchmarks.attempts --weights FILE --data npz:FILE [--limit N] [--rounds N]

ResNet-56, on the validation images. Blocks: a plain loop bypasses each block and evaluates the network; ours carries
each image through the network once. One progressive iteration: a plain loop copies the network, cuts an attempt out of
it and evaluates what is left, for every layer. The answers are compared, raced ones over five orders of the images.
Variants take turns; seconds are medians over the rounds. Exit code 1 when an answer differs or a floor is missed.
"""

import argparse
import copy
import dataclasses
import math
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.table import Table

from engine import pipeline, spec
from engine.criteria.ensemble import score_channels
from engine.criteria.exact import Attempts
from engine.criteria.subject import subject
from engine.criteria.verdict import judge
from engine.data.load import Data
from engine.graph.cost import CostModel
from engine.graph.describe import Described
from engine.graph.metric import Metric
from engine.hardware import cpu_model
from engine.prune import direct, plan, progressive, surgery
from engine.prune.attempted import Scene
from engine.recorder import Network
from engine.train.evaluate import evaluate

SEEDS = range(5)
FLOORS = {"blocks": 0.6, "blocks, raced": 0.25, "progressive": 0.4, "progressive, raced": 0.2}
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Bench:
    """One network, its images, and how a progressive iteration looks at it."""

    network: Network
    described: Described
    data: Data
    how: spec.WidthSpec
    reference: torch.Tensor  # the untouched network's logits, which a run has from its start

    def scene(self, *, raced: bool, seed: int | None = None) -> Scene:
        """What a method looks at; with a seed the images come in another order."""
        val, reference = self.data.val, self.reference
        if seed is not None:
            order = _order(self.data, seed)
            val, reference = val.take(order), reference[order]
        look = subject(self.network.module, self.described.trace, val, self.data, "cpu", 0)
        whole = Metric("macs").of(CostModel(self.described.sheet))
        return Scene(look, self.described, Metric("macs"), whole, 0.0, 0.0, "loss", raced, reference)

    def plain_blocks(self) -> list[int]:
        """Correct images without each block, one whole evaluation each."""
        proposals = direct.proposals(self.described.sheet, Metric("macs"), 0.0)
        twins = [surgery.bypassed(self.network.module, p.attempt.modules) for p in proposals]
        return [evaluate(twin, self.data.val, self.data, "cpu").correct for twin in twins]

    def blocks(self, *, raced: bool, seed: int | None = None) -> tuple[list[int], int]:
        """Correct images without each block, and the one that is missed least."""
        attempts = [p.attempt for p in direct.proposals(self.described.sheet, Metric("macs"), 0.0)]
        scene = self.scene(raced=raced, seed=seed)
        wanted = 1 if raced else len(attempts)
        verdict = judge(scene.subject, attempts, "accuracy", wanted=wanted, raced=raced, reference=scene.reference)
        return [after.correct for after in verdict.after], verdict.best[0]

    def plain_progressive(self) -> set[str]:
        """The layers that one iteration selects when every attempt is cut out of a copy and evaluated."""
        scene = self.scene(raced=False)
        layers = progressive.attempts(scene, self._scores(scene), self.how, self._widths())
        before = evaluate(self.network.module, self.data.val, self.data, "cpu").loss
        rises = []
        for proposal in layers:
            twin = copy.deepcopy(self.network.module)
            plan.apply(plan.channel_step(self.described.trace, proposal.attempt.dropped), twin, self.described)
            rises.append((evaluate(twin, self.data.val, self.data, "cpu").loss - before) / proposal.saving)
        best = sorted(range(len(layers)), key=lambda i: (rises[i], i))
        return {layers[i].attempt.name for i in best[: math.ceil(self.how.layers_per_step * len(layers))]}

    def progressive(self, *, raced: bool) -> set[str]:
        """The layers that one iteration selects."""
        scene = self.scene(raced=raced)
        choice = progressive.choose(scene, self._scores(scene), self.how, self._widths())
        return {tried["name"] for tried in choice.record["attempts"] if tried["selected"]}

    def _scores(self, scene: Scene) -> dict[int, float]:
        return score_channels(scene.subject, "fpgm")

    def _widths(self) -> dict[str, int]:
        return {layer.name: layer.width for layer in self.described.sheet.layers}


def _order(data: Data, seed: int) -> torch.Tensor:
    return torch.randperm(len(data.val), generator=torch.Generator().manual_seed(seed))


def main(arguments: list[str]) -> int:
    """Measure and compare; 0 when every answer agrees and every floor is met."""
    asked = _parsed(arguments)
    request = {"model": "resnet56", "weights": asked.weights, "data": {"name": asked.data, "limit": asked.limit}}
    ready = pipeline.load_network(spec.parse(request))
    described, how = ready.network.described, spec.WidthSpec(method="progressive")
    whole = subject(ready.network.module, described.trace, ready.data.val, ready.data, "cpu", 0)
    assert whole.images is not None
    reference = Attempts(described.trace, whole.images, []).intact()
    bench = Bench(ready.network, described, ready.data, how, reference)
    seconds: dict[str, list[float]] = {}
    wrong: list[str] = []
    for round_ in range(asked.rounds):
        plain = _timed(seconds, "plain blocks", bench.plain_blocks)
        counts, best = _timed(seconds, "blocks", lambda: bench.blocks(raced=False))
        if counts != plain or best != plain.index(max(plain)):
            wrong.append("blocks")
        for seed in SEEDS:
            _, found = _timed(seconds, "blocks, raced", lambda seed=seed: bench.blocks(raced=True, seed=seed))  # type: ignore[misc]
            if found != best:
                wrong.append(f"blocks, raced, seed {seed}")
        selected = _timed(seconds, "plain progressive", bench.plain_progressive)
        for name, raced in (("progressive", False), ("progressive, raced", True)):
            if _timed(seconds, name, lambda raced=raced: bench.progressive(raced=raced)) != selected:  # type: ignore[misc]
                wrong.append(name)
        print(f"round {round_ + 1} of {asked.rounds} done", file=sys.stderr)
    missed = _show(seconds, len(ready.data.val))
    problems = (("another answer than the plain loop's", wrong), ("more of its time than the floor allows", missed))
    said = [f"{what} ({'; '.join(dict.fromkeys(which))})" for what, which in problems if which]
    if said:
        print(f"not as claimed: {' and '.join(said)}", file=sys.stderr)
    return 1 if wrong or missed else 0


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attempts")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args(arguments)


def _timed(seconds: dict[str, list[float]], name: str, work: Callable[[], T]) -> T:
    started = time.perf_counter()
    found = work()
    seconds.setdefault(name, []).append(time.perf_counter() - started)
    return found


def _show(seconds: dict[str, list[float]], images: int) -> list[str]:
    """Print the table; the names of what lies above its floor."""
    middle: dict[str, Any] = {name: statistics.median(samples) for name, samples in seconds.items()}
    console = Console()
    console.print(
        f"{cpu_model()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {images:,} images",
        highlight=False,
    )
    table = Table("ResNet-56", "median seconds", "of the plain loop", "floor", box=None)
    ratios = {}
    for name, taken in middle.items():
        if name in FLOORS:
            ratios[name] = taken / middle[f"plain {name.partition(',')[0]}"]
        floor = f"{FLOORS[name]:.2f}" if name in FLOORS else ""
        table.add_row(name, f"{taken:.2f}", f"{ratios[name]:.3f}" if name in ratios else "", floor)
    console.print(table)
    return [name for name, ratio in ratios.items() if ratio > FLOORS[name]]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
