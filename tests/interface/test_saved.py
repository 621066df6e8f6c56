"""A pruned network comes back from its own file: by `engine.load`, and by the plain torch of the documentation."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models import mobilenet_v2

import engine
from engine.errors import RequestError
from tests.support.places import ROOT

IMAGE = (3, 32, 32)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MobileNetV2 with blocks and channels removed, and a file of it that carries its plan."""
    torch.manual_seed(0)
    model = mobilenet_v2(num_classes=10).eval()
    folder = tmp_path_factory.mktemp("saved")
    pruned = engine.prune(model, image=IMAGE, keep=0.5, order="layers-channels")
    file = folder / "p4.safetensors"
    plan = json.dumps({**pruned.plan.to_json(), "model": "torchvision/mobilenet_v2"})
    save_file({key: tensor.contiguous() for key, tensor in pruned.module.state_dict().items()}, file, {"plan": plan})
    torch.save(pruned.module(torch.ones(2, *IMAGE)), folder / "output.pt")
    return file


def expected(saved: Path) -> torch.Tensor:
    output: torch.Tensor = torch.load(saved.with_name("output.pt"), weights_only=True)
    return output


def test_a_file_that_carries_its_plan_comes_back_as_its_network(saved: Path) -> None:
    model = engine.load(saved)
    assert not model.training
    assert torch.equal(model(torch.ones(2, *IMAGE)), expected(saved))
    plan = engine.plan_of(saved)
    assert (plan.model, plan.image, plan.classes) == ("torchvision/mobilenet_v2", IMAGE, 10)


def test_a_network_of_ones_own_comes_back_on_a_copy_of_it(saved: Path) -> None:
    own = mobilenet_v2(num_classes=10)
    before = own.state_dict()["classifier.1.weight"].clone()
    assert torch.equal(engine.load(str(saved), own)(torch.ones(2, *IMAGE)), expected(saved))
    assert torch.equal(own.classifier[1].weight, before), "the original stays as it is"


def test_the_plain_torch_of_the_documentation_gives_the_same_network(saved: Path) -> None:
    page = (ROOT / "docs" / "data_and_models.md").read_text()
    code = next(text for text in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "load_file" in text)
    names: dict[str, object] = {}
    exec(code.replace('"p4.safetensors"', repr(str(saved))), names)
    model = names["model"]
    assert isinstance(model, nn.Module)
    torch.testing.assert_close(model(torch.ones(2, *IMAGE)), expected(saved), rtol=1e-4, atol=1e-16)


def test_a_file_without_a_plan_and_weights_of_others_are_refused(saved: Path, tmp_path: Path) -> None:
    state = load_file(saved)
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(RequestError, match="carry no plan, so what network they are of is not known"):
        engine.load(tmp_path / "w.safetensors")
    with pytest.raises(RequestError, match="there is no weights file"):
        engine.load(tmp_path / "none.safetensors")
    plan = json.dumps(engine.plan_of(saved).to_json())
    state["classifier.1.weight"], state["classifier.1.bias"] = torch.zeros(4, 1280), torch.zeros(4)
    save_file(state, tmp_path / "w.safetensors", {"plan": plan})
    with pytest.raises(RequestError, match="do not fit"):
        engine.load(tmp_path / "w.safetensors")
