"""Where a pruned network's time goes beside what its multiply–accumulates alone would leave of it. Pure, no torch.

A layer that has half of its MACs is expected to take half of its time, whatever is not a layer the share that the whole
network keeps. What is measured above that is its excess; all of them together are the excess of the whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.storage.timings.layers import Kind, LayerProfile

Macs = Mapping[str, int]  # of one image, by layer


@dataclass(frozen=True)
class LayerAccount:
    """A layer that both networks have, in ms: `expected` by its MACs; bytes and widths as far as they are known.

    `base_width` and `width` are channels read and made, in the untouched and in the pruned network.
    """

    name: str
    base_ms: float
    ms: float
    base_macs: int
    macs: int
    bytes: int | None = None
    base_width: tuple[int, int] | None = None
    width: tuple[int, int] | None = None

    @property
    def expected(self) -> float:
        return self.base_ms * self.macs / self.base_macs if self.base_macs else self.base_ms

    @property
    def excess(self) -> float:
        return self.ms - self.expected

    @property
    def intensity(self) -> float | None:
        """MACs for each byte that it moves; None where that is not known."""
        return self.macs / self.bytes if self.bytes else None


@dataclass(frozen=True)
class Account:
    """All of the time of two networks, in ms: that of layers one by one, of everything else by its kind.

    `shared` are layers that the tool ran as one, so that nobody can tell them apart.
    """

    base_ms: float
    ms: float
    base_macs: int
    macs: int
    layers: tuple[LayerAccount, ...]
    others: Mapping[Kind | str, tuple[float, float]] = field(default_factory=dict)  # untouched and pruned

    @property
    def macs_share(self) -> float:
        """The share of the MACs that is left."""
        return self.macs / self.base_macs if self.base_macs else 1.0

    def excess_of(self, kind: Kind | str) -> float:
        """What something that is no layer takes above its share."""
        base, ms = self.others.get(kind, (0.0, 0.0))
        return ms - base * self.macs_share


SHARED = "shared"


def make_account(untouched: LayerProfile, pruned: LayerProfile, base_macs: Macs, macs: Macs) -> Account:
    """The account of two profiles of one tool, and of the MACs of their layers by name."""
    base_times, times = _by_layer(untouched), _by_layer(pruned)
    base_widths, widths = _widths(untouched), _widths(pruned)
    moved = {row.layers[0]: row.bytes for row in pruned.layers if row.kind == "layer" and len(row.layers) == 1}
    both = [name for name in times if name in base_times and name in macs and name in base_macs]
    layers = tuple(
        LayerAccount(
            name=name,
            base_ms=base_times[name],
            ms=times[name],
            base_macs=base_macs[name],
            macs=macs[name],
            bytes=moved.get(name),
            base_width=base_widths.get(name),
            width=widths.get(name),
        )
        for name in both
    )
    kinds: tuple[Kind | str, ...] = ("operation", "copy", "unknown", SHARED)
    return Account(
        base_ms=untouched.total_ms or 0.0,
        ms=pruned.total_ms or 0.0,
        base_macs=sum(base_macs.values()),
        macs=sum(macs.values()),
        layers=layers,
        others={kind: (_of_kind(untouched, kind), _of_kind(pruned, kind)) for kind in kinds},
    )


def _by_layer(profile: LayerProfile) -> dict[str, float]:
    """Milliseconds of each layer that ran by itself; those of several kernels of one are its own."""
    times: dict[str, float] = {}
    for row in profile.layers:
        if row.kind == "layer" and len(row.layers) == 1:
            times[row.layers[0]] = times.get(row.layers[0], 0.0) + row.ms
    return times


def _widths(profile: LayerProfile) -> dict[str, tuple[int, int]]:
    return {
        row.layers[0]: (row.ins, row.outs)
        for row in profile.layers
        if len(row.layers) == 1 and row.ins is not None and row.outs is not None
    }


def _of_kind(profile: LayerProfile, kind: Kind | str) -> float:
    if kind == SHARED:
        return sum(row.ms for row in profile.layers if row.kind == "layer" and len(row.layers) != 1)
    return sum(row.ms for row in profile.layers if row.kind == kind)
