"""How a family of models declares itself: `family` above the function that constructs them. No torch.

@family(models=("vgg16_bn",), image=(3, 32, 32), classes=10)
def vgg(name: str, classes: int) -> nn.Module: ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from engine.spec.catalog import FAMILIES, Family, Image, Normalization
from engine.spec.registry import Registry

if TYPE_CHECKING:
    from torch import nn

Constructor: TypeAlias = "Callable[[str, int], nn.Module]"  # of a model's name and the number of classes
Publisher: TypeAlias = "Callable[[str], Published]"


@dataclass(frozen=True)
class Published:
    """A weights file on the hub: its address, its SHA-256 (8 hex digits or more of it) and what it was trained with.

    Or a `repository` of the Hugging Face hub, which says itself what its file must be like.
    """

    url: str
    sha256: str
    normalize: Normalization
    repository: str = ""


@dataclass(frozen=True)
class Maker:
    """What makes a model: its bare network, and where its published weights are."""

    construct: Constructor
    published: Publisher | None


MAKERS: Registry[Maker] = Registry("model", "engine.zoo.families", "a-z0-9_./-")  # by model


def family(
    *,
    models: tuple[str, ...],
    image: Image,
    classes: int,
    images: Mapping[str, Image] | None = None,
    examples: tuple[str, ...] = (),
    published: Publisher | None = None,
    hub: str = "",
    trained_on: str = "",
) -> Callable[[Constructor], Constructor]:
    """Declare the decorated `(name, classes) -> nn.Module` as what constructs `models`, listed in that order.

    `image` (3, height, width) and `classes` are those that the models were published for; `images` names other sizes
    by model. `examples` stand for the family in tests. `published` gives a model's weights on the hub, `hub` says in
    words which have some, and `trained_on` names the dataset that they were trained on. The network starts from torch's
    current random state. RequestError when a name is taken.
    """

    def register(construct: Constructor) -> Constructor:
        entry = Family(models, image, classes, images or {}, examples, hub, trained_on)
        for model in models:
            FAMILIES.add(model, entry, construct)
            MAKERS.add(model, Maker(construct, published), construct)
        return construct

    return register
