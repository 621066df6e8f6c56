"""Single steps of the pipeline by themselves: list, score, replay, export, time. What the command line answers with."""

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

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
from engine.pipeline.start.inputs import load_network
from engine.pipeline.start.pruned_start import load_alone, normalization_of_run, point_file
from engine.spec.run import RunSpec
from engine.storage.atomic import behind_links, write_json
from engine.storage.folders.run import Run
from engine.storage.records import remarks
from engine.storage.records.measurement import Latency
from engine.surgery import serialization
from engine.surgery.model_card import ModelCard
from engine.surgery.plan import replay
from engine.zoo import source
from engine.zoo.build import build
from engine.zoo.makers import made_for
from engine.zoo.own import listing

OPSETS = range(9, 18)  # what the exporter writes with an IR version that old runtimes read
MOST_IMAGES = 1024  # in a timed batch


def scores(spec: RunSpec, scope: str, split: str, results: Path | None = None) -> dict[str, Any]:
    """Scores of every removable block, or of every output channel of every layer that has some."""
    inputs = load_network(spec, results)
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
    inputs = load_network(spec, results)
    write_json(file, profile.measure_table(inputs.network.module, inputs.network.structure, results).to_json())
    return {"out": str(out), "bytes": out.stat().st_size}


def apply(plan_file: Path, weights: Path, out: Path) -> dict[str, Any]:
    """Replay a plan on the baseline's weights and write those of the cut network."""
    file = _check_out(out, plan_file, source.parse_file(str(weights)).path)
    plan = serialization.read_plan(plan_file)
    built = build(plan.model, plan.classes, plan.image, str(weights))
    if built.name != plan.model or not built.pretrained:
        raise RequestError(f"weights {weights} are {', '.join(built.notes)}, and the plan is for {plan.model}")
    serialization.write_weights(replay(plan, built.module), plan, serialization.read_card(plan_file), file)
    return {"out": str(out), "bytes": out.stat().st_size}


def export(run: Run, point: int, opset: int, out: Path, *, int8: bool = False) -> dict[str, Any]:
    """Write a point's network as ONNX; with `int8` in 8 bit, calibrated on the run's training images."""
    _check_opset(opset)
    if int8 and opset != onnx.OPSET:
        raise RequestError(f"--int8 writes opset {onnx.OPSET} only (got {opset}); leave --opset out")
    file = _check_out(out)
    plan_file = point_file(run, point, "plan.json")
    module, plan = serialization.read(plan_file, point_file(run, point, "safetensors"))
    card, notes = _card(run, point, plan_file)
    metadata = card.to_text(plan.to_json())
    if not int8:
        onnx.export(module, plan.image, file, opset, metadata)
        return {"out": str(out), "bytes": out.stat().st_size, "opset": opset, **notes}
    data = _data(run.spec(), plan.image, card)
    if data.image != plan.image:
        raise RequestError(f"{data.name} has images of another size by now than run {run.id} was made with")
    with tempfile.TemporaryDirectory(prefix="espalier-export-") as scratch:
        float_file = Path(scratch) / "float.onnx"
        onnx.export(module, plan.image, float_file, metadata=metadata)
        quantize.quantize_on_data(float_file, file, data)
    return {"out": str(out), "bytes": out.stat().st_size, "opset": opset, "int8": True, **notes}


def export_file(weights: Path, opset: int, out: Path) -> dict[str, Any]:
    """Write the network of a file that carries its plan as ONNX."""
    _check_opset(opset)
    file = _check_out(out, weights)
    module, plan = load_alone(weights)
    card = serialization.read_card_in(weights, plan)
    onnx.export(module, plan.image, file, opset, card.to_text(plan.to_json()))
    return {"out": str(out), "bytes": out.stat().st_size, "opset": opset}


def time(run: Run, point: int, provider: str, threads: int, batch: int) -> dict[str, Any]:
    """Latency of a point's network on this host."""
    _check_conditions(threads, batch)
    image = serialization.read_plan(point_file(run, point, "plan.json")).image

    def timed(file: Path) -> Latency:
        return host_timing.time_onnx(file, image, provider=provider, threads=threads, batch=batch)

    latency = timed(point_file(run, point, "onnx"))
    answer = {"run_id": run.id, "point": point, "latency": latency.to_json()}
    baseline = run.path / "models" / "p0.onnx"
    if point == 0 or not baseline.is_file():
        return answer
    ratio = remarks.times_slower(latency.p50_ms, timed(baseline).p50_ms)
    if ratio is None:
        return answer
    widths = next(record.widths for record in run.points() if record.point == point)
    return answer | {"notes": [f"{ratio:.2f}× the baseline's time, measured just after it{remarks.reason(widths)}"]}


def time_file(weights: Path, provider: str, threads: int, batch: int) -> dict[str, Any]:
    """Latency on this host of the network of a file that carries its plan."""
    _check_conditions(threads, batch)
    module, plan = load_alone(weights)
    with tempfile.TemporaryDirectory(prefix="espalier-time-") as scratch:
        onnx_file = Path(scratch) / "network.onnx"
        onnx.export(module, plan.image, onnx_file)
        latency = host_timing.time_onnx(onnx_file, plan.image, provider=provider, threads=threads, batch=batch)
    return {"weights": str(weights), "latency": latency.to_json()}


def _check_conditions(threads: int, batch: int) -> None:
    machine.check_threads(threads)
    if not 1 <= batch <= MOST_IMAGES:
        raise RequestError(f"batch must be 1 to {MOST_IMAGES} images (got {batch})")


def _check_opset(opset: int) -> None:
    if opset not in OPSETS:
        raise RequestError(f"opset must be {OPSETS[0]} to {OPSETS[-1]} (got {opset})")


def _card(run: Run, point: int, plan_file: Path) -> tuple[ModelCard, dict[str, list[str]]]:
    """What an exported file says of itself, and as notes what it cannot say."""
    card = serialization.read_card(plan_file)
    change = listing.change_since(run.env())
    notes = [] if change is None else [change]
    if card.mean is None:
        mean, std = normalization_of_run(run.spec())
        notes.append(f"run {run.id} was made by an earlier version, which kept no class names: the file has none")
        card = dataclasses.replace(card, mean=mean, std=std, run=run.id, point=point)
    return card, {"notes": notes} if notes else {}


def _data(spec: RunSpec, image: tuple[int, int, int], card: ModelCard) -> Data:
    """The run's dataset at the size, and normalised, as a network expects by its card."""
    assert card.mean is not None and card.std is not None
    data = load(spec.data.model_copy(update={"image_size": image[1:]}), spec.seed, made_for(spec.model))
    return dataclasses.replace(data, mean=card.mean, std=card.std)


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
