"""What each layer of a point's network costs: one small file a point. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from engine.graph.cost import Cost
from engine.storage import atomic, files
from engine.storage.records.record import Record, Whole

SUFFIX = "layers.json"  # of a model file
MOST_BYTES = 8 * files.MIB
Name = Annotated[str, Field(max_length=1000)]


@dataclass(frozen=True, kw_only=True)
class LayerCost(Record):
    """A convolution or linear layer: its multiply–accumulates for one image, and its weights and biases."""

    name: Name
    macs: Whole
    params: Whole


@dataclass(frozen=True, kw_only=True)
class LayerCosts(Record):
    """The layers that are left, in order of depth."""

    layers: tuple[LayerCost, ...]


def write(file: Path, costs: Mapping[str, Cost]) -> None:
    """Writes the costs of a network's layers by name, whole."""
    layers = tuple(LayerCost(name=name, macs=cost.macs, params=cost.params) for name, cost in costs.items())
    atomic.write_json(file, LayerCosts(layers=layers).to_json())


def read(file: Path) -> tuple[LayerCost, ...]:
    """What `write` wrote; nothing where there is no file, WorkError where it is damaged."""
    if not file.exists():
        return ()
    return LayerCosts.from_json(atomic.read_json(file, MOST_BYTES), str(file)).layers
