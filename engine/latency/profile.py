"""The latency table of a model on this machine: its layers measured one by one, then whole networks to calibrate them.

Measured once for each model, machine and version of ONNX Runtime, and kept under `results/latency`.
"""

import copy
import hashlib
import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from scipy.optimize import nnls
from torch import nn

from engine.errors import RequestError
from engine.export.onnx import export
from engine.graph.channel_ids import Ids
from engine.graph.cost import CostModel
from engine.graph.patterns import layer_nodes
from engine.graph.summarize import Structure, summarize
from engine.latency.host_timing import time_onnx
from engine.latency.layer_timing import time_layer
from engine.latency.signature import Signature
from engine.latency.table import (
    ALIGN,
    BLOCK,
    SMALL,
    TABLE_VERSION,
    Calibration,
    Entry,
    Grid,
    LatencyTable,
    read,
    read_for,
)
from engine.measure import machine
from engine.spec.run import TargetSpec
from engine.storage.atomic import write_json
from engine.surgery import plan

Kind = Literal["layers", "channels", "layers-channels"]

MOST_NODES = 9  # widths at which a large layer is measured, on each side
SEED = 20_240_229  # of the cuts that calibrate
CUTS = 10
KINDS: tuple[Kind, ...] = ("layers", "channels", "layers-channels")
_PASSES = 3  # over all layers, and rounds over all networks: what else the machine does in between only adds
_ROUNDS, _SECONDS, _QUERIES = 6, 0.1, 20


def table_for_target(asked: TargetSpec, module: nn.Module, structure: Structure, results: Path) -> LatencyTable | None:
    """The table that a target in latency is met by: the one it names, or this machine's; None for other metrics.

    RequestError when the file that it names is no table, or one of another model.
    """
    if asked.metric != "latency":
        return None
    if asked.latency_table is None:
        return measure_table(module, structure, results)
    return read_for(asked.latency_table, structure.summary)


def measure_table(
    module: nn.Module, structure: Structure, results: Path | None = None, *, threads: int = 1
) -> LatencyTable:
    """The table of the untouched `module`, which `described` describes, for batch 1 on this machine's CPU.

    Read from `results` where it was measured before; None measures anew and keeps nothing. Takes up to a minute for
    ResNet-56. WorkError when a network cannot be exported or run.
    """
    found, layers = _signatures(structure)
    kept = None if results is None else results / "latency" / f"{_name(structure, found, layers, threads)}.json"
    if kept is not None and kept.exists():
        try:
            return read(kept)
        except RequestError:
            kept.unlink()  # another version wrote it
    passes = [[_entry(layer, threads) for layer in found] for _ in range(_PASSES)]
    entries = tuple(_least(same) for same in zip(*passes, strict=True))
    summary = structure.summary
    draft = LatencyTable(
        summary.model, machine.cpu_model(), _tool(), "CPUExecutionProvider", threads, 1, summary.image, layers, entries
    )
    measured = replace(draft, calibration=_calibration(draft, module, structure, threads))
    if kept is not None:
        write_json(kept, measured.to_json())
    return measured


# --- layers -----------------------------------------------------------------------------------------


