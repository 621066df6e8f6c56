"""What a run needs before it writes anything: its data and its network, and whether the request can be met."""

import dataclasses
from dataclasses import dataclass

import torch

from engine.data.load import Data, load
from engine.latency import table as latency_table
from engine.measure import machine
from engine.pipeline.recorder import Network
from engine.prune.forecast import forecast
from engine.spec.run import RunSpec, check_race
from engine.surgery import plan
from engine.zoo.build import ZooModel, build


@dataclass(frozen=True)
class RunInputs:
    """What a run needs before it writes anything: its data and its network, loaded and checked against the request."""

    data: Data
    zoo_model: ZooModel
    network: Network
    device: str


def load_network(spec: RunSpec) -> RunInputs:
    """Load the data and the baseline that `spec` names; RequestError when they do not fit together."""
    device = machine.resolve_device(spec.device)
    torch.backends.cudnn.allow_tf32 = False  # counts and scores in full float32; training has its own precision
    data = load(spec.data, spec.seed)
    zoo_model = build(spec.model, len(data.classes), data.image, spec.weights, spec.seed)
    if zoo_model.normalize and spec.data.normalize is None:
        mean, std = zoo_model.normalize
        data = dataclasses.replace(data, mean=mean, std=std)
    network = Network(zoo_model.module, plan.Plan(zoo_model.name, len(data.classes), data.image))
    return RunInputs(data, zoo_model, network, device)


def prepare(spec: RunSpec) -> RunInputs:
    """`load_network`, and RequestError when the request cannot be met: before anything is written or trained.

    A target in latency is checked beforehand only where the request names a table.
    """
    inputs = load_network(spec)
    summary = inputs.network.structure.summary
    table = latency_table.read_for(spec.target.latency_table, summary)
    forecast(summary, spec, table)
    if spec.attempt.race:
        check_race(len(inputs.data.val))
    return inputs
