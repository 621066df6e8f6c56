"""Model summaries by name: computed once (that takes torch), kept under `results/sheets`, then only read."""

import re
from collections.abc import Callable
from pathlib import Path

from engine.errors import RequestError, WorkError, concerns
from engine.graph.summary import ModelSummary
from engine.spec import catalog
from engine.spec.run import DataSpec
from engine.storage.atomic import prepare_folder, read_json, write_json
from engine.storage.store import Store


def summary_of(model: str, weights: str, data: DataSpec, results: Path) -> ModelSummary:
    """The model summary of `model` with `weights` on `data`; RequestError when they do not fit."""
    with concerns("model"):
        catalog.check_model(model)
    with concerns("data.name"):
        catalog.check_dataset(data.name)
    if weights not in ("none", "hub"):
        _check_file(weights)
    if weights not in ("none", "hub") or data.name not in catalog.DATASETS:
        return _compute(model, weights, *_classes_and_image(data))
    name = f"{model}-{weights}-{data.name}"
    return _load_or_compute(name, results, lambda: _compute(model, weights, *_classes_and_image(data)))


def published_summary(model: str, results: Path) -> ModelSummary:
    """The model summary of `model` for the images and classes that it was published for."""
    with concerns("model"):
        catalog.check_model(model)
    family = catalog.FAMILIES[model]

    def compute() -> ModelSummary:
        from engine.graph.summarize import summarize
        from engine.zoo.build import on_meta

        return summarize(on_meta(model, family.classes), family.image_of(model), model).summary

    return _load_or_compute(f"{model}-as-published", results, compute)


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
def _check_file(weights: str) -> None:
    if not Path(weights).exists():
        raise RequestError(f"there is no weights file {weights}; give none, hub or the path of a checkpoint")
    if not Path(weights).is_file():
        raise RequestError(f"weights {weights} is not a file; give none, hub or the path of a checkpoint")


def _classes_and_image(data: DataSpec) -> tuple[int, tuple[int, int, int]]:
    """Number of classes and image size; a path is read for them."""
    if data.name in catalog.DATASETS:
        dataset = catalog.DATASETS[data.name]
        return dataset.classes, dataset.image
    from engine.data.load import load  # torch takes seconds to import; a stored summary does without

    splits = load(data, seed=0)
    return len(splits.classes), splits.image


def _compute(model: str, weights: str, classes: int, image: tuple[int, int, int]) -> ModelSummary:
    from engine.graph.summarize import summarize
    from engine.zoo.build import build
    from engine.zoo.hub import published

    if weights == "hub":  # known by their shapes, without downloading them
        published(model)
        model, weights = f"{model}-a" if f"{model}-a" in catalog.CIFAR_MODELS else model, "none"
    network = build(model, classes, image, weights)
    return summarize(network.module, image, network.name).summary
