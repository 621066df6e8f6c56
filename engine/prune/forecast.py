"""What a request will cost, told from the model sheet before anything is trained. No torch."""

from dataclasses import dataclass

from engine.errors import RequestError
from engine.graph.cost import CostModel, widths
from engine.graph.sheet import ModelSheet
from engine.prune import depth
from engine.prune.target import CannotMeet, Shares, chain, solve, split, uniform_keys
from engine.spec import RunSpec


@dataclass(frozen=True)
class Forecast:
    """One target's network if the criterion spared nothing in particular.

    Channels meet the target metric as in the run. Which blocks and channels go, and so the other metric and what
    the last block overshoots, the criterion decides.
    """

    keep: float
    params: int
    macs: int
    removed: tuple[str, ...]
    widths: dict[str, tuple[int, int]]  # convolution → (original, kept); 0 in removed blocks


def forecast(sheet: ModelSheet, spec: RunSpec) -> list[Forecast]:
    """One forecast for each target; RequestError, with the least that is possible, when one cannot be met."""
    _check_order(sheet, spec)
    return [_forecast(sheet, spec, keep) for keep in spec.target.keep]


def _check_order(sheet: ModelSheet, spec: RunSpec) -> None:
    blocks = depth.candidates(sheet)
    if "layers" in spec.phases() and not blocks:
        raise RequestError(f"{spec.model} has no removable block; use the order channels")
    if spec.order == "channels-layers" and all(block.reroute for block in blocks):
        raise RequestError(
            f"{spec.model} has no skips, and once channels are cut none of its layers can go; use layers-channels"
        )
    unscored = [b.name for b in blocks if not _is_scored(sheet, b.layers, spec.criterion)]
    if "layers" in spec.phases() and unscored:
        raise RequestError(f"bn_scale cannot score {unscored[0]}, which has no batch norm; choose l1 or fpgm")
    if "channels" in spec.phases() and not _scored_cells(sheet, spec.criterion):
        raise RequestError(f"bn_scale needs batch norm after convolutions, and {spec.model} has none; use l1 or fpgm")


def _forecast(sheet: ModelSheet, spec: RunSpec, keep: float) -> Forecast:
    metric = spec.target.metric
    base = CostModel(sheet)().of(metric)
    shares = split(base, keep, spec.target.depth_share, spec.order)
    try:
        removed, kept = _plan(sheet, spec, shares)
    except CannotMeet as error:
        raise error.told(keep, metric, spec.order, base) from None
    total = CostModel(sheet, removed)(kept)
    return Forecast(keep, total.params, total.macs, tuple(removed), widths(sheet, kept, removed))


def _plan(sheet: ModelSheet, spec: RunSpec, shares: Shares) -> tuple[list[str], list[int] | None]:
    alike = dict.fromkeys((block.name for block in sheet.blocks), 0.0)
    removed: list[str] = []
    kept: list[int] | None = None
    for phase in spec.phases():
        last = phase == spec.phases()[-1]
        if phase == "layers":
            limit, floor = (shares.total, 0.0) if last else (shares.layers, shares.total)
            removed = depth.choose(sheet, alike, spec.target.metric, limit, not_below=floor, kept=kept)
        else:
            model = CostModel(sheet, removed)
            keys = uniform_keys(sheet, model.present & _scored_cells(sheet, spec.criterion))
            order = chain(sheet, keys, spec.width.round_to, shared_last=spec.width.scope == "global")
            limit = shares.total if last else shares.channels
            kept = solve(model, order, spec.target.metric, limit)
    return removed, kept


def _scored_cells(sheet: ModelSheet, criterion: str) -> set[int]:
    """The cells whose channels the criterion can rank."""
    cells = enumerate(sheet.cells)
    return {c for c, cell in cells if cell.removable and _is_scored(sheet, cell.producers, criterion)}


def _is_scored(sheet: ModelSheet, layers: tuple[str, ...], criterion: str) -> bool:
    if "bn_scale" not in criterion.split("+"):
        return True
    return any(layer.normed for layer in sheet.layers if layer.name in layers)
