"""Whether a request can be met and what it would cost, before anything is queued."""

from pathlib import Path

from engine.errors import RequestError, concerns
from engine.latency.table import read_for
from engine.measure import machine
from engine.pipeline.summaries import summary_of
from engine.prune.forecast import Forecast, forecast
from engine.spec import catalog
from engine.spec.consistency import untrained_head
from engine.spec.run import DataSpec, RunSpec, check_race
from engine.zoo.makers import made_for, published_for

_USUAL_VAL_FRACTION = 0.9  # with more, only the images tell whether enough is left to train on


def check(spec: RunSpec, results: Path, *, elsewhere: bool = False) -> list[Forecast]:
    """The forecast of every target; RequestError when the request cannot be met or its files do not fit.

    One that is met `elsewhere` needs no GPU here.
    """
    check_request(spec)
    if spec.device == "cuda" and not elsewhere:
        machine.resolve_device(spec.device)
    if spec.data.val_fraction > _USUAL_VAL_FRACTION:
        from engine.data.load import load

        load(spec.data, spec.seed, made_for(spec.model))
    if spec.train.epochs == 0 and spec.weights not in ("none", "hub"):
        from engine.pipeline.start.inputs import check_head, load_network

        check_head(spec, load_network(spec, results))
    summary = summary_of(spec.model, spec.weights, spec.data, results)
    if spec.train.epochs == 0 and spec.weights == "hub" and published_for(spec.model)[1] != summary.classes:
        raise untrained_head(summary.classes)
    return forecast(summary, spec, read_for(spec.target.latency_table, summary))


def check_request(spec: RunSpec) -> None:
    """What can be refused without reading images or building a network."""
    _check_root(spec.data)
    if spec.data.limit == 1:
        raise RequestError("data.limit 1 leaves one training image; training needs at least 2", field="data.limit")
    if spec.attempt.race and spec.data.limit is not None:
        check_race(spec.data.limit)


@concerns("data.root")
def _check_root(data: DataSpec) -> None:
    if data.root is None:
        for name, taken in catalog.roots_of(data.name).items():
            if taken.requirement:
                raise RequestError(f"{name} needs data.root, {taken.requirement}")
        return
    roots = catalog.check_takes_root(data.name)
    root = Path(data.root)
    if root.exists() and not root.is_dir():
        raise RequestError(f"data.root {root} is not a folder")
    for name, taken in roots.items():
        missing = [folder for folder in taken.folders if not (root / folder).is_dir()]
        if missing:
            required = " and ".join(f"{folder}/" for folder in taken.folders)
            raise RequestError(f"data.root {root} has no {missing[0]}/ in it; {name} needs {required}")
