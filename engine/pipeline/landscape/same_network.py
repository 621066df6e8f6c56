"""The run that makes the network of a landscape's cell: its ratio, and the layers' share of it. No torch.

A cell says how much of the depth is kept and how much of the width, each from below; a run says how much of the whole,
and which share of that, in log space, the layers answer for. A cut of whole blocks keeps less than was asked, and the
other cut goes on from there: so the ratio follows from what was kept of what is cut first.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.errors import WorkError
from engine.prune.solver import split_target
from engine.spec import run as run_spec
from engine.spec.landscape import request as landscape_request
from engine.spec.run import RunSpec
from engine.storage.landscapes.grid import Cell, Grid

_MOST_DIGITS = 16
_CLOSE = 1e-9  # by so much, relatively, two costs of networks never differ


@dataclass(frozen=True)
class _Phases:
    """What is cut first, and its share of what was there, as asked and as kept; and the share asked of the rest."""

    order: str
    layers_first: bool
    asked: float
    kept: float
    rest: float


def run_of(grid: Grid, cell: Cell) -> RunSpec:
    """The request for a run whose network, before its recovery, is that of the cell.

    The run recovers at its end alone, as scores of the second cut are to be those of the landscape. RequestError where
    this version refuses the request, WorkError for a cell that cannot be so.
    """
    if cell.kept is None:
        raise WorkError("this cell has no network")
    request = landscape_request.parse(grid.request)
    layers_first = request.spec.phases()[0] == "layers"
    shares = (cell.asked.depth, cell.kept.depth, cell.asked.width)
    if not layers_first:
        shares = (cell.asked.width, cell.kept.width, cell.asked.depth)
    phases = _Phases(request.spec.order, layers_first, *shares)
    if not (0 < phases.kept <= phases.asked * (1 + _CLOSE) and phases.asked <= 1 and 0 < phases.rest <= 1):
        raise WorkError(
            f"a cell of the landscape is damaged: it keeps {phases.kept:g} where {phases.asked:g} was asked"
        )
    raw = request.spec.model_dump(mode="json")
    raw |= _removal(raw, phases, _baseline(grid))
    raw["recover"] |= {"between_phases": False}
    if request.spec.recover.reconstruct and grid.calibration_images is not None:
        raw["recover"] |= {"calibration_images": grid.calibration_images}
    return run_spec.parse(raw)


def _baseline(grid: Grid) -> float:
    """What the untouched network costs in the landscape's metric; MACs and parameters are whole numbers."""
    base = grid.untouched
    costs = {"macs": base.macs, "params": base.params, "latency": base.predicted_ms}
    cost = costs.get(grid.metric)
    if not cost:
        raise WorkError(f"the landscape does not say what its untouched network costs in {grid.metric[:20]}")
    return cost


def _removal(raw: dict[str, Any], phases: _Phases, baseline: float) -> dict[str, Any]:
    """The order and the target: the ratio and the layers' share, in as few digits as say the same."""
    is_whole = isinstance(baseline, int)
    if phases.layers_first and phases.rest == 1.0 and not is_whole:
        # Milliseconds that blocks come down to are no round number that channels could be left alone at.
        keep = _shortest(phases.kept * (1 + _CLOSE / 10), max(phases.asked, phases.kept * (1 + _CLOSE)), lambda _: True)
        return {"order": "layers", "target": {**raw["target"], "keep": [min(keep, 1.0)]}}
    level = round(phases.kept * baseline) if is_whole else phases.kept * baseline
    limit = phases.rest * level
    if is_whole:
        limit = math.floor(limit)
        most = (limit + 1) / baseline
    else:
        most = limit / baseline * (1 + _CLOSE)

    def meets(keep: float) -> bool:
        total = split_target(baseline, keep, 0.5, phases.order).total
        return total == limit if is_whole else total >= limit

    keep = _shortest(limit / baseline, min(most, 1.0), meets)
    target = {**raw["target"], "keep": [keep], "depth_share": _depth_share(phases, baseline, keep)}
    return {"order": phases.order, "target": target}


def _depth_share(phases: _Phases, baseline: float, keep: float) -> float:
    """The share by which what goes first comes down to what the cell has it at."""
    if keep == 1.0:
        return RunSpec().target.depth_share
    low, high = _first_limits(phases, baseline)

    def meets(share: float) -> bool:
        shares = split_target(baseline, keep, share, phases.order)
        limit = shares.layers if phases.layers_first else shares.channels
        return low * baseline <= limit <= high * baseline

    least, most = (math.log(bound) / math.log(keep) for bound in (high, low))
    if not phases.layers_first:
        least, most = 1 - most, 1 - least
    return _shortest(max(0.0, least), min(1.0, most), meets)


def _first_limits(phases: _Phases, baseline: float) -> tuple[float, float]:
    """Between which shares of the baseline the first cut comes to the same: blocks are large, channels are not."""
    if phases.asked == 1.0:
        return 1.0, 1.0
    if phases.layers_first:
        return phases.kept * (1 + _CLOSE / 10), max(phases.asked, phases.kept * (1 + _CLOSE))
    if isinstance(baseline, int):
        limit = phases.asked * baseline
        return phases.asked, (math.floor(limit) + 1 - 1e-3) / baseline
    return phases.asked, phases.asked * (1 + _CLOSE)


def _shortest(low: float, high: float, fits: Callable[[float], bool]) -> float:
    """The number between two that has the fewest digits after the point, of those that fit."""
    for digits in range(_MOST_DIGITS):
        scale: int = 10**digits
        number = math.ceil(low * scale) / scale
        if number <= high and fits(number):
            return number
    return low
