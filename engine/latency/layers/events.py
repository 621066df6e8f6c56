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

    `values` are the bytes of its inputs and outputs, `weights` those of what is stored, less what was packed anew.
    """

    name: str
    operator: str
    ms: float
    values: int
    weights: int


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
    name, said = events[0]["name"], events[0]["args"]
    return KernelTimes(
        name.removesuffix(_KERNEL),
        said["op_name"],
        (median_grouped([int(event["dur"]) for event in events]) + 0.5) / 1e3,
        int(said["activation_size"]) + int(said["output_size"]),
        int(said["parameter_size"]),
    )
