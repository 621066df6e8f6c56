"""What devices measured, beside everything else that is known of the points. Pure functions over `points.tidy`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from app import text
from app.tables import points
from engine.storage.records.measurement import Conditions, Measurement, Timed


@dataclass(frozen=True)
class BoardSetting:
    """The conditions under which a device measured."""

    conditions: Conditions

    @property
    def device(self) -> str:
        """The device's name."""
        return str(self.conditions.device)

    @property
    def setting(self) -> str:
        """The rest in words (`app.text.setting`)."""
        return text.setting(self.conditions)


@dataclass(frozen=True)
class BoardResult:
    """What a device measured of a point, and of its run's baseline under the same conditions."""

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


def devices(frame: pd.DataFrame) -> dict[str, bool]:
    """The devices that timed any of the points, the one with the most first; whether their energy is known."""
    entries = [entry for entries in frame["latencies"] for entry in of_devices(entries)]
    metered = {entry.device for entry in entries if entry.energy_mj is not None}
    return {name: name in metered for name, _ in Counter(entry.device for entry in entries).most_common()}


def settings(frame: pd.DataFrame, device: str) -> list[BoardSetting]:
    """The conditions under which a device timed the points, the most frequent first."""
    conditions = [entry.conditions for entries in frame["latencies"] for entry in of_devices(entries)]
    return [BoardSetting(each) for each in points.most_frequent(one for one in conditions if one.device == device)]


def with_device(frame: pd.DataFrame, on: BoardSetting | None) -> pd.DataFrame:
    """`frame` with `device_ms` (p50) and `device_mj` (per inference), and the baseline's as `base_…` of these."""
    entries = [None if on is None else _entry(timed, on) for timed in frame["latencies"]]
    frame = points.beside_baseline(frame, "device_ms", [None if each is None else each.p50_ms for each in entries])
    return points.beside_baseline(frame, "device_mj", [None if each is None else each.energy_mj for each in entries])


def of_point(frame: pd.DataFrame, point: str, on: BoardSetting | None) -> BoardResult | None:
    """A point's measurement under the chosen conditions, or else the last that there is of it."""
    row = frame[frame["id"] == point].iloc[0]
    last = max(of_devices(row["latencies"]), key=lambda entry: entry.at or 0, default=None)
    entry = (None if on is None else _entry(row["latencies"], on)) or last
    if entry is None:
        return None
    base = frame[(frame["run_id"] == row["run_id"]) & frame["baseline"]]
    alike = BoardSetting(entry.conditions)
    return BoardResult(entry, None if base.empty else _entry(base.iloc[0]["latencies"], alike))


def of_devices(entries: Sequence[Timed]) -> list[Measurement]:
    """Those of a point's timings that devices made."""
    return [entry for entry in entries if isinstance(entry, Measurement)]


def _entry(entries: Sequence[Timed], on: BoardSetting) -> Measurement | None:
    return next((entry for entry in of_devices(entries) if entry.conditions == on.conditions), None)


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if base and value is not None else None
