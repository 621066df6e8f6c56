"""What can be picked: models, datasets and criteria, by name. Pure data, no torch.

The rooms that implement these (`zoo`, `data`, `criteria`) key their registries by the same names;
tests hold the two equal.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from engine.errors import RequestError


@dataclass(frozen=True)
class Criterion:
    """How much a channel or a block matters; a low score goes first."""

    name: str
    label: str
    needs: str  # "nothing" | "weights" | "gradients" | "activations" | "attempts"
    formula: str
    source: str
    scope: str = "both"  # "both": channels and blocks | "blocks"


@dataclass(frozen=True)
class Dataset:
    """A dataset by name; `image` is (channels, height, width) as the model sees it."""

    name: str
    image: tuple[int, int, int]
    classes: int
    summary: str


CRITERIA: dict[str, Criterion] = {
    c.name: c
    for c in (
        Criterion("random", "Random", "nothing", "uniform, from the run's seed", "the control"),
        Criterion("l1", "L1 norm", "weights", "Σ|W_c|", "Li et al. 2017"),
        Criterion("l2", "L2 norm", "weights", "√Σ W_c²", "Li et al. 2017"),
        Criterion("bn_scale", "BN scale", "weights", "|γ_c|", "Liu et al. 2017"),
        Criterion("fpgm", "Geometric median", "weights", "Σ_j ‖W_c − W_j‖₂", "He et al. 2019"),
        Criterion("lamp", "LAMP", "weights", "‖W_c‖² / Σ_{‖W_j‖ ≥ ‖W_c‖} ‖W_j‖²", "Lee et al. 2021"),
        Criterion("taylor", "Taylor", "gradients", "(Σ w·∂L/∂w)²", "Molchanov et al. 2019"),
        Criterion("obd", "Optimal brain damage", "gradients", "½ Σ w²·E[(∂L/∂w)²]", "LeCun et al. 1990"),
        Criterion("activation", "Mean activation", "activations", "mean |a_c|", "Molchanov et al. 2017"),
        Criterion("feature_rank", "Feature rank", "activations", "mean rank of a_c", "Lin et al. 2020"),
        Criterion("accuracy", "Exact accuracy", "attempts", "accuracy lost without it", "Wu et al. 2023", "blocks"),
        Criterion("loss", "Exact loss", "attempts", "loss gained without it", "Wu et al. 2023", "blocks"),
        Criterion("divergence", "Divergence", "attempts", "KL of outputs at T = 4", "Hinton et al. 2015", "blocks"),
        Criterion("cka", "CKA", "attempts", "1 − CKA of features", "Kornblith et al. 2019", "blocks"),
    )
}

DATASETS: dict[str, Dataset] = {
    d.name: d
    for d in (
        Dataset(
            "clutter", (3, 24, 24), 10, "real handwritten digits among pieces of others; made in seconds, no download"
        ),
        Dataset("digits", (3, 16, 16), 10, "scikit-learn's 1,797 handwritten digits; for smoke tests"),
        Dataset("cifar10", (3, 32, 32), 10, "60,000 colour images of 10 kinds of things; downloaded"),
        Dataset("cifar100", (3, 32, 32), 100, "60,000 colour images of 100 kinds of things; downloaded"),
        Dataset("imagenet", (3, 224, 224), 1000, "ImageNet-1k from a local copy"),
    )
}
DATASET_PREFIXES: dict[str, str] = {
    "folder:": "folder:PATH, an image folder with train/ and test/, val/ optional",
    "npz:": "npz:PATH, arrays train_images, train_labels, test_images, test_labels, val_* optional",
}

CIFAR_DEPTHS = (20, 32, 44, 56, 110)
CIFAR_MODELS: tuple[str, ...] = (
    *(f"resnet{n}" for n in CIFAR_DEPTHS),
    *(f"resnet{n}-a" for n in CIFAR_DEPTHS),  # option A: parameter-free, padded shortcuts
    "vgg16_bn",
    "mobilenet_v2",
)
TORCHVISION_MODELS: tuple[str, ...] = (
    "alexnet",
    *(f"convnext_{s}" for s in ("tiny", "small", "base", "large")),
    *(f"densenet{n}" for n in (121, 161, 169, 201)),
    *(f"efficientnet_b{n}" for n in range(8)),
    *(f"efficientnet_v2_{s}" for s in "sml"),
    "googlenet",
    "inception_v3",
    *(f"mnasnet{s}" for s in ("0_5", "0_75", "1_0", "1_3")),
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    *(f"regnet_x_{s}" for s in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")),
    *(f"regnet_y_{s}" for s in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf", "128gf")),
    *(f"resnet{n}" for n in (18, 34, 50, 101, 152)),
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    *(f"shufflenet_v2_x{s}" for s in ("0_5", "1_0", "1_5", "2_0")),
    "squeezenet1_0",
    "squeezenet1_1",
    *(f"vgg{n}{s}" for n in (11, 13, 16, 19) for s in ("", "_bn")),
    "wide_resnet50_2",
    "wide_resnet101_2",
)
# One model of each family, for what must hold for all of them.
TORCHVISION_FAMILIES: tuple[str, ...] = (
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "googlenet",
    "inception_v3",
    "mnasnet1_0",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "regnet_x_400mf",
    "regnet_y_400mf",
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "shufflenet_v2_x1_0",
    "squeezenet1_0",
    "vgg16_bn",
    "wide_resnet50_2",
)
MODELS: tuple[str, ...] = (*CIFAR_MODELS, *(f"torchvision/{n}" for n in TORCHVISION_MODELS))


def check_model(name: str) -> str:
    """`name`, or a RequestError that names the nearest models."""
    return _known("model", name, MODELS)


def check_dataset(name: str) -> str:
    """`name`, or a RequestError that names the nearest datasets and the prefixes that take a path."""
    for prefix, form in DATASET_PREFIXES.items():
        if name.startswith(prefix):
            if name == prefix:
                raise RequestError(f"dataset {name!r} has no path; write {form}")
            return name
    return _known("dataset", name, DATASETS, also=", ".join(p + "PATH" for p in DATASET_PREFIXES))


def check_criterion(name: str) -> str:
    """`name`, one criterion or several joined by +, or a RequestError that names the nearest ones."""
    parts = name.split("+")
    for part in parts:
        _known("criterion", part, CRITERIA)
    if len(set(parts)) != len(parts):
        raise RequestError(f"criterion {name!r} names one twice; an ensemble joins different criteria by +")
    return name


def _known(kind: str, name: str, allowed: Iterable[str], also: str = "") -> str:
    names = list(allowed)
    if name in names:
        return name
    near = get_close_matches(name[:60], names, n=3, cutoff=0.5) or [n for n in names if name and name in n][:3]
    if near:
        hint = "did you mean " + " or ".join(near) + "?"
    else:
        hint = "allowed: " + ", ".join(names if len(names) <= 20 else [*names[:12], "torchvision/NAME"])
        hint += f", {also}" if also else ""
    raise RequestError(f"unknown {kind} {name if len(name) <= 60 else name[:60] + '…'!r}; {hint}")
