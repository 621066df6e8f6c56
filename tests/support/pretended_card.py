"""A device that only pretends: what lies on `card` is held on the CPU, and mixing it with the CPU is an error.

    python -m tests.support.pretended_card

Shows on a computer without an accelerator that scores, reconstruction, training and measuring keep their tensors on one
device: each is done on the CPU and on the card, and the answers are compared. It registers a device with torch, which
cannot be undone, so tests give it a process of its own.
"""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from engine.criteria import gradients
from engine.criteria.calibration import prepare_calibration
from engine.criteria.registry import score_blocks, score_filters
from engine.data.load import Data
from engine.graph.summarize import summarize
from engine.spec.catalog import CRITERIA
from engine.surgery import plan
from engine.surgery.reconstruction.refit import reconstruct
from engine.train import fit as fitting
from engine.train.distil import Teacher
from engine.train.evaluate import evaluate, reestimate_bn
from engine.zoo.cifar import CifarResNet
from tests.support import tiny

DEVICE = "card"
# A card's tensors may be indexed by the CPU's, and copied to and from it.
_MIXED = ("aten::copy_", "aten::index", "aten::index_put_", "aten::_index_put_impl_")


class CardTensor(Tensor):
    """A tensor that says it is on the card."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "CardTensor":
        made = Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device(DEVICE, 0),
        )
        made.held = held
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _is_card(device: Any) -> bool:
    return device is not None and torch.device(device).type == DEVICE


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """The operation on what is held; RuntimeError where devices mix, as a card has it."""
    given = tree_leaves((args, kwargs))
    on_card = any(isinstance(value, CardTensor) for value in given)
    if on_card and func._schema.name not in _MIXED:
        for value in given:
            if isinstance(value, Tensor) and not isinstance(value, CardTensor) and value.dim():
                raise RuntimeError(f"{func._schema.name} mixes the card with the CPU")
    if kwargs.get("device") is not None:
        on_card = _is_card(kwargs["device"])
        kwargs = {**kwargs, "device": torch.device("cpu")}
    args, kwargs = tree_map(lambda v: v.held if isinstance(v, CardTensor) else v, (args, kwargs))
    out = func(*args, **kwargs)
    same = {id(value.held): value for value in given if isinstance(value, CardTensor)}

    def put(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return same[id(value)] if id(value) in same else CardTensor(value)

    return tree_map(put, out) if on_card else out


class _Dispatch(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        concerned = any(isinstance(value, CardTensor) for value in tree_leaves((args, kwargs)))
        return _run(func, args, kwargs) if concerned or _is_card(kwargs.get("device")) else func(*args, **kwargs)


class _Functions(TorchFunctionMode):
    """What makes tensors out of numbers, or numbers out of tensors, below the dispatcher."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.tensor and _is_card(kwargs.get("device")):
            del kwargs["device"]
            return torch.tensor(*args, **kwargs).to(DEVICE)
        if func is Tensor.tolist and isinstance(args[0], CardTensor):
            return args[0].cpu().tolist()
        return func(*args, **kwargs)


def register() -> None:
    """Make torch know the device; once in a process."""
    backend_registration._setup_privateuseone_for_python_backend(DEVICE)
    torch.get_device_module(DEVICE).get_amp_supported_dtype = lambda: [torch.bfloat16]  # type: ignore[attr-defined]
    library = torch.library.Library("aten", "IMPL", "PrivateUse1")
    library.impl("empty_strided", lambda size, stride, dtype=None, **_: _strided(size, stride, dtype))
    library.impl("empty.memory_format", lambda size, dtype=None, **_: CardTensor(torch.empty(size, dtype=dtype)))
    globals()["_library"] = library  # what it registered lives as long as it does


def _strided(size: list[int], stride: list[int], dtype: torch.dtype | None) -> CardTensor:
    return CardTensor(torch.empty_strided(size, stride, dtype=dtype))


def scores(device: str, data: Data) -> dict[str, Any]:
    """Every criterion of channels and of blocks."""
    torch.manual_seed(0)
    module = CifarResNet(8, 4, "projection").eval()
    structure = summarize(module, data.image)
    calibration = prepare_calibration(module, structure.trace, data.val, data, device, 0)
    blocks = [block for block in structure.summary.blocks if block.removable]
    found: dict[str, Any] = {}
    for name, criterion in CRITERIA.items():
        if criterion.scope == "both":
            filters = score_filters(calibration, name)
            found[f"{name}, channels"] = np.concatenate([filters[layer] for layer in filters])
        if name != "obs":
            found[f"{name}, blocks"] = np.array(list(score_blocks(calibration, blocks, name).values()))
    return found


def reconstruction(device: str, data: Data) -> dict[str, Any]:
    """Half of the channels inside blocks gone, and what is left refitted."""
    torch.manual_seed(0)
    untouched = CifarResNet(8, 4, "projection").eval()
    structure = summarize(untouched, data.image)
    groups = enumerate(structure.summary.channel_groups)
    halves = {c: np.arange(group.size // 2, group.size) for c, group in groups if group.removable and not group.shared}
    step = plan.channel_step(structure.trace, structure.identities_at(halves))
    cut = copy.deepcopy(untouched)
    plan.apply(step, cut, structure)
    images = torch.rand(32, *data.image, generator=torch.Generator().manual_seed(0)).to(device)
    reconstruct(cut.to(device), untouched.to(device), [step], images)
    return {"logits": cut(images).detach().cpu().numpy()}


def training(device: str, data: Data) -> dict[str, Any]:
    """An epoch with a teacher, statistics measured anew, and an evaluation."""
    student, teacher = tiny.network(seed=1), Teacher(tiny.network(seed=2), 4.0, 0.5)
    fitting.fit(student, data, fitting.Recipe(1, 0.01, 16), device, 0, on_epoch=tiny.ignore, teacher=teacher)
    reestimate_bn(student, data.train, data, device, batches=2)
    result = evaluate(student, data.val, data, device)
    return {"loss": np.array(result.loss), "correct": np.array(result.correct)}


def main() -> None:
    """Compare the answers of both devices; AssertionError by the name of the first that differs."""
    register()
    gradients.OBD_SAMPLES = 4
    usual = torch.optim.SGD.__init__

    def not_fused(self: Any, *args: Any, **kwargs: Any) -> None:
        usual(self, *args, **{**kwargs, "fused": False})  # torch has a list of the devices that fuse

    torch.optim.SGD.__init__ = not_fused  # type: ignore[method-assign]
    works: tuple[Callable[[str, Data], dict[str, Any]], ...] = (scores, reconstruction, training)
    with _Functions(), _Dispatch():
        for work in works:
            expected, got = (work(device, tiny.data(train=40, val=40)) for device in ("cpu", DEVICE))
            assert expected.keys() == got.keys()
            for name, values in expected.items():
                np.testing.assert_allclose(got[name], values, rtol=1e-4, atol=1e-6, err_msg=name)
                print(f"{work.__name__}: {name} agrees")


if __name__ == "__main__":
    main()
