"""What boards measured, as columns beside those of the points. Pure functions over `points.tidy`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from app import text
from app.tables import points
from engine.storage.records.measurement import Conditions, Measurement, Timed


@dataclass(frozen=True)
class BoardConditions:
    """The conditions under which a board measured."""

    conditions: Conditions

    @property
    def name(self) -> str:
        """The board's name."""
        return str(self.conditions.device)

    @property
    def label(self) -> str:
        """The rest in words (`app.text.board_conditions`)."""
        return text.board_conditions(self.conditions)


@dataclass(frozen=True)
class BoardResult:
    """What a board measured of a point, and of its run's baseline under the same conditions."""

    entry: Measurement
    base: Measurement | None

    @property
    def latency_ratio(self) -> float | None:
        """The point's latency as a share of the baseline's; None without a baseline."""
        return None if self.base is None else _ratio(self.entry.p50_ms, self.base.p50_ms)

    @property
    def energy_ratio(self) -> float | None:
        """The same of the energy per inference; None where either is missing."""
        return None if self.base is None else _ratio(self.entry.energy_mj, self.base.energy_mj)


def boards(frame: pd.DataFrame) -> dict[str, bool]:
    """The boards that timed any of the points, the one with the most first; whether their energy was measured."""
    counts: Counter[str] = Counter()
    for conditions, number in points.timing_counts(frame).items():
        if conditions.device is not None:
            counts[conditions.device] += number
    if not counts:
        return {}
    entries = (entry for entries in timed_on_boards(frame)["latencies"] for entry in board_measurements(entries))
    metered = {entry.device for entry in entries if entry.energy_mj is not None}
    return {name: name in metered for name, _ in counts.most_common()}


def timed_on_boards(frame: pd.DataFrame) -> pd.DataFrame:
    """The points that any board timed."""
    together = frame["conditions"].cat
    places = [place for place, kind in enumerate(together.categories) if any(each.device for each in kind.entries)]
    return frame[together.codes.isin(places)]


def conditions(frame: pd.DataFrame, board: str) -> list[BoardConditions]:
    """The conditions under which a board timed the points, the most frequent first."""
    chosen = points.by_frequency(points.timing_counts(frame), lambda each: each.device == board)
    return [BoardConditions(each) for each in chosen]


def with_board(frame: pd.DataFrame, board: BoardConditions | None) -> pd.DataFrame:
    """`frame` with `device_ms` (p50) and `device_mj` (per inference), and the baseline's as `base_…` of these."""
    conditions = None if board is None else board.conditions
    frame = points.with_baseline(
        frame, "device_ms", points.timing_values(frame, conditions, lambda entry: entry.p50_ms)
    )
    return points.with_baseline(
        frame, "device_mj", points.timing_values(frame, conditions, lambda entry: entry.energy_mj)
    )


def board_result(frame: pd.DataFrame, point: str, board: BoardConditions | None) -> BoardResult | None:
    """A point's measurement under the selected conditions, or else its last one."""
    row = frame.iloc[points.place_of(frame, point)]
    last = max(board_measurements(row["latencies"]), key=lambda entry: entry.at or 0, default=None)
    entry = (None if board is None else _measurement(row["latencies"], board)) or last
    if entry is None:
        return None
    base = frame[["run_id", "baseline", "latencies"]][(frame["run_id"] == row["run_id"]) & frame["baseline"]]
    same_conditions = BoardConditions(entry.conditions)
    return BoardResult(entry, None if base.empty else _measurement(base.iloc[0]["latencies"], same_conditions))


def board_measurements(entries: Sequence[Timed]) -> list[Measurement]:
    """Those of a point's timings that boards made."""
    return [entry for entry in entries if isinstance(entry, Measurement)]


def _measurement(entries: Sequence[Timed], board: BoardConditions) -> Measurement | None:
    return next((entry for entry in board_measurements(entries) if entry.conditions == board.conditions), None)


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if base and value is not None else None
