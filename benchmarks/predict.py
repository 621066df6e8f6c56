"""How well latency is predicted: ten random plans of ResNet-56, predicted from its table and then measured.

    python -m benchmarks.predict [--json]

The table is measured anew. The plans remove random channels, random blocks or both, and are drawn from other seeds than
the networks that calibrate the table. Each is cut, exported and timed by ONNX Runtime with one thread; ends with exit
code 1 when a prediction is off by more than 15 % of what was measured.
"""

import json
import sys
import time
import warnings
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from engine.graph.cost import CostModel
from engine.graph.metric import Metric
from engine.graph.summarize import summarize
from engine.graph.summary import ModelSummary
from engine.latency import profile
from engine.latency.predictor import Predictor
from engine.zoo.build import build

IMAGE = (3, 32, 32)
PLANS, FIRST_SEED = 10, 1
LEAST, MOST = 0.3, 0.9  # of the MACs
ALLOWED = 0.15
PASSES = 6  # over all networks, half a minute in all: what else a machine does in between only adds, for seconds on end


def main(arguments: list[str]) -> int:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    module = build("resnet56", 10, IMAGE).module
    structure = summarize(module, IMAGE, "resnet56")
    started = time.perf_counter()
    table = profile.measure_table(module, structure)
    seconds = time.perf_counter() - started

    networks: list[tuple[int, profile.Kind, nn.Module, ModelSummary]] = []
    seed = FIRST_SEED
    while len(networks) < PLANS:
        kind = profile.KINDS[seed % len(profile.KINDS)]
        twin, cut = profile.random_cut(module, structure, seed, kind)
        if LEAST <= cut.summary.macs / structure.summary.macs <= MOST:
            networks.append((seed, kind, twin, cut.summary))
        seed += 1
    metric = Metric("latency", Predictor(table))
    passes = [profile.time_networks([twin for _, _, twin, _ in networks], IMAGE) for _ in range(PASSES)]
    measured = [min(samples) for samples in zip(*passes, strict=True)]
    rows: list[dict[str, Any]] = []
    for (drawn, kind, _, summary), ms in zip(networks, measured, strict=True):
        predicted = metric.of(CostModel(summary))
        rows.append(
            {
                "seed": drawn,
                "removed": kind,
                "macs": summary.macs / structure.summary.macs,
                "predicted_ms": predicted,
                "measured_ms": float(ms),
                "error": predicted / float(ms) - 1,
            }
        )
    worst = max(abs(row["error"]) for row in rows)
    result = {
        "machine": f"{table.where}, {table.threads} thread, {table.tool}",
        "table_seconds": seconds,
        "plans": rows,
        "worst": worst,
    }
    if "--json" in arguments:
        print(json.dumps(result))
    else:
        _show(result)
    return 0 if worst <= ALLOWED else 1


def _show(result: dict[str, Any]) -> None:
    console = Console()
    console.print(result["machine"], highlight=False)
    console.print(f"table measured in {result['table_seconds']:.0f} s", highlight=False)
    table = Table("seed", "removed", "MACs kept", "predicted ms", "measured ms", "error", box=None)
    for row in result["plans"]:
        numbers = (f"{row['macs']:.2f}", f"{row['predicted_ms']:.3f}", f"{row['measured_ms']:.3f}")
        table.add_row(str(row["seed"]), row["removed"], *numbers, f"{100 * row['error']:+.1f} %")
    console.print(table)
    console.print(f"worst: {100 * result['worst']:.1f} % (allowed {100 * ALLOWED:.0f} %)", highlight=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
