"""The tensors of a checkpoint under the names that a network has for them, and what keeps them from fitting."""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.spec.messages import as_text
from engine.units import dimensions
from engine.zoo.checkpoints import folding
from engine.zoo.checkpoints.reading import State, is_finite

_COUNTERS = ("total_ops", "total_params", "n_averaged", "num_batches_tracked")  # of thop, of SWA and of batch norms
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")  # GoogLeNet's and Inception's, which are built without
_HEADS = ("fc", "linear", "classifier", "head", "head.fc", "heads.head", "last_linear", "output", "logits")
_WRAPPERS = {
    *("module", "_orig_mod", "model", "net", "network", "backbone", "encoder", "student", "wrapped", "base_model"),
    *("head", "cls_head", "classifier", "neck", "features_extractor"),
}
_WRAPPED = {
    "module",
    "_orig_mod",
    "_checkpoint_wrapped_module",
    "_fsdp_wrapped_module",
}  # that part of a network may be
_MOST_WORDS = 40  # of a name
_AVERAGED = ("ema", "averag", "swa", "teacher", "momentum", "shadow")
_OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")
_SHOWN = 4  # names in a note
_MOST_COMPARED = 2_000  # names of the file that are looked through for the nearest one
_BATCHES = ".num_batches_tracked"


@dataclass(frozen=True)
class Fit:
    """A state dict under a network's names as far as they could be found, and notes on what was done for it."""

    state: State
    notes: tuple[str, ...]
    original: Mapping[str, str]  # the file's own name by the network's, where they differ


def head_of(module: nn.Module) -> str:
    """The name of the layer that gives the logits: the last linear layer, or the last convolution without one."""
    for kind in (nn.Linear, nn.Conv2d):
        names: list[str] = [name for name, part in module.named_modules() if isinstance(part, kind)]
        if names:
            return names[-1]
    raise ValueError("the network has no classifier")


def fit(module: nn.Module, state: State, head: str | None = None) -> Fit:
    """`state` under the names of `module`: prefixes off, heads renamed, parts put together, what is no weight left out.

    `head` names the layer that gives the logits, where it is not the one that `head_of` takes for it.
    ValueError, with a sentence's end, for weights in parts that cannot be put together.
    """
    expected = module.state_dict()
    notes: tuple[str, ...] = ()
    if folding.has_parts(set(state)) and not folding.has_parts(set(expected)):
        state, notes = folding.fold(state)
    names = _names(state, expected, head or head_of(module))
    left_out = [key for key in state if key not in names and not key.endswith(_BATCHES)]
    out: State = {}
    for key, tensor in state.items():
        name = names.get(key)
        if name is None:
            continue
        if name.endswith(_BATCHES) and tensor.is_floating_point():
            left_out.append(key)
            continue
        out[name] = tensor
    if left_out:
        notes += (f"left out of the weights: {_listed(left_out)}",)
    return Fit(out, notes, {name: key for key, name in names.items() if name != key})


def cast(module: nn.Module, state: State) -> tuple[State, tuple[str, ...]]:
    """The state in the number types of `module`, and which others it had, in words; ValueError where that overflows."""
    expected, kinds = module.state_dict(), Counter[str]()
    out: State = {}
    for key, tensor in state.items():
        wanted = expected[key].dtype if key in expected else tensor.dtype
        out[key] = tensor
        if tensor.dtype != wanted and tensor.is_floating_point() and wanted.is_floating_point:
            kinds[_type(tensor.dtype)] += 1
            out[key] = tensor.to(wanted)
            if not is_finite(out[key]):
                raise ValueError(f"{as_text(key)} holds a number that is too large for {_type(wanted)}")
    return out, tuple(f"{count} tensors of {kind} cast to float32" for kind, count in kinds.items())


def mismatch(
    module: nn.Module, state: State, original: Mapping[str, str] | None = None, head: str | None = None
) -> str | None:
    """The first difference between a network and a state dict, in words. The head may have other classes, or lack."""
    head = head or head_of(module)
    expected = module.state_dict()
    original = original or {}
    extras = [key for key in state if key not in expected]
    lacks_head = not extras and not any(key.startswith(f"{head}.") for key in state)
    for key, tensor in expected.items():
        if lacks_head and key.startswith(f"{head}."):
            continue  # such as that of a network which was trained without labels
        if key not in state:
            if not key.endswith(_BATCHES):
                return _missing(key, tensor, state, extras, original)
            continue
        actual_shape, expected_shape = tuple(state[key].shape), tuple(tensor.shape)
        if key.startswith(f"{head}.") and f"{head}.weight" in state:
            expected_shape = (*state[f"{head}.weight"].shape[:1], *expected_shape[1:])
        if actual_shape != expected_shape:
            return f"{key} has shape {dimensions(actual_shape)} instead of {dimensions(expected_shape)}"
        if state[key].is_floating_point() != tensor.is_floating_point():
            return f"{key} holds {state[key].dtype} instead of {tensor.dtype}"
    return f"{as_text(original.get(extras[0], extras[0]))} is not part of it" if extras else None


def load_into(module: nn.Module, state: State, head: str | None = None) -> tuple[str, ...]:
    """Load a state dict that fits (`mismatch` is None); notes say whether the head stays fresh."""
    expected = module.state_dict()
    head = head or head_of(module)
    model_classes = expected[f"{head}.weight"].shape[0]
    if f"{head}.weight" not in state:
        module.load_state_dict(expected | state)
        return (f"head replaced: none in the weights → {model_classes} classes",)
    file_classes = state[f"{head}.weight"].shape[0]
    for key, value in state.items():
        if file_classes == model_classes or not key.startswith(f"{head}."):
            expected[key] = value
    module.load_state_dict(expected)
    return (f"head replaced: {file_classes} → {model_classes} classes",) if file_classes != model_classes else ()


