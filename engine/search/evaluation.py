"""What a spec comes to before any training, for one trial after the other: what they share is computed once.

Takes torch once it is asked for something.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.pipeline.preview.answer import Preview, Tally
from engine.pipeline.preview.request import make_request
from engine.search.outcome import Measured
from engine.spec.run import RunSpec

if TYPE_CHECKING:
    from engine.pipeline.preview.work import Previewer

VALIDATION_IMAGES = 1_000  # that a trial is judged by, or all where there are fewer
_MOST_KEPT = 3  # networks with what their layers read, one for each number of calibration images


@dataclass
class Evaluator:
    """Cuts, reconstructs and measures on validation images, as `espalier preview` does; nothing is written.

    The network, what its layers read and the scores of its channels are kept from one trial to the next.
    """

    results: Path
    listener: Callable[[str], None] = lambda _: None  # hears what is going on; what it raises ends the trial
    _kept: "dict[int, Previewer]" = field(default_factory=dict)  # by calibration images, the latest last

    def measure(self, spec: RunSpec) -> Measured:
        """What the one target of `spec` comes to; RequestError where it cannot be met, WorkError where it fails."""
        started = time.monotonic()
        answer = self._preview(spec)
        (target,) = answer.targets
        tally: Tally = target.reconstructed or target.plain
        costs = {"macs": float(target.macs), "params": float(target.params)}
        if target.predicted_ms is not None:
            costs["latency"] = target.predicted_ms
        return Measured(
            tally.top1,
            tally.total,
            costs,  # type: ignore[arg-type]
            target.blocks_removed,
            target.notes,
            round(time.monotonic() - started, 2),
        )

    def _preview(self, spec: RunSpec) -> Preview:
        from engine.pipeline.preview.work import Previewer

        request = make_request(spec, self.results, VALIDATION_IMAGES)
        images = request.calibration_images
        previewer = self._kept.pop(images, None) or Previewer()
        self._kept[images] = previewer
        while len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return previewer.answer(request, self.listener)
