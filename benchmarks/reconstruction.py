"""What reconstruction takes and gives: beside the plain cut, batch norm re-estimated, and a refit in plain torch.

    python -m benchmarks.reconstruction --weights FILE --data npz:FILE [--model resnet56] [--criterion obs] [--keep 0.5]
                                        [--images 128,…,2048] [--rounds 3] [--split val] [--floor RATIO]

Channels go in one shot; nothing is trained. Seconds and accuracy of every step, from the loaded network to the measured
point, with several numbers of images. The refit in plain torch is what one would write for a CIFAR ResNet: block by
block, every position of every image unfolded and multiplied out. It goes first in one round and last in the next, on as
many images as ours; ratios are medians over the rounds. Exit code 1 when ours takes more than --floor of its time.
"""

import argparse
import copy
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F

from engine.criteria.calibration import prepare_calibration
from engine.criteria.registry import score_channels
from engine.data.load import Data, Split
from engine.graph.cost import CostModel
from engine.graph.metric import Metric
from engine.graph.summarize import Structure, summarize
from engine.measure.machine import cpu_model
from engine.pipeline.reconstruction import calibration_images
from engine.pipeline.start.inputs import load_network
from engine.prune import width
from engine.spec import run as run_spec
from engine.surgery import plan
from engine.surgery.reconstruction.least_squares import RIDGE
from engine.surgery.reconstruction.reference import Reference
from engine.surgery.reconstruction.refit import reconstruct
from engine.train.evaluate import evaluate, reestimate_bn
from engine.zoo.cifar import BasicBlock, CifarResNet

IMAGES = (128, 256, 512, 1024, 2048)
USUAL = 1024  # of the comparison with plain torch
UNFOLDED = 64  # images at a time: each 3×3 kernel makes nine of every activation
T = TypeVar("T")


@dataclass(frozen=True)
class Bench:
    """The untouched network, what is cut out of it, and its data."""

    untouched: nn.Module
    structure: Structure
    data: Data
    split: Split
    step: plan.Step
    cut: nn.Module

    def images(self, count: int) -> Tensor:
        return calibration_images(self.data, count, "cpu", 0)

    def correct(self, module: nn.Module) -> int:
        return evaluate(module, self.split, self.data, "cpu").correct


def main(arguments: list[str]) -> int:
    options = _parse(arguments)
    bench, seconds = _prepare(options)
    counts = [int(count) for count in options.images.split(",")]
    table = Table("nothing trained", f"correct of {len(bench.split):,} images ({options.split})", "seconds", box=None)
    for name, module, spent in _variants(bench, counts):
        table.add_row(name, str(bench.correct(module)), "–" if spent is None else f"{spent:.2f}")
    _, measured = _timed(lambda: bench.correct(bench.cut))
    macs = summarize(bench.cut, bench.data.image).summary.macs / bench.structure.summary.macs
    console = Console(width=120)
    machine = f"{cpu_model()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    console.print(f"{machine}; {options.model}, channels by {options.criterion}, {macs:.3f}× MACs", highlight=False)
    console.print(table)
    others = ", ".join(f"{name} {value:.2f} s" for name, value in {**seconds, "measuring": measured}.items())
    console.print(others, highlight=False)
    if not isinstance(bench.untouched, CifarResNet):
        return 0
    ratio = _compare(bench, options.rounds, console)
    return 1 if options.floor is not None and ratio > options.floor else 0


def _prepare(options: argparse.Namespace) -> tuple[Bench, dict[str, float]]:
    """Load, score and cut; the seconds of the last two."""
    request = {"model": options.model, "weights": options.weights, "data": {"name": options.data}, "device": "cpu"}
    inputs = load_network(run_spec.parse(request))
    module, structure, data = inputs.network.module.eval(), inputs.network.structure, inputs.data
    calibration = prepare_calibration(
        module,
        structure.trace,
        data.val,
        data,
        "cpu",
        0,
        reference=Reference(structure, calibration_images(data, USUAL, "cpu", 0)),
    )
    scores, scoring = _timed(lambda: score_channels(calibration, options.criterion))

    def remove() -> tuple[plan.Step, nn.Module]:
        limit = options.keep * Metric("macs").of(CostModel(structure.summary))
        ranking = width.Ranking.of(options.criterion, None)
        dropped = width.select_channels(structure, scores, Metric("macs"), limit, "global", 1, ranking=ranking)
        step, cut = plan.channel_step(structure.trace, dropped), copy.deepcopy(module)
        plan.apply(step, cut, structure)
        return step, cut

    (step, cut), cutting = _timed(remove)
    split = data.test if options.split == "test" else data.val
    return Bench(module, structure, data, split, step, cut), {"scoring": scoring, "selecting and cutting": cutting}


def _variants(bench: Bench, counts: list[int]) -> Iterator[tuple[str, nn.Module, float | None]]:
    """Every network that is compared, and the seconds that its making took after the cut."""
    yield "untouched", bench.untouched, None
    yield "cut", bench.cut, 0.0
    module = copy.deepcopy(bench.cut)
    _, seconds = _timed(lambda: reestimate_bn(module, bench.data.train, bench.data, "cpu"))
    yield "batch norm re-estimated", module, seconds
    for count in counts:
        images = bench.images(count)
        refitted, seconds = _timed(lambda images=images: _ours(bench, images))  # type: ignore[misc]
        yield f"reconstructed from {len(images):,} images", refitted, seconds


