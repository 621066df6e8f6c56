"""What goes next: a run's settings and the network as it stands, put to the method that was asked for."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.criteria.ensemble import score_blocks, score_channels
from engine.criteria.subject import Images, Subject, subject
from engine.errors import RequestError
from engine.graph.cost import CostModel
from engine.graph.describe import Described
from engine.prune import alternate, depth, direct, plan, progressive, target, width
from engine.prune.attempted import Choice, Scene
from engine.recorder import Network, Recorder
from engine.spec import Phase


@dataclass(frozen=True)
class Untouched:
    """The baseline as what others are compared with: its cost, its widths, and its logits on the validation images."""

    cost: float
    widths: dict[str, int]
    logits: Tensor | None  # None where nothing is compared with them


@dataclass(frozen=True)
class Aim:
    """What one phase of one target is to come down to, in units of the metric."""

    phase: Phase
    keep: float
    last: bool
    shares: target.Shares

    @property
    def limit(self) -> float:
        """What the phase may cost at most."""
        if self.last:
            return self.shares.total
        return self.shares.layers if self.phase == "layers" else self.shares.channels

    @property
    def floor(self) -> float:
        """What layers must leave for the channels that come after them."""
        return 0.0 if self.last else self.shares.total


def untouched(road: Recorder, baseline: Network) -> Untouched:
    """What is worth knowing of the baseline."""
    sheet = baseline.described.sheet
    steps = [phase for phase in road.spec.phases() if road.spec.iterates(phase)]
    compared = any(road.spec.attempt.race or road.spec.measure(phase) == "divergence" for phase in steps)
    return Untouched(
        road.metric.of(CostModel(sheet)),
        {layer.name: layer.width for layer in sheet.layers},
        _logits(road, baseline) if compared else None,
    )


def aim(road: Recorder, base: Untouched, phase: Phase, keep: float) -> Aim:
    """What `phase` is to do for the target `keep`."""
    spec = road.spec
    shares = target.split(base.cost, keep, spec.target.depth_share, spec.order)
    return Aim(phase, keep, phase == spec.phases()[-1], shares)


def at_once(road: Recorder, network: Network, base: Untouched, to: Aim) -> plan.Step:
    """One-shot: everything that goes, from one look at the network (Sadaqa & Liu 2025)."""
    described = network.described
    look = _look(road, network, described)
    try:
        if to.phase == "layers":
            scores = score_blocks(look, depth.candidates(described.sheet), road.spec.criterion)
            road.folder.event("scores", scope="blocks", scores=scores)
            gone = depth.choose(described.sheet, scores, road.metric, to.limit, not_below=to.floor)
            return plan.Step(blocks=tuple(gone))
        how = road.spec.width
        scored = score_channels(look, road.spec.criterion)
        dropped = width.choose(described, scored, road.metric, to.limit, how.scope, how.round_to)
        return plan.channel_step(described.trace, dropped)
    except target.CannotMeet as error:
        raise _told(road, base, to, error) from None


def goes_on(road: Recorder, network: Network, to: Aim) -> bool:
    """Whether an iterative phase has a step left: above its target, and with a block that leaves room for channels."""
    if road.cost(network) <= to.limit:
        return False
    return to.phase != "layers" or to.last or bool(direct.proposals(network.described.sheet, road.metric, to.floor))


def a_little(road: Recorder, network: Network, base: Untouched, to: Aim) -> Choice:
    """One step of an iterative method."""
    spec, described = road.spec, network.described
    look = _look(road, network, described)
    floor = to.limit if to.phase == "alternate" else to.floor
    scene = Scene(
        look, described, road.metric, base.cost, to.limit, floor, spec.measure(to.phase), spec.attempt.race, base.logits
    )
    try:
        if to.phase == "layers":
            return direct.choose(scene)
        channels = score_channels(look, spec.criterion)
        if to.phase == "channels":
            return progressive.choose(scene, channels, spec.width, base.widths)
        blocks = score_blocks(look, depth.candidates(described.sheet), spec.criterion)
        return alternate.choose(scene, blocks, channels, spec.width)
    except target.CannotMeet as error:
        raise _told(road, base, to, error) from None


def _look(road: Recorder, network: Network, described: Described) -> Subject:
    return subject(network.module, described.trace, road.data.val, road.data, road.device, road.spec.seed)


def _told(road: Recorder, base: Untouched, to: Aim, error: target.CannotMeet) -> RequestError:
    return error.told(to.keep, road.spec.target.metric, road.spec.order, base.cost)


def _logits(road: Recorder, network: Network) -> Tensor:
    """Images × classes on the validation split, in its order."""
    module = network.module.to(road.device).eval()
    with torch.inference_mode():
        images = Images(road.data.val, road.data, torch.device(road.device)).batches()
        return torch.cat([module(x.contiguous(memory_format=torch.channels_last)).float() for x, _ in images])
