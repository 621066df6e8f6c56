"""Measured layers of one model, from which latency is predicted; the file that holds them. No torch.

Latency over widths is a staircase: kernels that work on blocks of channels take 20 input channels as fast as 24, and
21 at twice the time, as they do not take those at all. Widths that blocked kernels take and others are therefore
measured, and interpolated, apart.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from engine.errors import RequestError, WorkError, concerns
from engine.graph.cost import CostModel, count_channels
from engine.graph.summary import Layer, ModelSummary
from engine.latency.signature import Signature
from engine.spec.messages import LONGEST_NAME, as_text, check_name, check_whole, quote
from engine.storage.atomic import read_json
from engine.units import dimensions

TABLE_VERSION = 1
KINDS = ("conv", "depthwise", "linear")
MOST_BYTES = 16 << 20  # of a file; that of the largest network has about 1
MOST_COUNTED = 2**40  # channels, pixels or positions
MOST_MILLISECONDS = 1e9
_PAIRS = {"kernel": 1, "stride": 1, "padding": 0, "dilation": 1, "size": 1}  # and the least that may stand in them
ALIGN = 4  # input channels that blocked kernels take come in fours
BLOCK, SMALL = 8, 16  # and fill blocks of 8 or 16; below 16 there are other kernels, which take any number


@dataclass(frozen=True)
class WidthGrid:
    """Milliseconds at each pair of widths, ms[i][o] for ins[i] and outs[o], both ascending."""

    ins: tuple[int, ...]
    outs: tuple[int, ...]
    ms: tuple[tuple[float, ...], ...]

    def at(self, ins: float, outs: float) -> float:
        """Bilinear between the measured widths, as at the nearest beyond them."""
        i, u = _between(self.ins, ins)
        o, v = _between(self.outs, outs)
        low = self.ms[i][o] + v * (self.ms[i][min(o + 1, len(self.outs) - 1)] - self.ms[i][o])
        after = self.ms[min(i + 1, len(self.ins) - 1)]
        high = after[o] + v * (after[min(o + 1, len(self.outs) - 1)] - after[o])
        return low + u * (high - low)


@dataclass(frozen=True)
class LayerLatency:
    """One kind of layer by its widths: where blocked kernels take its input channels (`aligned`), and where not."""

    signature: Signature
    aligned: WidthGrid
    others: WidthGrid

    def ms(self, ins: int, outs: int) -> float:
        """Of the layer by itself, with `ins` and `outs` channels."""
        if is_aligned(ins):
            return self.aligned.at(blocked(ins), blocked(outs))
        return self.others.at(ins, outs)


@dataclass(frozen=True)
class LatencyCalibration:
    """What a layer adds to a whole network, as fitted to measured networks.

    Milliseconds: `scale` times its own, `layer` for each, `change` for each thousand numbers that change from blocks of
    channels to rows, or back, between a layer that works on blocks and one that does not, and `network` once.
    """

    scale: float = 1.0
    layer: float = 0.0
    change: float = 0.0
    network: float = 0.0


@dataclass(frozen=True)
class LatencyTable:
    """Measured layers of one model on one machine, and how they add up to a network's milliseconds."""

    model: str
    where: str
    tool: str
    provider: str
    threads: int
    batch: int
    image: tuple[int, int, int]
    layers: Mapping[str, tuple[int, int]]  # layer → (which of `entries`, how often it is called)
    entries: tuple[LayerLatency, ...]
    calibration: LatencyCalibration = LatencyCalibration()

    def features(self, model: CostModel, kept: list[int] | None = None) -> tuple[float, float, float, float]:
        """What each number of the calibration is multiplied by, in its order."""
        kept = model.full if kept is None else kept
        each = [
            self.layer_features(x.name, count_channels(ins, kept), count_channels(outs, kept))
            for ins, outs, x in model.layers
        ]
        scale, layer, change = (math.fsum(column) for column in zip(*each, strict=True))
        return scale, layer, change, 1.0

    @concerns("target.latency_table")
    def check(self, summary: ModelSummary) -> None:
        """RequestError unless the table was measured for the baseline that `summary` describes."""
        wrong = sorted(self.layers.keys() ^ {layer.name for layer in summary.layers})
        wrong += [layer.name for layer in summary.layers if layer.name not in wrong and not self._fits(layer, summary)]
        if wrong:
            raise RequestError(
                f"the latency table is of {self.model} for {dimensions(self.image)} images and does not fit "
                f"{summary.model} for {dimensions(summary.image)} images (layer {wrong[0]}); "
                "measure one with the command table"
            )

    def to_json(self) -> dict[str, Any]:
        return {"table_version": TABLE_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """The table in `raw`, as `to_json` wrote it; ValueError, KeyError or TypeError when it is not one."""
        if raw["table_version"] != TABLE_VERSION:
            raise ValueError(f"table_version is {quote(raw['table_version'])}, expected {TABLE_VERSION}")
        entries = tuple(_entry(entry) for entry in raw["entries"])
        layers = {
            check_name(name): (check_whole(entry, 0, len(entries) - 1), _count(times, 1))
            for name, (entry, times) in raw["layers"].items()
        }
        if not layers:
            raise ValueError("it has no layers")
        channels, height, width = (_count(n, 1) for n in raw["image"])
        calibration = LatencyCalibration(**{name: _positive(value) for name, value in raw["calibration"].items()})
        return cls(
            model=check_name(raw["model"]),
            where=check_name(raw["where"]),
            tool=check_name(raw["tool"]),
            provider=check_name(raw["provider"]),
            threads=_count(raw["threads"], 1),
            batch=_count(raw["batch"], 1),
            image=(channels, height, width),
            layers=layers,
            entries=entries,
            calibration=calibration,
        )

    def _fits(self, layer: Layer, summary: ModelSummary) -> bool:
        entry, times = self.layers[layer.name]
        signature, sizes = self.entries[entry].signature, [group.size for group in summary.channel_groups]
        widths = (count_channels(layer.ins, sizes), count_channels(layer.outs, sizes))
        shape = (signature.kind, math.prod(signature.kernel), times * signature.positions)
        return shape == (layer.kind, layer.kernel, layer.positions) and widths == (signature.ins, signature.outs)

    def layer_features(self, name: str, ins: int, outs: int) -> tuple[float, float, float]:
        """One layer's part: its own milliseconds, its calls, and thousands of numbers that change layout."""
        index, times = self.layers[name]
        entry = self.entries[index]
        changed = times * outs * entry.signature.positions / 1000 if entry.signature.kind != "linear" else 0.0
        return times * entry.ms(ins, outs), times, changed * (is_aligned(ins) != is_aligned(outs))


@concerns("target.latency_table")
def read(path: Path) -> LatencyTable:
    """The latency table in a file; RequestError when there is none in it."""
    try:
        return LatencyTable.from_json(read_json(path, MOST_BYTES, links=True))
    except WorkError as error:
        raise RequestError(f"the latency table {as_text(error)}; measure one with the command table") from None
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        reason = f"{type(error).__name__}: {as_text(error)[:LONGEST_NAME]}"
        sentence = f"{as_text(path)} is no latency table of this version ({reason}); measure one with table"
        raise RequestError(sentence) from None


def read_for(path: str | None, summary: ModelSummary) -> LatencyTable | None:
    """The table that a request names, if it names one; RequestError when it is not of this model."""
    if path is None:
        return None
    table = read(Path(path))
    table.check(summary)
    return table


def is_aligned(channels: int) -> bool:
    """Whether blocked kernels take so many input channels."""
    return channels % ALIGN == 0


def blocked(channels: int) -> int:
    """The channels that kernels compute for these: whole blocks."""
    return channels if channels <= SMALL else -(-channels // BLOCK) * BLOCK


def _between(nodes: Sequence[int], value: float) -> tuple[int, float]:
    """The node at or below a value, and how far it lies towards the next."""
    if value <= nodes[0] or len(nodes) == 1:
        return 0, 0.0
    if value >= nodes[-1]:
        return len(nodes) - 1, 0.0
    after = bisect_left(nodes, value)
    return after - 1, (value - nodes[after - 1]) / (nodes[after] - nodes[after - 1])


def _positive(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_MILLISECONDS:
        raise ValueError(f"{quote(value)} is no number of milliseconds")
    return float(value)


def _count(value: Any, least: int) -> int:
    return check_whole(value, least, MOST_COUNTED)


def _entry(raw: Mapping[str, Any]) -> LayerLatency:
    values = dict(raw["signature"])
    shape: dict[str, Any] = {name: _pair(values.pop(name), least) for name, least in _PAIRS.items()}
    kind = values.pop("kind")
    first, last = values.pop("fixed", (False, False))
    if kind not in KINDS or type(first) is not bool or type(last) is not bool:
        raise ValueError(f"{quote(kind)} is no kind of layer, or what is fixed in it is not true or false")
    shape |= {name: _count(values.pop(name), 1) for name in ("groups", "ins", "outs")}
    signature = Signature(kind=kind, fixed=(first, last), **shape, **values)
    sides = zip(signature.size, signature.padding, signature.kernel, signature.dilation, strict=True)
    if any(size + 2 * pad <= dilation * (kernel - 1) for size, pad, kernel, dilation in sides):
        raise ValueError("a layer must have at least one output position")
    if signature.positions > MOST_COUNTED:
        raise ValueError(f"a layer has at most {MOST_COUNTED:,} output positions")
    return LayerLatency(signature, _grid(raw["aligned"]), _grid(raw["others"]))


def _pair(raw: Any, least: int) -> tuple[int, int]:
    first, last = raw
    return _count(first, least), _count(last, least)


def _grid(raw: Mapping[str, Any]) -> WidthGrid:
    ins, outs = (tuple(_count(n, 1) for n in raw[side]) for side in ("ins", "outs"))
    ms = tuple(tuple(_positive(value) for value in row) for row in raw["ms"])
    for side in (ins, outs):
        if not side or list(side) != sorted(set(side)):
            raise ValueError("widths must ascend")
    if len(ms) != len(ins) or any(len(row) != len(outs) for row in ms):
        raise ValueError("a grid must hold one number for each pair of widths")
    return WidthGrid(ins, outs, ms)
