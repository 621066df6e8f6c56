"""Model sheets by name: computed once (that takes torch), kept under `results/sheets`, then only read."""

import re
from collections.abc import Callable
from pathlib import Path

from engine.errors import RequestError, WorkError, concerns
from engine.graph.summary import ModelSummary
from engine.spec import catalog
from engine.spec.run import DataSpec
from engine.storage.atomic import read_json, write_json
from engine.storage.store import Store


def summary_of(model: str, weights: str, data: DataSpec, results: Path) -> ModelSummary:
    """The sheet of `model` with `weights` on `data`; RequestError when they do not fit."""
    with concerns("model"):
        catalog.check_model(model)
    with concerns("data.name"):
        catalog.check_dataset(data.name)
    if weights not in ("none", "hub"):
        _check_file(weights)
    if weights not in ("none", "hub") or data.name not in catalog.DATASETS:
        return _described(model, weights, *_shape(data))
    return _once(f"{model}-{weights}-{data.name}", results, lambda: _described(model, weights, *_shape(data)))


def published_summary(model: str, results: Path) -> ModelSummary:
    """The sheet of `model` for the images and classes that it was published for."""
    with concerns("model"):
        catalog.check_model(model)
    family = catalog.FAMILIES[model]

    def structure() -> ModelSummary:
        from engine.graph.summarize import summarize
        from engine.zoo.build import on_meta

        return summarize(on_meta(model, family.classes), family.image_of(model), model).summary

    return _once(f"{model}-as-published", results, structure)


def _once(name: str, results: Path, make: Callable[[], ModelSummary]) -> ModelSummary:
    file = results / "sheets" / (re.sub(r"[^a-z0-9_.-]", "-", name) + ".json")
    kept = _kept(file)
    if kept is None:
        kept = make()
        Store(results).prepare()
        write_json(file, kept.to_json())
    return kept


def _kept(file: Path) -> ModelSummary | None:
    """The sheet in a file, unless there is none or another version wrote it."""
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


def _shape(data: DataSpec) -> tuple[int, tuple[int, int, int]]:
    """Number of classes and image size; a path is read for them."""
    if data.name in catalog.DATASETS:
        known = catalog.DATASETS[data.name]
        return known.classes, known.image
    from engine.data.load import load  # torch takes seconds to import; a kept sheet does without

    loaded = load(data, seed=0)
    return len(loaded.classes), loaded.image


def _described(model: str, weights: str, classes: int, image: tuple[int, int, int]) -> ModelSummary:
    from engine.graph.summarize import summarize
    from engine.zoo.build import build
    from engine.zoo.hub import published

    if weights == "hub":  # known by their shapes, without downloading them
        published(model)
        model, weights = f"{model}-a" if f"{model}-a" in catalog.CIFAR_MODELS else model, "none"
    built = build(model, classes, image, weights)
    return summarize(built.module, image, built.name).summary
