"""Where a sweep stands, while it goes on: one line that is redrawn on a terminal, elsewhere a line for each run."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from engine.jobs.sweep.driver import Ended, Tally
from engine.texts import one_line
from engine.units import duration

_LONGEST = 300  # characters of what a run ended with


class SweepProgress:
    """Shows tallies, and the ends of runs, on stderr."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        columns = (TextColumn("{task.description}", markup=False), BarColumn())
        self._bar = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task = self._bar.add_task("starting", total=1.0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def show(self, tally: Tally) -> None:
        """Redraw the line; nothing where there is none."""
        if self._console.is_terminal:
            self._bar.update(self._task, total=tally.total, completed=tally.done, description=sentence(tally))

    def tell(self, ended: Ended, tally: Tally) -> None:
        """A run has come back; a terminal keeps a line of those alone that are not done."""
        line = one_line(_end(ended), _LONGEST)
        if not self._console.is_terminal:
            print(f"{sentence(tally)} · {line}", file=sys.stderr, flush=True)
        elif ended.state != "done":
            self._console.print(line, markup=False)
        self.show(tally)


def sentence(tally: Tally) -> str:
    """A tally in words."""
    parts = [f"{tally.done:,} of {tally.total:,} done", f"{tally.running:,} running"]
    parts += [f"{tally.failed:,} failed"] if tally.failed else []
    parts += [f"{tally.cancelled:,} cancelled"] if tally.cancelled else []
    if tally.left and tally.done + tally.failed + tally.cancelled < tally.total:
        parts.append(f"about {duration(tally.left)} left")
    return " · ".join(parts)


def _end(ended: Ended) -> str:
    spec = ended.entry.spec
    what = f"{ended.run_id} ({spec.model}, {spec.criterion}, {spec.order}, seed {spec.seed})"
    if ended.error:
        return f"{what} failed: {ended.error}"
    return f"{what} {ended.state} after {duration(ended.seconds)}"
