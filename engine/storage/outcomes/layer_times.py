"""What the layers of a point's network take on a host, beside those of the untouched one: one file a point. No torch.

Both were timed in one process, taking turns.
"""

import os
from dataclasses import dataclass

from engine.storage import atomic, files
from engine.storage.folders.run import Run
from engine.storage.records.record import Record
from engine.storage.timings.layers import LayerProfile

MOST_BYTES = 16 * files.MIB


@dataclass(frozen=True, kw_only=True)
class LayerTimesPair(Record):
    """The profiles of a run's untouched network and of one that was pruned."""

    untouched: LayerProfile
    pruned: LayerProfile


def write(run: Run, pair: LayerTimesPair) -> None:
    """Writes the file of the pruned network's point, whole, in the place of an earlier one."""
    file = run.layer_times_file(pair.pruned.point)
    with atomic.as_work_error(file):
        files.make_folder(file.parent)
    atomic.write_json(file, pair.to_json())


def read(run: Run, point: int) -> LayerTimesPair | None:
    """What `write` wrote; None where nothing was measured, WorkError where the file is damaged."""
    file = run.layer_times_file(point)
    if not os.path.lexists(file):
        return None
    return LayerTimesPair.from_json(atomic.read_json(file, MOST_BYTES), str(file))