def _signatures(structure: Structure) -> tuple[list[Signature], dict[str, tuple[int, int]]]:
    """The distinct shapes of layers; and for each layer which of them it has and how often it is called."""
    found: dict[Signature, int] = {}
    layers: dict[str, tuple[int, int]] = {}
    nodes = layer_nodes(structure.trace)
    for layer in structure.summary.layers:
        node = nodes[layer.name]
        coming = tuple(structure.trace.values[node.all_input_nodes[0].name].shape)
        fixed = tuple(
            not any(structure.summary.channel_groups[group].removable for group, _ in side)
            for side in (layer.ins, layer.outs)
        )
        signature = _signature(structure.trace.graph.get_submodule(layer.name), layer.kind, coming, fixed)
        layers[layer.name] = (found.setdefault(signature, len(found)), layer.positions // signature.positions)
    return list(found), layers


def _signature(module: Any, kind: str, coming: tuple[int, ...], fixed: Any) -> Signature:
    if kind == "linear":
        size, one = (int(np.prod(coming[1:-1])), 1), (1, 1)
        ins, outs = module.in_features, module.out_features
        return Signature(kind, one, one, (0, 0), one, 1, size, ins, outs, fixed)
    if len(coming) != 4:
        raise RequestError(
            "latency is predicted for networks of 2D convolutions only; use the metric macs", field="target.metric"
        )
    padding = module.padding
    if isinstance(padding, str):
        reach = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        padding = tuple(r // 2 if padding == "same" else 0 for r in reach)
    shape = (module.kernel_size, module.stride, padding, module.dilation, module.groups)
    return Signature(kind, *shape, coming[2:], module.in_channels, module.out_channels, fixed)


def _entry(layer: Signature, threads: int) -> Entry:
    fine, coarse = _step(layer, MOST_NODES, BLOCK), _step(layer, MOST_NODES // 2, 2 * BLOCK)
    ins, outs = layer.ins, layer.outs
    aligned = _grid(
        layer,
        _nodes({*range(ALIGN, SMALL + 1, ALIGN), *range(fine, ins + 1, fine), ins - ins % ALIGN}, layer, 0),
        _nodes({1, BLOCK, *range(fine, outs + 1, fine), outs}, layer, 1),
        threads,
    )
    if layer.groups > 1:
        return Entry(layer, aligned, aligned)
    odd = {1, BLOCK - 1, SMALL - 1, SMALL + 1, *range(coarse - 1, ins + 1, coarse), ins - (ins % ALIGN == 0)}
    others = _grid(layer, _nodes(odd, layer, 0), _nodes({1, *range(coarse, outs + 1, coarse), outs}, layer, 1), threads)
    return Entry(layer, aligned, others)


def _least(entries: Sequence[Entry]) -> Entry:
    """The least of each time."""

    def least(grids: Sequence[Grid]) -> Grid:
        ms = np.min([grid.ms for grid in grids], axis=0)
        return replace(grids[0], ms=tuple(tuple(float(value) for value in row) for row in ms))

    return replace(
        entries[0], aligned=least([each.aligned for each in entries]), others=least([each.others for each in entries])
    )


def _step(layer: Signature, nodes: int, least: int) -> int:
    """The distance of at most so many evenly spread widths, in whole blocks."""
    return least * -(-max(layer.ins, layer.outs) // (least * nodes))


def _nodes(wanted: set[int], layer: Signature, side: int) -> tuple[int, ...]:
    """The widths that are possible among those wanted; at least the full one."""
    full = (layer.ins, layer.outs)[side]
    if layer.fixed[side] or (layer.kind == "depthwise" and side == 1):
        return (full,)
    groups = 1 if layer.kind == "depthwise" else layer.groups
    whole = {-(-n // groups) * groups for n in wanted if n > 0}
    return tuple(sorted(n for n in whole if n <= full)) or (full,)


def _grid(layer: Signature, ins: tuple[int, ...], outs: tuple[int, ...], threads: int) -> Grid:
    def ms(i: int, o: int) -> float:
        return round(time_layer(layer, i, i * layer.outs // layer.ins if layer.kind == "depthwise" else o, threads), 6)

    return Grid(ins, outs, tuple(tuple(ms(i, o) for o in outs) for i in ins))


# --- whole networks ---------------------------------------------------------------------------------


def _calibration(draft: LatencyTable, module: nn.Module, structure: Structure, threads: int) -> Calibration:
    """Fitted to the untouched network and some cuts, so that the sum of squared relative errors is least."""
    networks = [
        (module, structure),
        *(random_cut(module, structure, SEED + n, KINDS[n % len(KINDS)]) for n in range(CUTS)),
    ]
    milliseconds = time_networks([each for each, _ in networks], structure.summary.image, threads)
    rows = np.array([draft.features(CostModel(each.summary)) for _, each in networks])
    found, _ = nnls(rows / milliseconds[:, None], np.ones(len(milliseconds)))
    return Calibration(*(float(value) for value in found))


def random_cut(module: nn.Module, structure: Structure, seed: int, kind: Kind) -> tuple[nn.Module, Structure]:
    """A copy of the network without random blocks, random channels or both, and its description."""
    rng = np.random.default_rng(seed)
    twin = copy.deepcopy(module)
    blocks = [block.name for block in structure.summary.blocks if block.removable]
    if kind != "channels" and blocks:
        gone = rng.choice(blocks, rng.integers(1, 2 + len(blocks) // 2), replace=False)
        plan.apply(plan.Step(blocks=tuple(str(name) for name in gone)), twin, structure)
        structure = summarize(twin, structure.summary.image, structure.summary.model)
    if kind != "layers" or not blocks:
        step = plan.channel_step(structure.trace, structure.drop(_dropped(structure, rng)))
        plan.apply(step, twin, structure)
        structure = summarize(twin, structure.summary.image, structure.summary.model)
    return twin, structure


def _dropped(structure: Structure, rng: np.random.Generator) -> dict[int, Ids]:
    """The last channels of every cell, as many as chance says; in about every fifth network whole blocks stay."""
    least, even, gone = rng.uniform(0.3, 0.9), rng.random() < 0.2, {}
    for c, group in enumerate(structure.summary.channel_groups):
        if group.removable:
            kept = max(1, round(group.size * rng.uniform(least, 1.0)))
            kept = min(group.size, -(-kept // BLOCK) * BLOCK) if even else kept
            gone[c] = np.arange(kept, group.size)
    return gone


def time_networks(modules: list[nn.Module], image: tuple[int, int, int], threads: int = 1) -> Any:
    """Milliseconds of each network: the least p50 of several rounds, as other work on the machine only adds."""
    with tempfile.TemporaryDirectory(prefix="espalier-latency-") as scratch:
        files = [Path(scratch) / f"{n}.onnx" for n in range(len(modules))]
        for module, file in zip(modules, files, strict=True):
            export(module, image, file)
        rounds = [
            [time_onnx(file, image, threads=threads, seconds=_SECONDS, min_n=_QUERIES).p50_ms for file in files]
            for _ in range(_ROUNDS)
        ]
    return np.min(rounds, axis=0)


# --- names ------------------------------------------------------------------------------------------


def _name(structure: Structure, found: list[Signature], layers: dict[str, tuple[int, int]], threads: int) -> str:
    """A file name of its own for whatever the measurement depends on."""
    what = [[asdict(layer) for layer in found], layers, machine.cpu_model(), _tool(), threads, TABLE_VERSION]
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]
    return re.sub(r"[^a-z0-9_.-]", "-", structure.summary.model) + "-" + digest


def _tool() -> str:
    return f"onnxruntime {onnxruntime.__version__}"
