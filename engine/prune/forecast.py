"""What a request will cost, told from the model sheet before anything is trained. No torch."""

from dataclasses import dataclass

from engine.errors import RequestError
from engine.graph.cost import CostModel, widths
from engine.graph.latency import LatencyTable
from engine.graph.metric import Metric
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


def forecast(sheet: ModelSheet, spec: RunSpec, table: LatencyTable | None = None) -> list[Forecast]:
    """One forecast for each target; RequestError, with the least that is possible, when one cannot be met.

    A target in latency needs the `table` of a machine. Without one there are no forecasts, as what a plan takes there
    is not known: the list is empty, and only what does not depend on the target is checked. RequestError when the
    table is of another model. Other metrics do without a table.
    """
    _check_order(sheet, spec)
    if spec.target.metric != "latency":
        metric = Metric(spec.target.metric)
    elif table is None:
        return []
    else:
        table.check(sheet)
        metric = Metric(spec.target.metric, table)
    return [_forecast(sheet, spec, metric, keep) for keep in spec.target.keep]


def _check_order(sheet: ModelSheet, spec: RunSpec) -> None:
    blocks = depth.candidates(sheet)
    takes_blocks = spec.order != "channels"
    if takes_blocks and not blocks:
        raise RequestError(f"{spec.model} has no removable block; use the order channels")
    if spec.order == "channels-layers" and all(block.reroute for block in blocks):
        raise RequestError(
            f"{spec.model} has no skips, and once channels are cut none of its layers can go; use layers-channels"
        )
    unscored = [b.name for b in blocks if not _is_scored(sheet, b.layers, spec.criterion)]
    if takes_blocks and unscored:
        raise RequestError(f"bn_scale cannot score {unscored[0]}, which has no batch norm; choose l1 or fpgm")
    if spec.order != "layers" and not _scored_cells(sheet, spec.criterion):
        raise RequestError(f"bn_scale needs batch norm after convolutions, and {spec.model} has none; use l1 or fpgm")


def _forecast(sheet: ModelSheet, spec: RunSpec, metric: Metric, keep: float) -> Forecast:
    base = metric.of(CostModel(sheet))
    shares = split(base, keep, spec.target.depth_share, spec.order)
    try:
        removed, kept = _plan(sheet, spec, metric, shares)
    except CannotMeet as error:
        raise error.told(keep, metric.name, spec.order, base) from None
    total = CostModel(sheet, removed)(kept)
    return Forecast(keep, total.params, total.macs, tuple(removed), widths(sheet, kept, removed))


def _plan(sheet: ModelSheet, spec: RunSpec, metric: Metric, shares: Shares) -> tuple[list[str], list[int] | None]:
    alike = dict.fromkeys((block.name for block in sheet.blocks), 0.0)
    removed: list[str] = []
    kept: list[int] | None = None
    # Alternate steps take about as much by layers as by channels.
    phases = ("layers", "channels") if spec.order == "alternate" else spec.phases()
    if spec.order == "alternate":
        shares = Shares((shares.total * metric.of(CostModel(sheet))) ** 0.5, shares.total, shares.total)
    for phase in phases:
        last = phase == phases[-1]
        if phase == "layers":
            limit, floor = (shares.total, 0.0) if last else (shares.layers, shares.total)
            removed = depth.choose(sheet, alike, metric, limit, not_below=floor, kept=kept)
        else:
            model = CostModel(sheet, removed)
            keys = uniform_keys(sheet, model.present & _scored_cells(sheet, spec.criterion))
            progressive = spec.width.method == "progressive"
            order = chain(
                sheet,
                keys,
                spec.width.round_to,
                shared_last=spec.width.scope == "global" and not progressive,
                least_share=spec.width.least_share,
            )
            limit = shares.total if last else shares.channels
            kept = solve(model, order, metric, limit)
    return removed, kept


def _scored_cells(sheet: ModelSheet, criterion: str) -> set[int]:
    """The cells whose channels the criterion can rank."""
    cells = enumerate(sheet.cells)
    return {c for c, cell in cells if cell.removable and _is_scored(sheet, cell.producers, criterion)}


def _is_scored(sheet: ModelSheet, layers: tuple[str, ...], criterion: str) -> bool:
    if "bn_scale" not in criterion.split("+"):
        return True
    return any(layer.normed for layer in sheet.layers if layer.name in layers)
