"""Networks as strangers write them: cut anywhere, they equal the masked network, and are counted as torch counts."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from engine.graph.channel_ids import UnsupportedOperation
from engine.graph.cost import cost
from engine.graph.plain import NotPlain, check_plain, make_plain
from engine.graph.summarize import Structure, summarize
from engine.graph.trace import trace
from engine.measure.counters import count
from engine.surgery import checked, plan
from tests.support.strangers import CLASSES, IMAGE, KINDS, Net, after, doing

IMAGES = torch.randn(2, *IMAGE, generator=torch.Generator().manual_seed(0))
FREE = {"learned scalars": 20, "spatial gate": 16, "channel and spatial attention": 20}  # all that a cut may drop


def lively(kind: type[Net]) -> nn.Module:
    """The network with norms that do something."""
    torch.manual_seed(0)
    module = kind().eval()
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if tensor.dim() == 1 and tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5) if "var" in name or "weight" in name else tensor.add_(0.1)
    return module


@pytest.fixture(scope="module")
def networks() -> dict[str, tuple[nn.Module, Structure]]:
    modules = {name: lively(kind) for name, kind in KINDS.items()}
    return {name: (module, summarize(module, IMAGE, name)) for name, module in modules.items()}


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shares=st.lists(st.floats(0, 1), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_any_cut_equals_the_masked_network_and_costs_what_arithmetic_says(
    networks: dict[str, tuple[nn.Module, Structure]], name: str, shares: list[float], seed: int
) -> None:
    module, structure = networks[name]
    rng, kept, dropped = np.random.default_rng(seed), [], {}
    for c, group in enumerate(structure.summary.channel_groups):
        gone = int(shares[c % len(shares)] * (group.size - 1)) if group.removable else 0
        kept.append(group.size - gone)
        dropped[c] = np.sort(rng.permutation(group.size)[:gone])
    step = plan.channel_step(structure.trace, structure.identities_at(dropped))
    if not step.removes_something():
        return
    smaller, _ = checked.cut(module, structure, step, IMAGES)
    counts, predicted = count(smaller, IMAGE), cost(structure.summary, kept)
    assert (counts.macs, counts.params) == (predicted.macs, predicted.params)
    again = summarize(smaller, IMAGE, name).summary
    assert (again.macs, again.params) == (counts.macs, counts.params)


@pytest.mark.parametrize("name", KINDS)
def test_macs_and_parameters_are_those_that_torch_counts(
    networks: dict[str, tuple[nn.Module, Structure]], name: str
) -> None:
    module, structure = networks[name]
    counts, removable = count(module, IMAGE), [g.size for g in structure.summary.channel_groups if g.removable]
    assert (structure.summary.macs, structure.summary.params) == (counts.macs, counts.params)
    assert sum(removable) == FREE.get(name, sum(removable)) > 0
    with torch.no_grad():
        assert torch.allclose(structure.trace.graph(IMAGES), module(IMAGES), atol=1e-5)


def test_group_norm_goes_in_whole_groups_and_says_so() -> None:
    traced = trace(lively(KINDS["group norm"]), IMAGE)
    outs = traced.layers["row.0"].outs.reshape(4, 3)
    assert (outs == outs[:, :1]).all()
    assert len(np.unique(outs)) == 4
    assert any("whole groups" in note for note in traced.notes)


def test_a_gate_of_one_channel_stays_and_ties_none() -> None:
    traced = trace(lively(KINDS["spatial gate"]), IMAGE)
    assert traced.frozen.issuperset(traced.layers["gate"].outs.tolist())
    assert len(set(traced.layers["stem"].outs.tolist())) == len(traced.layers["stem"].outs)


class Standardised(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return nn.functional.conv2d(x, weight, self.bias, self.stride, self.padding)


class Branching(Net):
    def body(self, x: Tensor) -> Tensor:
        return self.mix(x) if x.mean() > 0 else x


class Attention(Net):
    def build(self) -> None:
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def body(self, x: Tensor) -> Tensor:
        rows = x.flatten(2).transpose(1, 2)
        return self.attention(rows, rows, rows)[0].transpose(1, 2).unflatten(2, (8, 8))


class ChannelsAsPositions(Net):
    """Efficient channel attention: a convolution slides over the channels."""

    def build(self) -> None:
        self.slide = nn.Conv1d(1, 1, 3, padding=1)

    def body(self, x: Tensor) -> Tensor:
        y = self.slide(x.mean((2, 3))[:, None])
        return x * y.transpose(1, 2)[..., None].sigmoid()


class TwoImages(Net):
    def forward(self, x: Tensor, other: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x + other)


class Named(Net):
    def forward(self, x: Tensor) -> Tensor:
        return {"out": super().forward(x)}  # type: ignore[return-value]


class Looping(Net):
    def body(self, x: Tensor) -> Tensor:
        return torch.stack([self.mix(image[None])[0] for image in x])


class OwnWeight(Net):
    def build(self) -> None:
        self.weight = nn.Parameter(torch.rand(8, 8, 1, 1))

    def body(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, self.weight)


REFUSED: dict[str, tuple[type[Net], str]] = {
    "a weight that is changed first": (after(lambda: Standardised(8, 8, 3)), "Standardised changes row.0.weight"),
    "control flow on data": (Branching, "control flow on data"),
    "a weight of the network itself": (OwnWeight, "put it into a module"),
    "attention": (Attention, "MultiheadAttention in attention"),
    "channels as positions": (ChannelsAsPositions, "Conv1d in slide"),
    "two images": (TwoImages, "more than one input"),
    "a dictionary": (Named, "return the logits"),
    "a loop over images": (Looping, "a loop over the images"),
    "every channel with every other": (doing(lambda x: x.flatten(2) @ x.flatten(2).transpose(1, 2)), "matmul"),
    "a matrix product by einsum": (doing(lambda x: torch.einsum("nchw,ndhw->ncd", x, x)), "einsum"),
    "cumulated channels": (doing(lambda x: x.cumsum(1)), "cumsum"),
    "an index from data": (doing(lambda x: x[:, x.mean((0, 2, 3)).argsort()]), "argsort"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_graph_can_hold_is_refused_by_name_with_the_line_of_its_code(what: str) -> None:
    kind, said = REFUSED[what]
    with pytest.raises(UnsupportedOperation, match=said) as stopped:
        trace(kind(), IMAGE)
    if what not in ("two images", "a dictionary"):
        assert "test_strangers.py:" in str(stopped.value)


def test_weights_that_are_made_of_others_are_stored_and_noted() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 8, 3)),
        nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 8, 3)),
        nn.utils.spectral_norm(nn.Conv2d(8, 8, 1)),
        nn.utils.parametrizations.orthogonal(nn.Linear(4, 4)),
        nn.Flatten(),
        nn.Linear(8 * 16, CLASSES),
    ).eval()
    nn.utils.prune.l1_unstructured(module[5], "weight", 0.5)
    with torch.no_grad():
        before = module(IMAGES)
    with pytest.raises(NotPlain, match="Conv2d 0"):
        trace(module, IMAGE)
    plain = copy.deepcopy(module)
    notes = make_plain(plain)
    check_plain(plain)
    assert len(notes) == 5
    assert all(any(f" of {i} " in note for note in notes) for i in (0, 1, 2, 3, 5))
    assert set(plain.state_dict()) == {f"{i}.{name}" for i in (0, 1, 2, 3, 5) for name in ("weight", "bias")}
    with torch.no_grad():
        assert torch.allclose(plain(IMAGES), before, atol=1e-6)
    assert make_plain(plain) == ()


def test_hooks_and_shared_parameters_are_refused_by_name() -> None:
    hooked, shared = KINDS["focus"](), KINDS["shared norm"]()
    hooked.stem.register_forward_hook(lambda module, inputs, output: output * 2)
    with pytest.raises(NotPlain, match=r"Conv2d stem has a forward hook"):
        trace(hooked, IMAGE)
    shared.b.bias = shared.a.bias  # type: ignore[union-attr]
    with pytest.raises(NotPlain, match=r"a\.bias and b\.bias are one and the same"):
        trace(shared, IMAGE)
