"""What channels cost that go one after the other, when those that are left make up for each as well as they can."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.graph.channel_ids import Layer
from engine.surgery.reconstruction.grams import Gram
from engine.surgery.reconstruction.removal import Removal

MOST_HELD = 2**29  # bytes of matrices that wait for others; their inverses, twice, come on top
ROUNDS = 16  # in which all channels of a single layer's input go; of several layers' fewer, as each has its matrix
FEWEST_ROUNDS = 4
SEVERAL = 1.5  # times what several readers lose of a channel counts, as their errors meet further on, which none sees


class ChannelCosts:
    """What channels cost, from the moments of the layers that read them, which come in one after the other.

    Channels that the same layers read go one after the other, see `eliminate`. Where a matrix is not whole, or the
    matrices that wait for others would take more than `MOST_HELD` bytes, each channel costs what it costs alone.
    """

    def __init__(self, layers: Mapping[str, Layer], identities: Collection[int], ridge: float) -> None:
        self._layers, self._ridge = layers, ridge
        readers: dict[int, list[str]] = {identity: [] for identity in identities}
        for name, layer in layers.items():
            for identity in np.unique(layer.ins).tolist():
                if identity in readers:
                    readers[identity].append(name)
        alike: dict[tuple[str, ...], list[int]] = {}
        for identity, names in readers.items():
            alike.setdefault(tuple(names), []).append(identity)
        self._waiting = [_Alike(names, ids) for names, ids in alike.items() if names]

    def take(self, gram: Gram) -> dict[int, float]:
        """The costs of those channels whose last reader's moments these are."""
        removal = Removal(gram, self._layers[gram.layer], self._ridge)
        for group in self._waiting:
            if gram.layer in group.readers:
                group.take(gram.layer, removal)
        done = [group for group in self._waiting if not group.missing]
        self._waiting = [group for group in self._waiting if group.missing]
        while self._held() > MOST_HELD:
            max(self._waiting, key=lambda group: sum(r.bytes for r in group.held.values())).part()
        return {identity: cost for group in done for identity, cost in group.costs().items()}

    def _held(self) -> int:
        """Bytes of the matrices that wait for others."""
        held = {id(r): r for group in self._waiting for r in group.held.values()}
        return sum(removal.bytes for removal in held.values())


@dataclass
class _Alike:
    """Channels that the same layers read, and what is known of those layers."""

    readers: tuple[str, ...]
    identities: list[int]
    held: dict[str, Removal] = field(default_factory=dict)
    apart: dict[int, float] | None = None  # where each channel is seen alone, what it costs so far
    seen: int = 0

    @property
    def missing(self) -> int:
        return len(self.readers) - self.seen

    def take(self, name: str, removal: Removal) -> None:
        self.seen += 1
        self.held[name] = removal
        if self.apart is not None or not removal.is_whole:
            self.part()

    def part(self) -> None:
        """See each channel alone from now on; nothing is held for the others."""
        self.apart = self.apart or dict.fromkeys(self.identities, 0.0)
        for removal in self.held.values():
            costs = removal.costs()
            for identity in self.identities:
                self.apart[identity] += costs[identity]
        self.held.clear()

    def costs(self) -> dict[int, float]:
        costs = eliminate(self.identities, list(self.held.values())) if self.apart is None else self.apart
        factor = SEVERAL if len(self.readers) > 1 else 1.0
        return {identity: factor * cost for identity, cost in costs.items()}


def eliminate(identities: Sequence[int], readers: Sequence[Removal]) -> dict[int, float]:
    """What each channel costs all of its readers once those with lower costs are gone.

    All of `identities` are read by each of the readers, which have whole matrices. In each round the cheapest go, one
    at a time where there are no more than `ROUNDS`, and the inverses and weights of all readers follow exactly (optimal
    brain surgeon with its update: Hassibi & Stork 1993; Frantar & Alistarh 2022, eqs. 6 and 7). Costs never fall along
    the order.
    """
    states = [_Reader.of(removal, identities) for removal in readers]
    rounds = max(FEWEST_ROUNDS, ROUNDS // len(states))
    at_once = -(-len(identities) // rounds)
    alive, so_far = list(range(len(identities))), 0.0
    costs: dict[int, float] = {}
    while alive:
        now = np.sum([state.costs(alive) for state in states], axis=0)
        cheapest = np.argsort(now, kind="stable")[:at_once]
        for n in cheapest:
            so_far = so_far if now[n] <= so_far else float(now[n])  # what is not a number shows
            costs[identities[alive[n]]] = so_far
        gone = [alive[n] for n in cheapest]
        for state in states:
            state.drop(gone)
        alive = [place for place in alive if place not in gone]
    return costs


@dataclass(frozen=True)
class _Group:
    """One group of a layer's inputs: its inverse matrix and weights, and the columns of each channel by its place."""

    inverse: Tensor  # columns × columns
    weight: Tensor  # columns × outputs
    columns: dict[int, Tensor]

    def costs(self, places: Sequence[int]) -> list[float]:
        """tr(W_qᵀ ((G⁻¹)_qq)⁻¹ W_q) of each channel, which have as many columns each."""
        columns = torch.stack([self.columns[place] for place in places])
        weight = self.weight[columns]
        solved, _ = torch.linalg.solve_ex(self.inverse[columns[:, :, None], columns[:, None, :]], weight)
        return (weight * solved).sum((1, 2)).tolist()  # type: ignore[no-any-return]

    def drop(self, places: Sequence[int]) -> None:
        """These channels are gone: those that are left have made up for them."""
        columns = torch.cat([self.columns.pop(place) for place in places])
        across, inverse, weight = self.inverse[:, columns], self.inverse[columns], self.weight[columns]
        solved, _ = torch.linalg.solve_ex(inverse[:, columns], torch.cat([inverse, weight], 1))
        self.inverse.addmm_(across, solved[:, : len(self.inverse)], alpha=-1)
        self.weight.addmm_(across, solved[:, len(self.inverse) :], alpha=-1)


@dataclass(frozen=True)
class _Reader:
    """A layer that reads the channels; costs are shares of the variance that its output ends in."""

    groups: tuple[_Group, ...]
    variance: float

    @classmethod
    def of(cls, removal: Removal, identities: Sequence[int]) -> "_Reader":
        groups = []
        for number, columns in enumerate(removal.columns_of(identities)):
            if columns:
                groups.append(_Group(removal.inverse[number].clone(), removal.weight(number), columns))
        return cls(tuple(groups), removal.variance)

    def costs(self, places: Sequence[int]) -> NDArray[np.float64]:
        total = np.zeros(len(places))
        for group in self.groups:
            here = [n for n, place in enumerate(places) if place in group.columns]
            sizes = np.array([len(group.columns[places[n]]) for n in here])
            for size in np.unique(sizes):
                alike = [here[i] for i in np.flatnonzero(sizes == size)]
                total[alike] += group.costs([places[n] for n in alike])
        return total / self.variance

    def drop(self, places: Sequence[int]) -> None:
        for group in self.groups:
            here = [place for place in places if place in group.columns]
            if here:
                group.drop(here)
