"""The small network cut to several targets in one go, by some criteria and in some orders, and recovered."""

import copy
from collections.abc import Iterator

import torch
from torch import nn

import engine
from app.methods.demonstration import Experiment, Target
from benchmarks.demonstration.bench import Bench
from engine.data.loader import batches
from engine.graph.cost import kept_widths
from engine.graph.summarize import summarize
from engine.spec.parts import GENTLE_LR
from engine.train.fit import fit_batches
from engine.train.recipe import Recipe

KEEP = (0.5,)
CRITERION, ORDER = "taylor", "layers-channels"  # of the experiment that all others differ from in one thing
CRITERIA = ("random", "l1", "taylor", "obs")
ORDERS = ("layers-channels", "layers", "channels")  # a narrower chain has no blocks of equal width left
RECOVERY_BATCHES, BATCH = 20, 128


def run(bench: Bench) -> Iterator[Experiment]:
    """Every experiment, one after the other."""
    pairs = [(criterion, ORDER) for criterion in CRITERIA] + [(CRITERION, o) for o in ORDERS if o != ORDER]
    for criterion, order in pairs:
        targets = tuple(_cut(bench, criterion, order, keep) for keep in KEEP)
        print(f"{criterion}, {order}: {[target.recovered for target in targets]}", flush=True)
        yield Experiment(criterion=criterion, order=order, targets=targets)


def _cut(bench: Bench, criterion: str, order: str, keep: float) -> Target:
    pruned = engine.prune(
        bench.module,
        bench.data.image,
        keep,
        criterion=criterion,
        order=order,  # type: ignore[arg-type]
        calibration=_labelled(bench),
        reconstruct=True,
    )
    plain = bench.validation.correct(engine.apply(pruned.plan, bench.module))
    reconstructed = bench.validation.correct(pruned.module)
    recovered = _recover(bench, pruned.module)
    summary = summarize(recovered, bench.data.image).summary
    return Target(
        keep=keep,
        macs=summary.macs,
        removed=tuple(block for step in pruned.plan.steps for block in step.blocks),
        widths={name: kept for name, (_, kept) in kept_widths(summary).items()},
        plain=plain,
        reconstructed=reconstructed,
        recovered=bench.validation.correct(recovered),
    )


def _recover(bench: Bench, module: nn.Module) -> nn.Module:
    recovered = copy.deepcopy(module)
    recipe = Recipe(epochs=1, lr=GENTLE_LR, batch_size=BATCH)
    fit_batches(recovered, bench.data, recipe, "cpu", 0, batches=RECOVERY_BATCHES)
    return recovered.eval()


def _labelled(bench: Bench) -> tuple[torch.Tensor, torch.Tensor]:
    """The training images that refits look at, and their labels."""
    train = bench.data.train
    chosen = train.take(train.representative(len(bench.reference.images), 0)[0])
    parts = list(batches(chosen, bench.data, 256, "cpu"))
    return torch.cat([images for images, _ in parts]), torch.cat([labels for _, labels in parts])
