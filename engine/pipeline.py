"""The main road: a spec in, a trajectory of measured points out.

Train or load the baseline. For each target, for each phase of the order: choose what matters least, cut it, check the
cut against the masked network, fine-tune, measure. One-shot methods choose everything at once from the baseline
(Sadaqa & Liu 2025); iterative ones take a little, recover and look again (Wu et al. 2023, Guo et al. 2020).
"""

import copy
import dataclasses
import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import torch

from engine import choosing, hardware, recovery, timetable
from engine.choosing import Aim, Untouched
from engine.data.load import Data, load
from engine.data.loader import batches
from engine.errors import RequestError
from engine.folder import Run
from engine.graph import latency
from engine.graph.metric import Metric
from engine.prune import plan, surgery
from engine.prune.forecast import forecast
from engine.recorder import Key, Network, Recorder, same_baseline
from engine.spec import RunSpec, check_race
from engine.train.distil import Teacher
from engine.zoo.build import Built, build

CHECK_IMAGES = 16
STEPWISE_UNITS = 20.0  # the share of an iterative phase in a run's progress, in epochs


@dataclass(frozen=True)
class Prepared:
    """What a run needs before it writes anything: its data and its network, loaded and found to fit the request."""

    data: Data
    built: Built
    network: Network
    device: str


@dataclass(frozen=True)
class Course:
    """One run on its way: where it records, and the baseline that it compares with and learns from."""

    road: Recorder
    base: Untouched
    teacher: Teacher | None
    floor: float | None  # on validation accuracy, for direct removal


@dataclass
class Trail:
    """How far an iterative phase has come: the next target goes on from there, unless a floor has closed it."""

    network: Network
    open: bool = True


def load_network(spec: RunSpec) -> Prepared:
    """Load the data and the untouched network that `spec` names; RequestError when they do not fit together."""
    device = hardware.device(spec.device)
    torch.backends.cudnn.allow_tf32 = False  # counts and scores in full float32; training has its own precision
    data = load(spec.data, spec.seed)
    built = build(spec.model, len(data.classes), data.image, spec.weights, spec.seed)
    if built.normalize and spec.data.normalize is None:
        mean, std = built.normalize
        data = dataclasses.replace(data, mean=mean, std=std)
    network = Network(built.module, plan.Plan(built.name, len(data.classes), data.image))
    return Prepared(data, built, network, device)


def prepare(spec: RunSpec) -> Prepared:
    """`load_network`, and RequestError when the request cannot be met: before anything is written or trained.

    Whether a latency can be met is known beforehand only where its table is given.
    """
    ready = load_network(spec)
    sheet = ready.network.described.sheet
    given = latency.given(spec.target.latency_table, sheet)
    forecast(sheet, spec, given)
    if spec.attempt.race:
        check_race(len(ready.data.val))
    return ready


def run(spec: RunSpec, folder: Run, prepared: Prepared | None = None) -> None:
    """Do the run, or what is left of it, in its folder. RequestError and WorkError say what is wrong."""
    ready = prepared or prepare(spec)
    folder.write_env(hardware.environment(torch.get_num_threads(), spec.seed, ready.device))
    folder.event("start", notes=[*ready.data.notes, *ready.built.notes], device=ready.device)
    metric = _metric(spec, folder, ready.network)
    road = Recorder(spec, folder, ready.data, ready.device, metric, _units(spec, ready.built))

    baseline = _baseline(road, ready.network, ready.built)
    course = Course(
        road, choosing.untouched(road, baseline), recovery.teacher(spec, baseline, ready.device), spec.depth.floor
    )
    trail = Trail(baseline)
    for keep in _targets(spec):
        network = _shrunk(course, trail, keep)
        if spec.int8:
            road.step(Key("quantized", spec.phases()[-1], keep), 1, _as_it_is(network))
        if not trail.open and len(spec.phases()) == 1:
            road.note("the floor ended removal, so smaller targets are left out")
            break
    shutil.rmtree(folder.checkpoint, ignore_errors=True)
    folder.event("done")


def _shrunk(course: Course, trail: Trail, keep: float) -> Network:
    """The network that meets one target, phase by phase."""
    road, spec = course.road, course.road.spec
    network = trail.network
    for phase in spec.phases():
        to = choosing.aim(road, course.base, phase, keep)
        if spec.iterates(phase):
            network = _stepwise(course, trail if phase == spec.phases()[0] else Trail(network), to)
        else:
            network = _pruned(course, network, to)
        if recovery.ends_with_recovery(spec, phase):
            network = _recovered(course, network, to)
    return network


def _metric(spec: RunSpec, folder: Run, network: Network) -> Metric:
    """What the targets are stated in; for latency with the untouched network's layers timed on this machine."""
    if spec.target.metric != "latency":
        return Metric(spec.target.metric)
    folder.update(phase="train", message="timing layers on this computer, about a minute")
    described = network.described
    table = timetable.wanted(spec.target, network.module, described, folder.path.parents[1])
    forecast(described.sheet, spec, table)
    return Metric("latency", table)


def _targets(spec: RunSpec) -> list[float]:
    """The targets as they are worked on: an iterative first phase passes the larger ones on its way to the smaller."""
    keep = list(spec.target.keep)
    return sorted(keep, reverse=True) if spec.iterates(spec.phases()[0]) else keep


