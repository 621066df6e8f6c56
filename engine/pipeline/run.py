"""The main road: a spec in, a trajectory of measured points out.

Train or load the baseline. For each target, for each phase of the order: select what matters least, cut it, check the
cut against the masked network, refit what is left to the baseline's values, fine-tune, measure. One-shot methods select
everything at once from the baseline (Sadaqa & Liu 2025); iterative ones take a little, recover and look again (Wu et
al. 2023, Guo et al. 2020).
"""

import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import torch

from engine.graph.metric import Metric
from engine.latency import profile
from engine.latency.predictor import Predictor
from engine.measure import machine
from engine.pipeline import recovery, select, transfer
from engine.pipeline.baseline import name_targets, obtain_baseline
from engine.pipeline.duration import length
from engine.pipeline.network import Network, check_images
from engine.pipeline.reconstruction import Reconstructor, reconstruction_images
from engine.pipeline.recorder import Before, Recorder
from engine.pipeline.select import Baseline, PhaseTarget
from engine.pipeline.shared.sharing import Sharing
from engine.pipeline.smallest import search
from engine.pipeline.start import loading, own_networks
from engine.pipeline.start.inputs import RunInputs, prepare
from engine.pipeline.step import Standing, StandingRule, StepKey, resumption
from engine.prune.attempt_context import AttemptRecord
from engine.prune.forecast import forecast
from engine.spec import phases
from engine.spec.parts import usual_images
from engine.spec.run import RunSpec
from engine.storage.folders.run import Run
from engine.storage.records import event
from engine.surgery import plan
from engine.train.distil import Teacher


@dataclass(frozen=True)
class RunContext:
    """One run on its way: where it records, and the baseline that it compares with and learns from."""

    recorder: Recorder
    baseline: Baseline
    reconstructor: Reconstructor | None  # None: cuts stay as they are
    teacher: Teacher | None
    floor: float | None  # on validation accuracy, for direct removal


@dataclass
class Trajectory:
    """How far an iterative phase has come: the next target goes on from there, unless a floor has closed it."""

    network: Network
    open: bool = True
    place: int = 0  # steps taken


def run(spec: RunSpec, folder: Run, inputs: RunInputs | None = None) -> None:
    """Do the run, or the rest of it, in its folder. RequestError and WorkError say what is wrong."""
    if inputs is None:
        folder.say("loading the images and the network", length.share_prepared(spec, length.PYTORCH))
        inputs = prepare(spec, folder.path.parents[1])
    own_networks.refuse_other(folder, inputs.zoo_model, begun=bool(folder.points()))
    conditions = machine.environment(torch.get_num_threads(), spec.seed, inputs.device)
    folder.write_env({**conditions, **inputs.zoo_model.conditions})
    notes = (*resumption(folder), *loading.notes(spec, inputs))
    folder.append_event(event.StartEvent(notes=notes, device=inputs.device))
    metric = _metric(spec, folder, inputs.network)
    before = Before(len(inputs.network.plan.steps), inputs.points_before)
    units, sharing = length.epochs(spec, trains=not inputs.zoo_model.pretrained), Sharing.of(folder)
    recorder = Recorder(spec, folder, inputs.data, inputs.device, metric, units, before, sharing)
    recorder.pass_units(length.PREPARATION)
    usual = usual_images((inputs.untouched or inputs.network).structure.summary.macs)
    images = reconstruction_images(spec.recover, inputs.data, inputs.device, spec.seed, recorder.note, usual)

    baseline = obtain_baseline(recorder, inputs.network, inputs.zoo_model)
    untouched = inputs.untouched or baseline
    reconstructor = None
    if images is not None:
        reconstructor = Reconstructor.of(untouched, images, spec.recover, spec.seed, recorder.note, sharing)
    context = RunContext(
        recorder,
        select.describe_baseline(recorder, baseline, usual, None if reconstructor is None else reconstructor.reference),
        reconstructor,
        recovery.make_teacher(spec, baseline, inputs.device),
        spec.depth.floor,
    )
    if spec.target.asks_accuracy:
        network = search.find(recorder, context.baseline, baseline, reconstructor, context.teacher)
        _quantize(recorder, network, next(point.keep for point in recorder.points() if point.final))
    trajectory = Trajectory(baseline)
    for keep in phases.targets(spec):
        network = _reach_target(context, trajectory, keep)
        _quantize(recorder, network, keep)
        if not trajectory.open and len(spec.phases()) == 1:
            recorder.note("the floor ended removal, so smaller targets are left out")
            break
    for answer in transfer.answers(recorder.data, folder):
        folder.append_event(answer)
    shutil.rmtree(folder.checkpoint, ignore_errors=True)
    folder.append_event(event.EndEvent())


