"""What devices measured, beside everything else that is known of the points. Pure functions over `points.tidy`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from app import text
from app.tables import points


@dataclass(frozen=True)
class BoardSetting:
    """A device, and the conditions under which it measured (`app.text.setting`)."""

    device: str
    setting: str


@dataclass(frozen=True)
class BoardResult:
    """What a device measured of a point, and of its run's baseline under the same conditions."""

    entry: Mapping[str, Any]
    base: Mapping[str, Any] | None

    def ratio(self, key: str) -> float | None:
        """The point's number as a share of the baseline's; None where either is missing."""
        of = None if self.base is None else self.base.get(key)
        return self.entry[key] / of if of and self.entry.get(key) is not None else None


def devices(frame: pd.DataFrame) -> dict[str, bool]:
    """The devices that timed any of the points, the one with the most first; whether their energy is known."""
    entries = _entries(frame)
    names = pd.Series([entry["device"] for entry in entries], dtype=object).value_counts().index
    metered = {entry["device"] for entry in entries if entry.get("energy_mj") is not None}
    return {str(name): name in metered for name in names}


def settings(frame: pd.DataFrame, device: str) -> list[str]:
    """The conditions under which a device timed the points, the most frequent first."""
    found = [text.setting(entry) for entry in _entries(frame) if entry["device"] == device]
    return list(pd.Series(found, dtype=object).value_counts().index)


def with_device(frame: pd.DataFrame, on: BoardSetting | None) -> pd.DataFrame:
    """`frame` with `device_ms` (p50) and `device_mj` (per inference), and the baseline's as `base_…` of these."""
    found = [None if on is None else _entry(entries, on) for entries in frame["latencies"]]
    for column, key in (("device_ms", "p50_ms"), ("device_mj", "energy_mj")):
        values = [None if entry is None else entry.get(key) for entry in found]
        frame = points.beside_baseline(frame, column, values)
    return frame


def of_point(frame: pd.DataFrame, point: str, on: BoardSetting | None) -> BoardResult | None:
    """A point's measurement under the chosen conditions, or else the last that there is of it."""
    row = frame[frame["id"] == point].iloc[0]
    entries = [entry for entry in row["latencies"] if entry.get("device")]
    entry = (None if on is None else _entry(entries, on)) or max(entries, key=lambda e: e.get("at") or 0, default=None)
    if entry is None:
        return None
    base = frame[(frame["run_id"] == row["run_id"]) & frame["baseline"]]
    alike = BoardSetting(str(entry["device"]), text.setting(entry))
    return BoardResult(entry, None if base.empty else _entry(base.iloc[0]["latencies"], alike))


def _entries(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [entry for entries in frame["latencies"] for entry in entries if entry.get("device")]


def _entry(entries: list[dict[str, Any]], on: BoardSetting) -> dict[str, Any] | None:
    alike = (entry for entry in entries if entry.get("device") == on.device and text.setting(entry) == on.setting)
    return next(alike, None)
