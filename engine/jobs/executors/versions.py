"""The versions that computers must share to work on one sweep: others round otherwise. No torch."""

import platform
from collections.abc import Mapping
from importlib import metadata

from engine.measure import code, machine

_PACKAGES = ("torch", "torchvision", "timm", "numpy", "onnx", "safetensors")
_ONNXRUNTIME = ("onnxruntime-gpu", "onnxruntime")  # one of the two distributions is there
_CODE = "Espalier's code"
_MISSING = "missing"
_SHORT = 12  # characters of a digest that are shown


def versions() -> dict[str, str]:
    """By name, those of this computer: of Python, of what computes, and of Espalier and its code. JSON-able."""
    packages = {name: _version(name) for name in _PACKAGES}
    runtimes = [version for name in _ONNXRUNTIME if (version := _version(name)) != _MISSING]
    return {
        "Python": platform.python_version(),
        **packages,
        "onnxruntime": runtimes[0] if runtimes else _MISSING,
        "Espalier": machine.version(),
        _CODE: code.digest(),
    }


def differences(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """How another computer's versions differ from this one's, by name; "" where they do not."""
    names = sorted(name for name in {*there, *here} if there.get(name, _MISSING) != here.get(name, _MISSING))
    return ", ".join(f"{name} {_shown(name, there)} and not {_shown(name, here)}" for name in names)


def _shown(name: str, versions: Mapping[str, str]) -> str:
    version = versions.get(name, _MISSING)
    return version[:_SHORT] if name == _CODE else version


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return _MISSING
