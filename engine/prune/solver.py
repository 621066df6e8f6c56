"""How much goes: plans that meet a target in parameters, MACs or milliseconds, by arithmetic. No torch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.errors import RequestError
from engine.graph.cost import CostModel
from engine.graph.metric import LatencyPredictor, Metric
from engine.graph.summary import ModelSummary
from engine.spec.messages import quote

_CLOSE = 0.99  # of a limit: what lands further below it is worth a second look

Chunk = tuple[int, int]  # (channel group, how many of its channels go)


class TargetUnreachable(RequestError):
    """The target lies below what the rules allow: `least`, in units of the metric, is what remains."""

    def __init__(self, least: float, when: str) -> None:
        super().__init__(when)
        self.least, self.when = least, when

    def as_request_error(
        self, keep: float, metric: str, order: str, baseline: float, keep_layers: Sequence[str] | None = None
    ) -> RequestError:
        """The sentence for a request to keep `keep` of `baseline`, and all that `keep_layers` names."""
        share = math.ceil(1000 * self.least / baseline) / 1000
        rules = f", with {quote(','.join(keep_layers))} kept" if keep_layers else ""
        return RequestError(
            f"keep {keep:g} of the {metric} cannot be met with order {order}: at least {share:g}× remains "
            f"{self.when}{rules}",
            field="target.keep",
        )


@dataclass(frozen=True)
class Shares:
    """What each phase of an order comes down to, in units of the metric."""

    layers: float
    channels: float
    total: float


def split_target(baseline: float, keep: float, depth_share: float, order: str) -> Shares:
    """Split keep = k in log space: layers answer for k^s, channels for k^(1−s) (compound scaling in reverse).

    MACs and parameters are whole numbers, and so is their total; milliseconds are not.
    """
    total = keep * baseline
    if isinstance(baseline, int):
        total = float(math.floor(total + 1e-6))  # 0.58 of 2950 is a whole number, floats aside
    if "-" not in order:
        return Shares(total, total, total)
    return Shares(keep**depth_share * baseline, keep ** (1 - depth_share) * baseline, total)


def removal_order(
    summary: ModelSummary,
    keys: Mapping[int, Sequence[float]],
    round_to: int = 1,
    *,
    shared_last: bool = False,
    least: Mapping[int, int] | None = None,
    ties: Mapping[int, Sequence[float]] | None = None,
) -> list[Chunk]:
    """The order in which channels go, group by group, lowest key first.

    `keys[c]` holds an ascending number for each channel of group c; groups without keys keep every channel. Channels go
    in chunks that leave multiples of `round_to`, never the last chunk of a group, nor any below `least` of it. Of
    chunks with equal keys those with the lower `ties` go first, then those of earlier groups. With `shared_last`
    channels that several layers add up go only when no other is left (Li et al. 2017 leave them alone altogether).
    """
    among_equals = chunks_of(summary, ties or keys, round_to, least)
    entries = [
        (shared_last and summary.channel_groups[group].shared, key, among_equals[group][i][0], group, i, count)
        for group, chunks in chunks_of(summary, keys, round_to, least).items()
        for i, (key, count) in enumerate(chunks)
    ]
    return [(group, count) for *_, group, _, count in sorted(entries)]


def chunks_of(
    summary: ModelSummary,
    keys: Mapping[int, Sequence[float]],
    round_to: int = 1,
    least: Mapping[int, int] | None = None,
) -> dict[int, list[tuple[float, int]]]:
    """For each group the chunks that may go, in order: the mean of their channels' keys, and how many they are."""
    chunks: dict[int, list[tuple[float, int]]] = {}
    for group, ascending in keys.items():
        size, start, key = summary.channel_groups[group].size, 0, -math.inf
        stays = (least or {}).get(group, 0)
        chunks[group] = []
        while size - start > round_to:
            count = (size - start) % round_to or round_to
            if size - start - count < stays:
                break
            # Within a group never below the chunk before it: a mean of equal keys may round either way.
            key = max(key, sum(ascending[start : start + count]) / count)
            chunks[group].append((key, count))
            start += count
    return chunks


