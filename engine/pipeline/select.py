"""What goes next: a run's settings and the network as it stands, put to the method of the request."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.criteria.calibration import Calibration, Images, prepare_calibration
from engine.criteria.reconstruction.leftover import GLANCE, MOST_IMAGES, Leftover
from engine.criteria.registry import score_blocks, score_channels
from engine.errors import RequestError
from engine.graph.cost import CostModel
from engine.pipeline import transfer
from engine.pipeline.network import Network
from engine.pipeline.reconstruction import calibration_images
from engine.pipeline.recorder import Recorder
from engine.pipeline.shared.scores import ScoreMemory
from engine.pipeline.transfer import ValidationImages
from engine.prune import alternate, depth, direct, progressive, solver, width
from engine.prune.attempt_context import AttemptContext, Choice
from engine.prune.one_shot import OneShot
from engine.prune.protection import Protection, protection
from engine.spec.run import Phase
from engine.storage.records import event
from engine.surgery import plan
from engine.surgery.reconstruction.reference import Reference


@dataclass(frozen=True)
class Baseline:
    """The baseline as what others are compared with: its cost, its widths, and its logits on the validation images."""

    cost: float
    widths: dict[str, int]
    logits: Tensor | None  # None where nothing is compared with them
    leftover: Leftover | None  # None where no attempt is judged by reconstruction
    steps: int  # that made the baseline itself
    usual_images: int  # that a refit, and a criterion that reads no labels, look at
    reference: Reference | None  # of the untouched network, where cuts are refitted
    scores: "dict[Phase, Scores]" = field(default_factory=dict)  # its own, as far as they were asked for


@dataclass(frozen=True)
class PhaseTarget:
    """What one phase of one target is to come down to, in units of the metric."""

    phase: Phase
    keep: float
    last: bool
    shares: solver.Shares

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


@dataclass(frozen=True)
class Scores:
    """How much each block matters, by its name, or each channel, by its identity: those that a phase is about."""

    blocks: Mapping[str, float] = field(default_factory=dict)
    channels: Mapping[int, float] = field(default_factory=dict)


def describe_baseline(recorder: Recorder, network: Network, usual: int, reference: Reference | None) -> Baseline:
    """What is worth knowing of the baseline; `usual` and `reference` are those of the run's refits."""
    summary = network.structure.summary
    steps = [phase for phase in recorder.spec.phases() if recorder.spec.iterates(phase)]
    measures = {recorder.spec.measure(phase) for phase in steps}
    needs_logits = bool(steps) and (recorder.spec.attempt.race or "divergence" in measures)
    return Baseline(
        recorder.metric.of(CostModel(summary)),
        {layer.name: layer.width for layer in summary.layers},
        _logits(recorder, network) if needs_logits else None,
        _leftover(recorder, network, usual) if "reconstruction" in measures else None,
        len(network.plan.steps),
        usual,
        reference,
    )


def phase_target(recorder: Recorder, baseline: Baseline, phase: Phase, keep: float) -> PhaseTarget:
    """What `phase` is to do for the target `keep`."""
    spec = recorder.spec
    shares = solver.split_target(baseline.cost, keep, spec.target.depth_share, spec.order)
    return PhaseTarget(phase, keep, phase == spec.phases()[-1], shares)


def select_one_shot(recorder: Recorder, network: Network, baseline: Baseline, target: PhaseTarget) -> plan.Step:
    """One-shot: everything that goes, from one scoring of the network (Sadaqa & Liu 2025)."""
    scores = _scores(recorder, network, baseline, target.phase)
    try:
        return choose(recorder, network, baseline, target, scores)
    except solver.TargetUnreachable as error:
        raise _as_request_error(recorder, baseline, target, error) from None


def _scores(recorder: Recorder, network: Network, baseline: Baseline, phase: Phase) -> Scores:
    """Those of the baseline serve every target."""
    if len(network.plan.steps) > baseline.steps:
        return score(recorder, network, baseline, phase)
    if phase not in baseline.scores:
        baseline.scores[phase] = score(recorder, network, baseline, phase)
    return baseline.scores[phase]


def score(recorder: Recorder, network: Network, baseline: Baseline, phase: Phase) -> Scores:
    """The scores of the network's blocks or channels by the run's criterion, which serve any target.

    Of the baseline those that another run has given the same one.
    """
    criterion, memory = recorder.spec.criterion, _score_memory(recorder, network, baseline)

    def calibration() -> Calibration:
        return _calibration(recorder, network, baseline, transfer.validation_images(recorder.data, network))

    def of_channels() -> dict[int, float]:
        return score_channels(calibration(), criterion)

    def of_blocks() -> dict[str, float]:
        return score_blocks(calibration(), blocks, criterion)

    if phase != "layers":
        return Scores(channels=of_channels() if memory is None else memory.channels(of_channels))
    summary = network.structure.summary
    blocks = depth.candidates(summary, protected=_protection(recorder, network, baseline).blocks)
    names = [block.name for block in blocks]
    block_scores = of_blocks() if memory is None else memory.blocks(names, of_blocks)
    recorder.folder.append_event(event.Scores(scope="blocks", scores=dict(block_scores)))
    return Scores(blocks=block_scores)


