"""A dataset by name, checked, split and normalised. The one door to this room."""

from collections.abc import Callable
from pathlib import Path

from engine.data import arrays, clutter, folder, public
from engine.data.split import Data, Parts, Split, Triple
from engine.errors import RequestError, concerns
from engine.spec import catalog
from engine.spec.run import DataSpec

__all__ = ["Data", "Split", "load"]

NORMALIZE: dict[str, tuple[Triple, Triple]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
}

MADE: dict[str, Callable[[], Parts]] = {"clutter": clutter.clutter, "digits": clutter.digits}
PUBLIC: dict[str, Callable[[Path | None], Parts]] = {
    "cifar10": public.cifar10,
    "cifar100": public.cifar100,
    "imagenet": public.imagenet,
}
FROM_PATH: dict[str, Callable[[Path], Parts]] = {"folder:": folder.read, "npz:": arrays.read}
_MADE_CROP = 2  # px


@concerns("data.name")
def load(spec: DataSpec, seed: int) -> Data:
    """The dataset that `spec` asks for.

    A val split that the source lacks is cut from train: `val_fraction` of it, classes in proportion, by `seed`.
    `limit` then cuts every split, to the same images whatever the seed. RequestError: an unknown name, or files that
    are missing or wrong. WorkError: a download that failed.
    """
    catalog.check_dataset(spec.name)
    parts = _parts(spec)
    train, val, notes = parts.train, parts.val, list(parts.notes)
    if val is None:
        train, val = _cut(spec, train, seed)
        notes.append(f"val split: {spec.val_fraction:.0%} of train ({len(val):,} images), seed {seed}")
    train, val, test = (split.limited(spec.limit) for split in (train, val, parts.test))
    if spec.limit is not None:
        notes.append(f"limit {spec.limit:,}: {len(train):,} train, {len(val):,} val and {len(test):,} test images")
    if len(train) < 2:
        raise RequestError(f"dataset {spec.name} is left with {len(train)} training image; training needs at least 2")
    mean, std = _normalization(spec)
    height, width = parts.image
    flip = spec.name not in MADE  # a mirrored 2 is no 2
    crop = min(height, width) // 8 if flip else _MADE_CROP
    return Data(spec.name, train, val, test, parts.classes, (3, height, width), mean, std, flip, crop, tuple(notes))


def _parts(spec: DataSpec) -> Parts:
    if spec.name in PUBLIC:
        return PUBLIC[spec.name](Path(spec.root).expanduser() if spec.root is not None else None)
    if spec.root is not None:
        raise RequestError(f"dataset {spec.name} takes no data.root; only {', '.join(PUBLIC)} do", field="data.root")
    if spec.name in MADE:
        return MADE[spec.name]()
    prefix = next(p for p in FROM_PATH if spec.name.startswith(p))
    return FROM_PATH[prefix](Path(spec.name.removeprefix(prefix)).expanduser())


def _cut(spec: DataSpec, train: Split, seed: int) -> tuple[Split, Split]:
    size = max(1, round(spec.val_fraction * len(train)))
    if len(train) - size < 2:
        share = f"{spec.val_fraction:.0%}"
        sentence = f"{spec.name} has {len(train)} training images, too few to cut {share} of them off for val"
        raise RequestError(sentence, field="data.val_fraction")
    val, rest = train.representative(size, seed)
    return train.take(rest), train.take(val)


def _normalization(spec: DataSpec) -> tuple[Triple, Triple]:
    asked = spec.normalize
    if asked is None:
        return NORMALIZE.get(spec.name, NORMALIZE["imagenet"])
    if isinstance(asked, str):
        return NORMALIZE[asked]
    (m0, m1, m2), (s0, s1, s2) = asked
    return (m0, m1, m2), (s0, s1, s2)
