"""Where published weights live, with the SHA-256 that they must have.

CIFAR nets: Yerlan Idelbayev's checkpoints (BSD 2-clause), trained on CIFAR-10 with ImageNet's normalisation.
torchvision nets: torchvision's own table; a file's name ends with the first digits of its SHA-256. No torch at import.
"""

import re

from engine.errors import RequestError
from engine.spec.catalog import FAMILIES, IMAGENET, Normalization
from engine.zoo.declare import Published
from engine.zoo.makers import maker_of

# What torchvision's transform_input=True turns ImageNet's values into; these nets are built without it.
HALF: Normalization = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
TRANSFORM_INPUT = ("googlenet", "inception_v3")


def _cifar(file: str, sha256: str = "") -> Published:
    url = f"https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models/{file}"
    return Published(url, sha256 or _hash_in(url), IMAGENET)


def published(name: str) -> Published:
    """The hub's weights for the catalogue model `name`; RequestError where nobody published any."""
    publisher = maker_of(name).published
    if publisher is None:
        offers = " and ".join(dict.fromkeys(family.hub for family in FAMILIES.values() if family.hub))
        sentence = f"there are no hub weights for {name}; give a file or none (the hub has {offers})"
        raise RequestError(sentence, field="weights")
    return publisher(name)


def cifar(name: str) -> Published:
    """The checkpoint of a CIFAR ResNet; they all have option A shortcuts."""
    return CIFAR[name.removesuffix("-a")]


def torchvision(name: str) -> Published:
    """torchvision's best weights for its network `name`."""
    from torchvision.models import get_model_weights

    best = get_model_weights(name).DEFAULT
    preset = best.transforms()
    normalize = HALF if name in TRANSFORM_INPUT else (tuple(preset.mean), tuple(preset.std))
    return Published(best.url, _hash_in(best.url), normalize)


def _hash_in(url: str) -> str:
    match = re.search(r"-([0-9a-f]{8,64})\.\w+$", url)
    assert match, f"{url} names no hash"
    return match[1]


CIFAR: dict[str, Published] = {
    "resnet20": _cifar("resnet20-12fca82f.th", "12fca82f0bebc4135bf1f32f6e3710e61d5108578464b84fd6d7f5c1b04036c8"),
    "resnet32": _cifar("resnet32-d509ac18.th", "d509ac1820d7f25398913559d7e81a13229b1e7adc5648e3bfa5e22dc137f850"),
    "resnet44": _cifar("resnet44-014dd654.th", "014dd6541728a1c700b1642ab640e211dc6eb8ed507d70697458dc8f8a0ae2e4"),
    "resnet56": _cifar("resnet56-4bfd9763.th", "4bfd97631478d6b638d2764fd2baff3edb1d7d82252d54439343b6596b9b5367"),
    "resnet110": _cifar("resnet110-1d1ed7c2.th"),
}
