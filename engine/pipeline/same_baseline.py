"""A baseline that another run has trained already."""

from typing import Any

from engine.errors import RequestError, WorkError
from engine.pipeline.recorder import Network
from engine.spec import catalog
from engine.spec.run import RunSpec
from engine.storage.job_folder import Run
from engine.surgery import serialization


def find_same_baseline(folder: Run, spec: RunSpec) -> tuple[str, Network] | None:
    """The id of a run beside `folder` with the very same baseline, by the same versions and threads; and the network.

    Training is repeatable for a seed and a number of threads, so doing it again would give the same weights. Files
    that the user named may have changed since: their baselines are always trained.
    """
    if spec.weights not in ("none", "hub") or spec.data.name not in catalog.DATASETS or spec.data.root:
        return None
    for path in sorted(folder.path.parent.iterdir()):
        candidate = Run(path)
        models = candidate.path / "models"
        plan_file, weights_file = models / "p0.plan.json", models / "p0.safetensors"
        if path == folder.path or not weights_file.exists():
            continue
        try:
            same_conditions = candidate.points() and candidate.env() == folder.env()
            if same_conditions and _baseline_of(candidate.spec()) == _baseline_of(spec):
                return candidate.id, Network(*serialization.read(plan_file, weights_file))
        except (RequestError, WorkError):  # another version's, damaged, or deleted meanwhile: not this run's to report
            continue
    return None


def _baseline_of(spec: RunSpec) -> tuple[Any, ...]:
    return spec.model, spec.weights, spec.data, spec.train, spec.seed
