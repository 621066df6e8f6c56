"""What ONNX Runtime's profiler writes, event by event, as times of its kernels. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median_grouped
from typing import Any

from engine.errors import WorkError

_KERNEL = "_kernel_time"  # behind a node's name, in the event of its kernel


@dataclass(frozen=True)
class KernelTimes:
    """A node of the network as ONNX Runtime has rewritten it: its name and operator there, and its median in ms.

    `bytes` are those of its inputs, weights and outputs.
    """

    name: str
    operator: str
    ms: float
    bytes: int


def read_events(profile: bytes, counted: Sequence[int]) -> tuple[KernelTimes, ...]:
    """The kernels in the order in which they ran, by those inferences of a session that are `counted`, from 0.

    Raises WorkError for a profile that is none, or is of fewer inferences.
    """
    try:
        events = json.loads(profile)
        kernels = [each for each in events if each.get("cat") == "Node" and each["name"].endswith(_KERNEL)]
        by_node: dict[str, list[Mapping[str, Any]]] = {}
        for event in kernels:
            by_node.setdefault(event["args"]["node_index"], []).append(event)
        found = tuple(_kernel([events_of[number] for number in counted]) for events_of in by_node.values())
    except (ValueError, LookupError, TypeError, AttributeError):
        raise WorkError("ONNX Runtime wrote a profile that cannot be read: measure the layers again") from None
    if not found:
        raise WorkError("ONNX Runtime wrote a profile without layers: measure them again")
    return found


def _kernel(events: Sequence[Mapping[str, Any]]) -> KernelTimes:
    """Durations are cut to whole µs: the median is found within them, and half of one was cut off on average."""
    first = events[0]
    sizes = ("activation_size", "parameter_size", "output_size")
    return KernelTimes(
        first["name"].removesuffix(_KERNEL),
        first["args"]["op_name"],
        (median_grouped([int(event["dur"]) for event in events]) + 0.5) / 1e3,
        sum(int(first["args"][size]) for size in sizes),
    )
