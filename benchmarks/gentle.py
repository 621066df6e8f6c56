"""Which learning rate and which teacher's part suit a network that was reconstructed, by validation accuracy.

    python -m benchmarks.gentle --dir DIR [--model resnet20] [--data clutter] [--epochs 20]
                                [--criteria l1,obs] [--keep 0.5,0.3] [--seeds 0,1,2] [--report]

Trains the network here, cuts channels in one shot, reconstructs, and spends 66 batches on recovery with every rate and
teacher's part; beside it what a plain cut comes to at the rate of old. A seed draws the images of the reconstruction
and the order of the recovery. No test image is looked at. What lies in DIR already is not done again; at the end (with
--report: at once) the table goes to the screen and to DIR/gentle.md.
"""

import argparse
import copy
import dataclasses
import itertools
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from engine.criteria.calibration import prepare_calibration
from engine.criteria.registry import score_channels
from engine.data.load import Data
from engine.graph.metric import Metric
from engine.pipeline.network import Network
from engine.pipeline.reconstruction import calibration_images
from engine.pipeline.start.inputs import load_network
from engine.prune import width
from engine.spec import run as run_spec
from engine.storage.atomic import read_json, write_json
from engine.surgery import plan
from engine.surgery.reconstruction.refit import reconstruct
from engine.train.distil import Teacher
from engine.train.evaluate import evaluate
from engine.train.fit import fit
from engine.train.recipe import Recipe

RATES = (0.01, 0.003, 0.001)
PARTS = (0.0, 0.9, 1.0)  # of the teacher in the loss
OLD_RATE = 0.01
BATCHES, BATCH = 66, 128
IMAGES = 1024  # of the reconstruction
VALIDATION = 0.25  # of the training images: many, as they decide
TEMPERATURE = 4.0


@dataclass(frozen=True)
class Start:
    """What is cut, by what, how far, and with which draw of images."""

    criterion: str
    keep: float
    seed: int

    @property
    def name(self) -> str:
        return f"{self.criterion}-{self.keep:g}-s{self.seed}"


@dataclass(frozen=True)
class Recovery:
    """How a cut network is trained; `reconstructed` says whether it was refitted first."""

    reconstructed: bool
    rate: float
    part: float

    @property
    def name(self) -> str:
        kind = "reconstructed" if self.reconstructed else "plain cut"
        return f"{kind}, rate {self.rate:g}, " + (f"teacher's part {self.part:g}" if self.part else "no teacher")


RECOVERIES = (
    *(Recovery(True, rate, part) for rate, part in itertools.product(RATES, PARTS)),
    Recovery(False, OLD_RATE, 0.0),
    Recovery(False, OLD_RATE, 0.9),
)


