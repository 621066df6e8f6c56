"""Everything that is not a screen, and what a notebook needs of it: `import engine`, then one of these.

prune    a smaller copy of any convolutional network, checked against the original
sheet    its layers, interchangeable channels and removable blocks, as arithmetic on them needs it
apply    the cuts of a plan, made to another copy of the network
load     a pruned network from the safetensors file that carries its plan
plan_of  that plan: which network, for which images and classes, and what was cut
export   a network as an ONNX file that old runtimes read
runs     every measured point of a results folder as a table

Each is loaded when it is first used: importing this package loads no torch. It tells ONNX Runtime and the hub's client,
in this process and those that it starts, to send nothing to their makers.
"""

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.interface.networks import apply, export, sheet
    from engine.interface.prune import prune
    from engine.interface.pruned import PrunedModel
    from engine.interface.runs import runs
    from engine.interface.saved import load, plan_of

# Read when the libraries are loaded, which every module of ours does later than this. ONNX Runtime from 1.31 on keeps a
# data base and a number of the device in ~/.cache to send them; any value but 1 or true leaves that on.
os.environ.update(ORT_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_TELEMETRY="1")

__all__ = ["PrunedModel", "apply", "export", "load", "plan_of", "prune", "runs", "sheet"]

_HOMES = {
    "PrunedModel": "engine.interface.pruned",
    "apply": "engine.interface.networks",
    "export": "engine.interface.networks",
    "load": "engine.interface.saved",
    "plan_of": "engine.interface.saved",
    "prune": "engine.interface.prune",
    "runs": "engine.interface.runs",
    "sheet": "engine.interface.networks",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """This package, in which the rooms `prune` and `export` do not hide the functions of the same name.

    Python sets a package's attribute whenever it imports a module inside; `from engine.prune import …` does without.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
