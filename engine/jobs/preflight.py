"""Whether a request can be met and what it would cost, told before anything is queued."""

from pathlib import Path

from engine.errors import RequestError
from engine.latency.table import read_for
from engine.measure import machine
from engine.pipeline.summaries import summary_of
from engine.prune.forecast import Forecast, forecast
from engine.spec.run import DataSpec, RunSpec, check_race

TAKES_ROOT = ("cifar10", "cifar100", "imagenet")
_USUAL_VAL_FRACTION = 0.9  # with more, only the images tell whether enough is left to train on


def check(spec: RunSpec, results: Path) -> list[Forecast]:
    """The forecast of every target; RequestError when the request cannot be met or its files do not fit."""
    check_request(spec)
    if spec.device == "cuda":
        machine.resolve_device(spec.device)
    if spec.data.val_fraction > _USUAL_VAL_FRACTION:
        from engine.data.load import load

        load(spec.data, spec.seed)
    known = summary_of(spec.model, spec.weights, spec.data, results)
    return forecast(known, spec, read_for(spec.target.latency_table, known))


def check_request(spec: RunSpec) -> None:
    """What can be refused without reading images or building a network."""
    _check_root(spec.data)
    if spec.data.limit == 1:
        raise RequestError("data.limit 1 leaves one training image; training needs at least 2")
    if spec.attempt.race and spec.data.limit is not None:
        check_race(spec.data.limit)


def _check_root(data: DataSpec) -> None:
    if data.root is None:
        if data.name == "imagenet":
            raise RequestError("imagenet needs data.root, the folder with ImageNet's train/ and val/")
        return
    if data.name not in TAKES_ROOT:
        raise RequestError(f"dataset {data.name} takes no data.root; only {', '.join(TAKES_ROOT)} do")
    root = Path(data.root)
    if root.exists() and not root.is_dir():
        raise RequestError(f"data.root {root} is not a folder")
    missing = [name for name in ("train", "val") if data.name == "imagenet" and not (root / name).is_dir()]
    if missing:
        raise RequestError(f"data.root {root} has no {missing[0]}/ in it; imagenet needs train/ and val/")
