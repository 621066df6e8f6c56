"""`engine.prune` on modules that are in no catalogue."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import engine
from engine.criteria.reconstruction.trials import Trials
from engine.errors import RequestError, WorkError
from engine.graph.cost import CostModel

IMAGE = (2, 12, 12)


class Block(nn.Module):
    """Adds its own unchanged input to two convolutions of it, so that it may go."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x))))))


class Residual(nn.Module):
    """Two blocks that may go, on two-channel images."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(2, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.first, self.second = Block(), Block()
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(self.stem(x))).mean((2, 3)))


@pytest.fixture
def model() -> Residual:
    torch.manual_seed(0)
    return Residual()


@pytest.fixture
def plain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 16, 3), nn.ReLU(), nn.Conv2d(16, 8, 3), nn.Flatten(), nn.Linear(8 * 8 * 8, 5))


def pair(count: int = 48) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, *IMAGE, generator=generator), torch.randint(5, (count,), generator=generator)


@pytest.mark.parametrize("order", ["channels", "layers", "layers-channels", "channels-layers"])
@pytest.mark.parametrize("metric", ["macs", "params"])
def test_every_order_meets_its_target_and_leaves_the_original_alone(model: Residual, order: str, metric: str) -> None:
    before = copy.deepcopy(model.state_dict())
    pruned = engine.prune(model, IMAGE, 0.6, metric, order=order)  # type: ignore[arg-type]
    share = {"macs": pruned.cost.macs_share, "params": pruned.cost.params_share}[metric]
    assert 0 < share <= 0.6
    assert pruned.module(torch.randn(3, *IMAGE)).shape == (3, 5)
    assert model.training and all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    real = sum(p.numel() for p in pruned.module.parameters())
    assert (pruned.cost.before.params, pruned.cost.after.params) == (sum(p.numel() for p in model.parameters()), real)


def test_layers_and_blocks_that_are_named_stay(model: Residual) -> None:
    kept = engine.prune(model, IMAGE, 0.6, keep_layers=["stem=0.75", "first.conv1"]).report()["kept"]
    assert kept["stem.0"] >= 12 and kept["first.conv1"] == 16 and kept["second.conv1"] < 16
    for name, other in (("first", "second"), ("second.conv?=0.5", "first")):
        pruned = engine.prune(model, IMAGE, 0.7, order="layers", keep_layers=[name])
        assert [block for step in pruned.plan.steps for block in step.blocks] == [other]
    with pytest.raises(RequestError, match="keep_layers has 'third', which names no layer and no block of Residual"):
        engine.prune(model, IMAGE, 0.6, keep_layers=["third"])


def test_what_is_left_computes_what_the_masked_network_would(plain: nn.Sequential) -> None:
    pruned = engine.prune(plain, IMAGE, 0.5)
    kept = plain[0].weight.abs().sum((1, 2, 3)).argsort().flip(0)[: pruned.module[0].out_channels].sort().values
    assert torch.equal(pruned.module[0].weight, plain[0].weight[kept])


def test_mode_and_frozen_parameters_are_those_of_the_original(model: Residual) -> None:
    model.eval()
    model.second.train()
    model.stem[0].weight.requires_grad_(False)
    pruned = engine.prune(model, IMAGE, 0.6, criterion="taylor", calibration=pair())
    modes = {name: part.training for name, part in pruned.module.named_modules()}
    assert modes == {name: part.training for name, part in model.named_modules()}
    frozen = [name for name, parameter in pruned.module.named_parameters() if not parameter.requires_grad]
    assert frozen == ["stem.0.weight"]
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("criterion", ["random", "l1", "l2", "bn_scale", "fpgm", "lamp", "taylor", "obd", "activation"])
def test_criteria_score_a_foreign_network(model: Residual, criterion: str) -> None:
    pruned = engine.prune(model, IMAGE, 0.7, criterion=criterion, calibration=pair())
    assert pruned.cost.macs_share <= 0.7


@pytest.mark.parametrize("criterion", ["accuracy", "loss", "divergence", "cka", "l1+taylor"])
def test_blocks_are_scored_by_attempts(model: Residual, criterion: str) -> None:
    pruned = engine.prune(model, IMAGE, 0.6, criterion=criterion, order="layers", calibration=pair(200))
    assert sum(len(step.blocks) for step in pruned.plan.steps) == 1


def test_batches_are_the_same_as_one_tensor(model: Residual) -> None:
    images, labels = pair()
    reference = engine.prune(model, IMAGE, 0.6, criterion="taylor", calibration=(images, labels))
    loader = [[images[:20], labels[:20]], [images[20:], labels[20:]]]
    assert engine.prune(model, IMAGE, 0.6, criterion="taylor", calibration=loader).plan == reference.plan
    alone = engine.prune(model, IMAGE, 0.6, criterion="activation", calibration=images)
    assert (
        engine.prune(model, IMAGE, 0.6, criterion="activation", calibration=[images[:24], images[24:]]).plan
        == alone.plan
    )


@pytest.mark.parametrize("reconstruct", [False, True])
def test_where_a_refit_follows_obs_weighs_losses_by_how_they_come_through(
    model: Residual, reconstruct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trials, "rate", lambda self, layer: 1e-6 if layer.startswith("first.") else 1.0)
    pruned: Any = engine.prune(
        model, IMAGE, 0.7, criterion="obs", order="channels", calibration=pair(), reconstruct=reconstruct
    ).module
    assert pruned.first.conv1.out_channels < 16
    assert (pruned.second.conv1.out_channels == 16) == reconstruct


def test_images_that_the_criterion_does_not_need_are_what_the_cut_is_checked_on(
    model: Residual, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.interface import prune as room

    check_images = []
    cut = room.checked.cut
    monkeypatch.setattr(room.checked, "cut", lambda *rest: check_images.append(rest[-1]) or cut(*rest))
    images = pair()[0]
    assert engine.prune(model, IMAGE, 0.5, calibration=images).plan == engine.prune(model, IMAGE, 0.5).plan
    assert torch.equal(check_images[0], images[:4]) and check_images[1].shape == (4, *IMAGE)


def test_a_long_stream_of_batches_is_not_read_to_its_end(model: Residual) -> None:
    read = []

    def stream() -> object:
        for number in range(100):
            read.append(number)
            yield pair(128)

    engine.prune(model, IMAGE, 0.6, criterion="activation", calibration=stream())  # type: ignore[arg-type]
    assert read == [0, 1, 2, 3, 4]


def test_the_report_says_what_went_layer_by_layer(model: Residual) -> None:
    pruned = engine.prune(model, IMAGE, 0.3, order="layers-channels")
    report = pruned.report()
    assert list(report.index) == [layer.name for layer in pruned.baseline.layers]
    removed = report[report["block"] != ""]
    assert len(removed) and (removed["kept"] == 0).all() and (removed["macs_kept"] == 0).all()
    assert report["macs"].sum() == pruned.cost.before.macs and report["macs_kept"].sum() == pruned.cost.after.macs
    assert "conv1" in str(pruned) and repr(pruned).startswith("PrunedModel(Residual: MACs ")


def test_a_saved_network_comes_back_and_nothing_is_overwritten(model: Residual, tmp_path: Path) -> None:
    pruned = engine.prune(model, IMAGE, 0.5, order="layers-channels")
    folder = pruned.save(tmp_path / "half")
    assert json.loads((folder / "plan.json").read_text())["model"] == "Residual"
    again = engine.apply(folder / "plan.json", Residual().eval())
    again.load_state_dict(load_file(folder / "weights.safetensors"))
    images = pair()[0]
    assert torch.equal(again(images), pruned.module.eval()(images))
    with pytest.raises(RequestError, match="exists and is not empty; name a new folder"):
        pruned.save(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["half"]


def test_a_network_that_cannot_be_written_leaves_no_folder(
    model: Residual, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.interface import pruned as room

    def refuse(*_: object, **__: object) -> None:
        raise WorkError("this network cannot be written")

    monkeypatch.setattr(room.onnx, "export", refuse)
    with pytest.raises(WorkError, match="cannot be written"):
        engine.prune(model, IMAGE).save(tmp_path / "half")
    assert not list(tmp_path.iterdir())


def test_a_plan_replays_to_the_same_network(model: Residual) -> None:
    pruned = engine.prune(model, IMAGE, 0.4, order="channels-layers")
    replayed = engine.apply(pruned.plan, model)
    assert all(torch.equal(value, pruned.module.state_dict()[name]) for name, value in replayed.state_dict().items())
    assert replayed.training
    with pytest.raises(RequestError, match="the plan"):
        engine.apply(pruned.plan, pruned.module)


def test_the_sheet_counts_the_network(model: Residual) -> None:
    summary = engine.sheet(model, IMAGE)
    assert summary.params == sum(p.numel() for p in model.parameters())
    assert [block.removable for block in summary.blocks] == [True, True]
    assert CostModel(summary)().macs == summary.macs


def test_one_channel_and_five_channel_images_are_fine() -> None:
    for channels in (1, 5):
        net = nn.Sequential(nn.Conv2d(channels, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 3))
        assert engine.prune(net, (channels, 8, 8)).cost.macs_share <= 0.5


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) if x.sum() > 0 else -self.conv(x)


class Sorting(Branching):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).sort(1).values.mean((2, 3))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"keep": 0}, "keep must be a number above 0 and at most 1 (got 0)"),
        ({"keep": 0.001}, "keep 0.001 of the macs cannot be met with order channels: at least"),
        ({"metric": "latency"}, "metric must be macs or params (got 'latency')"),
        (
            {"order": "alternate"},
            "order must be channels, layers, layers-channels or channels-layers (got 'alternate')",
        ),
        ({"image": (2, 12)}, "image must be (channels, height, width), each at least 1"),
        ({"image": (3, 12, 12)}, "cannot read 3×12×12 images: "),
        ({"criterion": "l3"}, "unknown criterion 'l3'; did you mean "),
        ({"criterion": "cka"}, "criterion cka scores whole blocks; take it with order layers"),
        ({"criterion": "activation"}, "criterion activation looks at images; give some as calibration, or take l1"),
        ({"criterion": "l1+taylor"}, "criterion taylor looks at images"),
        ({"criterion": "taylor", "calibration": pair()[0]}, "give calibration as a pair (images, labels)"),
        ({"criterion": "taylor", "calibration": (pair()[0], pair()[1] + 3)}, "the model has 5 classes, 0 to 4, and"),
        ({"criterion": "taylor", "calibration": (pair()[0], pair(3)[1])}, "need as many whole numbers for labels"),
        ({"criterion": "activation", "calibration": torch.zeros(4, 3, 12, 12)}, "normalised floats N×2×12×12; float32"),
        ({"criterion": "activation", "calibration": []}, "calibration holds no image"),
        ({"criterion": "activation", "calibration": 3}, "calibration is a tensor N×C×H×W, a pair"),
        ({"criterion": "activation", "calibration": [3]}, "a int was among them"),
        ({"criterion": "taylor", "calibration": [pair(), pair()[0]]}, "labels for some batches only"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_a_sentence(
    model: Residual, arguments: dict[str, object], sentence: str
) -> None:
    with pytest.raises(RequestError) as refused:
        engine.prune(model, **{"image": IMAGE, **arguments})  # type: ignore[arg-type]
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("network", "arguments", "sentence"),
    [
        (Branching(), {}, "Branching cannot be traced: "),
        (Sorting(), {}, "cannot follow channels through sort"),
        (nn.Sequential(nn.ReLU()), {}, "Sequential has no convolution or linear layer"),
        ("resnet18", {}, "a model is a torch.nn.Module; a str was given"),
        (Residual().half(), {}, "the model holds float16 numbers; call .float() on it first"),
        (nn.Sequential(nn.Conv2d(2, 4, 3)), {"order": "layers"}, "Sequential has no removable block"),
        (nn.Sequential(nn.Conv2d(2, 4, 3), nn.LSTM(10, 4)), {}, "Sequential cannot read 2×12×12 images"),
    ],
)
def test_a_network_that_cannot_be_pruned_is_refused_in_a_sentence(
    network: nn.Module, arguments: dict[str, str], sentence: str
) -> None:
    with pytest.raises(RequestError) as refused:
        engine.prune(network, IMAGE, **arguments)  # type: ignore[arg-type]
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


def test_torchvisions_resnet18_in_five_lines() -> None:
    import torchvision

    pruned = engine.prune(torchvision.models.resnet18(weights=None), keep=0.5)
    assert 0.49 < pruned.cost.macs_share <= 0.5
