"""What looking for the next removal costs, beside plain loops in the same run.

    python -m benchmarks.attempts --weights FILE --data npz:FILE [--limit N] [--rounds N]

ResNet-56, on the validation images. Blocks: a plain loop bypasses each block and evaluates the network; ours carries
each image through the network once. One progressive iteration: a plain loop copies the network, cuts an attempt out of
it and evaluates what is left, for every layer. The answers are compared, raced ones over five orders of the images.
Attempts judged by reconstruction run nothing: a step of theirs is the mean over a whole road to half of the MACs, the
matrices that its steps share included, and has its floor in terms of the same round's raced attempts.
The plain loop goes first in one round and last in the next; seconds, and what they are of the same round's plain loop,
are medians over the rounds. Exit code 1 when an answer differs or a floor is missed.
"""

import argparse
import copy
import dataclasses
import math
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from engine.criteria.attempts.evaluator import AttemptEvaluator
from engine.criteria.attempts.rank import rank_attempts
from engine.criteria.calibration import prepare_calibration
from engine.criteria.reconstruction.leftover import GLANCE, MOST_IMAGES, Leftover
from engine.criteria.registry import score_channels
from engine.data.load import Data
from engine.graph.cost import CostModel
from engine.graph.metric import Metric
from engine.graph.summarize import Structure, summarize
from engine.measure.machine import cpu_model
from engine.pipeline.network import Network
from engine.pipeline.reconstruction import calibration_images
from engine.pipeline.start.inputs import load_network
from engine.prune import direct, progressive
from engine.prune.attempt_context import AttemptContext
from engine.spec import run as run_spec
from engine.surgery import cut as surgery
from engine.surgery import plan
from engine.train.evaluate import evaluate

SEEDS = range(5)
FLOORS = {"blocks": 0.6, "blocks, raced": 0.25, "progressive": 0.4, "progressive, raced": 0.2}
OF_RACED = 0.1  # the floor of a step that is judged by reconstruction
RECONSTRUCTION = "by reconstruction"
RIDGE = 1e-3


@dataclasses.dataclass(frozen=True)
class Bench:
    """One network, its images, and the settings of a progressive iteration."""

    network: Network
    structure: Structure
    data: Data
    settings: run_spec.WidthSpec
    reference: torch.Tensor  # the baseline's logits, which a run has from its start

    def context(self, *, race: bool, seed: int | None = None) -> AttemptContext:
        """What a method looks at; with a seed the images come in another order."""
        val, reference = self.data.val, self.reference
        if seed is not None:
            order = _order(self.data, seed)
            val, reference = val.take(order), reference[order]
        calibration = prepare_calibration(self.network.module, self.structure.trace, val, self.data, "cpu", 0)
        baseline = Metric("macs").of(CostModel(self.structure.summary))
        return AttemptContext(calibration, self.structure, Metric("macs"), baseline, 0.0, 0.0, "loss", race, reference)

    def plain_blocks(self) -> list[int]:
        """Correct images without each block, one whole evaluation each."""
        proposals = direct.propose_removals(self.structure.summary, Metric("macs"), 0.0)
        twins = [surgery.bypassed_copy(self.network.module, p.attempt.modules) for p in proposals]
        return [evaluate(twin, self.data.val, self.data, "cpu").correct for twin in twins]

    def blocks(self, *, race: bool, seed: int | None = None) -> tuple[list[int], int]:
        """Correct images without each block, and the one that is missed least."""
        attempts = [p.attempt for p in direct.propose_removals(self.structure.summary, Metric("macs"), 0.0)]
        context = self.context(race=race, seed=seed)
        count = 1 if race else len(attempts)
        ranking = rank_attempts(
            context.calibration, attempts, "accuracy", count=count, race=race, reference=context.reference
        )
        return [after.correct for after in ranking.after], ranking.best[0]

    def plain_progressive(self) -> set[str]:
        """The layers that one iteration selects when every attempt is cut out of a copy and evaluated."""
        context = self.context(race=False)
        layers = progressive.propose_removals(context, self._scores(context), self.settings)
        before = evaluate(self.network.module, self.data.val, self.data, "cpu").loss
        rises = []
        for proposal in layers:
            twin = copy.deepcopy(self.network.module)
            plan.apply(plan.channel_step(self.structure.trace, proposal.attempt.dropped), twin, self.structure)
            rises.append((evaluate(twin, self.data.val, self.data, "cpu").loss - before) / proposal.saving)
        best = sorted(range(len(layers)), key=lambda i: (rises[i], i))
        return {layers[i].attempt.name for i in best[: math.ceil(self.settings.layers_per_step * len(layers))]}

    def progressive(self, *, race: bool) -> set[str]:
        """The layers that one iteration selects."""
        context = self.context(race=race)
        choice = progressive.select_step(context, self._scores(context), self.settings)
        return {attempt.name for attempt in choice.record.attempts if attempt.selected}

    def step_by_reconstruction(self, *, channels: bool) -> float:
        """Mean seconds of a step on the way to half of the MACs, where attempts are judged by reconstruction."""
        images = calibration_images(self.data, None, "cpu", 0)[:MOST_IMAGES]
        module, structure = copy.deepcopy(self.network.module), self.structure
        context, seconds = self.context(race=False), 0.0
        steps: list[plan.Step] = []
        leftover = Leftover(structure, self.network.module, images, RIDGE, 0, GLANCE)
        while Metric("macs").of(CostModel(structure.summary)) > 0.5 * context.baseline_cost:
            now = dataclasses.replace(
                context,
                calibration=prepare_calibration(module, structure.trace, self.data.val, self.data, "cpu", 0),
                structure=structure,
                measure="reconstruction",
                leftover=leftover,
                steps=tuple(steps),
            )
            started = time.perf_counter()
            if channels:
                step = progressive.select_step(now, self._scores(now), self.settings).step
            else:
                step = direct.select_step(now).step
            seconds += time.perf_counter() - started
            plan.apply(step, module, structure)
            structure = summarize(module, self.data.image)
            steps.append(step)
        return seconds / len(steps)

    def _scores(self, context: AttemptContext) -> dict[int, float]:
        return score_channels(context.calibration, "fpgm")


