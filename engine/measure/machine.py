"""What this computer is, for the record of a run, and which device a run may use. No torch at import."""

import os
import platform
import tomllib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from engine.errors import RequestError

DEVICES = ("auto", "cpu", "cuda")
# Where Linux has an NVIDIA card, one under Windows' kernel, a Jetson's, and an AMD card, which torch calls cuda, too.
_GPU_NODES = ("/dev/nvidiactl", "/dev/dxg", "/dev/nvhost-ctrl-gpu", "/dev/nvmap", "/dev/kfd")


def environment(threads: int, seed: int, device: str = "cpu") -> dict[str, Any]:
    """The conditions that a run's numbers carry: versions, hardware, threads and seed; JSON-able."""
    return {
        "espalier": version(),
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
        "torchvision": metadata.version("torchvision"),
        "onnxruntime": _onnxruntime_version(),
        "system": platform.platform(),
        "cpu": cpu_model(),
        "cores": cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "threads": threads,
        "device": device,
        "device_name": _gpu_name() if device.startswith("cuda") else cpu_model(),
        "seed": seed,
    }


def version() -> str:
    """This program's: as the package was installed; in a checkout that was not, as its pyproject.toml says."""
    try:
        return metadata.version("espalier")
    except metadata.PackageNotFoundError:
        text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
        return str(tomllib.loads(text)["project"]["version"])


def check_threads(threads: int) -> None:
    """RequestError for a number of threads that this computer's cores do not have."""
    if not 1 <= threads <= cores():
        sentence = f"threads must be 1 to {cores()}, the cores of this computer (got {threads})"
        raise RequestError(sentence, field="threads")


def resolve_device(choice: str) -> str:
    """`cpu` or `cuda` for "auto", "cpu" or "cuda"; RequestError for CUDA on a computer without it."""
    if choice not in DEVICES:
        raise RequestError(f"unknown device {choice!r}; allowed: {', '.join(DEVICES)}", field="device")
    if choice == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if choice == "cuda":
        raise RequestError(
            "device cuda was asked for and this computer has no CUDA GPU that torch can use; use auto or cpu",
            field="device",
        )
    return "cpu"


def may_have_gpu(nodes: Sequence[str] = _GPU_NODES) -> bool:
    """Whether the system knows of a GPU; only torch can say whether it can be used. Asked without torch."""
    return os.name == "nt" or any(Path(node).exists() for node in nodes)


def gpu() -> str | None:
    """The name of the GPU that a run would use; None where torch can use none."""
    import torch

    return _gpu_name() if torch.cuda.is_available() else None


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux only
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name as the system gives it, else its architecture."""
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _onnxruntime_version() -> str:
    """ONNX Runtime comes as one of two distributions, with and without GPU providers."""
    for name in ("onnxruntime-gpu", "onnxruntime"):
        try:
            return f"{metadata.version(name)} ({name})"
        except metadata.PackageNotFoundError:
            continue
    raise RequestError("ONNX Runtime is not installed; run make setup, or pip install . in the checkout")


def _gpu_name() -> str:
    import torch

    return str(torch.cuda.get_device_name())
