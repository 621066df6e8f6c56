"""Makes results/gallery anew: ResNet-20 on clutter, four criteria, both orders, five targets.

    python -m benchmarks.gallery
    python -m benchmarks.gallery --complete

Everything is trained and measured here, one run after the other; small files only are kept. With `--complete` nothing
is trained: the runs that are there get what later versions keep of a point, as far as its network is among their files.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from engine.cli.progress import show_progress
from engine.data import thumbnails
from engine.data.load import Data, load
from engine.graph.cost import CostModel
from engine.graph.summarize import summarize
from engine.jobs.child import execute
from engine.pipeline import run as pipeline
from engine.spec import run as run_spec
from engine.storage.atomic import read_lines
from engine.storage.job_folder import Run
from engine.storage.outcomes import images, layers, predictions
from engine.storage.records.point import Point
from engine.storage.store import GALLERY, Store
from engine.surgery import serialization
from engine.train.evaluate import evaluate
from engine.zoo.build import on_meta
from engine.zoo.makers import made_for

CRITERIA = ("random", "l1", "bn_scale", "taylor")
ORDERS = ("layers-channels", "channels-layers")
KEEP = (0.8, 0.65, 0.5, 0.35, 0.2)
KEPT = ("spec.json", "status.json", "env.json", "events.jsonl", "points.jsonl", images.FILE)
OUTCOMES = (predictions.SUFFIX, layers.SUFFIX)  # of every point
LARGEST = 1_000_000  # bytes of one file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--complete", action="store_true", help="train nothing, and add what is missing")
    if parser.parse_args().complete:
        complete(GALLERY)
    else:
        make()


def make() -> None:
    """Every run, and then the gallery in place of the one that is there."""
    with tempfile.TemporaryDirectory() as scratch:
        store = Store(Path(scratch), gallery=Path(scratch) / "none")
        for criterion in CRITERIA:
            for order in ORDERS:
                spec = run_spec.parse(
                    {"criterion": criterion, "order": order, "target": {"keep": KEEP}, "recover": {"epochs": 3}}
                )
                folder = store.create(spec, foreground=True)
                with show_progress(folder):
                    if execute(folder, pipeline.run) != "done":
                        raise SystemExit(f"{criterion}, {order}: {folder.status().message}")
                print(f"{criterion}, {order}: {folder.points()[-1].top1:.1%} at {KEEP[-1]}×", flush=True)
        _replace(store.folder, GALLERY)


def _replace(runs: Path, gallery: Path) -> None:
    """Keep what a visitor looks at, and for the models at the end of each target what they may want to take along."""
    shutil.rmtree(gallery, ignore_errors=True)
    for run in sorted(path for path in runs.iterdir() if not path.name.startswith(".")):
        kept = gallery / run.name
        (kept / "models").mkdir(parents=True)
        for name in KEPT:
            shutil.copyfile(run / name, kept / name)
        points = read_lines(run / "points.jsonl")
        files = [f"p{p['point']}.{suffix}" for p in points for suffix in OUTCOMES]
        files += [
            f"p{p['point']}.{kind}" for p in points if p["final"] for kind in ("plan.json", "onnx", "safetensors")
        ]
        for file in (run / "models" / name for name in files):
            if file.stat().st_size <= LARGEST:
                shutil.copyfile(file, kept / "models" / file.name)


def complete(gallery: Path) -> None:
    """Measures the networks that are kept once more, and adds what they name each test image and what layers cost."""
    for path in sorted(path for path in gallery.iterdir() if path.is_dir()):
        run = Run(path, gallery=True)
        spec = run.spec()
        data = load(spec.data, spec.seed, made_for(spec.model))
        images.write(path, thumbnails.describe_test(data))
        for point in run.points():
            if point.stage == "baseline":
                network = on_meta(spec.model, len(data.classes))
                layers.write(
                    _file(run, point, layers.SUFFIX), CostModel(summarize(network, data.image).summary).by_layer()
                )
            elif _file(run, point, "safetensors").exists():
                _complete_point(run, point, data)


def _complete_point(run: Run, point: Point, data: Data) -> None:
    """Of a network that comes to other figures than its point says, nothing is added but its layers."""
    module, plan = serialization.read(_file(run, point, "plan.json"), _file(run, point, "safetensors"))
    layers.write(_file(run, point, layers.SUFFIX), CostModel(summarize(module, plan.image).summary).by_layer())
    result = evaluate(module, data.reported, data, "cpu")
    if result.correct == point.correct:
        predictions.write(_file(run, point, predictions.SUFFIX), result.predictions.numpy())
    else:
        print(
            f"{run.id}, point {point.point}: {result.correct} images right, where it says {point.correct}", flush=True
        )


def _file(run: Run, point: Point, suffix: str) -> Path:
    return run.path / "models" / f"p{point.point}.{suffix}"


if __name__ == "__main__":
    main()