def _order(data: Data, seed: int) -> torch.Tensor:
    return torch.randperm(len(data.val), generator=torch.Generator().manual_seed(seed))


def main(arguments: list[str]) -> int:
    """Measure and compare; 0 when every answer agrees and every floor is met."""
    options = _parse(arguments)
    request = {
        "model": "resnet56",
        "weights": options.weights,
        "data": {"name": options.data, "limit": options.limit},
    }
    inputs = load_network(run_spec.parse(request))
    structure, settings = inputs.network.structure, run_spec.WidthSpec(method="progressive")
    calibration = prepare_calibration(inputs.network.module, structure.trace, inputs.data.val, inputs.data, "cpu", 0)
    assert calibration.images is not None
    reference = AttemptEvaluator(structure.trace, calibration.images, []).measure_current()
    bench = Bench(inputs.network, structure, inputs.data, settings, reference)
    seconds: dict[str, list[float]] = {}
    wrong: list[str] = []
    for round_ in range(options.rounds):
        wrong += _round(bench, seconds, backwards=bool(round_ % 2))
        print(f"round {round_ + 1} of {options.rounds} done", file=sys.stderr)
    missed = _show(seconds, len(inputs.data.val))
    problems = (("another answer than the plain loop's", wrong), ("more of its time than the floor allows", missed))
    messages = [f"{what} ({'; '.join(dict.fromkeys(which))})" for what, which in problems if which]
    if messages:
        print(f"not as claimed: {' and '.join(messages)}", file=sys.stderr)
    return 1 if wrong or missed else 0


def _round(bench: Bench, seconds: dict[str, list[float]], *, backwards: bool) -> list[str]:
    """Time every variant once; the names of those whose answer is not the plain loop's."""
    variants: dict[str, Callable[[], Any]] = {
        "plain blocks": bench.plain_blocks,
        "blocks": lambda: bench.blocks(race=False),
        "blocks, raced": lambda: [bench.blocks(race=True, seed=seed)[1] for seed in SEEDS],
        "plain progressive": bench.plain_progressive,
        "progressive": lambda: bench.progressive(race=False),
        "progressive, raced": lambda: bench.progressive(race=True),
    }
    answers = {}
    for name in reversed(variants) if backwards else variants:
        started = time.perf_counter()
        answers[name] = variants[name]()
        each = len(SEEDS) if name == "blocks, raced" else 1
        seconds.setdefault(name, []).append((time.perf_counter() - started) / each)
    for name, channels in (("blocks", False), ("progressive", True)):
        seconds.setdefault(f"{name}, {RECONSTRUCTION}", []).append(bench.step_by_reconstruction(channels=channels))
    plain, selected = answers["plain blocks"], answers["plain progressive"]
    best = plain.index(max(plain))
    agrees = {
        "blocks": answers["blocks"] == (plain, best),
        "blocks, raced": answers["blocks, raced"] == [best] * len(SEEDS),
        "progressive": answers["progressive"] == selected,
        "progressive, raced": answers["progressive, raced"] == selected,
    }
    return [name for name, same in agrees.items() if not same]


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attempts")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args(arguments)


def _show(seconds: dict[str, list[float]], images: int) -> list[str]:
    """Print the table; the names of what lies above its floor."""
    console = Console()
    console.print(
        f"{cpu_model()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {images:,} images",
        highlight=False,
    )
    table = Table("ResNet-56", "median seconds", "beside", "of its time", "floor", box=None)
    missed = []
    for name, samples in seconds.items():
        row = [name, f"{statistics.median(samples):.2f}"]
        what, _, how = name.partition(", ")
        if not name.startswith("plain"):
            peer = f"{what}, raced" if how == RECONSTRUCTION else f"plain {what}"
            ratios = [own / other for own, other in zip(samples, seconds[peer], strict=True)]
            ratio, floor = statistics.median(ratios), FLOORS.get(name, OF_RACED)
            row += [peer, f"{ratio:.3f} ({min(ratios):.3f} to {max(ratios):.3f})", f"{floor:.2f}"]
            missed += [name] if ratio > floor else []
        table.add_row(*row)
    console.print(table)
    return missed


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
