"""What a run needs before it writes anything: its data and its network, and whether the request can be met."""

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from engine.data.load import Data, load
from engine.errors import concerns
from engine.latency import table as latency_table
from engine.measure import machine
from engine.pipeline import transfer
from engine.pipeline.network import Network
from engine.pipeline.start import pruned_start
from engine.pipeline.start.pruned_start import PrunedStart
from engine.prune.forecast import forecast
from engine.spec import catalog
from engine.spec.consistency import untrained_head
from engine.spec.run import RunSpec, check_race
from engine.storage import directories
from engine.surgery import plan
from engine.surgery.reconstruction.refit import check_count
from engine.zoo.build import ZooModel, build
from engine.zoo.makers import made_for


@dataclass(frozen=True)
class RunInputs:
    """What a run needs before it writes anything: its data and its network, loaded and checked against the request."""

    data: Data
    zoo_model: ZooModel
    network: Network
    device: str
    points_before: int = 0  # of the runs that led to a pruned baseline; the seeds of what follows depend on it
    untouched: Network | None = None  # that the runs behind a pruned baseline began with, where it is known


def load_network(spec: RunSpec, results: Path | None = None) -> RunInputs:
    """Load the data and the baseline that `spec` names; RequestError when they do not fit together.

    RUN:POINT as the weights is looked for in `results`, the user's own folder by default.
    """
    device = machine.resolve_device(spec.device)
    torch.backends.cudnn.allow_tf32 = False  # counts and scores in full float32; training has its own precision
    data = load(spec.data, spec.seed, made_for(spec.model))
    with concerns("weights"):
        start = pruned_start.find(spec.weights, results or directories.results())
    zoo_model, whole_plan = _baseline(spec, data, start)
    data = as_trained(spec, data, zoo_model)
    baseline = Network(zoo_model.module, whole_plan)
    if start is None:
        return RunInputs(data, zoo_model, baseline, device)
    baseline = replace(baseline, adaptation=transfer.inherit(spec, data, results or directories.results()))
    origin = pruned_start.load_origin(start, whole_plan) if spec.recover.reconstruct else None
    return RunInputs(data, zoo_model, baseline, device, start.points_before, origin and Network(*origin))


def as_trained(spec: RunSpec, data: Data, zoo_model: ZooModel) -> Data:
    """The data, normalised as the weights were trained where they say so and the request does not."""
    if zoo_model.normalize is None or spec.data.normalize is not None:
        return data
    mean, std = zoo_model.normalize
    return dataclasses.replace(data, mean=mean, std=std)


def _baseline(spec: RunSpec, data: Data, start: PrunedStart | None) -> tuple[ZooModel, plan.Plan]:
    """The network that a run begins with, pruned already or not, and the plan that leads to it."""
    if start is None:
        zoo_model = build(spec.model, len(data.classes), data.image, spec.weights, spec.seed)
        return zoo_model, plan.Plan(zoo_model.name, len(data.classes), data.image)
    with concerns("weights"):
        return pruned_start.load(start, spec.model, len(data.classes), data.image, spec.seed)


def prepare(spec: RunSpec, results: Path | None = None) -> RunInputs:
    """`load_network`, and RequestError when the request cannot be met: before anything is written or trained.

    A target in latency is checked beforehand only where the request names a table.
    """
    inputs = load_network(spec, results)
    check_head(spec, inputs)
    with concerns("model"):
        check_strange_network(spec, inputs)
    summary = inputs.network.structure.summary
    table = latency_table.read_for(spec.target.latency_table, summary)
    forecast(summary, spec, table)
    if spec.recover.reconstruct:
        check_count(len(inputs.data.train))
    if spec.attempt.race:
        check_race(len(inputs.data.val))
    return inputs


def check_strange_network(spec: RunSpec, inputs: RunInputs) -> None:
    """RequestError when what a run will do to a network fails on this one; those of the catalogue are held by tests."""
    if spec.model not in catalog.MODELS:
        from engine.pipeline.rehearsal import rehearse  # a fifth of a second that networks of the zoo do without

        rehearse(inputs.network.module, inputs.network.structure, blocks="layers" in spec.phases())


def check_head(spec: RunSpec, inputs: RunInputs) -> None:
    """RequestError when a head that nobody has trained would be pruned as it is."""
    if has_new_head(spec, inputs.zoo_model) and spec.train.epochs == 0:
        raise untrained_head(len(inputs.data.classes))


def has_new_head(spec: RunSpec, zoo_model: ZooModel) -> bool:
    """Whether weights were asked for, and their head does not fit the data."""
    return spec.weights != "none" and not zoo_model.pretrained
