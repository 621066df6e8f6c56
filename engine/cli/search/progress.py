"""Where a search stands, while it goes on: one line that is redrawn on a terminal, elsewhere a line now and then."""

import math
import sys
import time
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from engine.cli.sweep.progress import SweepProgress
from engine.jobs.sweep.driver import Ended, Tally
from engine.search.trials import Standing
from engine.units import duration
from engine.words import count

_LINE_SECONDS = 10.0  # between two lines where there is no terminal


class SearchProgress:
    """Shows how far the trials are on stderr, and where runs are at work instead how far those are."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._runs = SweepProgress(self._console)
        columns = (TextColumn("{task.description}", markup=False), BarColumn())
        self._bar = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task = self._bar.add_task("starting", total=1.0)
        self._last = -math.inf
        self._line: AbstractContextManager[object] | None = None
        self._shown = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._shown.close()

    def show(self, standing: Standing) -> None:
        """Redraw the line, or write one where ten seconds have passed or the trials are at their end."""
        if self._console.is_terminal:
            self._turn_to(self._bar)
            self._bar.update(self._task, total=standing.total, completed=standing.done, description=sentence(standing))
        elif standing.done >= standing.total or time.monotonic() - self._last >= _LINE_SECONDS:
            self._last = time.monotonic()
            print(sentence(standing), file=sys.stderr, flush=True)

    def tally(self, tally: Tally) -> None:
        """How far runs are."""
        self._turn_to(self._runs)
        self._runs.show(tally)

    def _turn_to(self, line: AbstractContextManager[object]) -> None:
        """A terminal has one line that is redrawn: that of the trials or that of the runs."""
        if line is not self._line:
            self._shown.close()
            self._shown.enter_context(line)
            self._line = line

    def ended(self, ended: Ended, tally: Tally) -> None:
        """A run has come back."""
        self._runs.tell(ended, tally)


def sentence(standing: Standing) -> str:
    """A standing in words."""
    parts = [f"{standing.done:,} of {count(standing.total, 'trial')}"]
    parts += [f"{standing.done - standing.feasible:,} not within constraints"] * (standing.feasible < standing.done)
    parts += [f"{standing.refused:,} cannot be met"] if standing.refused else []
    parts += [f"about {duration(standing.left)} left"] if standing.left and standing.done < standing.total else []
    return " · ".join(parts)
