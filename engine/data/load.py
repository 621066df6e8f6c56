"""A dataset by name, checked, split and normalised. The one door to this room. No torch at import."""

from pathlib import Path

from engine.data.declare import SOURCES, Source
from engine.data.split import Data, Parts, Split
from engine.errors import RequestError, concerns
from engine.spec import catalog
from engine.spec.run import DataSpec

__all__ = ["Data", "Split", "load"]


@concerns("data.name")
def load(spec: DataSpec, seed: int) -> Data:
    """The dataset that `spec` asks for.

    A val split that the source lacks is cut from train: `val_fraction` of it, classes in proportion, by `seed`.
    `limit` then cuts every split, to the same images whatever the seed. RequestError: an unknown name, or files that
    are missing or wrong. WorkError: a download that failed.
    """
    catalog.check_dataset(spec.name)
    prefix = next((prefix for prefix in catalog.DATASET_PREFIXES if spec.name.startswith(prefix)), "")
    source = SOURCES[prefix or spec.name]
    parts = _parts(spec, source, prefix)
    train, val, notes = parts.train, parts.val, list(parts.notes)
    if val is None:
        train, val = _cut(spec, train, seed)
        notes.append(f"val split: {spec.val_fraction:.0%} of train ({len(val):,} images), seed {seed}")
    train, val, test = (split.limit_to(spec.limit) for split in (train, val, parts.test))
    if spec.limit is not None:
        notes.append(f"limit {spec.limit:,}: {len(train):,} train, {len(val):,} val and {len(test):,} test images")
    if len(train) < 2:
        raise RequestError(f"dataset {spec.name} is left with {len(train)} training image; training needs at least 2")
    mean, std = _normalization(spec)
    height, width = parts.image
    crop = min(height, width) // 8 if source.crop is None else source.crop
    image = (3, height, width)
    return Data(spec.name, train, val, test, parts.classes, image, mean, std, source.flip, crop, tuple(notes))


def _parts(spec: DataSpec, source: Source, prefix: str) -> Parts:
    if spec.root is not None:
        catalog.check_takes_root(spec.name)
    if prefix:
        return source.read(Path(spec.name.removeprefix(prefix)).expanduser())
    if catalog.DATASETS[spec.name].root is None:
        return source.read()
    return source.read(None if spec.root is None else Path(spec.root).expanduser())


def _cut(spec: DataSpec, train: Split, seed: int) -> tuple[Split, Split]:
    size = max(1, round(spec.val_fraction * len(train)))
    if len(train) - size < 2:
        share = f"{spec.val_fraction:.0%}"
        sentence = f"{spec.name} has {len(train)} training images, too few to cut {share} of them off for val"
        raise RequestError(sentence, field="data.val_fraction")
    val, rest = train.representative(size, seed)
    return train.take(rest), train.take(val)


def _normalization(spec: DataSpec) -> catalog.Normalization:
    """What the spec says, in numbers or as the name of a dataset that has its own; else the dataset's own."""
    if spec.normalize is not None and not isinstance(spec.normalize, str):
        (m0, m1, m2), (s0, s1, s2) = spec.normalize
        return (m0, m1, m2), (s0, s1, s2)
    dataset = catalog.DATASETS.get(spec.normalize or spec.name)
    return (dataset and dataset.normalize) or catalog.IMAGENET
