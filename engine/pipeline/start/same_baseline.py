"""A baseline that another job has trained already."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine.errors import RequestError, WorkError
from engine.pipeline import transfer
from engine.pipeline.network import Network
from engine.spec import catalog
from engine.spec.run import RunSpec
from engine.storage.folders.run import Run
from engine.storage.landscapes.job import Landscape
from engine.surgery import serialization


def find_same_baseline(folder: Run | Landscape, spec: RunSpec) -> tuple[str, Network] | None:
    """The id of a job beside `folder` with the very same baseline, by the same versions and threads; and the network.

    Training is repeatable for a seed and a number of threads, so doing it again would give the same weights. Files
    that the user named may have changed since: their baselines are always trained.
    """
    if spec.data.root:
        return None
    env = folder.env()
    return _find(folder.path.parents[1], spec, lambda other: other.path != folder.path and other.env() == env)


def find_trained(results: Path, spec: RunSpec) -> tuple[str, Network] | None:
    """The same in a results folder, whatever versions and threads trained it: for who only looks."""
    return _find(results, spec, lambda _: True)


def _find(results: Path, spec: RunSpec, is_meant: Callable[[Run | Landscape], bool]) -> tuple[str, Network] | None:
    if spec.weights not in ("none", "hub") or catalog.paths_of(spec.data.name):
        return None
    for candidate in _jobs_in(results):
        models = candidate.path / "models"
        plan_file, weights_file = models / "p0.plan.json", models / "p0.safetensors"
        if not weights_file.exists():
            continue
        try:
            if is_meant(candidate) and _baseline_of(_measured_spec(candidate)) == _baseline_of(spec):
                adaptation = transfer.read(models / f"p0.{transfer.SUFFIX}")
                other = None if adaptation is None else adaptation.without_names()
                return candidate.id, Network(*serialization.read(plan_file, weights_file), other)
        except (RequestError, WorkError):  # another version's, damaged, or deleted meanwhile: not this job's to report
            continue
    return None


def _jobs_in(results: Path) -> Iterator[Run | Landscape]:
    """The runs and landscapes of a results folder, oldest first in each."""
    kinds: tuple[tuple[str, type[Run | Landscape]], ...] = (("runs", Run), ("landscapes", Landscape))
    for name, kind in kinds:
        if (results / name).is_dir():
            folders = (path for path in (results / name).iterdir() if not path.name.startswith("."))  # not deleted ones
            yield from map(kind, sorted(folders))


def _measured_spec(job: Run | Landscape) -> RunSpec | None:
    """The request of a job whose baseline is measured; None before that."""
    if isinstance(job, Landscape):
        return job.spec().spec if job.grid() is not None else None
    return job.spec() if job.points() else None


def _baseline_of(spec: RunSpec | None) -> tuple[Any, ...] | None:
    if spec is None:
        return None
    settings = spec.transfer
    carried = (settings.adversarial, settings.adapt_epochs) if catalog.pair_of(spec.data.name) else None
    return spec.model, spec.weights, spec.data, spec.train, spec.seed, carried
