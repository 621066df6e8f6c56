"""A checkpoint's names and a network's: what is stripped, renamed, put together, left out; and what does not fit."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from engine.zoo.checkpoints import fitting
from engine.zoo.checkpoints.reading import State


class Network(nn.Module):
    """Two convolutions and a head of whatever name."""

    def __init__(self, head: str = "fc", inner: str = "body") -> None:
        super().__init__()
        self.add_module(inner, nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3)))
        self.add_module(head, nn.Linear(4, 5))


def prefixed(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


def fits(network: nn.Module, state: State, like: nn.Module) -> fitting.Fit:
    """The fit of a state that must come to the weights of `like`."""
    fit = fitting.fit(network, state)
    assert fitting.mismatch(network, fit.state) is None
    for (key, tensor), wanted in zip(network.state_dict().items(), like.state_dict().values(), strict=True):
        assert torch.allclose(fit.state.get(key, tensor).float(), wanted.float(), atol=1e-6), key
    return fit


PREFIXES = (
    "module.",
    "_orig_mod.",
    "module._orig_mod.",
    "model.",
    "net.",
    "backbone.",
    "encoder.model.module.",
    "x.y.",
)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_what_stands_before_all_names_is_taken_off(prefix: str) -> None:
    network = Network()
    assert not fits(network, prefixed(prefix, network.state_dict()), network).notes


@pytest.mark.parametrize("inner", ["model", "module", "net", "backbone"])
def test_a_network_whose_own_parts_are_called_so_keeps_them(inner: str) -> None:
    network = Network(inner=inner)
    fits(network, network.state_dict(), network)
    fits(network, prefixed("module.", network.state_dict()), network)
    fits(network, prefixed("model.", network.state_dict()), network)


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "module._orig_mod."])
def test_what_wraps_a_part_in_the_midst_of_a_name_is_taken_out(wrapper: str) -> None:
    network = Network()
    fits(network, {key.replace("body.", f"body.{wrapper}"): v for key, v in network.state_dict().items()}, network)


def test_a_file_of_the_part_inside_gets_the_name_before_it() -> None:
    whole = nn.ModuleDict({"backbone": Network()})
    fits(whole, whole["backbone"].state_dict(), whole)


def test_a_head_beside_the_backbone_is_found() -> None:
    network = Network()
    state = network.state_dict()
    parts = {("head." if key.startswith("fc.") else "backbone.") + key: value for key, value in state.items()}
    fits(network, parts, network)


@pytest.mark.parametrize(("theirs", "ours"), [("linear", "fc"), ("fc", "linear"), ("classifier", "head"), ("fc", "fc")])
def test_a_head_is_renamed_only_where_the_network_has_the_other(theirs: str, ours: str) -> None:
    fits(Network(ours), _renamed(ours, theirs), _seeded(ours))


def _seeded(head: str) -> Network:
    torch.manual_seed(0)
    return Network(head)


def _renamed(ours: str, theirs: str) -> State:
    state = _seeded(ours).state_dict()
    return {key.replace(f"{ours}.", f"{theirs}.", 1) if key.startswith(ours) else key: v for key, v in state.items()}


def test_passengers_are_left_out_and_named() -> None:
    network = Network()
    extra = {
        "total_ops": torch.zeros(1, dtype=torch.float64),
        "body.0.total_ops": torch.zeros(1, dtype=torch.float64),
        "n_averaged": torch.tensor(5),
        "body.1.num_batches_tracked": torch.tensor(3.0),
    }
    fit = fits(network, {**network.state_dict(), **extra}, network)
    assert fit.notes == ("left out of the weights: total_ops (2), n_averaged, num_batches_tracked",)
    without = {key: value for key, value in network.state_dict().items() if "num_batches" not in key}
    assert not fits(network, without, network).notes


def test_what_belongs_to_the_training_around_a_network_is_left_out_and_a_second_copy_too() -> None:
    network, other = Network(), Network()
    state = {**prefixed("model.", network.state_dict()), "criterion.weight": torch.ones(5)}
    assert fits(network, state, network).notes == ("left out of the weights: criterion.weight",)
    averaged = prefixed("ema.", other.state_dict())
    fits(network, {**averaged, **prefixed("model.", network.state_dict())}, network)
    fits(network, {**averaged, **network.state_dict()}, network)


def masked(network: nn.Module) -> None:
    prune.l1_unstructured(network.get_submodule("body.0"), "weight", 0.5)
    prune.ln_structured(network.get_submodule("fc"), "weight", 0.5, 2, 0)


def normed(network: nn.Module) -> None:
    nn.utils.weight_norm(network.get_submodule("body.0"))
    nn.utils.weight_norm(network.get_submodule("fc"), dim=None)


def normed_anew(network: nn.Module) -> None:
    parametrizations.weight_norm(network.get_submodule("body.2"))


def spectral(network: nn.Module) -> None:
    nn.utils.spectral_norm(network.get_submodule("body.2"))
    parametrizations.spectral_norm(network.get_submodule("fc"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("change", "note"),
    [
        (masked, "masks of torch.nn.utils.prune applied (2 tensors)"),
        (normed, "weight norm put into plain weights (2 tensors)"),
        (normed_anew, "weight norm put into plain weights (1 tensor)"),
        (spectral, "spectral norm put into plain weights (2 tensors)"),
    ],
)
def test_weights_in_parts_are_put_together(change: Callable[[nn.Module], None], note: str) -> None:
    network = Network().eval()
    like = copy.deepcopy(network)
    change(like)
    state = {key: value.detach().clone() for key, value in like.state_dict().items()}
    wanted = copy.deepcopy(network)
    for part in like.modules():  # whose weights are recomputed before a forward pass
        for hook in list(part._forward_pre_hooks.values()):
            hook(part, (torch.zeros(1),))
    for name in ("body.0", "body.2", "fc"):
        wanted.get_submodule(name).weight = nn.Parameter(like.get_submodule(name).weight.detach())  # type: ignore[operator, union-attr]
    assert note in fits(network, prefixed("module.", state), wanted).notes


def test_a_parametrization_that_is_not_known_is_refused_by_name() -> None:
    changed = Network()
    parametrizations.orthogonal(changed.get_submodule("fc"))
    with pytest.raises(
        ValueError, match=r"fc\.weight has a parametrization that is not known here \(0\.base, original"
    ):
        fitting.fit(Network(), changed.state_dict())


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_number_types_are_cast_with_a_note(kind: torch.dtype) -> None:
    network = Network()
    state = {k: v.to(kind) if v.is_floating_point() else v for k, v in network.state_dict().items()}
    out, notes = fitting.cast(network, state)
    assert {v.dtype for v in out.values()} == {torch.float32, torch.int64}
    assert notes == (f"10 tensors of {str(kind).removeprefix('torch.')} cast to float32",)


def test_a_number_that_float32_cannot_hold_is_refused() -> None:
    network = Network()
    state = {**network.state_dict(), "fc.bias": torch.full((5,), 1e300, dtype=torch.float64)}
    with pytest.raises(ValueError, match=r"fc\.bias holds a number that is too large for float32"):
        fitting.cast(network, state)


def test_a_refusal_names_the_nearest_keys_on_both_sides() -> None:
    network = Network()
    state = {key.replace("body.", "stages."): value for key, value in network.state_dict().items()}
    fit = fitting.fit(network, state)
    assert fitting.mismatch(network, fit.state, fit.original) == (
        "found `stages.0.weight`, wanted `body.0.weight` (both 4×3×3×3)"
    )


def test_a_file_without_a_head_leaves_a_fresh_one_and_says_so() -> None:
    network, other = Network(), Network()
    state = {key: value for key, value in other.state_dict().items() if not key.startswith("fc.")}
    before = network.state_dict()["fc.weight"].clone()
    assert fitting.mismatch(network, state) is None
    assert fitting.load_into(network, state) == ("head replaced: none in the weights → 5 classes",)
    assert torch.equal(network.state_dict()["fc.weight"], before)
    assert torch.equal(network.state_dict()["body.0.weight"], other.state_dict()["body.0.weight"])
    assert fitting.mismatch(network, {**state, "body.9.weight": torch.zeros(1)}) == (
        "found `body.9.weight`, wanted `fc.weight` (1 and 5×4)"
    )