def uniform_keys(summary: ModelSummary, present: set[int]) -> dict[int, list[float]]:
    """Keys that cut the same share of every channel group."""
    channel_groups = (
        (c, group.size) for c, group in enumerate(summary.channel_groups) if group.removable and c in present
    )
    return {c: [(i + 0.5) / size for i in range(size)] for c, size in channel_groups}


def solve(model: CostModel, order: Sequence[Chunk], metric: Metric, limit: float) -> list[int]:
    """Kept channels per channel group with a cost of at most `limit`, as close below it as single chunks allow.

    Monotone: a larger limit never gives a smaller network. Bisection finds the shortest prefix of `order`
    that fits; where its last chunk is large, smaller chunks from further on stand in for it. Milliseconds may rise
    where channels go, so there the first prefix that fits is looked for from the start, and nothing stands in.
    """
    if metric.predictor is not None:
        return _shortest_prefix(model, order, metric.predictor, limit)

    def size(kept: list[int]) -> float:
        return metric.of(model, kept)

    low, high = 0, len(order)
    if size(_remove_chunks(model, order[:high])) > limit:
        raise TargetUnreachable(size(_remove_chunks(model, order)), "when every layer keeps as few channels as it may")
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if size(_remove_chunks(model, order[:middle])) <= limit else (middle + 1, high)
    prefix = _remove_chunks(model, order[:low])
    if not low:
        return prefix
    candidate = _fill(model, order, low, prefix, metric, limit)
    if size(candidate) >= _CLOSE * limit:
        return candidate
    return max(candidate, _regrow(model, order[:low], prefix, metric, limit), key=size)


def _shortest_prefix(model: CostModel, order: Sequence[Chunk], predictor: LatencyPredictor, limit: float) -> list[int]:
    """After the shortest prefix that takes at most `limit`: a larger limit is met by the same one or a shorter."""
    least = math.inf
    for count, cost in enumerate(predictor.predict_along(model, order)):
        if cost <= limit:
            return _remove_chunks(model, order[:count])
        least = min(least, cost)
    raise TargetUnreachable(least, "however many channels go")


def _fill(
    model: CostModel, order: Sequence[Chunk], first: int, prefix: list[int], metric: Metric, limit: float
) -> list[int]:
    """Between the last prefix that is too large and the first that fits, remove later, smaller chunks instead.

    The candidates depend on the prefix alone, not on `limit`, and cost more than the prefix that fits, which would
    otherwise do as well: that keeps `solve` monotone.
    """
    lowest = metric.of(model, prefix)
    closed = {order[first - 1][0]}
    kept = _remove_chunks(model, order[: first - 1])
    for group, count in order[first:]:
        if group in closed:
            continue
        kept[group] -= count
        cost = metric.of(model, kept)
        if cost <= lowest:
            kept[group] += count
            closed.add(group)
        elif cost <= limit:
            return kept
    return prefix


def _regrow(model: CostModel, removed: Sequence[Chunk], prefix: list[int], metric: Metric, limit: float) -> list[int]:
    """Add small chunks back while the limit allows it: always the one that costs least where it stands, ties last gone.

    What comes back when does not depend on `limit`, which keeps `solve` monotone.
    """
    regrowable: dict[int, list[tuple[int, int]]] = {}
    for when, (group, count) in enumerate(removed):
        regrowable.setdefault(group, []).append((-when, count))
    kept = list(prefix)
    while regrowable:
        cost = {c: metric.of(model, _add_channels(kept, c, chunks[-1][1])) for c, chunks in regrowable.items()}
        group = min(cost, key=lambda c: (cost[c], regrowable[c][-1]))
        if cost[group] > limit:
            break
        kept[group] += regrowable[group].pop()[1]
        if not regrowable[group]:
            del regrowable[group]
    return kept


def _add_channels(kept: list[int], group: int, count: int) -> list[int]:
    return [n + count if c == group else n for c, n in enumerate(kept)]


def _remove_chunks(model: CostModel, chunks: Sequence[Chunk]) -> list[int]:
    kept = list(model.full)
    for group, count in chunks:
        kept[group] -= count
    return kept
