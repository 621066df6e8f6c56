"""What can be picked: models, datasets and criteria, by name. No torch.

Each declares itself where it is written (`engine.criteria.declare`, `engine.data.declare`, `engine.zoo.declare`); the
files that do are imported when names are first read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal, get_args

from engine.errors import RequestError
from engine.spec.images import pairs
from engine.spec.images.pairs import Pair
from engine.spec.messages import quote
from engine.spec.networks import own_names, timm_names
from engine.spec.registry import Names, Registry

Image = tuple[int, int, int]  # (channels, height, width)
Normalization = tuple[tuple[float, float, float], tuple[float, float, float]]  # means, deviations of values in 0..1
Needs = Literal["nothing", "weights", "gradients", "activations", "attempts"]  # cheap ones first, as they are listed
Rank = Literal["score", "per-saving"]  # of channels: by what they matter, or by that over what they free
NEEDS: tuple[str, ...] = get_args(Needs)

IMAGENET: Normalization = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SMALL_IMAGE: Image = (3, 32, 32)


@dataclass(frozen=True)
class Criterion:
    """How much a channel or a block matters; a low score goes first."""

    name: str
    label: str
    needs: Needs
    formula: str
    source: str
    scope: Literal["both", "blocks"] = "both"  # both: channels and blocks
    batch_norm: bool = False  # layers that no batch norm follows have no score
    comparable: bool = False  # channels' scores compare across layers as they are

    def __post_init__(self) -> None:
        for name, value, allowed in (("needs", self.needs, NEEDS), ("scope", self.scope, ("both", "blocks"))):
            if value not in allowed:
                raise RequestError(f"criterion {self.name!r} has {name} {value!r}; allowed: {', '.join(allowed)}")


@dataclass(frozen=True)
class Root:
    """The folder that data.root names. `requirement` says what it is; empty where there is a default."""

    requirement: str = ""
    folders: tuple[str, ...] = ()  # what must be in it


@dataclass(frozen=True)
class Dataset:
    """A dataset by name; `image` is (channels, height, width) as the model sees it."""

    name: str
    image: Image
    classes: int
    summary: str
    root: Root | None = None  # None: it takes no data.root
    normalize: Normalization | None = None  # its own; None: ImageNet's
    names: tuple[str, ...] = ()  # of its classes, where they are known before it is read
    title: str = ""  # as people write its name; "" where that is the name
    counts: tuple[int, int] | None = None  # training and test images, where they are known before it is read


@dataclass(frozen=True)
class Family:
    """Models that one function constructs, and what they were published for."""

    models: tuple[str, ...]
    image: Image
    classes: int
    images: Mapping[str, Image] = field(default_factory=dict)  # of models that were published for another size
    examples: tuple[str, ...] = ()  # for what must hold for all of them
    hub: str = ""  # which have published weights, in words
    trained_on: str = ""  # the dataset that published weights were trained on

    def image_of(self, model: str) -> Image:
        """The images that `model` was published for."""
        return self.images.get(model, self.image)


CRITERIA: Registry[Criterion] = Registry("criterion", "engine.criteria")
DATASETS: Registry[Dataset] = Registry("dataset", "engine.data", "a-z0-9_-")
DATASET_PREFIXES: Registry[str] = Registry("dataset prefix", "engine.data", "a-z0-9_:")  # prefix → its form, in words
FAMILIES: Registry[Family] = Registry("model", "engine.zoo.families", "a-z0-9_./-")  # model → its family

_TORCHVISION = "torchvision/"
_OTHER_MODELS = ("torchvision/NAME", "timm/NAME", "FILE.py:FUNCTION")
MODELS = Names(lambda: tuple(FAMILIES))
TIMM_MODELS = Names(timm_names.convolutional)
CIFAR_MODELS = Names(lambda: tuple(name for name, family in FAMILIES.items() if family.image == SMALL_IMAGE))
TORCHVISION_MODELS = Names(lambda: _of_torchvision(FAMILIES))
TORCHVISION_FAMILIES = Names(lambda: _of_torchvision(dict.fromkeys(n for f in FAMILIES.values() for n in f.examples)))


def check_model(name: str) -> str:
    """`name`, or a RequestError that names the nearest models.

    A network of the user's own is only checked for its form: whether it may be built is for `engine.zoo` to say.
    """
    if name in FAMILIES:
        return name
    if own_names.is_own(name):
        return own_names.check(name)
    if name.startswith(timm_names.TIMM):
        return timm_names.check(name)
    for prefix, names in ((_TORCHVISION, MODELS), (timm_names.TIMM, TIMM_MODELS)):
        if prefix + name in names:
            nearest = get_close_matches(name, CIFAR_MODELS, n=2, cutoff=0.7)
            suggestions = " or ".join([prefix + name, *nearest])
            raise RequestError(f"unknown model {quote(name)}; did you mean {suggestions}?")
    return _check_name("model", name, MODELS)


def pair_of(name: str) -> Pair | None:
    """The halves of a dataset's name SOURCE>TARGET; None for one dataset, RequestError for other than two halves."""
    return pairs.parse(name, DATASETS, DATASET_PREFIXES)