def _names(state: State, expected: Mapping[str, Tensor], head: str) -> dict[str, str]:
    """The network's name for each name of the file, its own where the network has none; none for what is left out."""
    wanted = {key for key in expected if not key.endswith(_BATCHES)}
    plain = {key: _modern(key, wanted) for key in state}
    prefix = _main_prefix(plain.values(), wanted)
    longer = _missing_prefix(plain.values(), wanted) if prefix is None else ""
    names: dict[str, str] = {}
    for key, name in plain.items():
        if prefix and not name.startswith(prefix):
            continue
        names[key] = longer + name.removeprefix(prefix or "")
    taken = set(names.values())
    for key, name in plain.items():  # such as the head beside the backbone
        inner = next((s for s in _endings(name) if s in wanted and s not in taken), None) if prefix else None
        if key not in names and inner and set(name.removesuffix(inner).split(".")[:-1]) <= _WRAPPERS:
            names[key] = inner
            taken.add(inner)
    # Second copies of the network under names of their own, such as an averaged one.
    copies = {start for start, count in _prefixes(names.values(), wanted).items() if start and count * 2 >= len(wanted)}
    names = {key: name for key, name in names.items() if name in expected or not _is_passenger(name, copies)}
    return _with_head(names, state, expected, head)


def _modern(key: str, wanted: set[str]) -> str:
    """A name as the network knows it: without wrappers in its midst, or the dot more of DenseNet's old ones."""
    without = ".".join(word for word in key.split(".") if word not in _WRAPPED)
    names = dict.fromkeys((key, _OLD_DENSENET.sub(r"\1\2", key), without, _OLD_DENSENET.sub(r"\1\2", without)))
    return max(names, key=lambda name: max((len(end) for end in _endings(name) if end in wanted), default=0))


def _endings(name: str) -> Iterable[str]:
    """A name without its first words, fewest first."""
    yield name
    for _ in range(_MOST_WORDS):
        name = name.partition(".")[2]
        if not name:
            return
        yield name


def _main_prefix(names: Iterable[str], wanted: set[str]) -> str | None:
    """What most names have before a name of the network; None where that is so for less than half of those."""
    votes = _prefixes(names, wanted)
    best = min(votes, key=lambda prefix: (-votes[prefix], _is_averaged(prefix), len(prefix)), default="")
    return best if votes[best] * 2 >= len(wanted) else None


def _prefixes(names: Iterable[str], wanted: set[str]) -> Counter[str]:
    """What stands before a wanted name in these, and in how many of them."""
    votes: Counter[str] = Counter()
    for name in names:
        for ending in _endings(name):
            if ending in wanted:
                votes[name[: len(name) - len(ending)]] += 1
    return votes


def _missing_prefix(names: Iterable[str], wanted: set[str]) -> str:
    """What a network has before most of the file's names, such as that of the part that the file is of; or nothing."""
    votes = _prefixes(wanted, set(names))
    best = max(votes, key=lambda prefix: (votes[prefix], -len(prefix)), default="")
    return best if votes[best] * 2 >= len(wanted) else ""


def _is_averaged(prefix: str) -> bool:
    return any(word in prefix.lower() for word in _AVERAGED)


def _is_passenger(name: str, copies: set[str]) -> bool:
    """Whether a tensor that the network has no place for is one that checkpoints carry along."""
    if name.rpartition(".")[2] in _COUNTERS or name.startswith(_AUXILIARY):
        return True
    return any(name.startswith(prefix) for prefix in copies)


def _with_head(names: dict[str, str], state: State, expected: Mapping[str, Tensor], head: str) -> dict[str, str]:
    """The head under the network's name where the file has it under another usual one."""
    there = {name: key for key, name in names.items()}
    weight = expected[f"{head}.weight"]
    if f"{head}.weight" in there:
        return names
    fitting = [
        other
        for other in _HEADS
        if f"{other}.weight" in there
        and f"{other}.weight" not in expected
        and state[there[f"{other}.weight"]].shape[1:] == weight.shape[1:]
    ]
    if len(fitting) != 1:
        return names
    start = f"{fitting[0]}."
    return {
        key: f"{head}.{name.removeprefix(start)}" if name.startswith(start) else name for key, name in names.items()
    }


def _missing(key: str, tensor: Tensor, state: State, extras: list[str], original: Mapping[str, str]) -> str:
    """What is missing, beside the name in the file that comes nearest to it."""
    if not extras:
        return f"{key} is missing"

    def nearness(name: str) -> tuple[bool, bool, float]:
        same_last = name.rpartition(".")[2] == key.rpartition(".")[2]
        return state[name].shape == tensor.shape, same_last, difflib.SequenceMatcher(None, name, key).quick_ratio()

    near = max(extras[:_MOST_COMPARED], key=nearness)
    found, wanted = dimensions(tuple(state[near].shape)), dimensions(tuple(tensor.shape))
    sizes = f"both {found}" if found == wanted else f"{found} and {wanted}"
    return f"found `{as_text(original.get(near, near))}`, wanted `{key}` ({sizes})"


def _listed(names: list[str]) -> str:
    """The first of some names; those that end alike are counted."""
    kinds = Counter(name.rpartition(".")[2] if name.rpartition(".")[2] in _COUNTERS else name for name in names)
    shown = [f"{as_text(name)[:60]}{f' ({count})' if count > 1 else ''}" for name, count in kinds.items()]
    return ", ".join(shown[:_SHOWN]) + (f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else "")


def _type(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")
