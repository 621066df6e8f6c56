"""The main road: a spec in, a trajectory of measured points out.

Train or load the baseline. For each target start from it again: for each phase of the order choose what
matters least, cut it, check the cut against the masked network, fine-tune, measure (Sadaqa & Liu 2025).
"""

import copy
import dataclasses
import hashlib
import shutil
from dataclasses import dataclass

import torch

from engine import hardware
from engine.criteria.ensemble import score_blocks, score_channels
from engine.criteria.subject import Subject
from engine.criteria.subject import subject as look
from engine.data.load import Data, load
from engine.data.loader import batches
from engine.folder import Run
from engine.graph.describe import Described
from engine.prune import depth, plan, surgery, target, width
from engine.prune.forecast import forecast
from engine.recorder import Key, Network, Recorder, same_baseline
from engine.spec import RunSpec
from engine.train.evaluate import reestimate_bn
from engine.train.loop import Recipe, fit
from engine.zoo.build import Built, build

CHECK_IMAGES = 16


@dataclass(frozen=True)
class Prepared:
    """What a run needs before it writes anything: its data and its network, loaded and found to fit the request."""

    data: Data
    built: Built
    network: Network
    device: str


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
    """`load_network`, and RequestError when a target cannot be met: before anything is written or trained."""
    ready = load_network(spec)
    forecast(ready.network.describe().sheet, spec)
    return ready


def run(spec: RunSpec, folder: Run, prepared: Prepared | None = None) -> None:
    """Do the run, or what is left of it, in its folder. RequestError and WorkError say what is wrong."""
    ready = prepared or prepare(spec)
    folder.write_env(hardware.environment(torch.get_num_threads(), spec.seed, ready.device))
    folder.event("start", notes=[*ready.data.notes, *ready.built.notes], device=ready.device)
    road = Recorder(spec, folder, ready.data, ready.device, _units(spec, ready.built))

    baseline = _baseline(road, ready.network, ready.built)
    for keep in spec.target.keep:
        network = baseline
        for phase in spec.phases():
            network = _pruned(road, network, phase, keep)
            if _recovers(spec, phase):
                network = _recovered(road, network, phase, keep)
    shutil.rmtree(folder.checkpoint, ignore_errors=True)
    folder.event("done")


def _baseline(road: Recorder, untouched: Network, built: Built) -> Network:
    """The network that everything is compared with: as its weights are, or trained from scratch."""
    recipe = Recipe(**road.spec.train.model_dump())
    key = Key("baseline", "train", 1.0)

    def work(number: int) -> Network:
        if built.pretrained:
            return untouched
        if found := same_baseline(road.folder, road.spec):
            other, network = found
            road.folder.event("note", text=f"baseline taken from run {other}, which trained the same one")
            return network
        _fit(road, key, untouched, road.data, recipe, number, "training")
        return untouched

    return road.step(key, 1 + (0 if built.pretrained else recipe.epochs), work)


def _pruned(road: Recorder, network: Network, phase: str, keep: float) -> Network:
    """Choose, cut and check one phase of one target."""
    spec = road.spec
    last = phase == spec.phases()[-1]
    key = Key("pruned", phase, keep, final=last and not _recovers(spec, phase))

    def work(_: int) -> Network:
        road.say(key, f"scoring by {spec.criterion}")
        described = network.describe()
        subject = look(network.module, described.trace, road.data.val, road.data, road.device, spec.seed)
        base = road.base(spec.target.metric)
        shares = target.split(base, keep, spec.target.depth_share, spec.order)
        choose = _choose_blocks if phase == "layers" else _choose_channels
        try:
            step = choose(road, subject, described, shares, last)
        except target.CannotMeet as error:
            raise error.told(keep, spec.target.metric, spec.order, base) from None
        return _cut(road, key, network, described, step)

    return road.step(key, 1, work)


def _choose_blocks(
    road: Recorder, subject: Subject, described: Described, shares: target.Shares, last: bool
) -> plan.Step:
    scores = score_blocks(subject, depth.candidates(described.sheet), road.spec.criterion)
    road.folder.event("scores", scope="blocks", scores=scores)
    limit, floor = (shares.total, 0.0) if last else (shares.layers, shares.total)
    return plan.Step(
        blocks=tuple(depth.choose(described.sheet, scores, road.spec.target.metric, limit, not_below=floor))
    )


def _choose_channels(
    road: Recorder, subject: Subject, described: Described, shares: target.Shares, last: bool
) -> plan.Step:
    scores = score_channels(subject, road.spec.criterion)
    how, limit = road.spec.width, shares.total if last else shares.channels
    dropped = width.choose(described, scores, road.spec.target.metric, limit, how.scope, how.round_to)
    return plan.channel_step(described.trace, dropped)


def _cut(road: Recorder, key: Key, network: Network, described: Described, step: plan.Step) -> Network:
    """The network after `step`, proven equal to the masked network on real images."""
    if not step.blocks and not step.channels:
        road.folder.event("note", text=f"{key.label()}: nothing to remove, the target is met already")
        return network
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


def _recovered(road: Recorder, network: Network, phase: str, keep: float) -> Network:
    """Fine-tune what is left, without crops: few epochs are better spent on images as they are."""
    how, train = road.spec.recover, road.spec.train
    recipe = Recipe(how.epochs, how.lr, train.batch_size, train.weight_decay)
    key = Key("recovered", phase, keep, final=phase == road.spec.phases()[-1])

    data = dataclasses.replace(road.data, crop=0)

    def work(number: int) -> Network:
        if how.reestimate_bn:
            reestimate_bn(network.module, data.train, data, road.device)
        _fit(road, key, network, data, recipe, number, "recovering")
        return network

    return road.step(key, recipe.epochs, work)


def _fit(road: Recorder, key: Key, network: Network, data: Data, recipe: Recipe, number: int, doing: str) -> None:
    road.say(key, doing)
    fit(
        network.module,
        data,
        recipe,
        road.device,
        _seed(road.spec.seed, number),
        on_epoch=road.epochs(key, doing, recipe.epochs),
        checkpoint=road.checkpoint(number),
    )


def _recovers(spec: RunSpec, phase: str) -> bool:
    something = spec.recover.epochs > 0 or spec.recover.reestimate_bn
    return something and (spec.recover.between_phases or phase == spec.phases()[-1])


def _units(spec: RunSpec, built: Built) -> float:
    """The run's length in epochs; a measurement or a cut counts as one."""
    recovering = sum(spec.recover.epochs for phase in spec.phases() if _recovers(spec, phase))
    return (
        1 + (0 if built.pretrained else spec.train.epochs) + len(spec.target.keep) * (recovering + len(spec.phases()))
    )


def _seed(seed: int, number: int) -> int:
    """The seed of a step's training: another for every step and every run's seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4], "big")
