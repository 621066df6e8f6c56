"""Every classification CNN of torchvision, as `torchvision/NAME`, with torchvision's published weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.zoo import hub
from engine.zoo.declare import family

if TYPE_CHECKING:
    from torch import nn

PREFIX = "torchvision/"
NAMES = (
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
# One of each kind of network, for what must hold for all of them.
EXAMPLES = (
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


@family(
    models=tuple(PREFIX + name for name in NAMES),
    image=(3, 224, 224),
    classes=1000,
    images={PREFIX + "inception_v3": (3, 299, 299)},
    examples=tuple(PREFIX + name for name in EXAMPLES),
    published=lambda model: hub.torchvision(model.removeprefix(PREFIX)),
    hub=PREFIX + "NAME",
    trained_on="imagenet",
)
def network(model: str, classes: int) -> nn.Module:
    """torchvision's network without auxiliary heads."""
    from torchvision import models

    name = model.removeprefix(PREFIX)
    extra = {"aux_logits": False, "init_weights": True} if name in hub.TRANSFORM_INPUT else {}
    module: nn.Module = models.get_model(name, weights=None, num_classes=classes, **extra)
    return module
