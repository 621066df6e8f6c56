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
    LatencyCalibration,
    LatencyTable,
    LayerLatency,
    WidthGrid,
    read,
    read_for,
)
from engine.measure import machine
from engine.spec.run import TargetSpec
from engine.storage.atomic import prepare_folder, write_json
from engine.surgery import plan

Kind = Literal["layers", "channels", "layers-channels"]

MOST_WIDTHS = 9  # widths at which a large layer is measured, on each side
SEED = 20_240_229  # of the cuts that calibrate
CUTS = 10
KINDS: tuple[Kind, ...] = ("layers", "channels", "layers-channels")
_PASSES = 3  # over all layers, and rounds over all networks: what else the machine does in between only adds
_ROUNDS, _SECONDS, _QUERIES = 6, 0.1, 20


def table_for_target(target: TargetSpec, module: nn.Module, structure: Structure, results: Path) -> LatencyTable | None:
    """The table that a target in latency is met by: the one it names, or this machine's; None for other metrics.

    RequestError when the file that it names is no table, or one of another model.
    """
    if target.metric != "latency":
        return None
    if target.latency_table is None:
        return measure_table(module, structure, results)
    return read_for(target.latency_table, structure.summary)


def measure_table(
    module: nn.Module, structure: Structure, results: Path | None = None, *, threads: int = 1
) -> LatencyTable:
    """The table of the baseline `module`, whose structure is given, for batch 1 on this machine's CPU.

    Read from `results` where it was measured before; None measures anew and keeps nothing. Takes up to a minute for
    ResNet-56. WorkError when a network cannot be exported or run.
    """
    signatures, layers = _signatures(structure)
    file = None if results is None else _file(results, structure, signatures, layers, threads)
    if file is not None and file.exists():
        try:
            return read(file)
        except RequestError:
            file.unlink()  # another version wrote it
    passes = [[_measure_layer(layer, threads) for layer in signatures] for _ in range(_PASSES)]
    entries = tuple(_minimum(same) for same in zip(*passes, strict=True))
    summary = structure.summary
    draft = LatencyTable(
        summary.model, machine.cpu_model(), _tool(), "CPUExecutionProvider", threads, 1, summary.image, layers, entries
    )
    table = replace(draft, calibration=_fit_calibration(draft, module, structure, threads))
    if file is not None:
        prepare_folder(file.parent)
        write_json(file, table.to_json())
    return table


def table_at_hand(structure: Structure, results: Path, *, threads: int = 1) -> LatencyTable | None:
    """The same table where it was measured before in `results`; None where it was not, or by another version."""
    file = _file(results, structure, *_signatures(structure), threads)
    try:
        return read(file) if file.exists() else None
    except RequestError:
        return None


# --- layers -----------------------------------------------------------------------------------------