def _reach_target(context: RunContext, trajectory: Trajectory, keep: float) -> Network:
    """The network that meets one target, phase by phase."""
    recorder, spec = context.recorder, context.recorder.spec
    network = trajectory.network
    for phase in spec.phases():
        target = select.phase_target(recorder, context.baseline, phase, keep)
        if spec.iterates(phase):
            network = _prune_stepwise(context, trajectory if phase == spec.phases()[0] else Trajectory(network), target)
        else:
            network = _prune_one_shot(context, network, target)
        if phases.ends_with_recovery(spec, phase):
            network = _recover(context, network, target)
    return network


def _metric(spec: RunSpec, folder: Run, network: Network) -> Metric:
    """What the targets are stated in; for latency with the baseline's layers timed on this machine."""
    if spec.target.metric != "latency":
        return Metric(spec.target.metric)
    folder.update(phase="train", message="timing layers on this computer, about a minute")
    structure = network.structure
    table = profile.table_for_target(spec.target, network.module, structure, folder.path.parents[1])
    assert table is not None  # the target is in latency
    forecast(structure.summary, spec, table)
    return Metric("latency", Predictor(table))


def _prune_one_shot(context: RunContext, network: Network, target: PhaseTarget) -> Network:
    """One-shot: select, cut and check one phase of one target."""
    recorder = context.recorder
    recovers = phases.ends_target_with_recovery(recorder.spec, target.phase)
    standing = Standing(final=target.last and not recovers, before_recovery=recovers)
    key = StepKey(recovery.stage_of_cuts(recorder.spec), target.phase, target.keep)

    def work(_: int) -> Network:
        recorder.report(key, f"scoring by {recorder.spec.criterion}")
        step = select.select_one_shot(recorder, network, context.baseline, target)
        return _reconstruct(context, key, _cut(recorder, key, network, step))

    return recorder.step(key, 1, work, standing)


def _prune_stepwise(context: RunContext, trajectory: Trajectory, target: PhaseTarget) -> Network:
    """Iterative: attempt, select, cut, recover a little, measure; until the target is met or a floor ends it."""
    recorder = context.recorder
    stage = recovery.stage_of_steps(recorder.spec, target.phase)
    start = recorder.cost(trajectory.network)
    for number in itertools.count(1):
        if not trajectory.open or not select.has_step_left(recorder, trajectory.network, target):
            break
        trajectory.place += 1
        key = StepKey(stage, target.phase, target.keep, step=number)
        smaller = _step(context, trajectory, target, key, start)
        if _falls_below_floor(context, target, recorder.point(key).val_top1):
            recorder.note(f"{key.label()}: validation accuracy fell below {context.floor:g}, so removal ends before it")
            trajectory.open = False
        else:
            trajectory.network = smaller
    ends = target.last and not phases.ends_with_recovery(recorder.spec, target.phase)
    if ends and not recorder.is_final(target.keep):
        key = StepKey(stage, target.phase, target.keep)
        return recorder.step(key, 0, _no_work(trajectory.network), Standing(final=True))
    return trajectory.network