def _compare(bench: Bench, rounds: int, console: Console) -> float:
    """Ours beside plain torch, in turns; the median share of its time that ours takes."""
    images = bench.images(USUAL)
    ways: dict[str, Callable[[Bench, Tensor], nn.Module]] = {"ours": _ours, "plain torch": _plain}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    correct: dict[str, int] = {}
    for number in range(rounds):
        for name in reversed(ways) if number % 2 else ways:
            module, spent = _timed(lambda way=ways[name]: way(bench, images))  # type: ignore[misc]
            seconds[name].append(spent)
            correct[name] = bench.correct(module)
    ratios = [ours / plain for ours, plain in zip(seconds["ours"], seconds["plain torch"], strict=True)]
    table = Table(f"refit from {len(images):,} images", "median seconds", "correct", box=None)
    for name, samples in seconds.items():
        table.add_row(name, f"{statistics.median(samples):.2f}", str(correct[name]))
    console.print(table)
    ratio = statistics.median(ratios)
    console.print(
        f"ours takes {ratio:.2f}× of plain torch's time ({min(ratios):.2f} to {max(ratios):.2f} over {rounds} rounds)",
        highlight=False,
    )
    return ratio


def _ours(bench: Bench, images: Tensor) -> nn.Module:
    module = copy.deepcopy(bench.cut)
    reconstruct(module, bench.untouched, [bench.step], images)
    return module


@torch.no_grad()
def _plain(bench: Bench, images: Tensor) -> nn.Module:
    """The second convolution of each block of a CIFAR ResNet towards the untouched network's sum; no classifier."""
    module: Any = copy.deepcopy(bench.cut)
    before: Any = bench.untouched
    dropped = dict(bench.step.channels)
    ours = F.relu(module.bn1(module.conv1(images)))
    theirs = F.relu(before.bn1(before.conv1(images)))
    for stage in ("layer1", "layer2", "layer3"):
        for number, (block, original) in enumerate(zip(getattr(module, stage), getattr(before, stage), strict=True)):
            hidden, shortcut = F.relu(block.bn1(block.conv1(ours))), block.shortcut(ours)
            inside = F.relu(original.bn1(original.conv1(theirs)))
            total = original.bn2(original.conv2(inside)) + original.shortcut(theirs)
            gone = set(dropped.get(f"{stage}.{number}.conv2", ()))
            kept = [channel for channel in range(total.shape[1]) if channel not in gone]
            _solve_block(block, hidden, total[:, kept] - shortcut)
            ours, theirs = F.relu(block.bn2(block.conv2(hidden)) + shortcut), F.relu(total)
    return module  # type: ignore[no-any-return]


def _solve_block(block: BasicBlock, hidden: Tensor, wanted: Tensor) -> None:
    """Normal equations over every position, summed in float64, and a ridge that holds on to the weights."""
    conv: Any = block.conv2
    norm: Any = block.bn2
    size = conv.weight[0].numel()
    gram, cross = torch.zeros(size, size, dtype=torch.float64), torch.zeros(size, len(conv.weight), dtype=torch.float64)
    sums, totals, count = torch.zeros(size, dtype=torch.float64), torch.zeros(len(conv.weight), dtype=torch.float64), 0
    for part, values in zip(torch.split(hidden, UNFOLDED), torch.split(wanted, UNFOLDED), strict=True):
        rows = F.unfold(part, 3, padding=1).transpose(1, 2).flatten(0, 1)
        outputs = values.flatten(2).transpose(1, 2).flatten(0, 1)
        gram += rows.T @ rows
        cross += rows.T @ outputs
        sums += rows.sum(0)
        totals += outputs.sum(0)
        count += len(rows)
    mean, mean_out = sums / count, totals / count
    gram, cross = gram / count - torch.outer(mean, mean), cross / count - torch.outer(mean, mean_out)
    gram.diagonal().add_(RIDGE * gram.diagonal().mean())
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    old = (conv.weight.flatten(1) * scale[:, None]).double().T
    ridge = RIDGE * gram.diagonal().mean() / (1 + RIDGE)
    new = torch.cholesky_solve(cross + ridge * old, torch.linalg.cholesky(gram))
    bias = mean_out - mean @ new
    conv.weight.copy_(new.T.reshape(conv.weight.shape).float())
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0)
    norm.weight.fill_((1.0 + norm.eps) ** 0.5)
    norm.bias.copy_(bias.float())


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reconstruction", allow_abbrev=False)
    parser.add_argument("--model", default="resnet56")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--criterion", default="obs")
    parser.add_argument("--keep", type=float, default=0.5, help="of the MACs")
    parser.add_argument("--images", default=",".join(map(str, IMAGES)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--split", choices=("val", "test"), default="val", help="what accuracy is measured on")
    parser.add_argument("--floor", type=float, help="the most that ours may take of plain torch's time")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
