"""Models by name: which there are, what they are built for, what they refuse."""

import random
import warnings
from pathlib import Path

import pytest
import torch
from torch import fx, nn
from torchvision import models

from engine.errors import RequestError
from engine.spec import catalog
from engine.zoo import build as zoo
from engine.zoo.build import build

CIFAR = (3, 32, 32)


def saved(module: nn.Module, path: Path) -> str:
    torch.save(module.state_dict(), path)
    return str(path)


def test_the_catalogue_lists_every_classification_cnn_of_torchvision() -> None:
    everything = models.list_models(module=models)
    cnns = {name for name in everything if not name.startswith(("vit_", "swin_", "maxvit"))}
    assert set(catalog.TORCHVISION_MODELS) == cnns


@pytest.mark.parametrize(
    "name",
    [
        "googlenet",
        "inception_v3",
        "densenet121",
        "shufflenet_v2_x0_5",
        "convnext_tiny",
        "squeezenet1_1",
        "regnet_y_400mf",
    ],
)
def test_torchvision_models_take_any_number_of_classes_and_trace(name: str) -> None:
    traced = fx.symbolic_trace(zoo.on_meta(f"torchvision/{name}", 7))
    assert traced(torch.empty(2, 3, 96, 96, device="meta")).shape == (2, 7)


def test_a_built_network_is_in_eval_mode_and_trainable_and_has_no_notes() -> None:
    built = build("resnet20", 10, CIFAR)
    assert not built.module.training
    assert all(p.requires_grad for p in built.module.parameters())
    assert (built.notes, built.normalize, built.pretrained, built.name) == ((), None, False, "resnet20")