@dataclass(frozen=True)
class Bench:
    """The trained network, its data, and where its results are."""

    network: Network
    data: Data
    folder: Path

    def accuracy(self, module: nn.Module) -> float:
        """Top-1 on the validation images."""
        return evaluate(module, self.data.val, self.data, "cpu").top1

    def cut(self, start: Start) -> tuple[nn.Module, plan.Step]:
        """The cut network, and what was cut."""
        structure = self.network.structure
        calibration = prepare_calibration(
            self.network.module, structure.trace, self.data.val, self.data, "cpu", start.seed
        )
        scores = score_channels(calibration, start.criterion)
        limit = start.keep * structure.summary.macs
        ranking = width.Ranking.of(start.criterion, None)
        dropped = width.select_channels(structure, scores, Metric("macs"), limit, "global", 1, ranking=ranking)
        step = plan.channel_step(structure.trace, dropped)
        module = copy.deepcopy(self.network.module)
        plan.apply(step, module, structure)
        return module, step

    def refitted(self, cut: nn.Module, step: plan.Step, seed: int) -> nn.Module:
        """A copy of the cut network, reconstructed on a seed's training images."""
        images = calibration_images(self.data, IMAGES, "cpu", seed)
        module = copy.deepcopy(cut)
        reconstruct(module, self.network.module, [step], images, seed=seed)
        return module

    def recovered(self, module: nn.Module, recovery: Recovery, seed: int) -> nn.Module:
        """A copy after two epochs on as many images as make 66 batches."""
        student = copy.deepcopy(module)
        images = min(len(self.data.train), BATCHES // 2 * BATCH)
        few = self.data.val.limit_to(BATCH)  # after each epoch; what counts is measured at the end
        data = dataclasses.replace(self.data, train=self.data.train.limit_to(images), val=few, crop=0)
        teacher = Teacher(copy.deepcopy(self.network.module), TEMPERATURE, recovery.part) if recovery.part else None
        epochs = round(BATCHES * BATCH / images)
        fit(student, data, Recipe(epochs, recovery.rate, BATCH), "cpu", seed, on_epoch=lambda _: None, teacher=teacher)
        return student


def main(arguments: list[str]) -> int:
    options = _parse(arguments)
    folder = options.dir / f"{options.model}-{options.data}"
    starts = [
        Start(criterion, float(keep), int(seed))
        for seed in options.seeds.split(",")
        for criterion in options.criteria.split(",")
        for keep in options.keep.split(",")
    ]
    if not options.report:
        bench = _prepare(options, folder)
        for start in starts:
            _measure(bench, start)
    text = render(folder, starts)
    (folder / "gentle.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def _prepare(options: argparse.Namespace, folder: Path) -> Bench:
    """Train the network, or read what was trained."""
    data = {"name": options.data, "val_fraction": VALIDATION}
    inputs = load_network(run_spec.parse({"model": options.model, "data": data, "device": "cpu"}))
    module, file = inputs.network.module, folder / "baseline.pt"
    if file.exists():
        module.load_state_dict(torch.load(file, weights_only=True))
    else:
        recipe = Recipe(options.epochs, 0.1)
        fit(module, inputs.data, recipe, "cpu", 0, on_epoch=lambda e: print(f"{e.epoch}: {e.val_top1:.4f}", flush=True))
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(module.state_dict(), file)
    bench = Bench(Network(module.eval(), inputs.network.plan), inputs.data, folder)
    write_json(folder / "untouched.json", {"top1": bench.accuracy(module), "images": len(inputs.data.val)})
    return bench


def _measure(bench: Bench, start: Start) -> None:
    """Write what each recovery comes to, and what it began with, but for those that are there."""
    left = [recovery for recovery in RECOVERIES if not _file(bench.folder, start, recovery).exists()]
    if not left:
        return
    cut, step = bench.cut(start)
    networks = {False: cut, True: bench.refitted(cut, step, start.seed)}
    before = {reconstructed: bench.accuracy(module) for reconstructed, module in networks.items()}
    for recovery in left:
        after = bench.accuracy(bench.recovered(networks[recovery.reconstructed], recovery, start.seed))
        result = {"before": before[recovery.reconstructed], "after": after}
        write_json(_file(bench.folder, start, recovery), result)
        print(f"{start.name}, {recovery.name}: {result['before']:.2%}, then {after:.2%}", flush=True)


def _file(folder: Path, start: Start, recovery: Recovery) -> Path:
    kind = "reconstructed" if recovery.reconstructed else "cut"
    return folder / f"{start.name}-{kind}-{recovery.rate:g}-{recovery.part:g}.json"


def render(folder: Path, starts: list[Start]) -> str:
    """A Markdown table: a row for each recovery, a column for each criterion and ratio, means over seeds."""
    cases = list(dict.fromkeys((start.criterion, start.keep) for start in starts))
    untouched = read_json(folder / "untouched.json")
    head = ["validation top-1, %", *(f"{criterion}, {keep:g}×" for criterion, keep in cases), "mean"]
    lines = [f"Untouched: {untouched['top1']:.2%} of {untouched['images']:,} validation images.", "", _row(head)]
    lines.append(_row(["---"] * len(head)))
    for reconstructed, name in ((False, "plain cut"), (True, "reconstructed")):
        first = next(r for r in RECOVERIES if r.reconstructed == reconstructed)
        lines.append(_row([f"{name}, no training", *_cells(folder, starts, cases, first, "before")]))
    lines += [_row([r.name, *_cells(folder, starts, cases, r, "after")]) for r in RECOVERIES]
    return "\n".join(lines) + "\n"


def _cells(
    folder: Path, starts: list[Start], cases: list[tuple[str, float]], recovery: Recovery, key: str
) -> Iterator[str]:
    """The mean over seeds with the range, for each case; then the mean of those means."""
    means = []
    for case in cases:
        values = [
            100 * read_json(file)[key]
            for start in starts
            if (start.criterion, start.keep) == case and (file := _file(folder, start, recovery)).exists()
        ]
        means += [statistics.mean(values)] if values else []
        spread = f" ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else ""
        yield f"{statistics.mean(values):.2f}{spread}" if values else "–"
    yield f"{statistics.mean(means):.2f}" if len(means) == len(cases) else "–"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gentle", allow_abbrev=False)
    parser.add_argument("--dir", type=Path, required=True, help="a folder for the network and the results")
    parser.add_argument("--model", default="resnet20")
    parser.add_argument("--data", default="clutter")
    parser.add_argument("--epochs", type=int, default=20, help="of the network's training")
    parser.add_argument("--criteria", default="l1,obs")
    parser.add_argument("--keep", default="0.5,0.3", help="shares of the MACs")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--report", action="store_true", help="run nothing, only tell")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
