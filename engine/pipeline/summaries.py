"""Model summaries by name: computed once (that takes torch), kept under `results/sheets`, then only read."""

import re
from collections.abc import Callable
from pathlib import Path

from engine.data.load import classes_and_image
from engine.errors import RequestError, WorkError, concerns
from engine.graph.summary import ModelSummary
from engine.spec import catalog
from engine.spec.ids import digest_of
from engine.spec.networks import own_names
from engine.spec.run import DataSpec
from engine.storage.atomic import prepare_folder, read_json, write_json
from engine.storage.store import Store
from engine.units import dimensions
from engine.zoo import makers, source
from engine.zoo.makers import made_for
from engine.zoo.own import listing
from engine.zoo.source import RunPoint, WeightsFile


def summary_of(model: str, weights: str, data: DataSpec, results: Path) -> ModelSummary:
    """The model summary of `model` with `weights` on `data`; RequestError when they do not fit."""
    with concerns("model"):
        makers.check_allowed(model)
    with concerns("data.name"):
        catalog.check_dataset(data.name)
    named = source.parse(weights)
    if isinstance(named, WeightsFile):
        _check_file(named.path)
    if isinstance(named, RunPoint):  # what is kept of one that is gone by now says nothing
        with concerns("weights"):
            Store(results).run(named.run_id)
    classes, image = classes_and_image(data, made_for(model))
    if isinstance(named, WeightsFile) or catalog.paths_of(data.name):
        return _compute(model, weights, classes, image, results)
    name = f"{_file_name(model)}-{weights}-{data.name}"
    if data.name not in catalog.DATASETS or image != catalog.DATASETS[data.name].image:
        name += f"-{dimensions(image[1:])}"
    return _load_or_compute(name, results, lambda: _compute(model, weights, classes, image, results))


def published_summary(model: str, results: Path) -> ModelSummary:
    """The model summary of `model` for the images and classes that it was published for.

    A network of the user's own is summarized for 10 classes and the first usual image size that it reads.
    """
    with concerns("model"):
        makers.check_allowed(model)

    def compute() -> ModelSummary:
        from engine.graph.summarize import summarize
        from engine.pipeline.start.own_networks import summarize_own
        from engine.zoo.build import on_meta

        if own_names.is_own(model):
            return summarize_own(listing.find(model))
        image, classes = makers.published_for(model)
        return summarize(on_meta(model, classes), image, model).summary

    return _load_or_compute(f"{_file_name(model)}-as-published", results, compute)


def _file_name(model: str) -> str:
    """What a model's stored summary is called; the user's own network by what its file holds now."""
    if not own_names.is_own(model):
        return model
    network = listing.find(model)
    return f"own-{digest_of([network.model, network.source.text])}-{makers.state_of(model)}"


def _load_or_compute(name: str, results: Path, compute: Callable[[], ModelSummary]) -> ModelSummary:
    file = results / "sheets" / (re.sub(r"[^a-z0-9_.-]", "-", name) + ".json")
    summary = _read_stored(file)
    if summary is None:
        summary = compute()
        _keep(summary, file, results)
    return summary


def _keep(summary: ModelSummary, file: Path, results: Path) -> None:
    store = Store(results)
    if store.is_writable():
        store.prepare()
        prepare_folder(file.parent)
        write_json(file, summary.to_json())


def _read_stored(file: Path) -> ModelSummary | None:
    """The model summary in a file, unless there is none or another version wrote it."""
    if not file.exists():
        return None
    try:
        return ModelSummary.from_json(read_json(file))
    except (WorkError, ValueError, KeyError, TypeError):
        return None


@concerns("weights")
def _check_file(weights: Path) -> None:
    if not weights.exists():
        raise RequestError(f"there is no weights file {weights}; give none, hub or the path of a checkpoint")
    if not weights.is_file():
        raise RequestError(f"weights {weights} is not a file; give none, hub or the path of a checkpoint")


def _compute(model: str, weights: str, classes: int, image: tuple[int, int, int], results: Path) -> ModelSummary:
    from engine.graph.summarize import summarize
    from engine.pipeline.start import pruned_start
    from engine.zoo.build import build
    from engine.zoo.hub import published

    if weights == "hub":  # known by their shapes, without downloading them
        published(model)
        model, weights = f"{model}-a" if f"{model}-a" in catalog.CIFAR_MODELS else model, "none"
    with concerns("weights"):
        start = pruned_start.find(weights, results)
        if start is None:
            network = build(model, classes, image, weights)
        else:
            network, _ = pruned_start.load(start, model, classes, image, 0)
    return summarize(network.module, image, network.name).summary
