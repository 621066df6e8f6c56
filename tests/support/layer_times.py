"""Layer profiles made up: what each layer of a small network takes before and after pruning. Test-only."""

from collections.abc import Mapping
from typing import Any

from engine.storage.outcomes.layer_times import LayerTimesPair
from engine.storage.timings.layers import Kind, LayerProfile, LayerTime

Times = Mapping[str, tuple[float, tuple[int, int] | None]]  # layer → ms, channels read and made


def row(name: str, ms: float, kind: Kind = "layer", width: tuple[int, int] | None = None, **more: Any) -> LayerTime:
    ins, outs = width or (None, None)
    named = () if kind in ("copy", "unknown") else (name,)
    return LayerTime(name=name, kind=kind, layers=named, operators=(), ms=ms, share=0.0, ins=ins, outs=outs, **more)


def profile(rows: list[LayerTime], **more: Any) -> LayerProfile:
    said = {"run": "20260131-095959-0a1b2c3d", "point": 0, "tool": "onnxruntime", "version": "1.31.1"}
    measured = {"precision": "fp32", "threads": 1, "host": "a processor", "vector": 8, "count": 200}
    total = sum(each.ms for each in rows)
    return LayerProfile(**{**said, **measured, "total_ms": total, "layers": tuple(rows), **more})


def pair(run: str, point: int, **more: Any) -> LayerTimesPair:
    """`conv1` keeps its MACs, `layer1.0.conv1` has half of them, 7 channels of 16 and more time than before."""
    before = [row("conv1", 0.2, width=(3, 16)), row("layer1.0.conv1", 0.4, width=(16, 16))]
    after = [row("conv1", 0.2, width=(3, 16)), row("layer1.0.conv1", 0.5, width=(16, 7)), row("Reorder", 0.1, "copy")]
    return LayerTimesPair(
        untouched=profile(before, run=run, point=0, latency_ms=0.55, **more),
        pruned=profile(after, run=run, point=point, latency_ms=0.75, **more),
    )
