"""Networks for small images, from 16 px up: CIFAR ResNets, VGG-16-BN and MobileNetV2 (`engine.zoo.cifar`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.spec.catalog import SMALL_IMAGE
from engine.zoo import hub
from engine.zoo.declare import family

if TYPE_CHECKING:
    from torch import nn

DEPTHS = (20, 32, 44, 56, 110)
CLASSES = 10


@family(
    models=(*(f"resnet{n}" for n in DEPTHS), *(f"resnet{n}-a" for n in DEPTHS)),
    image=SMALL_IMAGE,
    classes=CLASSES,
    published=hub.cifar,
    hub=", ".join(hub.CIFAR),
    trained_on="cifar10",
)
def resnet(name: str, classes: int) -> nn.Module:
    """ResNet-20 to -110 (He et al. 2016); -a: with option A, parameter-free, padded shortcuts."""
    from engine.zoo import cifar

    depth, _, option = name.removeprefix("resnet").partition("-")
    return cifar.resnet(int(depth), classes, "padded" if option else "projection")


@family(models=("vgg16_bn",), image=SMALL_IMAGE, classes=CLASSES)
def vgg(_: str, classes: int) -> nn.Module:
    """VGG-16 with batch norm (Simonyan & Zisserman 2015)."""
    from engine.zoo import cifar

    return cifar.vgg16_bn(classes)


@family(models=("mobilenet_v2",), image=SMALL_IMAGE, classes=CLASSES)
def mobilenet(_: str, classes: int) -> nn.Module:
    """MobileNetV2 (Sandler et al. 2018)."""
    from engine.zoo import cifar

    return cifar.mobilenet_v2(classes)
