"""Single steps of the pipeline by themselves: list, score, replay, export, time. What the command line answers with."""

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from safetensors.torch import save

from engine.criteria.attempts.rank import rank_attempts
from engine.criteria.attempts.shared_prefix import Attempt
from engine.criteria.calibration import Calibration, prepare_calibration
from engine.criteria.registry import EXACT, score_blocks, score_filters
from engine.data.load import Data, load
from engine.errors import RequestError
from engine.export import onnx, quantize
from engine.graph.summary import Block
from engine.latency import host_timing, profile
from engine.measure import machine
from engine.pipeline.inputs import load_network
from engine.spec.run import RunSpec
from engine.storage.atomic import atomic_write, behind_links, write_json
from engine.storage.job_folder import Run
from engine.surgery import serialization
from engine.surgery.plan import replay
from engine.zoo import hub
from engine.zoo.build import build

OPSETS = range(9, 18)  # what the exporter writes with an IR version that old runtimes read
MOST_IMAGES = 1024  # in a timed batch


def scores(spec: RunSpec, scope: str, split: str) -> dict[str, Any]:
    """Scores of every removable block, or of every output channel of every layer that has some."""
    inputs = load_network(spec)
    structure = inputs.network.structure
    images = inputs.data.test if split == "test" else inputs.data.val
    calibration = prepare_calibration(
        inputs.network.module, structure.trace, images, inputs.data, inputs.device, spec.seed
    )
    if scope == "blocks":
        removable = [block for block in structure.summary.blocks if block.removable]
        if not removable:
            raise RequestError(f"{spec.model} has no removable block; use --scope channels")
        entries = _block_scores(calibration, removable, spec.criterion)
    else:
        filters = score_filters(calibration, spec.criterion)
        entries = [{"name": name, "score": values.tolist()} for name, values in filters.items()]
    return {"criterion": spec.criterion, "scope": scope, "split": split, "scores": entries}


def _block_scores(calibration: Calibration, blocks: list[Block], criterion: str) -> list[dict[str, Any]]:
    """A score for each block; what was attempted comes with what the network did without it."""
    if criterion not in EXACT:
        return [{"name": name, "score": score} for name, score in score_blocks(calibration, blocks, criterion).items()]
    attempts = [Attempt(block.name, block.modules) for block in blocks]
    ranking = rank_attempts(calibration, attempts, EXACT[criterion])
    tallies = [after.to_json() for after in ranking.after] or [{}] * len(attempts)
    scored = zip(attempts, ranking.rises, tallies, strict=True)
    return [{"name": attempt.name, "score": rise, **tally} for attempt, rise, tally in scored]


def table(spec: RunSpec, out: Path, results: Path) -> dict[str, Any]:
    """Measure the layers of the baseline on this machine, and write the table that predicts latency."""
    file = _check_out(out)
    inputs = load_network(spec)
    write_json(file, profile.measure_table(inputs.network.module, inputs.network.structure, results).to_json())
    return {"out": str(out), "bytes": out.stat().st_size}


def apply(plan_file: Path, weights: Path, out: Path) -> dict[str, Any]:
    """Replay a plan on the baseline's weights and write those of the cut network."""
    file = _check_out(out, plan_file, weights)
    plan = serialization.read_plan(plan_file)
    built = build(plan.model, plan.classes, plan.image, str(weights))
    if built.name != plan.model or not built.pretrained:
        raise RequestError(f"weights {weights} are {', '.join(built.notes)}, and the plan is for {plan.model}")
    state = replay(plan, built.module).state_dict()
    with atomic_write(file) as part:
        part.write_bytes(save({name: tensor.contiguous() for name, tensor in state.items()}))
    return {"out": str(out), "bytes": out.stat().st_size}


def export(run: Run, point: int, opset: int, out: Path, *, int8: bool = False) -> dict[str, Any]:
    """Write a point's network as ONNX; with `int8` in 8 bit, calibrated on the run's training images."""
    if opset not in OPSETS:
        raise RequestError(f"opset must be {OPSETS[0]} to {OPSETS[-1]} (got {opset})")
    if int8 and opset != onnx.OPSET:
        raise RequestError(f"--int8 writes opset {onnx.OPSET} only (got {opset}); leave --opset out")
    file = _check_out(out)
    module, plan = serialization.read(_file(run, point, "plan.json"), _file(run, point, "safetensors"))
    if not int8:
        onnx.export(module, plan.image, file, opset)
        return {"out": str(out), "bytes": out.stat().st_size, "opset": opset}
    data = _data(run.spec())
    if data.image != plan.image:
        raise RequestError(f"{data.name} has images of another size by now than run {run.id} was made with")
    with tempfile.TemporaryDirectory(prefix="espalier-export-") as scratch:
        float_file = Path(scratch) / "float.onnx"
        onnx.export(module, plan.image, float_file)
        quantize.quantize_on_data(float_file, file, data)
    return {"out": str(out), "bytes": out.stat().st_size, "opset": opset, "int8": True}


def time(run: Run, point: int, provider: str, threads: int, batch: int) -> dict[str, Any]:
    """Latency of a point's network on this host."""
    if not 1 <= threads <= machine.cores():
        raise RequestError(f"threads must be 1 to {machine.cores()}, the cores of this computer (got {threads})")
    if not 1 <= batch <= MOST_IMAGES:
        raise RequestError(f"batch must be 1 to {MOST_IMAGES} images (got {batch})")
    image = serialization.read_plan(_file(run, point, "plan.json")).image
    onnx_file = _file(run, point, "onnx")
    latency = host_timing.time_onnx(onnx_file, image, provider=provider, threads=threads, batch=batch)
    return {"run_id": run.id, "point": point, "latency": latency.to_json()}


def _data(spec: RunSpec) -> Data:
    """The run's dataset, normalised as its networks expect, without building one."""
    data = load(spec.data, spec.seed)
    if spec.weights == "hub" and spec.data.normalize is None:
        mean, std = hub.published(spec.model).normalize
        return dataclasses.replace(data, mean=mean, std=std)
    return data


def _file(run: Run, point: int, suffix: str) -> Path:
    """A stored file of a point; RequestError when there is none."""
    numbers = [record.point for record in run.points()]
    if point not in numbers:
        raise RequestError(
            f"run {run.id} has no point {point}; it has {f'0 to {numbers[-1]}' if numbers else 'none yet'}"
        )
    path = run.path / "models" / f"p{point}.{suffix}"
    if not path.is_file():
        raise RequestError(f"point {point} of run {run.id} comes without {path.name}")
    return path


def _check_out(out: Path, *sources: Path) -> Path:
    """Where to write; RequestError when `out` cannot become a file, or is one of those that the work starts from."""
    if out.is_dir():
        raise RequestError(f"{out} is a folder; give --out the name of a file")
    if out.exists() and not out.is_file():
        raise RequestError(f"{out} is no ordinary file; give --out the name of one")
    if not out.parent.is_dir():
        raise RequestError(f"there is no folder {out.parent} to write {out.name} in")
    if any(file.exists() and out.exists() and out.samefile(file) for file in sources):
        raise RequestError(f"{out} is what the plan is replayed from; give --out another name")
    return behind_links(out)
