"""How fast a network is solved for half its MACs and cut, beside Torch-Pruning's iterative pruner in the same run.

    python -m benchmarks.solve [--json]

Both start from a fresh ResNet-56 (projection shortcuts, 32×32), score by L1, prune globally and stop at half the MACs.
Ours: trace, score, solve, cut. Theirs as in Torch-Pruning's own benchmark: micro-steps (400 for the whole network),
the MACs counted after each. Then every torchvision family is traced at 224×224 (299×299 for Inception).
"""

import copy
import json
import statistics
import sys
import time
import warnings
from importlib.metadata import version

import torch
import torch_pruning as tp
from rich.console import Console
from rich.table import Table
from torch import nn

from engine.criteria.calibration import Calibration
from engine.criteria.registry import score_channels
from engine.graph.metric import Metric
from engine.graph.summarize import summarize
from engine.graph.trace import trace
from engine.measure.counters import count
from engine.measure.machine import cpu_model
from engine.prune import width
from engine.spec.catalog import TORCHVISION_FAMILIES
from engine.surgery import plan
from engine.zoo.build import construct

IMAGE = (3, 32, 32)
ROUNDS = 5


def ours(module: nn.Module) -> nn.Module:
    """Trace, score, solve for half the MACs, cut."""
    structure = summarize(module, IMAGE)
    calibration = Calibration(module, structure.trace, lambda: iter(()), torch.device("cpu"), 0)
    scores = score_channels(calibration, "l1")
    dropped = width.select_channels(structure, scores, Metric("macs"), structure.summary.macs / 2, "global", 1)
    plan.apply(plan.channel_step(structure.trace, dropped), module, structure)
    return module


def theirs(module: nn.Module) -> nn.Module:
    """Torch-Pruning: micro-steps until half the MACs are left."""
    images = torch.randn(1, *IMAGE)
    baseline, _ = tp.utils.count_ops_and_params(module, images)
    pruner = tp.pruner.MagnitudePruner(
        module,
        images,
        importance=tp.importance.MagnitudeImportance(p=1),
        global_pruning=True,
        pruning_ratio=1.0,
        iterative_steps=400,
        ignored_layers=[module.fc],
    )
    while tp.utils.count_ops_and_params(module, images)[0] > baseline / 2:
        pruner.step()
    return module


def main(arguments: list[str]) -> None:
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    baseline = construct("resnet56", 10).eval()
    base = count(baseline, IMAGE).macs
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    left = {}
    for _ in range(ROUNDS):
        for name, solve in (("ours", ours), ("theirs", theirs)):
            module = copy.deepcopy(baseline)
            started = time.perf_counter()
            solve(module)
            seconds[name].append(time.perf_counter() - started)
            left[name] = count(module, IMAGE).macs / base
    ratios = [b / a for a, b in zip(seconds["ours"], seconds["theirs"], strict=True)]
    result = {
        "machine": f"{cpu_model()}, {torch.get_num_threads()} threads",
        "versions": f"torch {torch.__version__}, torch-pruning {version('torch-pruning')}",
        "solve_seconds": {name: statistics.median(s) for name, s in seconds.items()},
        "kept_macs": left,
        "times_faster": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)},
        "trace_seconds": {name: _trace_seconds(name) for name in TORCHVISION_FAMILIES},
    }
    if "--json" in arguments:
        print(json.dumps(result))
    else:
        _show(result)


def _trace_seconds(name: str) -> float:
    size = 299 if name == "inception_v3" else 224
    module = construct(f"torchvision/{name}", 1000).eval()
    samples = []
    for _ in range(3):
        started = time.perf_counter()
        trace(module, (3, size, size))
        samples.append(time.perf_counter() - started)
    return statistics.median(samples)


def _show(result: dict) -> None:  # type: ignore[type-arg]
    console = Console()
    console.print(result["machine"], result["versions"], sep=", ", highlight=False)
    table = Table("ResNet-56 to half its MACs", "median seconds", "MACs kept", box=None)
    for name, seconds in result["solve_seconds"].items():
        table.add_row(name, f"{seconds:.3f}", f"{result['kept_macs'][name]:.4f}")
    console.print(table)
    times = result["times_faster"]
    console.print(f"{times['median']:.0f} times faster ({times['min']:.0f} to {times['max']:.0f} over {ROUNDS} rounds)")
    table = Table("family", "median seconds to trace", box=None)
    for name, seconds in result["trace_seconds"].items():
        table.add_row(name, f"{seconds:.3f}")
    console.print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