def test_the_same_seed_gives_the_same_weights_and_leaves_the_random_state_alone() -> None:
    state = torch.get_rng_state()
    first, again, other = (build("resnet20", 10, CIFAR, seed=s).module.get_parameter("conv1.weight") for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_auxiliary_heads_are_left_out_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module = build("torchvision/googlenet", 10, CIFAR).module
    assert module.aux1 is None


@pytest.mark.parametrize(
    ("name", "side", "smallest"),
    [("torchvision/inception_v3", 32, 75), ("torchvision/alexnet", 32, 63), ("vgg16_bn", 8, 16)],
)
def test_too_small_an_image_is_refused_with_the_smallest_size(name: str, side: int, smallest: int) -> None:
    with pytest.raises(
        RequestError, match=f"needs images of at least {smallest}×{smallest} px, these are {side}×{side}"
    ):
        build(name, 10, (3, side, side))


def test_the_smallest_size_that_is_named_is_accepted() -> None:
    with torch.no_grad():
        assert zoo.on_meta("torchvision/inception_v3", 2)(torch.empty(1, 3, 75, 75, device="meta")).shape == (1, 2)


def test_an_unknown_model_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(RequestError, match=r"did you mean .*resnet20"):
        build("resnet21", 10, CIFAR)


def test_images_that_are_not_of_three_channels_are_refused() -> None:
    with pytest.raises(RequestError, match="3 channels, these have 1"):
        build("resnet20", 10, (1, 32, 32))


@pytest.mark.parametrize(("file", "depth"), [("resnet20-12fca82f.th", 20), ("resnet56-4bfd9763.th", 56)])
@pytest.mark.parametrize("option", ["", "-a"])
def test_published_checkpoints_load_and_choose_option_a(shared, file: str, depth: int, option: str) -> None:  # type: ignore[no-untyped-def]
    path = shared(f"weights/{file}")
    built = build(f"resnet{depth}{option}", 10, CIFAR, str(path))
    assert built.notes == (
        *(() if option else ("option A shortcuts, as in the checkpoint",)),
        "left out beside the weights: best_prec1",
    )
    assert (built.pretrained, built.name) == (True, f"resnet{depth}-a")
    theirs = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    ours = built.module.state_dict()
    assert torch.equal(ours["fc.weight"], theirs["module.linear.weight"])
    assert torch.equal(ours["layer3.1.bn2.running_var"], theirs["module.layer3.1.bn2.running_var"])


def test_a_checkpoint_with_projections_keeps_them(tmp_path: Path) -> None:
    weights = saved(zoo.construct("resnet20", 10), tmp_path / "w.pt")
    built = build("resnet20", 10, CIFAR, weights)
    assert built.notes == ()
    assert isinstance(built.module.get_submodule("layer2.0.shortcut.0"), nn.Conv2d)


def test_a_head_for_another_number_of_classes_is_replaced_and_the_note_says_so(tmp_path: Path) -> None:
    source = zoo.construct("vgg16_bn", 5)
    built = build("vgg16_bn", 3, CIFAR, saved(source, tmp_path / "w.pt"))
    assert built.notes == ("head replaced: 5 → 3 classes",)
    assert not built.pretrained, "the new head has still to be trained"
    assert built.module.get_parameter("classifier.weight").shape == (3, 512)
    assert torch.equal(
        built.module.get_parameter("features.0.conv.weight"), source.get_parameter("features.0.conv.weight")
    )


@pytest.mark.parametrize(
    "name", ["torchvision/squeezenet1_1", "torchvision/mnasnet0_5", "torchvision/mobilenet_v3_small"]
)
def test_torchvision_weights_load_from_a_file_whatever_the_head(name: str, tmp_path: Path) -> None:
    source = zoo.construct(name, 4).eval()
    path = saved(source, tmp_path / "w.pt")
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(build(name, 4, (3, 64, 64), path).module(x), source(x))
        assert build(name, 6, (3, 64, 64), path).module(x).shape == (1, 6)


def test_auxiliary_weights_are_dropped_and_a_note_says_what_to_normalise_with(tmp_path: Path) -> None:
    network = models.googlenet(weights=None, num_classes=10, aux_logits=True, init_weights=False)
    built = build("torchvision/googlenet", 10, CIFAR, saved(network, tmp_path / "g.pt"))
    assert torch.equal(built.module.get_parameter("fc.weight"), network.get_parameter("fc.weight"))
    assert "left out of the weights: aux1.conv.conv.weight" in built.notes[0]
    assert "mean and deviation 0.5" in built.notes[1]


def test_weights_of_another_network_are_refused_naming_the_first_difference_and_what_fits(tmp_path: Path) -> None:
    path = saved(zoo.construct("resnet32-a", 10), tmp_path / "w.pt")
    with pytest.raises(
        RequestError, match=r"do not fit resnet20: layer1\.3\.conv1\.weight is not part of it; they fit resnet32-a$"
    ):
        build("resnet20", 10, CIFAR, path)


def test_a_missing_tensor_and_a_wrong_shape_are_named(tmp_path: Path) -> None:
    state = zoo.construct("resnet20", 10).state_dict()
    key = random.Random(0).choice([k for k in state if k.endswith("conv1.weight")])
    torch.save({k: v for k, v in state.items() if k != key}, tmp_path / "missing.pt")
    with pytest.raises(RequestError, match=f"{key} is missing$"):
        build("resnet20", 10, CIFAR, str(tmp_path / "missing.pt"))
    torch.save({**state, key: torch.zeros(2, 2)}, tmp_path / "shape.pt")
    with pytest.raises(RequestError, match=f"{key} has shape 2×2 instead of"):
        build("resnet20", 10, CIFAR, str(tmp_path / "shape.pt"))
    torch.save({**state, "fc.bias": torch.zeros(3)}, tmp_path / "head.pt")
    with pytest.raises(RequestError, match=r"fc\.bias has shape 3 instead of 10$"):
        build("resnet20", 10, CIFAR, str(tmp_path / "head.pt"))
    torch.save({**state, key: state[key].int()}, tmp_path / "kind.pt")
    with pytest.raises(RequestError, match=f"{key} holds torch.int32 instead of torch.float32$"):
        build("resnet20", 10, CIFAR, str(tmp_path / "kind.pt"))
