"""Who takes part in `benchmarks.transfer`: ways to prune, each with reconstruction and without. No torch."""

from dataclasses import dataclass
from typing import Any

from engine.spec.run import RunSpec, parse

KEEPS = (0.8, 0.65, 0.5, 0.35)
CONFIDENCE = 0.9
BATCH = 32  # images of each domain: the digits are few, and make more steps so
_PROGRESSIVE = {"method": "progressive", "attempt_fraction": 0.3, "layers_per_step": 0.5, "least_share": 0.1}
_ALONE = {"adversarial": False, "pseudo_labels": False}


@dataclass(frozen=True)
class Task:
    """The networks that are compared, and how they are trained."""

    pair: str
    seed: int
    model: str = "resnet20"
    weights: str = "none"
    image_size: int | None = None
    limit: int | None = None  # images of each split
    train_epochs: int = 15
    recover_epochs: int = 2


@dataclass(frozen=True)
class Entry:
    """A way to prune. One that is `alone` sees labelled images of the source and nothing else, from the adapted
    network on; `adapted` is false of the network that nobody adapted."""

    name: str
    progressive: bool
    reconstruct: bool
    alone: bool = False
    adapted: bool = True

    def spec(self, task: Task, adapted_run: str | None) -> RunSpec:
        """The run; `adapted_run` trained the adapted network, from which those that are alone go on."""
        steps = {"between_steps_batches": 3} if self.progressive else {}
        raw: dict[str, Any] = {
            "model": task.model,
            "weights": f"{adapted_run}:0" if self.alone and self.adapted else task.weights,
            "data": {"name": task.pair, "image_size": task.image_size, "limit": task.limit},
            "train": {"epochs": task.train_epochs, "batch_size": BATCH},
            "transfer": _ALONE if self.alone else {"confidence": CONFIDENCE},
            "order": "channels",
            "criterion": "l1",
            "width": _PROGRESSIVE if self.progressive else {},
            "target": {"keep": list(KEEPS)},
            "recover": {"epochs": task.recover_epochs, "reconstruct": self.reconstruct, **steps},
            "seed": task.seed,
            "device": "cpu",
        }
        return parse(raw)


def entries() -> list[Entry]:
    """All of them; the first trains the adapted network."""
    ways = [
        ("one-shot", False, False),
        ("progressive, source alone", True, True),
        ("progressive with transfer", True, False),
    ]
    pruned = [
        Entry(name, progressive, reconstruct, alone)
        for name, progressive, alone in ways
        for reconstruct in (True, False)
    ]
    return [*pruned, Entry("not adapted, one-shot", progressive=False, reconstruct=True, alone=True, adapted=False)]
