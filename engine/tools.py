"""Single steps of the road by themselves: list, score, replay, export, time. What the command line answers with."""

from pathlib import Path
from typing import Any

from safetensors.torch import save

from engine import hardware, pipeline
from engine.criteria.ensemble import score_blocks, score_filters
from engine.criteria.subject import subject
from engine.errors import RequestError
from engine.files import whole
from engine.folder import Run
from engine.measure import latency, onnx
from engine.prune import saved
from engine.prune.plan import replay
from engine.spec import RunSpec
from engine.zoo.build import build

OPSETS = range(9, 18)  # what the exporter writes with an IR version that old runtimes read
MOST_IMAGES = 1024  # in a timed batch
MOST_CLASSES = 100_000


def scores(asked: RunSpec, scope: str, split: str) -> dict[str, Any]:
    """Scores of every removable block, or of every output channel of every layer that has some."""
    ready = pipeline.load_network(asked)
    described = ready.network.describe()
    images = ready.data.test if split == "test" else ready.data.val
    look = subject(ready.network.module, described.trace, images, ready.data, ready.device, asked.seed)
    if scope == "blocks":
        removable = [block for block in described.sheet.blocks if block.removable]
        if not removable:
            raise RequestError(f"{asked.model} has no removable block; use --scope channels")
        found: dict[str, Any] = score_blocks(look, removable, asked.criterion)
    else:
        found = {name: values.tolist() for name, values in score_filters(look, asked.criterion).items()}
    listed = [{"name": name, "score": score} for name, score in found.items()]
    return {"criterion": asked.criterion, "scope": scope, "split": split, "scores": listed}


def apply(plan_file: Path, weights: Path, out: Path) -> dict[str, Any]:
    """Replay a plan on untouched weights and write the cut network's, whole."""
    _check_out(out, plan_file, weights)
    plan = saved.read_plan(plan_file)
    if plan.classes > MOST_CLASSES:
        raise RequestError(f"the plan is for {plan.classes:,} classes; at most {MOST_CLASSES:,} are taken")
    built = build(plan.model, plan.classes, plan.image, str(weights))
    if built.name != plan.model or not built.pretrained:
        raise RequestError(f"weights {weights} are {', '.join(built.notes)}, and the plan is for {plan.model}")
    state = replay(plan, built.module).state_dict()
    with whole(out) as part:
        part.write_bytes(save({name: tensor.contiguous() for name, tensor in state.items()}))
    return {"out": str(out), "bytes": out.stat().st_size}


def export(run: Run, point: int, opset: int, out: Path) -> dict[str, Any]:
    """Write a point's network as ONNX."""
    if opset not in OPSETS:
        raise RequestError(f"opset must be {OPSETS[0]} to {OPSETS[-1]} (got {opset})")
    _check_out(out)
    module, plan = saved.read(_file(run, point, "plan.json"), _file(run, point, "safetensors"))
    onnx.export(module, plan.image, out, opset)
    return {"out": str(out), "bytes": out.stat().st_size, "opset": opset}


def time(run: Run, point: int, provider: str, threads: int, batch: int) -> dict[str, Any]:
    """Latency of a point's network on this host."""
    if not 1 <= threads <= hardware.cores():
        raise RequestError(f"threads must be 1 to {hardware.cores()}, the cores of this computer (got {threads})")
    if not 1 <= batch <= MOST_IMAGES:
        raise RequestError(f"batch must be 1 to {MOST_IMAGES} images (got {batch})")
    image = saved.read_plan(_file(run, point, "plan.json")).image
    onnx_file = _file(run, point, "onnx")
    timed = latency.time_onnx(onnx_file, image, provider=provider, threads=threads, batch=batch)
    return {"run_id": run.id, "point": point, "latency": timed.as_json()}


def _file(run: Run, point: int, suffix: str) -> Path:
    """A stored file of a point; RequestError when there is none."""
    numbers = [p["point"] for p in run.points()]
    if point not in numbers:
        raise RequestError(
            f"run {run.id} has no point {point}; it has {f'0 to {numbers[-1]}' if numbers else 'none yet'}"
        )
    path = run.path / "models" / f"p{point}.{suffix}"
    if not path.is_file():
        raise RequestError(f"point {point} of run {run.id} comes without {path.name}")
    return path


def _check_out(out: Path, *read: Path) -> None:
    """RequestError when `out` cannot become a file, or is one of those that the work starts from."""
    if out.is_dir():
        raise RequestError(f"{out} is a folder; give --out the name of a file")
    if out.exists() and not out.is_file():
        raise RequestError(f"{out} is no ordinary file; give --out the name of one")
    if not out.parent.is_dir():
        raise RequestError(f"there is no folder {out.parent} to write {out.name} in")
    if any(file.exists() and out.exists() and out.samefile(file) for file in read):
        raise RequestError(f"{out} is what the plan is replayed from; give --out another name")