def _signatures(structure: Structure) -> tuple[list[Signature], dict[str, tuple[int, int]]]:
    """The distinct shapes of layers; and for each layer which of them it has and how often it is called."""
    numbers: dict[Signature, int] = {}
    layers: dict[str, tuple[int, int]] = {}
    nodes = layer_nodes(structure.trace)
    for layer in structure.summary.layers:
        node = nodes[layer.name]
        shape = tuple(structure.trace.values[node.all_input_nodes[0].name].shape)
        fixed = tuple(
            not any(structure.summary.channel_groups[group].removable for group, _ in side)
            for side in (layer.ins, layer.outs)
        )
        signature = _signature(structure.trace.graph.get_submodule(layer.name), layer.kind, shape, fixed)
        layers[layer.name] = (numbers.setdefault(signature, len(numbers)), layer.positions // signature.positions)
    return list(numbers), layers


def _signature(module: Any, kind: str, shape: tuple[int, ...], fixed: Any) -> Signature:
    if kind == "linear":
        size, one = (int(np.prod(shape[1:-1])), 1), (1, 1)
        ins, outs = module.in_features, module.out_features
        return Signature(kind, one, one, (0, 0), one, 1, size, ins, outs, fixed)
    if len(shape) != 4 or not issubclass(type(module), nn.Conv2d):
        raise RequestError(
            "latency is predicted for networks of 2D convolutions only, none transposed; use the metric macs",
            field="target.metric",
        )
    padding = module.padding
    if isinstance(padding, str):
        reach = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        padding = tuple(r // 2 if padding == "same" else 0 for r in reach)
    settings = (module.kernel_size, module.stride, padding, module.dilation, module.groups)
    return Signature(kind, *settings, shape[2:], module.in_channels, module.out_channels, fixed)


def _measure_layer(layer: Signature, threads: int) -> LayerLatency:
    fine, coarse = _spacing(layer, MOST_WIDTHS, BLOCK), _spacing(layer, MOST_WIDTHS // 2, 2 * BLOCK)
    ins, outs = layer.ins, layer.outs
    aligned = _measure_grid(
        layer,
        _widths({*range(ALIGN, SMALL + 1, ALIGN), *range(fine, ins + 1, fine), ins - ins % ALIGN}, layer, 0),
        _widths({1, BLOCK, *range(fine, outs + 1, fine), outs}, layer, 1),
        threads,
    )
    if layer.groups > 1:
        return LayerLatency(layer, aligned, aligned)
    odd = {1, BLOCK - 1, SMALL - 1, SMALL + 1, *range(coarse - 1, ins + 1, coarse), ins - (ins % ALIGN == 0)}
    others = _measure_grid(
        layer, _widths(odd, layer, 0), _widths({1, *range(coarse, outs + 1, coarse), outs}, layer, 1), threads
    )
    return LayerLatency(layer, aligned, others)


def _minimum(entries: Sequence[LayerLatency]) -> LayerLatency:
    """The least of each time."""

    def least(grids: Sequence[WidthGrid]) -> WidthGrid:
        ms = np.min([grid.ms for grid in grids], axis=0)
        return replace(grids[0], ms=tuple(tuple(float(value) for value in row) for row in ms))

    return replace(
        entries[0], aligned=least([each.aligned for each in entries]), others=least([each.others for each in entries])
    )


def _spacing(layer: Signature, count: int, least: int) -> int:
    """The distance of at most so many evenly spread widths, in whole blocks."""
    return least * -(-max(layer.ins, layer.outs) // (least * count))


def _widths(wanted: set[int], layer: Signature, side: int) -> tuple[int, ...]:
    """The widths that are possible among those wanted; at least the full one."""
    full = (layer.ins, layer.outs)[side]
    if layer.fixed[side] or (layer.kind == "depthwise" and side == 1):
        return (full,)
    groups = 1 if layer.kind == "depthwise" else layer.groups
    divisible = {-(-n // groups) * groups for n in wanted if n > 0}
    return tuple(sorted(n for n in divisible if n <= full)) or (full,)


def _measure_grid(layer: Signature, ins: tuple[int, ...], outs: tuple[int, ...], threads: int) -> WidthGrid:
    def ms(i: int, o: int) -> float:
        return round(time_layer(layer, i, i * layer.outs // layer.ins if layer.kind == "depthwise" else o, threads), 6)

    return WidthGrid(ins, outs, tuple(tuple(ms(i, o) for o in outs) for i in ins))


# --- whole networks ---------------------------------------------------------------------------------


def _fit_calibration(draft: LatencyTable, module: nn.Module, structure: Structure, threads: int) -> LatencyCalibration:
    """Fitted to the baseline and some cuts of it, so that the sum of squared relative errors is least."""
    from scipy.optimize import nnls

    networks = [
        (module, structure),
        *(random_cut(module, structure, SEED + n, KINDS[n % len(KINDS)]) for n in range(CUTS)),
    ]
    milliseconds = time_networks([each for each, _ in networks], structure.summary.image, threads)
    rows = np.array([draft.features(CostModel(each.summary)) for _, each in networks])
    factors, _ = nnls(rows / milliseconds[:, None], np.ones(len(milliseconds)))
    return LatencyCalibration(*(float(value) for value in factors))


def random_cut(module: nn.Module, structure: Structure, seed: int, kind: Kind) -> tuple[nn.Module, Structure]:
    """A copy of the network without random blocks, random channels or both, and its structure."""
    rng = np.random.default_rng(seed)
    twin = copy.deepcopy(module)
    blocks = [block.name for block in structure.summary.blocks if block.removable]
    if kind != "channels" and blocks:
        removed = rng.choice(blocks, rng.integers(1, 2 + len(blocks) // 2), replace=False)
        plan.apply(plan.Step(blocks=tuple(str(name) for name in removed)), twin, structure)
        structure = summarize(twin, structure.summary.image, structure.summary.model)
    if kind != "layers" or not blocks:
        step = plan.channel_step(structure.trace, structure.identities_at(_draw_channels(structure, rng)))
        plan.apply(step, twin, structure)
        structure = summarize(twin, structure.summary.image, structure.summary.model)
    return twin, structure


def _draw_channels(structure: Structure, rng: np.random.Generator) -> dict[int, Ids]:
    """A random number of the last channels of every group; in about every fifth network kernels' whole blocks stay."""
    least, even, dropped = rng.uniform(0.3, 0.9), rng.random() < 0.2, {}
    for c, group in enumerate(structure.summary.channel_groups):
        if group.removable:
            kept = max(1, round(group.size * rng.uniform(least, 1.0)))
            kept = min(group.size, -(-kept // BLOCK) * BLOCK) if even else kept
            dropped[c] = np.arange(kept, group.size)
    return dropped


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


# --- the file -----------------------------------------------------------------------------------------


def _file(
    results: Path,
    structure: Structure,
    signatures: list[Signature],
    layers: dict[str, tuple[int, int]],
    threads: int,
) -> Path:
    """A file of its own for whatever the measurement depends on."""
    shapes = [asdict(layer) for layer in signatures]
    conditions = [shapes, layers, machine.cpu_model(), _tool(), threads, TABLE_VERSION]
    digest = hashlib.sha256(json.dumps(conditions, sort_keys=True).encode()).hexdigest()[:12]
    return results / "latency" / (re.sub(r"[^a-z0-9_.-]", "-", structure.summary.model) + f"-{digest}.json")


def _tool() -> str:
    return f"onnxruntime {onnxruntime.__version__}"
