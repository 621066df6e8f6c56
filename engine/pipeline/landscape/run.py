"""The road of a landscape: a request in, a grid of measured networks out, cell by cell.

Obtain the baseline. For each share of what is cut first: cut and refit once, and score once what goes then; for each
share of that: cut, measure, refit, measure. What is in the file is not done again by whoever goes on.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from engine.graph.metric import Metric
from engine.latency import profile
from engine.latency.predictor import Predictor
from engine.latency.table import LatencyTable
from engine.measure import machine
from engine.pipeline.landscape.baseline import needs_training, obtain_baseline
from engine.pipeline.landscape.cells import Meter, measure_cell, shares_in_order
from engine.pipeline.landscape.levels import Levels
from engine.pipeline.landscape.selection import Conditions
from engine.pipeline.network import Network, check_images
from engine.pipeline.reconstruction import Reconstructor, calibration_images, reconstruction_images
from engine.pipeline.start import inputs as start
from engine.pipeline.start import loading, own_networks
from engine.pipeline.start.inputs import RunInputs
from engine.spec.landscape.request import CALIBRATION_IMAGES, LandscapeRequest
from engine.spec.run import RunSpec
from engine.storage.landscapes.grid import Grid, LatencySource
from engine.storage.landscapes.job import Landscape
from engine.storage.records import event

SPLIT = "val"
_NO_TABLE = (
    "no latency is predicted, as this machine has no table of the network's layers yet: `espalier table` makes one"
)


def prepare(request: LandscapeRequest, results: Path) -> RunInputs:
    """What a landscape needs before it writes anything; RequestError when it cannot be made."""
    return start.prepare(request.feasible(), results)


def run(request: LandscapeRequest, folder: Landscape, inputs: RunInputs | None = None) -> None:
    """Measure a landscape, or the rest of it, in its folder. RequestError and WorkError say what is wrong."""
    inputs = inputs or prepare(request, folder.path.parents[1])
    own_networks.refuse_other(folder, inputs.zoo_model, begun=folder.grid() is not None)
    conditions = machine.environment(torch.get_num_threads(), request.spec.seed, inputs.device)
    folder.write_env({**conditions, **inputs.zoo_model.conditions})
    notes = loading.notes(request.spec, inputs)
    folder.append_event(event.StartEvent(notes=notes, device=inputs.device))
    progress = _Progress(folder, request.grid**2, request.spec.train.epochs if needs_training(folder, inputs) else 0)
    said: list[str] = []
    spec, data, device = request.spec, inputs.data, inputs.device
    images = reconstruction_images(spec.recover, data, device, spec.seed, said.append, CALIBRATION_IMAGES)
    untouched = obtain_baseline(request.spec, folder, inputs, progress.report_epoch)
    work = _prepare_work(request, folder, inputs, untouched, images, said.append)
    grid = folder.grid() or _empty(request, folder, work, (*notes, *said, *work.notes))
    for first, second in product(request.shares(), request.shares()):
        asked = shares_in_order(work.meter.conditions, first, second)
        if grid.cell(asked.depth, asked.width) is None:
            progress.report_cell(len(grid.cells), f"depth {asked.depth:g}×, width {asked.width:g}×")
            grid = replace(grid, cells=(*grid.cells, measure_cell(work.levels, work.meter, grid, first, second)))
            folder.write_grid(grid)
    shutil.rmtree(folder.checkpoint, ignore_errors=True)
    folder.append_event(event.EndEvent())


@dataclass(frozen=True)
class _Work:
    """What measures the cells, and what there is to be said of it."""

    levels: Levels
    meter: Meter
    table: LatencyTable | None
    notes: tuple[str, ...]


class _Progress:
    """How far a landscape is: its cells, and the epochs of its baseline, each count as one."""

    def __init__(self, folder: Landscape, cells: int, epochs: int) -> None:
        self._folder, self._epochs, self._whole = folder, epochs, cells + epochs

    def report_epoch(self, message: str, done: float) -> None:
        self._report("train", message, done)

    def report_cell(self, done: int, message: str) -> None:
        self._report("cells", f"{done + 1} of {self._whole - self._epochs}: {message}", self._epochs + done)

    def _report(self, phase: str, message: str, done: float) -> None:
        progress = round(min(done / self._whole, 0.999), 4)
        self._folder.update(phase=phase, message=message, progress=progress)
        self._folder.append_event(event.PhaseEvent(phase=phase, message=message, progress=progress))


def _prepare_work(
    request: LandscapeRequest,
    folder: Landscape,
    inputs: RunInputs,
    untouched: Network,
    training: Tensor | None,
    note: Callable[[str], None],
) -> _Work:
    spec, data = request.spec, inputs.data
    table = _table(spec, untouched, folder)
    images = data.val.limit_to(request.validation_images)
    measured = f"accuracies are of {len(images):,} images of the validation split; the test split was not looked at"
    predictor = None if table is None else Predictor(table)
    metric = Metric(spec.target.metric, predictor if spec.target.metric == "latency" else None)
    widths = {layer.name: layer.width for layer in untouched.structure.summary.layers}

    def unlabelled() -> Tensor:
        if training is not None:
            return training
        return calibration_images(data, None, inputs.device, spec.seed, CALIBRATION_IMAGES)

    reconstructor = None
    if training is not None:
        origin = inputs.untouched or untouched
        reconstructor = Reconstructor.of(origin, training, spec.recover, spec.seed, note)
    reference = None if reconstructor is None else reconstructor.reference
    conditions = Conditions(spec, data, inputs.device, metric, widths, unlabelled, reference)
    levels = Levels(conditions, untouched, reconstructor, check_images(data))
    notes = (measured,) if table is not None else (_NO_TABLE, measured)
    return _Work(levels, Meter(conditions, images, predictor), table, notes)


def _empty(request: LandscapeRequest, folder: Landscape, work: _Work, notes: tuple[str, ...]) -> Grid:
    """The grid without a cell, as it is written first."""
    shares, reconstructor, table = request.shares(), work.levels.reconstructor, work.table
    source = None
    if table is not None:
        source = LatencySource(
            where=table.where, tool=table.tool, provider=table.provider, threads=table.threads, batch=table.batch
        )
    grid = Grid(
        request=request.model_dump(mode="json"),
        conditions=folder.env(),
        notes=notes,
        metric=request.spec.target.metric,
        depths=shares,
        widths=shares,
        split=SPLIT,
        images=len(work.meter.images),
        calibration_images=None if reconstructor is None else len(reconstructor.reference.images),
        latency=source,
        untouched=work.meter.untouched(work.levels.untouched),
    )
    folder.write_grid(grid)
    return grid


def _table(spec: RunSpec, untouched: Network, folder: Landscape) -> LatencyTable | None:
    """What milliseconds are predicted by: what the target asks for, else this machine's table if it has one."""
    results, structure = folder.path.parents[1], untouched.structure
    if spec.target.metric == "latency":
        folder.update(phase="cells", message="timing layers on this computer, about a minute")
        return profile.table_for_target(spec.target, untouched.module, structure, results)
    return profile.table_at_hand(structure, results)
