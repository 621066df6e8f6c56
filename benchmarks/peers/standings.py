"""The table of `benchmarks.peers`: what each entry came to over its seeds, timed in one pass, and who won."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.entries import KEEP, Entry
from engine.measure.machine import cpu_model
from engine.statistics.intervals import Interval, mean_interval
from engine.storage.atomic import read_json
from engine.storage.folders.run import Run
from engine.storage.records import event

IMAGE = (3, 32, 32)
ROUNDS = 3
SECONDS = 0.5
FAST = 0.7  # of the latency of Torch-Pruning's best
NEAR = 0.01  # of top-1, from Torch-Pruning's best
COLUMNS = (
    *("method", "criterion", "distilled", "test top-1, % (95 %)", "correct", "MACs", "latency", "batches"),
    *("choosing, s", "refit, s"),
)
LEAST_SEEDS = 3  # of a row that counts; where more are asked for, they are for the best rows


@dataclass(frozen=True)
class Result:
    """One network: its test images, what is left of the MACs, training batches, and seconds of selection and refit."""

    correct: int
    total: int
    macs: float  # share of the baseline's
    batches: int
    seconds: float
    onnx: Path
    refit: float = 0.0

    @property
    def top1(self) -> float:
        return self.correct / self.total


@dataclass(frozen=True)
class Row:
    """An entry over its seeds."""

    entry: Entry
    results: tuple[Result, ...]

    @property
    def top1(self) -> Interval:
        return mean_interval([result.top1 for result in self.results])

    def counts(self, seeds: int, budget: int) -> bool:
        """Whether it has seeds enough and kept to both budgets: MACs and batches."""
        kept = all(r.macs <= KEEP * (1 + 1e-6) and r.batches <= budget for r in self.results)
        return kept and len(self.results) >= min(seeds, LEAST_SEEDS)


@dataclass(frozen=True)
class Standings:
    """All rows, the baseline, and each row's latency as a share of its."""

    rows: tuple[Row, ...]
    base: Result
    base_ms: float
    latency: dict[Entry, float]
    seeds: int
    budget: int  # training batches


def ours(run: Run, each: int) -> Result:
    """The last point of a run, and what its events say of the way there; `each` is the batches of an epoch."""
    points = run.points()
    final = next(point for point in points if point.final)
    assert final.correct is not None and final.total is not None
    epochs = sum(epoch.stage == "recovered" for epoch in run.events(event.Epoch))
    steps = len(run.events(event.Attempts))
    return Result(
        final.correct,
        final.total,
        final.macs / points[0].macs,
        epochs * each + steps * run.spec().recover.between_steps_batches,
        _selection_seconds(run.event_lines()),
        run.model_file(final.point, "onnx"),
        sum(point.reconstruction.seconds for point in points if point.reconstruction is not None),
    )


def theirs(file: Path) -> Result:
    """What `rival` wrote."""
    document = read_json(file)
    fields = {key: document[key] for key in ("correct", "total", "macs", "batches", "seconds")}
    return Result(**fields, onnx=file.with_suffix(".onnx"))


def time_networks(files: Sequence[Path]) -> list[float]:
    """Milliseconds per image of each network, one thread: the least median of rounds that take them all in turn."""
    from engine.latency.host_timing import time_onnx

    rounds = [[time_onnx(file, IMAGE, seconds=SECONDS).p50_ms for file in files] for _ in range(ROUNDS)]
    return [min(samples) for samples in zip(*rounds, strict=True)]


def render(all_: Standings) -> tuple[str, bool]:
    """The table in Markdown, and whether we hold our own: the best accuracy, and one near theirs that is fast.

    Theirs is Torch-Pruning as it is: it has no distillation, and its rows with ours are shown beside it.
    """
    rows = sorted(all_.rows, key=lambda row: -row.top1.mean)
    counted = [row for row in rows if row.counts(all_.seeds, all_.budget)]
    mine = [row for row in counted if row.entry.ours]
    peers = [row for row in counted if row.entry.theirs_as_it_is]
    limit = FAST * all_.latency[peers[0].entry] if peers else 0.0
    fast = next((row for row in mine if all_.latency[row.entry] <= limit), None)
    lines = [
        f"Untouched: {all_.base.top1:.2%} ({all_.base.correct} of {all_.base.total} test images), "
        f"{all_.base_ms:.3f} ms. Budget: {all_.budget} training batches. {cpu_model()}, one thread.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
        *(_line(row, all_) for row in rows),
        "",
        *(["\\* does not count: seeds are missing, or a budget was not kept.", ""] if len(counted) < len(rows) else []),
        f"- best of ours: {_describe(next(iter(mine), None), all_)}",
        f"- best of Torch-Pruning as it is: {_describe(next(iter(peers), None), all_)}",
        f"- best of ours at {FAST}× of its latency or less: {_describe(fast, all_)}",
    ]
    good = False
    if mine and peers and fast:
        theirs = peers[0].top1.mean
        good = mine[0].top1.mean >= theirs and fast.top1.mean >= theirs - NEAR
    return "\n".join(lines) + "\n", good


def _line(row: Row, all_: Standings) -> str:
    top1, results = row.top1, row.results
    spread = "" if top1.high is None else f" ± {100 * (top1.high - top1.mean):.2f}"
    columns = (
        row.entry.method + ("" if row.counts(all_.seeds, all_.budget) else " \\*"),
        row.entry.criterion,
        "yes" if row.entry.distilled else "no",
        f"{100 * top1.mean:.2f}{spread}",
        ", ".join(str(result.correct) for result in results),
        f"{_mean([result.macs for result in results]):.3f}×",
        f"{all_.latency[row.entry]:.2f}×",
        f"{max(result.batches for result in results)}",
        f"{_mean([result.seconds for result in results]):.1f}",
        f"{refit:.1f}" if (refit := _mean([result.refit for result in results])) else "–",
    )
    return f"| {' | '.join(columns)} |"


def _describe(row: Row | None, all_: Standings) -> str:
    if row is None:
        return "none"
    return f"{row.entry.name}: {row.top1.mean:.2%} at {all_.latency[row.entry]:.2f}× latency"


def _selection_seconds(events: Sequence[dict[str, Any]]) -> float:
    """Seconds between the beginning of each choice and its cut."""
    seconds, began = 0.0, None
    for line in events:
        if line["kind"] == "phase" and line["message"].startswith(("scoring", "attempting")):
            began = line["t"]
        elif line["kind"] == "cut" and began is not None:
            seconds, began = seconds + line["t"] - began, None
    return seconds


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
