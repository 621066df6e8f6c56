"""The nodes of a cluster: which may be used, how many runs each has room for, and which one gets the next. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.jobs.executors.slots import MEMORY
from engine.jobs.executors.versions import differences
from engine.words import count

# Packages whose version may change a number that a run measures; ONNX Runtime comes as one of two.
PACKAGES = (
    *("numpy", "torch", "torchvision", "timm", "onnx", "onnxruntime-gpu", "onnxruntime"),
    *("scipy", "scikit-learn", "pillow", "safetensors", "pydantic"),
)


@dataclass(frozen=True)
class Node:
    """A node as the cluster has it, with its cores, GPUs and bytes of memory; `facts` are what it says of itself."""

    id: str
    host: str
    cpus: int
    gpus: int = 0
    memory: int = 0  # 0 where the cluster does not say
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def processor(self) -> str:
        return str(self.facts.get("cpu", "an unknown processor"))

    def room(self, threads: int, gpu_share: float = 0.0) -> int:
        """How many runs of so many threads, each with a share of a GPU, go on at once here."""
        by_cores = self.cpus // threads
        by_memory = max(1, self.memory // MEMORY) if self.memory else by_cores
        by_gpus = math.floor(self.gpus / gpu_share + 1e-9) if gpu_share else by_cores
        return min(by_cores, by_memory, by_gpus)


def refusal(facts: Mapping[str, Any], here: Mapping[str, Any]) -> str | None:
    """Why a node is not used, which says `facts` of itself where this computer says `here`; None where it is."""
    others = differences(facts["versions"], here["versions"])
    if not others:
        return None
    return f"the node {facts['host']} is not used, as other versions give other numbers: it has {others}"


def processors(nodes: Iterable[Node]) -> str | None:
    """A sentence about nodes that have different processors; None where they have not."""
    by_name: dict[str, list[str]] = {}
    for node in nodes:
        by_name.setdefault(node.processor, []).append(node.host)
    if len(by_name) < 2:
        return None
    said = "; ".join(f"{name} ({', '.join(sorted(set(hosts)))})" for name, hosts in sorted(by_name.items()))
    return f"the nodes have different processors, which may round otherwise, and each run records its own: {said}"


def gpu_share(needs: Sequence[int], nodes: Iterable[Node]) -> float:
    """The share of a GPU that each run takes which may use one: 0 where there is none, a whole one where nobody knows.

    `needs` are the bytes that each kind of run takes; none where no run wants a GPU.
    """
    having = [node for node in nodes if node.gpus]
    if not needs or not having:
        return 0.0
    sizes: list[int] = [size << 20 for node in having for size in node.facts.get("gpu_mib", ())]
    if not sizes or max(needs) <= 0:
        return 1.0
    return min(1.0, math.ceil(100 * max(needs) / min(sizes)) / 100)


def choose(
    nodes: Sequence[Node], at_work: Mapping[str, Sequence[int]], threads: int, share: float = 0.0
) -> Node | None:
    """The node for one more run: of those that have room the one with most cores free; None where none has.

    `at_work` are the threads of the runs on each node, by its id.
    """
    free = [(node, node.cpus - sum(at_work.get(node.id, ()))) for node in nodes]
    fit = [each for each in free if each[1] >= threads and len(at_work.get(each[0].id, ())) < each[0].room(1, share)]
    return max(fit, key=lambda each: each[1])[0] if fit else None


def too_small(nodes: Iterable[Node], threads: int) -> str | None:
    """Why no node can have a run of so many threads; None where one can."""
    most = max((node.cpus for node in nodes), default=0)
    if threads <= most:
        return None
    return f"it computes with {count(threads, 'thread')}, and the largest node has {count(most, 'core')}"