def _score_memory(recorder: Recorder, network: Network, baseline: Baseline) -> ScoreMemory | None:
    """Where the scores of a baseline are shared; None for a network that was cut since, which is this run's alone."""
    spec = recorder.spec
    return ScoreMemory.of(
        recorder.sharing if len(network.plan.steps) <= baseline.steps else None,
        network,
        recorder.data,
        None if baseline.reference is None else baseline.reference.images,
        criterion=spec.criterion,
        seed=spec.seed,
        calibration_images=spec.recover.calibration_images or baseline.usual_images,
    )


def choose(recorder: Recorder, network: Network, baseline: Baseline, target: PhaseTarget, scores: Scores) -> plan.Step:
    """What goes at once, by its scores; TargetUnreachable when the rules do not allow the target."""
    structure, spec = network.structure, recorder.spec
    stays = _protection(recorder, network, baseline)
    one_shot = OneShot.of(recorder.metric, spec.criterion, spec.width)
    if target.phase == "layers":
        return one_shot.blocks(structure, scores.blocks, target.limit, stays, target.floor)
    return one_shot.channels(structure, scores.channels, target.limit, stays)


def has_step_left(recorder: Recorder, network: Network, target: PhaseTarget) -> bool:
    """Whether an iterative phase has a step left: above its target, and with a block that leaves room for channels."""
    if recorder.cost(network) <= target.limit:
        return False
    if target.phase != "layers" or target.last:
        return True
    summary = network.structure.summary
    protected = protection(summary, recorder.spec.keep_layers).blocks
    return bool(direct.propose_removals(summary, recorder.metric, target.floor, protected))


def select_step(recorder: Recorder, network: Network, baseline: Baseline, target: PhaseTarget) -> Choice:
    """One step of an iterative method."""
    spec, structure = recorder.spec, network.structure
    images = transfer.validation_images(recorder.data, network)
    calibration = _calibration(recorder, network, baseline, images)
    floor = target.limit if target.phase == "alternate" else target.floor
    context = AttemptContext(
        calibration,
        structure,
        recorder.metric,
        baseline.cost,
        target.limit,
        floor,
        spec.measure(target.phase),
        spec.attempt.race,
        _reference(recorder, baseline, images),
        _protection(recorder, network, baseline),
        baseline.leftover,
        network.plan.steps[baseline.steps :],
    )
    try:
        if target.phase == "layers":
            return direct.select_step(context)
        channels = score_channels(calibration, spec.criterion)
        if target.phase == "channels":
            return progressive.select_step(context, channels, spec.width)
        candidates = depth.candidates(structure.summary, protected=context.protection.blocks)
        return alternate.select_step(
            context,
            score_blocks(calibration, candidates, spec.criterion),
            channels,
            spec.width,
            width.Ranking.of(spec.criterion, spec.width.rank),
        )
    except solver.TargetUnreachable as error:
        raise _as_request_error(recorder, baseline, target, error) from None


def _protection(recorder: Recorder, network: Network, baseline: Baseline) -> Protection:
    """What may not go, by the widths of the baseline."""
    spec = recorder.spec
    return protection(network.structure.summary, spec.keep_layers, spec.width.least_share, baseline.widths)


def _calibration(recorder: Recorder, network: Network, baseline: Baseline, images: ValidationImages) -> Calibration:
    spec, data = recorder.spec, recorder.data
    return prepare_calibration(
        network.module,
        network.structure.trace,
        images.split,
        data,
        recorder.device,
        spec.seed,
        lambda: _training_images(recorder, baseline.usual_images),
        reference=baseline.reference,
    )


def _reference(recorder: Recorder, baseline: Baseline, images: ValidationImages) -> Tensor | None:
    """The baseline's logits on the images that a network is judged by."""
    if baseline.logits is None or recorder.data.target is None:
        return baseline.logits
    return baseline.logits[: len(recorder.data.val)] if images.places is None else baseline.logits[images.places]


def _as_request_error(
    recorder: Recorder, baseline: Baseline, target: PhaseTarget, error: solver.TargetUnreachable
) -> RequestError:
    spec = recorder.spec
    return error.as_request_error(target.keep, spec.target.metric, spec.order, baseline.cost, spec.keep_layers)


def _leftover(recorder: Recorder, network: Network, usual: int) -> Leftover:
    """What reconstruction would leave over of the network, by the first of the images that it looks at."""
    images = _training_images(recorder, usual)[:MOST_IMAGES]
    spec = recorder.spec
    return Leftover(network.structure, network.module, images, spec.recover.ridge, spec.seed, GLANCE)


def _training_images(recorder: Recorder, usual: int) -> Tensor:
    spec = recorder.spec
    return calibration_images(recorder.data, spec.recover.calibration_images, recorder.device, spec.seed, usual)


def _logits(recorder: Recorder, network: Network) -> Tensor:
    """Images × classes on the validation split, in its order, and on the target's training images behind it."""
    module, data = network.module.to(recorder.device).eval(), recorder.data
    split = data.val if data.target is None else data.val.joined(data.target.train)
    with torch.inference_mode():
        images = Images(split, data, torch.device(recorder.device)).batches()
        return torch.cat([module(x.contiguous(memory_format=torch.channels_last)).float() for x, _ in images])
