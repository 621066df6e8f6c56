"""A family of models is one file: dropped into `engine/zoo/families/`, its networks are listed, built and pruned."""

import pytest

from engine.errors import RequestError
from engine.zoo import hub
from engine.zoo.build import build
from tests.support.dropped_in import QUICK, Checkout, checkout

PLAIN = '''
"""Three convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.zoo.declare import family

if TYPE_CHECKING:
    from torch import nn


@family(models=("plain-8", "plain-16"), image=(3, 16, 16), classes=4)
def plain(name: str, classes: int) -> nn.Module:
    from torch import nn

    width = int(name.removeprefix("plain-"))
    layers: list[nn.Module] = []
    for ins in (3, width, width):
        layers += [nn.Conv2d(ins, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))
'''


@pytest.fixture(scope="module")
def with_plain(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return checkout(tmp_path_factory.mktemp("checkout"), {"engine/zoo/families/plain.py": PLAIN})


def test_a_network_in_a_file_of_its_own_is_pruned(with_plain: Checkout) -> None:
    done = with_plain.espalier("run", "--data", "digits", "--order", "channels", *QUICK, "--model", "plain-16")
    assert (done["status"]["state"], done["spec"]["model"]) == ("done", "plain-16")
    assert done["points"][-1]["macs"] < 0.65 * done["points"][0]["macs"]


def test_it_is_listed_at_the_size_that_it_was_declared_with(with_plain: Checkout) -> None:
    (listed,) = with_plain.espalier("models", "--model", "plain-8")
    head = 4 * (8 + 1)
    assert listed["input"] == [3, 16, 16]
    assert listed["params"] == (3 * 8 + 8 * 8 + 8 * 8) * 9 + 3 * 8 + 3 * 2 * 8 + head


def test_weights_that_nobody_published_are_refused(with_plain: Checkout) -> None:
    done = with_plain.command("submit", "--no-worker", "--model", "plain-8", "--weights", "hub", "--data", "digits")
    assert done.returncode == 2
    assert "there are no hub weights for plain-8; give a file or none" in done.stderr


def test_the_refusal_says_which_models_have_published_weights() -> None:
    with pytest.raises(RequestError, match=r"the hub has resnet20, .*, resnet110 and torchvision/NAME\)$"):
        hub.published("mobilenet_v2")
    with pytest.raises(RequestError, match="no hub weights for vgg16_bn"):
        build("vgg16_bn", 10, (3, 32, 32), "hub")