def halves(name: str) -> tuple[str, ...]:
    """The names of the datasets that a name stands for: itself, or source and target."""
    pair = pair_of(name)
    return (name,) if pair is None else (pair.source, pair.target)


def prefix_of(name: str) -> str:
    """The prefix of one dataset's name, such as `npz:`; "" where it has none."""
    return next((prefix for prefix in DATASET_PREFIXES if name.startswith(prefix)), "")


def paths_of(name: str) -> tuple[str, ...]:
    """The paths that a dataset's name has: one for `npz:PATH`, two for a pair of such, none for names alone."""
    return tuple(half.removeprefix(prefix_of(half)) for half in halves(name) if prefix_of(half))


def check_dataset(name: str) -> str:
    """`name`, of one dataset or a pair; or a RequestError that names the nearest datasets and what takes a path."""
    pair = pair_of(name)
    if pair is None:
        return _check_single(name)
    for half in (pair.source, pair.target):
        _check_single(half)
    if pair.source == pair.target:
        pairs.refuse_equal(pair.source)
    return name


def _check_single(name: str) -> str:
    prefix = prefix_of(name)
    if prefix and name == prefix:
        raise RequestError(f"dataset {name!r} has no path; write {DATASET_PREFIXES[prefix]}")
    if prefix:
        return name
    return _check_name("dataset", name, DATASETS, prefixes=", ".join(p + "PATH" for p in DATASET_PREFIXES))


def check_criterion(name: str) -> str:
    """`name`, one criterion or several joined by +, or a RequestError that names the nearest ones."""
    parts = name.split("+")
    for part in parts:
        _check_name("criterion", part, CRITERIA)
    if len(set(parts)) != len(parts):
        raise RequestError(f"criterion {quote(name)} names one twice; an ensemble joins different criteria by +")
    return name


def is_comparable(criterion: str) -> bool:
    """Whether scores of channels by a criterion, or an ensemble, compare across layers as they are."""
    return criterion in CRITERIA and CRITERIA[criterion].comparable


def rank_of(criterion: str, asked: Rank | None) -> Rank:
    """What channels are ranked by where `asked` may be left out: per saving where the criterion's scores compare."""
    return asked or ("per-saving" if is_comparable(criterion) else "score")


def title_of(dataset: str) -> str:
    """One dataset's name as people write it."""
    return (DATASETS[dataset].title if dataset in DATASETS else "") or dataset


def roots_of(name: str) -> dict[str, Root]:
    """What those datasets of a name that take data.root expect of it, by their names."""
    roots = {half: DATASETS[half].root for half in halves(name) if half in DATASETS}
    return {half: root for half, root in roots.items() if root is not None}


def check_takes_root(name: str) -> dict[str, Root]:
    """What a dataset, or either half of a pair, expects of data.root, by its name; RequestError when none takes it."""
    roots = roots_of(name)
    if not roots:
        names = [dataset.name for dataset in DATASETS.values() if dataset.root is not None]
        raise RequestError(f"dataset {name} takes no data.root; only {', '.join(names)} do", field="data.root")
    return roots


def _of_torchvision(names: Iterable[str]) -> Sequence[str]:
    return tuple(name.removeprefix(_TORCHVISION) for name in names if name.startswith(_TORCHVISION))


def _check_name(kind: str, name: str, allowed: Iterable[str], prefixes: str = "") -> str:
    names = list(allowed)
    if name in names:
        return name
    matches = get_close_matches(name[:60], names, n=3, cutoff=0.5) or [n for n in names if name and name in n][:3]
    if matches:
        hint = "did you mean " + " or ".join(matches) + "?"
    else:
        hint = "allowed: " + ", ".join(names if len(names) <= 20 else [*names[:12], *_OTHER_MODELS])
        hint += f", {prefixes}" if prefixes else ""
    raise RequestError(f"unknown {kind} {name if len(name) <= 60 else name[:60] + '…'!r}; {hint}")
