"""Makes results/gallery anew: ResNet-20 on clutter, four criteria, both orders, five targets; and its landscapes.

    python -m benchmarks.gallery
    python -m benchmarks.gallery --landscapes    only these: ResNet-20 on digits, both orders

Everything is trained and measured here, one job after the other; small files only are kept.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from engine.cli.progress import show_progress
from engine.jobs.child import execute
from engine.pipeline import run as pipeline
from engine.pipeline.landscape import run as landscape_pipeline
from engine.spec import run as run_spec
from engine.spec.landscape import request as landscape_request
from engine.storage.atomic import read_lines
from engine.storage.outcomes import images, layers, predictions
from engine.storage.store import GALLERY, Store

CRITERIA = ("random", "l1", "bn_scale", "taylor")
ORDERS = ("layers-channels", "channels-layers")
KEEP = (0.8, 0.65, 0.5, 0.35, 0.2)
KEPT = ("spec.json", "status.json", "env.json", "events.jsonl", "points.jsonl", images.FILE)
OUTCOMES = (predictions.SUFFIX, layers.SUFFIX)  # of every point
KEPT_OF_LANDSCAPES = ("spec.json", "status.json", "env.json", "landscape.json")
LARGEST = 1_000_000  # bytes of one file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--landscapes", action="store_true", help="make the landscapes only")
    only_landscapes = parser.parse_args().landscapes
    with tempfile.TemporaryDirectory() as scratch:
        store = Store(Path(scratch), gallery=Path(scratch) / "none")
        if not only_landscapes:
            make_runs(store)
            _replace(store.folder, GALLERY)
        make_landscapes(store)
        _replace_landscapes(store.landscapes_folder, GALLERY / "landscapes")


def make_runs(store: Store) -> None:
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


def make_landscapes(store: Store) -> None:
    """ResNet-20 on the digits as they are: small enough that two landscapes take minutes."""
    for order in ORDERS:
        request = landscape_request.parse(
            {"spec": {"criterion": "bn_scale", "order": order, "data": {"name": "digits", "val_fraction": 0.25}}}
        )
        folder = store.create_landscape(request, foreground=True)
        with show_progress(folder):
            if execute(folder, landscape_pipeline.run) != "done":
                raise SystemExit(f"landscape, {order}: {folder.status().message}")
        print(f"landscape, {order}: {folder.file.stat().st_size:,} bytes", flush=True)


def _replace_landscapes(landscapes: Path, gallery: Path) -> None:
    """Keep the figures and how they came about."""
    shutil.rmtree(gallery, ignore_errors=True)
    for job in sorted(path for path in landscapes.iterdir() if not path.name.startswith(".")):
        (gallery / job.name).mkdir(parents=True)
        for name in KEPT_OF_LANDSCAPES:
            shutil.copyfile(job / name, gallery / job.name / name)


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


if __name__ == "__main__":
    main()