def _baseline(road: Recorder, untouched: Network, built: Built) -> Network:
    """The network that everything is compared with: as its weights are, or trained from scratch."""
    key = Key("baseline", "train", 1.0)

    def work(number: int) -> Network:
        if built.pretrained:
            return untouched
        if found := same_baseline(road.folder, road.spec):
            other, network = found
            road.folder.event("note", text=f"baseline taken from run {other}, which trained the same one")
            return network
        recovery.train_baseline(road, key, untouched, number)
        return untouched

    network = road.step(key, 1 + (0 if built.pretrained else road.spec.train.epochs), work)
    floor, reached = road.spec.depth.floor, road.point(key)["val_top1"]
    if floor is not None and floor >= reached:
        raise RequestError(
            f"depth.floor {floor:g} must lie below the baseline's validation accuracy, which is {reached:.4f}"
        )
    return network


def _pruned(course: Course, network: Network, to: Aim) -> Network:
    """One-shot: choose, cut and check one phase of one target."""
    road = course.road
    final = to.last and not recovery.ends_with_recovery(road.spec, to.phase)
    key = Key("pruned", to.phase, to.keep, final=final)

    def work(_: int) -> Network:
        road.say(key, f"scoring by {road.spec.criterion}")
        return _cut(road, key, network, choosing.at_once(road, network, course.base, to))

    return road.step(key, 1, work)


def _stepwise(course: Course, trail: Trail, to: Aim) -> Network:
    """Iterative: attempt, select, cut, recover a little, measure; until the target is met or a floor ends it."""
    road = course.road
    start = road.cost(trail.network)
    for number in itertools.count(1):
        if not trail.open or not choosing.goes_on(road, trail.network, to):
            break
        key = Key(recovery.stage_of_steps(road.spec, to.phase), to.phase, to.keep, step=number)
        then = _step(course, trail.network, to, key, start)
        if course.floor is not None and to.phase == "layers" and road.point(key)["val_top1"] < course.floor:
            road.note(f"{key.label()}: validation accuracy fell below {course.floor:g}, so removal ends before it")
            trail.open = False
        else:
            trail.network = then
    ends = to.last and not recovery.ends_with_recovery(road.spec, to.phase)
    if ends and not road.is_final(to.keep):
        key = Key(recovery.stage_of_steps(road.spec, to.phase), to.phase, to.keep, final=True)
        return road.step(key, 0, _as_it_is(trail.network))
    return trail.network


def _step(course: Course, network: Network, to: Aim, key: Key, start: float) -> Network:
    """One step of an iterative method, from the first attempt to the measured point."""
    road = course.road
    ends = to.last and not recovery.ends_with_recovery(road.spec, to.phase)

    def work(number: int) -> Network:
        road.say(key, "attempting")
        choice = choosing.a_little(road, network, course.base, to)
        road.folder.event("attempts", phase=key.phase, keep=key.keep, step=key.step, **choice.record)
        smaller = _cut(road, key, network, choice.step)
        recovery.after_step(road, key, smaller, number, course.teacher)
        return smaller

    def units(then: Network) -> float:
        return STEPWISE_UNITS * (road.cost(network) - road.cost(then)) / (start - to.limit)

    return road.step(key, units, work, ends=lambda then: ends and road.cost(then) <= to.limit)


def _cut(road: Recorder, key: Key, network: Network, step: plan.Step) -> Network:
    """The network after `step`, proven equal to the masked network on real images."""
    if not step.blocks and not step.channels:
        road.note(f"{key.label()}: nothing to remove, the target is met already")
        return network
    described = network.described
    module = copy.deepcopy(network.module.cpu())
    plan.apply(step, module, described)
    if step.blocks:
        gone = [m for block in described.sheet.blocks if block.name in step.blocks for m in block.modules]
        reference = surgery.bypassed(network.module, gone)
    else:
        dropped = plan.dropped_identities(step, described.trace)
        reference = surgery.masked(network.module, described.trace, dropped)
    images, _ = next(batches(road.data.val, road.data, CHECK_IMAGES, "cpu"))
    error = surgery.check_equal(reference, module, images)
    road.folder.event("cut", phase=key.phase, keep=key.keep, relative_error=error, **step.to_json())
    return Network(module, network.plan.then(step))


def _recovered(course: Course, network: Network, to: Aim) -> Network:
    """Fine-tune what is left."""
    key = Key("recovered", to.phase, to.keep, final=to.last)

    def work(number: int) -> Network:
        # A copy: the next target may go on from the network as it is now.
        recovered = Network(copy.deepcopy(network.module), network.plan)
        recovery.after_phase(course.road, key, recovered, number, course.teacher)
        return recovered

    return course.road.step(key, course.road.spec.recover.epochs, work)


def _as_it_is(network: Network) -> Callable[[int], Network]:
    """The work of a step that changes nothing."""
    return lambda _: network


def _units(spec: RunSpec, built: Built) -> float:
    """The run's length in epochs; a measurement or a cut counts as one."""
    recovering = sum(spec.recover.epochs for phase in spec.phases() if recovery.ends_with_recovery(spec, phase))
    choosing_ = sum(STEPWISE_UNITS if spec.iterates(phase) else 1 for phase in spec.phases())
    each = recovering + choosing_ + spec.int8
    return 1 + (0 if built.pretrained else spec.train.epochs) + len(spec.target.keep) * each
