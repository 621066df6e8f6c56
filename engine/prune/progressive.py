"""Progressive width pruning: attempt, select, prune, a few channels of a few layers at a time (Guo et al. 2020)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from engine.criteria.attempts.shared_prefix import Attempt
from engine.graph.channel_ids import Ids
from engine.graph.cost import CostModel
from engine.prune.attempt_context import AttemptContext, Choice, Proposal, attempt_record
from engine.prune.solver import Chunk, TargetUnreachable, removal_order, solve
from engine.prune.width import ranked_groups
from engine.spec.run import WidthSpec
from engine.surgery.plan import channel_step


@dataclass(frozen=True)
class _Layer:
    """The channels of one layer (of several, where they are added up) that an attempt would drop, in chunks."""

    group: int
    ascending: Ids  # positions within the group, lowest score first
    chunks: tuple[Chunk, ...]
    proposal: Proposal


def select_step(context: AttemptContext, scores: Mapping[int, float], settings: WidthSpec) -> Choice:
    """Attempt each layer's lowest channels, and drop those of the layers where that hurts least.

    Every layer's `attempt_fraction` lowest channels by `scores` are masked; the `layers_per_step` share of the layers
    with the smallest rise (per unit saved) is pruned. The last step takes only as many of the selected channels as the
    limit asks for. TargetUnreachable when no layer has a channel to spare.
    """
    layers = _layers(context, scores, settings)
    summary = context.structure.summary
    if not layers:
        raise TargetUnreachable(
            context.metric.of(CostModel(summary)), "when every layer keeps as few channels as it may"
        )
    proposals = [layer.proposal for layer in layers]
    count = math.ceil(settings.layers_per_step * len(layers))
    wanted = context.metric.of(CostModel(summary)) - context.limit  # what goes beyond the limit saves nothing
    savings = [min(p.saving, wanted) / context.baseline_cost for p in proposals]
    ranking = context.rank([p.attempt for p in proposals], savings if settings.select == "per-saving" else None, count)
    selected = [layers[i] for i in ranking.best]
    kept = _kept_after(context, selected)
    dropped = context.structure.identities_at(
        {x.group: x.ascending[: summary.channel_groups[x.group].size - kept[x.group]] for x in selected}
    )
    return Choice(
        channel_step(context.structure.trace, dropped), attempt_record(context, proposals, ranking, ranking.best)
    )


def propose_removals(context: AttemptContext, scores: Mapping[int, float], settings: WidthSpec) -> list[Proposal]:
    """What `select_step` would attempt, in its order."""
    return [layer.proposal for layer in _layers(context, scores, settings)]


def _layers(context: AttemptContext, scores: Mapping[int, float], settings: WidthSpec) -> list[_Layer]:
    """What may be attempted, the largest saving first, then by name."""
    structure, model = context.structure, CostModel(context.structure.summary)
    cost = context.metric.of(model)
    layers = []
    for group, ascending in ranked_groups(structure, scores).items():
        keys = [scores[int(i)] for i in structure.members[group][ascending]]
        producers = structure.summary.channel_groups[group].producers
        most = len(keys) - context.protection.least.get(group, 0)
        goal = min(max(1, round(settings.attempt_fraction * len(keys))), most)
        chunks = _first_chunks(removal_order(structure.summary, {group: keys}, settings.round_to), goal, most)
        count = sum(n for _, n in chunks)
        kept = list(model.full)
        kept[group] -= count
        saving = cost - context.metric.of(model, kept)
        if not count or saving <= 0:
            continue
        name = producers[0] + (f" (+{len(producers) - 1})" if len(producers) > 1 else "")
        attempt = Attempt(name, dropped=structure.identities_at({group: ascending[:count]}))
        layers.append(_Layer(group, ascending, chunks, Proposal(attempt, saving, count)))
    return sorted(layers, key=lambda x: (-x.proposal.saving, x.proposal.attempt.name))


def _first_chunks(chunks: list[Chunk], goal: int, most: int) -> tuple[Chunk, ...]:
    """The first chunks that make up at least `goal` channels, and at most `most`."""
    selected: list[Chunk] = []
    total = 0
    for chunk in chunks:
        if total >= goal or total + chunk[1] > most:
            break
        selected.append(chunk)
        total += chunk[1]
    return tuple(selected)


def _kept_after(context: AttemptContext, selected: list[_Layer]) -> list[int]:
    """Kept channels per channel group after the step: all that is selected, or the first of it that meet the limit."""
    model = CostModel(context.structure.summary)
    order = [chunk for layer in selected for chunk in layer.chunks]
    kept = list(model.full)
    for group, count in order:
        kept[group] -= count
    return (
        kept if context.metric.of(model, kept) >= context.limit else solve(model, order, context.metric, context.limit)
    )
