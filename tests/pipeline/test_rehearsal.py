"""What a run cannot do with a network is said before the first epoch."""

import copy

import pytest
import torch
from torch import Tensor, nn

from engine.errors import RequestError
from engine.graph.summarize import summarize
from engine.pipeline.rehearsal import rehearse
from tests.support.strangers import IMAGE, KINDS, Net, doing


class WithAuxiliary(Net):
    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = super().forward(x)
        return (logits, logits) if self.training else logits  # type: ignore[return-value]


class AuxiliaryPart(Net):
    """A part that only training runs, and that reads channels which a cut takes."""

    def build(self) -> None:
        super().build()
        self.auxiliary = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        beside = self.auxiliary(x.mean((2, 3))) if self.training else 0
        return self.head(self.mix(x).mean((2, 3))) + beside  # type: ignore[no-any-return]


class Scaled(Net):
    """The number of channels is the layer's own word for it, which no trace sees."""

    def body(self, x: Tensor) -> Tensor:
        return self.mix(x) / self.mix.in_channels  # type: ignore[no-any-return]


REFUSED: dict[str, tuple[type[Net], str]] = {
    "a tuple in training mode": (WithAuxiliary, "in training mode it gives a tuple"),
    "a part for training alone": (AuxiliaryPart, r"cannot be trained after a cut.*test_rehearsal\.py:\d+"),
    "a scale by the number of channels": (Scaled, "cannot be cut"),
    "what ONNX does not have": (doing(lambda x: torch.rot90(x, 1, (2, 3))), "cannot be written as ONNX .*rot90"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_fail_after_training_is_refused_before(what: str, capfd: pytest.CaptureFixture[str]) -> None:
    kind, said = REFUSED[what]
    torch.manual_seed(0)
    module = kind().eval()
    with pytest.raises(RequestError, match=said) as refused:
        rehearse(module, summarize(module, IMAGE, "mine"), blocks=False)
    assert refused.value.field == "model"
    assert str(refused.value).startswith("mine cannot be ")
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(("name", "blocks"), [("ConvNeXt", True), ("shared norm", False), ("registered twice", True)])
def test_a_network_that_can_be_pruned_passes_and_stays_as_it_is(name: str, blocks: bool) -> None:
    torch.manual_seed(0)
    module = KINDS[name]().eval()
    before = copy.deepcopy(module.state_dict())
    rehearse(module, summarize(module, IMAGE, name), blocks=blocks)
    assert not module.training
    assert all(torch.equal(tensor, before[key]) for key, tensor in module.state_dict().items())


def test_a_branch_that_starts_at_nothing_is_tried_with_a_gain() -> None:
    """A gain of 0 would hide that the branch's cut is wrong."""

    class Hidden(Net):
        def build(self) -> None:
            super().build()
            self.gain = nn.Parameter(torch.zeros(()))

        def body(self, x: Tensor) -> Tensor:
            return self.mix(x) + self.gain * x / self.mix.in_channels

    module = Hidden().eval()
    with pytest.raises(RequestError, match="cannot be cut"):
        rehearse(module, summarize(module, IMAGE, "mine"), blocks=False)
