"""Progressive width pruning: attempt, select, prune, a few channels of a few layers at a time (Guo et al. 2020)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from engine.criteria.walk import Attempt
from engine.graph.cost import CostModel
from engine.graph.identity import Ids
from engine.prune.attempted import Choice, Proposal, Scene, record
from engine.prune.plan import channel_step
from engine.prune.target import CannotMeet, Chunk, chain, solve
from engine.prune.width import ranked_cells
from engine.spec import WidthSpec


@dataclass(frozen=True)
class _Layer:
    """The channels of one layer (of several, where they are added up) that an attempt would drop, in chunks."""

    cell: int
    ascending: Ids  # positions within the cell, lowest score first
    chunks: tuple[Chunk, ...]
    proposal: Proposal


def choose(scene: Scene, scores: Mapping[int, float], how: WidthSpec, original: Mapping[str, int]) -> Choice:
    """Attempt each layer's lowest channels, and drop those of the layers where that hurts least.

    Every layer's `attempt_fraction` lowest channels by `scores` are masked; the `layers_per_step` share of the layers
    with the smallest rise (per unit saved) is pruned. The last step takes only as many of the selected channels as the
    limit asks for. `original` holds the untouched layers' widths, for `least_share`. CannotMeet when no layer has a
    channel to spare.
    """
    layers = _layers(scene, scores, how, original)
    sheet = scene.described.sheet
    if not layers:
        raise CannotMeet(scene.metric.of(CostModel(sheet)), "when every layer keeps as few channels as it may")
    proposals = [layer.proposal for layer in layers]
    wanted = math.ceil(how.layers_per_step * len(layers))
    savings = [p.saving / scene.whole for p in proposals] if how.select == "per-saving" else None
    verdict = scene.judge([p.attempt for p in proposals], savings, wanted)
    selected = [layers[i] for i in verdict.best]
    kept = _dropped(scene, selected)
    dropped = scene.described.drop({x.cell: x.ascending[: sheet.cells[x.cell].size - kept[x.cell]] for x in selected})
    return Choice(channel_step(scene.described.trace, dropped), record(scene, proposals, verdict, verdict.best))


def attempts(scene: Scene, scores: Mapping[int, float], how: WidthSpec, original: Mapping[str, int]) -> list[Proposal]:
    """What `choose` would attempt, in its order."""
    return [layer.proposal for layer in _layers(scene, scores, how, original)]


def _layers(scene: Scene, scores: Mapping[int, float], how: WidthSpec, original: Mapping[str, int]) -> list[_Layer]:
    """What may be attempted, the largest saving first, then by name."""
    described, model = scene.described, CostModel(scene.described.sheet)
    now, width_of = scene.metric.of(model), {x.name: x.width for x in described.sheet.layers}
    found = []
    for cell, ascending in ranked_cells(described, scores).items():
        keys = [scores[int(i)] for i in described.members[cell][ascending]]
        producers = described.sheet.cells[cell].producers
        # Each layer keeps its least share: a cell that is part of it, as much of that as of the layer.
        least = max(math.ceil(how.least_share * original[x] * len(keys) / width_of[x]) for x in producers)
        goal = min(max(1, round(how.attempt_fraction * len(keys))), len(keys) - least)
        chunks = _attempted(chain(described.sheet, {cell: keys}, how.round_to), goal, len(keys) - least)
        take = sum(n for _, n in chunks)
        kept = list(model.full)
        kept[cell] -= take
        saving = now - scene.metric.of(model, kept)
        if not take or saving <= 0:
            continue
        name = producers[0] + (f" (+{len(producers) - 1})" if len(producers) > 1 else "")
        attempt = Attempt(name, dropped=described.drop({cell: ascending[:take]}))
        found.append(_Layer(cell, ascending, chunks, Proposal(attempt, saving, take)))
    return sorted(found, key=lambda x: (-x.proposal.saving, x.proposal.attempt.name))


def _attempted(chunks: list[Chunk], goal: int, most: int) -> tuple[Chunk, ...]:
    """The first chunks that make up at least `goal` channels, and at most `most`."""
    taken: list[Chunk] = []
    total = 0
    for chunk in chunks:
        if total >= goal or total + chunk[1] > most:
            break
        taken.append(chunk)
        total += chunk[1]
    return tuple(taken)


def _dropped(scene: Scene, selected: list[_Layer]) -> list[int]:
    """Kept channels per cell after the step: all that is selected, or the first of it that meet the limit."""
    model = CostModel(scene.described.sheet)
    order = [chunk for layer in selected for chunk in layer.chunks]
    kept = list(model.full)
    for cell, take in order:
        kept[cell] -= take
    return kept if scene.metric.of(model, kept) >= scene.limit else solve(model, order, scene.metric, scene.limit)
