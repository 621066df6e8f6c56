"""How many runs this computer works on at once: as its cores, its memory and the memory of its GPUs allow. No torch."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from engine.errors import RequestError
from engine.graph.summary import ModelSummary
from engine.measure import machine
from engine.spec.run import RunSpec

MEMORY = 2 << 30  # bytes that a run takes besides its GPU's: torch, small images, the refits of a small network
GPU_CONTEXT = 1 << 30  # bytes that a process takes of a GPU before it holds anything there
_COPIES = 6  # of the weights: the network, its gradients and momenta, the untouched one, a teacher, a smaller one
_ACTIVATION_COPIES = 4  # of a layer's output in training: itself, its norm's, its activation's, a gradient
_QUERY = ("--query-gpu=index,memory.free", "--format=csv,noheader,nounits")


@dataclass(frozen=True)
class Gpu:
    """A GPU by the number that CUDA_VISIBLE_DEVICES has for it, and its free bytes; None where nobody can say."""

    name: str
    free: int | None


@dataclass(frozen=True)
class Slot:
    """Room for one run: on a GPU, by its number ("" where there is one that has none), or on the cores alone."""

    gpu: str | None = None


def slots(threads: int, needs: Sequence[int], most: int | None = None) -> tuple[Slot, ...]:
    """Room for runs of so many threads each; at most `most` at once, which the cores need not be enough for.

    `needs` are the bytes of a GPU's memory that each kind of run takes; none where no run wants a GPU.
    """
    gpus = _gpus() if needs and machine.may_have_gpu() else ()
    return share_out(threads, max(needs, default=0), machine.cores(), psutil.virtual_memory().available, gpus, most)


def share_out(
    threads: int, need: int, cores: int, memory: int, gpus: Sequence[Gpu], most: int | None
) -> tuple[Slot, ...]:
    """The slots of a machine with so many cores, free bytes and GPUs; one at least.

    RequestError where a run asks for more threads than there are cores.
    """
    if threads > cores:
        raise RequestError(
            f"threads is {threads}, and this computer has {cores} cores; name 1 to {cores}", field="threads"
        )
    count = most or max(1, min(cores // threads, memory // MEMORY))
    on_gpus = [gpu.name for gpu in gpus for _ in range(_fit(gpu, need))]
    if not on_gpus:
        return tuple(Slot() for _ in range(count))
    turns = [name for _, name in sorted(_numbered(on_gpus))]  # the GPUs in turn, and not one after the other
    return tuple(Slot(name) for name in turns[:count])


def gpu_need(spec: RunSpec, summary: ModelSummary) -> int:
    """About how many bytes of a GPU's memory a run takes, more rather than less; 0 of one that uses none."""
    if spec.device == "cpu":
        return 0
    outputs = sum(layer.width * layer.positions for layer in summary.layers)
    batch = max(spec.train.batch_size, 256)  # of the images that a refit looks at, 256 are read at a time
    return GPU_CONTEXT + 4 * (_COPIES * summary.params + _ACTIVATION_COPIES * batch * outputs)


def _fit(gpu: Gpu, need: int) -> int:
    """How many runs a GPU holds: one where nobody knows, and one that may find it too small."""
    return 1 if gpu.free is None or need <= 0 else max(1, gpu.free // need)


def _numbered(names: Sequence[str]) -> list[tuple[int, str]]:
    return [(names[:place].count(name), name) for place, name in enumerate(names)]


def _gpus() -> tuple[Gpu, ...]:
    """What the system's own tool lists; where there is none, one GPU of which nothing is known."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return (Gpu("", None),)
    try:
        done = subprocess.run([tool, *_QUERY], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return (Gpu("", None),)
    return visible(parse_gpus(done.stdout), os.environ.get("CUDA_VISIBLE_DEVICES"))


def visible(gpus: Sequence[Gpu], allowed: str | None) -> tuple[Gpu, ...]:
    """Those that CUDA_VISIBLE_DEVICES lets this process use; one of which nothing is known where it has other names."""
    if allowed is None:
        return tuple(gpus)
    names = [name.strip() for name in allowed.split(",") if name.strip() not in ("", "-1")]
    chosen = tuple(gpu for gpu in gpus if gpu.name in names)
    return chosen or ((Gpu("", None),) if names else ())


def parse_gpus(listed: str) -> tuple[Gpu, ...]:
    """The GPUs in a list of lines "NUMBER, FREE MIB"; on unified memory the tool has words in place of the second."""
    found: list[Gpu] = []
    for line in listed.splitlines():
        name, _, free = (part.strip() for part in line.partition(","))
        if name.isdecimal():
            found.append(Gpu(name, int(free) << 20 if free.isdecimal() else None))
    return tuple(found) or (Gpu("", None),)
