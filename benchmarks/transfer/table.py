"""What the runs of `benchmarks.transfer` came to, over seeds, as a table. No torch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.transfer.entries import KEEPS, Entry, Task, entries
from engine.measure.machine import cpu_model
from engine.spec.run import RunSpec
from engine.statistics.intervals import Interval, mean_interval
from engine.storage.folders.run import Run
from engine.storage.records.point import Point


@dataclass(frozen=True)
class Series:
    """One way to prune one pair, over seeds: shares right of the target's and the source's test images by MACs kept."""

    pair: str
    name: str
    reconstruct: bool
    adapted: bool
    target: dict[float, Interval]  # 1.0 is the network before anything was cut
    source: dict[float, Interval]
    taken: Interval | None  # pseudo-labels of the network before anything was cut
    correct: Interval | None  # the share of them that was right

    @property
    def label(self) -> str:
        return self.name + ("" if self.reconstruct else ", plain cuts")


def find(folder: Path, spec: RunSpec) -> Run | None:
    """The finished run of a spec."""
    for path in sorted((folder / "runs").glob(f"*-{spec.digest()}*")):
        run = Run(path)
        if run.status().state == "done":
            return run
    return None


def results(folder: Path, tasks: Sequence[Task]) -> list[Series]:
    """All series that have a finished run, pair by pair."""
    found = []
    for pair in dict.fromkeys(task.pair for task in tasks):
        own = [task for task in tasks if task.pair == pair]
        for entry in entries():
            runs = [run for task in own if (run := _run_of(folder, entry, task)) is not None]
            if runs:
                found.append(_series(pair, entry, runs))
    return found


def render(series: Sequence[Series]) -> str:
    """Markdown: a table for each pair, all rows."""
    return "\n".join([f"One thread a run, {cpu_model()}.", *(_table(pair, series) for pair in _pairs(series))])


def _run_of(folder: Path, entry: Entry, task: Task) -> Run | None:
    adapted = find(folder, entries()[0].spec(task, None))
    if entry.alone and entry.adapted and adapted is None:
        return None
    return find(folder, entry.spec(task, None if adapted is None else adapted.id))


def _series(pair: str, entry: Entry, runs: Sequence[Run]) -> Series:
    points = [run.points() for run in runs]
    answers = [line for run in runs for line in run.event_lines() if line["kind"] == "pseudo_label_answers"]
    first = [line for line in answers if line["point"] == 0]
    return Series(
        pair,
        entry.name,
        entry.reconstruct,
        entry.adapted,
        {keep: mean_interval([_at(each, keep).target_top1 or 0.0 for each in points]) for keep in (1.0, *KEEPS)},
        {keep: mean_interval([_at(each, keep).source_top1 or 0.0 for each in points]) for keep in (1.0, *KEEPS)},
        mean_interval([line["taken"] for line in first]) if first else None,
        mean_interval([line["correct"] / line["taken"] for line in first]) if first else None,
    )


def _at(points: Iterable[Point], keep: float) -> Point:
    """The last point of a target; the baseline at 1."""
    return next(point for point in points if point.keep == keep and (point.final or keep == 1.0))


def _pairs(series: Sequence[Series]) -> list[str]:
    return list(dict.fromkeys(each.pair for each in series))


def _table(pair: str, series: Sequence[Series]) -> str:
    columns = ("way", "reconstructed", "uncut", *(f"{keep:g}×" for keep in KEEPS), "source, 0.5×", "pseudo-labels")
    lines = [f"\n## {pair}\n", f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    for each in (each for each in series if each.pair == pair):
        cells = [_percent(each.target[keep]) for keep in (1.0, *KEEPS)]
        named = "—"
        if each.taken is not None and each.correct is not None:
            named = f"{each.taken.mean:.0f}, {each.correct.mean:.1%} right"
        row = (each.name, "yes" if each.reconstruct else "no", *cells, _percent(each.source[0.5]), named)
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join([*lines, ""])


def _percent(value: Interval) -> str:
    if value.low is None:
        return f"{100 * value.mean:.1f}"
    return f"{100 * value.mean:.1f} ± {100 * (value.mean - value.low):.1f}"
