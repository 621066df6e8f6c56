"""A pruned network that a run starts from: a point of another run, or a file that carries its plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from engine.data.load import normalization_of
from engine.errors import RequestError, concerns
from engine.spec.catalog import Normalization
from engine.spec.messages import as_text
from engine.spec.run import RunSpec
from engine.storage.folders.run import Run
from engine.storage.store import Store
from engine.surgery import pruned_files, serialization
from engine.surgery.plan import Plan, Step
from engine.zoo import hub, source
from engine.zoo.build import ZooModel, conditions_of
from engine.zoo.checkpoints import formats
from engine.zoo.source import RunPoint, WeightsFile

_MOST_RUNS = 100  # of which one starts from the other


@dataclass(frozen=True)
class PrunedStart:
    """A network by the plan that leads to it from an untouched one, and the file with its weights."""

    name: str  # as the request has it
    plan: Plan
    weights: Path
    normalize: Normalization | None  # what it was trained with, where that is known
    points_before: int = 0  # points on the way here, on which the seeds of what follows depend
    origin: tuple[Plan, Path] | None = None  # the network that the first of the runs on the way here began with


def find(weights: str, results: Path) -> PrunedStart | None:
    """The pruned network that `weights` names; None where that is no pruned one.

    RequestError: a run or a point that is not in `results`, or metadata that are damaged.
    """
    named = source.parse(weights)
    if isinstance(named, RunPoint):
        return _of_run(weights, named, Store(results))
    if isinstance(named, WeightsFile) and named.key is None:
        return _of_file(weights, named.path)
    return None


def load(start: PrunedStart, model: str, classes: int, image: tuple[int, int, int], seed: int) -> tuple[ZooModel, Plan]:
    """The pruned network for `classes` classes and images of `image`, in eval mode on the CPU, and its whole plan.

    Its steps are replayed on the untouched network, so the plan goes on from there. A head of other classes is replaced
    by a fresh one, from `seed`. RequestError: another network than `model`, or weights that do not fit.
    """
    if start.plan.model not in (model, f"{model}-a"):
        raise RequestError(
            f"{as_text(start.name)} is a pruned {start.plan.model}, and the model asked for is {model}; "
            f"give --model {start.plan.model}",
            field="model",
        )
    module, plan, replaced, notes = pruned_files.rebuild(start.plan, start.weights, classes, image, seed)
    said = (_describe(start), *notes, *replaced)
    conditions = conditions_of(plan.model)
    return ZooModel(module, said, start.normalize, not replaced, name=plan.model, conditions=conditions), plan


def load_origin(start: PrunedStart, pruned: Plan) -> tuple[nn.Module, Plan] | None:
    """The network that the runs behind `start` began with, in eval mode on the CPU, and its plan.

    None where that is not known, or where the classes or images of `pruned` are others: what is left is refitted to the
    pruned network then.
    """
    if start.origin is None:
        return None
    plan, weights = start.origin
    alike = (plan.model, plan.classes, plan.image) == (pruned.model, pruned.classes, pruned.image)
    return pruned_files.rebuild(plan, weights, plan.classes, plan.image)[:2] if alike else None


def load_alone(path: Path) -> tuple[nn.Module, Plan]:
    """The network of a file that carries its plan, in eval mode on the CPU; RequestError where it carries none."""
    with concerns("weights"):
        plan = pruned_files.read_plan(path)
        return pruned_files.rebuild(plan, path, plan.classes, plan.image)[:2]


def point_file(run: Run, point: int, suffix: str) -> Path:
    """A stored file of a point; RequestError when there is none."""
    points = run.points()
    numbers = [record.point for record in points]
    if point not in numbers:
        raise RequestError(
            f"run {run.id} has no point {point}; it has {f'0 to {numbers[-1]}' if numbers else 'none yet'}"
        )
    record = points[numbers.index(point)]
    if record.is_try:
        raise RequestError(
            f"point {point} of run {run.id} is a try of its search, which keeps no files; a run with "
            f"--criterion {record.criterion} --keep {record.keep:g} --recover-epochs 0 makes the same network"
        )
    path = run.path / "models" / f"p{point}.{suffix}"
    if not path.is_file():
        raise RequestError(f"point {point} of run {run.id} comes without {path.name}")
    return path


def _of_run(name: str, named: RunPoint, store: Store) -> PrunedStart:
    run = store.run(named.run_id)
    weights = point_file(run, named.point, "safetensors")
    plan = serialization.read_plan(point_file(run, named.point, "plan.json"))
    points = [named.point]
    first, specs = run, [run.spec()]
    while isinstance(earlier := source.parse(specs[-1].weights), RunPoint) and len(specs) < _MOST_RUNS:
        points.append(earlier.point)
        first = store.run(earlier.run_id)
        specs.append(first.spec())
    stated = next((spec for spec in specs if spec.data.normalize is not None), specs[-1])
    normalize = _normalization_in(formats.metadata(weights), weights) or normalization_of_run(stated)
    return PrunedStart(name, plan, weights, normalize, sum(points), _origin_of(first))


def _origin_of(run: Run) -> tuple[Plan, Path] | None:
    """The network that a run began with; None where its files are not there, as with most runs of the gallery."""
    files = [run.path / "models" / f"p0.{suffix}" for suffix in ("plan.json", "safetensors")]
    return (serialization.read_plan(files[0]), files[1]) if all(file.is_file() for file in files) else None


def _of_file(name: str, path: Path) -> PrunedStart | None:
    plan = pruned_files.find_plan(path)
    if plan is None or not any(map(Step.removes_something, plan.steps)):
        return None
    return PrunedStart(name, plan, path, _normalization_in(formats.metadata(path), path))


def normalization_of_run(spec: RunSpec) -> Normalization:
    """What the networks of a run expect, by its request alone."""
    if spec.weights == "hub" and spec.data.normalize is None:
        return hub.published(spec.model).normalize
    return normalization_of(spec.data)


def _normalization_in(metadata: Mapping[str, str], path: Path) -> Normalization | None:
    if not {"mean", "std"} <= metadata.keys():
        return None
    values = [pruned_files.document(metadata[key], path) for key in ("mean", "std")]
    if not all(isinstance(three, list) and len(three) == 3 and all(map(_is_number, three)) for three in values):
        raise RequestError(f"the metadata of {as_text(path)} are damaged: mean and std are not three numbers each")
    (m0, m1, m2), (s0, s1, s2) = values
    if min(s0, s1, s2) <= 0:
        raise RequestError(f"the metadata of {as_text(path)} are damaged: a deviation is not above 0")
    return (m0, m1, m2), (s0, s1, s2)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e6


def _describe(start: PrunedStart) -> str:
    cuts = sum(map(Step.removes_something, start.plan.steps))
    replayed = f"{cuts} {'cut' if cuts == 1 else 'cuts'} of a {start.plan.model}" if cuts else f"a {start.plan.model}"
    return f"starts from {as_text(start.name)} ({replayed}), which is this run's baseline: ratios to keep are of it"