def _step(context: RunContext, trajectory: Trajectory, target: PhaseTarget, key: StepKey, start: float) -> Network:
    """One step of an iterative method, from the first attempt to the measured point."""
    recorder, network = context.recorder, trajectory.network

    def work(number: int) -> Network:
        recorder.report(key, "attempting")
        named = name_targets(recorder, key, network)
        choice = select.select_step(recorder, named, context.baseline, target)
        recorder.folder.append_event(_attempts(recorder.spec, key, trajectory.place, choice.record))
        smaller = _reconstruct(context, key, _cut(recorder, key, named, choice.step))
        if smaller.adaptation is not None:
            smaller.adaptation.age += 1
        recovery.fine_tune_step(recorder, key, smaller, number, context.teacher)
        return smaller

    def units(smaller: Network) -> float:
        return length.STEPWISE * (recorder.cost(network) - recorder.cost(smaller)) / (start - target.limit)

    return recorder.step(key, units, work, _standing_rule(context, target, trajectory.place))


def _attempts(spec: RunSpec, key: StepKey, place: int, record: AttemptRecord) -> event.Attempts:
    assert key.step is not None
    return event.Attempts(
        phase=key.phase,
        keep=key.keep,
        step=key.step,
        measure=record.measure,
        before=record.before,
        attempts=record.attempts,
        trajectory=phases.trajectory(spec, key.phase, key.keep),
        place=place,
        passed=phases.passed(spec, key.phase, key.keep),
    )


def _standing_rule(context: RunContext, target: PhaseTarget, place: int) -> StandingRule:
    """Where the point of a step stands: it ends its phase when none is left, or when a floor says so."""
    recorder, spec = context.recorder, context.recorder.spec
    recovers = phases.ends_target_with_recovery(spec, target.phase)

    def standing_of(smaller: Network, val_top1: float) -> Standing:
        below_floor = _falls_below_floor(context, target, val_top1)
        meets_target = not select.has_step_left(recorder, smaller, target)
        passed = (target.keep,) if meets_target and not below_floor else ()
        return Standing(
            final=target.last and not recovers and recorder.cost(smaller) <= target.limit,
            before_recovery=recovers and (below_floor or meets_target),
            trajectory=phases.trajectory(spec, target.phase, target.keep),
            place=place,
            passed=(*phases.passed(spec, target.phase, target.keep), *passed),
        )

    return standing_of


def _falls_below_floor(context: RunContext, target: PhaseTarget, val_top1: float) -> bool:
    """Whether direct removal ends before a step, for its accuracy on validation images."""
    return context.floor is not None and target.phase == "layers" and val_top1 < context.floor


def _cut(recorder: Recorder, key: StepKey, network: Network, step: plan.Step) -> Network:
    """The network after `step`, proven equal to the masked network on real images."""
    if not step.removes_something():
        recorder.note(f"{key.label()}: nothing to remove, the target is met already")
        return network
    smaller, error = network.cut(step, check_images(recorder.data))
    recorder.folder.append_event(
        event.Cut(
            phase=key.phase,
            keep=key.keep,
            relative_error=error,
            remove_blocks=step.blocks or None,
            drop_channels=None if step.blocks else dict(step.channels),
        )
    )
    return smaller


def _reconstruct(context: RunContext, key: StepKey, network: Network) -> Network:
    """The cut network, what is left of it refitted to the baseline's values, where the request has it so."""
    if context.reconstructor is not None:
        context.recorder.report(key, "reconstructing")
        context.recorder.reconstruction = context.reconstructor.reconstruct(network)
    return network


def _recover(context: RunContext, network: Network, target: PhaseTarget) -> Network:
    """Fine-tune a copy of the cut network."""
    key = StepKey("recovered", target.phase, target.keep)

    def work(number: int) -> Network:
        copied = network.clone()  # the next target may go on from the network as it is now
        recovery.fine_tune_phase(context.recorder, key, copied, number, context.teacher)
        return copied

    return context.recorder.step(key, context.recorder.spec.recover.epochs, work, Standing(final=target.last))


def _quantize(recorder: Recorder, network: Network, keep: float) -> None:
    """A target's network once more in 8 bit, where the run asks for it."""
    if recorder.spec.int8:
        recorder.step(StepKey("quantized", recorder.spec.phases()[-1], keep), 1, _no_work(network))


def _no_work(network: Network) -> Callable[[int], Network]:
    """The work of a step that changes nothing."""
    return lambda _: network
