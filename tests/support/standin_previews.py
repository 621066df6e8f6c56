"""A warm process without torch: `python -m tests.support.standin_previews DESCRIPTOR SOCKET IDLE_SECONDS [--bound]`.

The criterion of a request says what it does with it.
"""

import os
import sys
import time
from collections.abc import Callable

from engine.errors import RequestError
from engine.pipeline.preview.answer import Preview, Tally, TargetPreview
from engine.pipeline.preview.request import PreviewRequest
from engine.preview_server import server
from engine.storage.records.point import Reached

COMMAND = (sys.executable, "-m", "tests.support.standin_previews")
AT_ONCE, SLOWLY, REFUSED, BROKEN = "l1", "taylor", "l2", "fpgm"
TARGET = TargetPreview(
    keep=0.5,
    macs=1,
    params=1,
    got=Reached(macs=0.5, params=0.5),
    plain=Tally.of(2, 4),
    reconstructed=Tally(correct=4, total=5, top1=0.8, low=0.6, high=0.9),
    seconds=1.0,
)


class StandIn:
    """Answers with the number of its process, and how many it has answered."""

    answered = 0

    def answer(self, request: PreviewRequest, listener: Callable[[str], None]) -> Preview:
        spec = request.spec
        if spec.criterion == REFUSED:
            raise RequestError("there is no such thing", field="target.keep")
        if spec.criterion == BROKEN:
            raise ZeroDivisionError("by nothing")
        listener("working")
        while spec.criterion == SLOWLY:
            listener("working")
            time.sleep(0.01)
        self.answered += 1
        return Preview(
            model=spec.model,
            weights=spec.weights,
            data=spec.data.name,
            criterion=spec.criterion,
            order=spec.order,
            metric=spec.target.metric,
            seed=spec.seed,
            device="cpu",
            calibration_images=16,
            macs=2,
            params=2,
            untouched=Tally.of(3, 4),
            targets=(TARGET,),
            notes=(str(os.getpid()), str(self.answered)),
            loading=0.0,
            seconds=2.0,
        )

    def forget(self) -> None:
        self.answered = 0


if __name__ == "__main__":
    sys.exit(server.main(sys.argv[1:], StandIn))
