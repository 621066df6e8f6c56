"""What a request will cost, worked out from the model summary before anything is trained. No torch."""

from dataclasses import dataclass

from engine.errors import RequestError
from engine.graph.cost import CostModel, widths
from engine.graph.metric import Metric
from engine.graph.summary import ModelSummary
from engine.latency.predictor import Predictor
from engine.latency.table import LatencyTable
from engine.prune import depth
from engine.prune.protection import check_rules, protection
from engine.prune.solver import Shares, TargetUnreachable, removal_order, solve, split_target, uniform_keys
from engine.spec.catalog import CRITERIA, is_comparable
from engine.spec.run import RunSpec


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


def forecast(summary: ModelSummary, spec: RunSpec, table: LatencyTable | None = None) -> list[Forecast]:
    """One forecast for each target; RequestError, with the least that is possible, when one cannot be met.

    A target in latency needs the `table` of a machine. Without one there are no forecasts, as what a plan takes there
    is not known: the list is empty, and only what does not depend on the target is checked. RequestError when the
    table is of another model. Other metrics do without a table.
    """
    check_rules(summary, spec.keep_layers)
    _check_order(summary, spec)
    if spec.target.metric != "latency":
        metric = Metric(spec.target.metric)
    elif table is None:
        return []
    else:
        table.check(summary)
        metric = Metric(spec.target.metric, Predictor(table))
    return [_forecast(summary, spec, metric, keep) for keep in spec.target.keep]


def _check_order(summary: ModelSummary, spec: RunSpec) -> None:
    kept_by_request = protection(summary, spec.keep_layers)
    blocks = depth.candidates(summary, protected=kept_by_request.blocks)
    takes_blocks = spec.order != "channels"
    if takes_blocks and not blocks:
        left = " that keep_layers leaves" if kept_by_request.blocks else ""
        raise RequestError(f"{spec.model} has no removable block{left}; use the order channels", field="order")
    if spec.order == "channels-layers" and all(block.reroute for block in blocks):
        raise RequestError(
            f"{spec.model} has no skips, and once channels are cut none of its layers can go; use layers-channels",
            field="order",
        )
    unscored = [b.name for b in blocks if not _is_scored(summary, b.layers, spec.criterion)]
    if takes_blocks and unscored:
        name = _batch_norm_criteria(spec.criterion)[0]
        sentence = f"{name} cannot score {unscored[0]}, which has no batch norm; choose l1 or fpgm"
        raise RequestError(sentence, field="criterion")
    if spec.order != "layers" and not _scored_groups(summary, spec.criterion):
        name = _batch_norm_criteria(spec.criterion)[0]
        sentence = f"{name} needs batch norm after convolutions, and {spec.model} has none; use l1 or fpgm"
        raise RequestError(sentence, field="criterion")


def _forecast(summary: ModelSummary, spec: RunSpec, metric: Metric, keep: float) -> Forecast:
    baseline = metric.of(CostModel(summary))
    shares = split_target(baseline, keep, spec.target.depth_share, spec.order)
    try:
        removed, kept = _plan(summary, spec, metric, shares)
    except TargetUnreachable as error:
        raise error.as_request_error(keep, metric.name, spec.order, baseline, spec.keep_layers) from None
    total = CostModel(summary, removed)(kept)
    return Forecast(keep, total.params, total.macs, tuple(removed), widths(summary, kept, removed))


def _plan(summary: ModelSummary, spec: RunSpec, metric: Metric, shares: Shares) -> tuple[list[str], list[int] | None]:
    stays = protection(summary, spec.keep_layers, spec.width.least_share)
    equal_scores = dict.fromkeys((block.name for block in summary.blocks), 0.0)
    removed: list[str] = []
    kept: list[int] | None = None
    # Alternate steps take about as much by layers as by channels.
    phases = ("layers", "channels") if spec.order == "alternate" else spec.phases()
    if spec.order == "alternate":
        shares = Shares((shares.total * metric.of(CostModel(summary))) ** 0.5, shares.total, shares.total)
    for phase in phases:
        last = phase == phases[-1]
        if phase == "layers":
            limit, floor = (shares.total, 0.0) if last else (shares.layers, shares.total)
            removed = depth.select_blocks(
                summary, equal_scores, metric, limit, not_below=floor, kept=kept, protected=stays.blocks
            )
        else:
            model = CostModel(summary, removed)
            keys = uniform_keys(summary, model.present & _scored_groups(summary, spec.criterion))
            is_progressive = spec.width.method == "progressive"
            order = removal_order(
                summary,
                keys,
                spec.width.round_to,
                shared_last=spec.width.scope == "global" and not is_progressive and not is_comparable(spec.criterion),
                least=stays.least,
            )
            limit = shares.total if last else shares.channels
            kept = solve(model, order, metric, limit)
    return removed, kept


def _scored_groups(summary: ModelSummary, criterion: str) -> set[int]:
    """The channel groups whose channels the criterion can rank."""
    channel_groups = enumerate(summary.channel_groups)
    return {c for c, group in channel_groups if group.removable and _is_scored(summary, group.producers, criterion)}


def _is_scored(summary: ModelSummary, layers: tuple[str, ...], criterion: str) -> bool:
    if not _batch_norm_criteria(criterion):
        return True
    return any(layer.normed for layer in summary.layers if layer.name in layers)


def _batch_norm_criteria(criterion: str) -> list[str]:
    """Those of a criterion's parts that score only what a batch norm follows."""
    return [name for name in criterion.split("+") if CRITERIA[name].batch_norm]
