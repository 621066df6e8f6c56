"""The ONNX files of a point and of the untouched network, written again where a run does not keep them."""

from dataclasses import replace
from pathlib import Path

from torch import nn

from engine.errors import RequestError
from engine.export import onnx
from engine.latency.layers.host_profile import Subject
from engine.measure.counters import count
from engine.pipeline.start.pruned_start import point_file
from engine.storage.folders.run import Run
from engine.storage.records.point import Point
from engine.surgery import serialization
from engine.surgery.plan import Plan, replay
from engine.zoo.build import check, initialise

_SEED = 0  # of weights that stand in for those that are not kept; what they are changes no time


def pruned_subject(run: Run, point: int, scratch: Path) -> tuple[Subject, tuple[int, int, int]]:
    """The network of a point, and the shape of its images; a file is made in `scratch` where the run has none.

    RequestError for the untouched network, and for one in 8 bit whose file is gone, which the weights cannot make.
    """
    plan_file = point_file(run, point, "plan.json")
    plan = serialization.read_plan(plan_file)
    if point == 0:
        raise RequestError(f"point 0 of run {run.id} is the untouched network; name one that was pruned")
    in_8_bit = _record(run, point).stage == "quantized"
    file = run.path / "models" / f"p{point}.onnx"
    if file.is_file():
        return Subject(run.id, point, file, "int8" if in_8_bit else "fp32"), plan.image
    if in_8_bit:
        raise RequestError(
            f"point {point} of run {run.id} is in 8 bit and its {file.name} is gone; `espalier export {run.id} --point "
            f"{point} --int8 --out {file}` makes it again"
        )
    return _made_again(run, point, plan_file, plan, scratch), plan.image


def untouched_subject(run: Run, like: int, scratch: Path) -> Subject:
    """The network that the run began with; `like` is a point of which there is a plan.

    RequestError where its files are gone and it was pruned before, so that nobody knows it any more.
    """
    file = run.path / "models" / "p0.onnx"
    if file.is_file():
        return Subject(run.id, 0, file)
    plan_file = run.path / "models" / "p0.plan.json"
    if plan_file.is_file():
        plan = serialization.read_plan(plan_file)
    else:
        plan = replace(serialization.read_plan(point_file(run, like, "plan.json")), steps=())
    return _made_again(run, 0, plan_file, plan, scratch)


def _made_again(run: Run, point: int, plan_file: Path, plan: Plan, scratch: Path) -> Subject:
    weights = run.path / "models" / f"p{point}.safetensors"
    keeps_weights = weights.is_file() and plan_file.is_file()
    module = serialization.read(plan_file, weights)[0] if keeps_weights else _with_fresh_weights(plan)
    if count(module, plan.image).macs != _record(run, point).macs:
        raise RequestError(
            f"run {run.id} does not keep the network of its point {point}, which was pruned before it; run it again"
        )
    file = scratch / f"p{point}.onnx"
    onnx.export(module, plan.image, file)
    return Subject(run.id, point, file, fresh_weights=not keeps_weights)


def _with_fresh_weights(plan: Plan) -> nn.Module:
    check(plan.model, plan.classes, plan.image)
    return replay(plan, initialise(plan.model, plan.classes, _SEED).eval())


def _record(run: Run, point: int) -> Point:
    return next(record for record in run.points() if record.point == point)
