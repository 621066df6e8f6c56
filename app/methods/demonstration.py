"""What was measured of one small network, for the page to show: nothing is computed anew when a slider moves.

`python -m benchmarks.demonstration` makes the file. Counts are of validation images; layers are convolutions.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

FILE = Path(__file__).with_suffix(".json")
BLOCKS = "blocks"  # what a criterion ranks where it ranks no layer's channels


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Layer(_Part):
    """One convolution, in order of depth."""

    name: str
    width: int


class Removal(_Part):
    """The network without the `count` lowest: its MACs, and the images it has right, as cut and once refitted."""

    count: int
    macs: int
    plain: int
    reconstructed: int


class Ranking(_Part):
    """A criterion's scores of a layer's channels (or of the blocks), and what their removal costs."""

    scores: tuple[float, ...]
    removals: tuple[Removal, ...]  # from none on, ascending

    @property
    def counts(self) -> tuple[int, ...]:
        """How many go, for each number that was measured."""
        return tuple(removal.count for removal in self.removals)

    def removal(self, count: int) -> Removal:
        """What was measured of `count`; KeyError for a number that was not."""
        found = next((removal for removal in self.removals if removal.count == count), None)
        if found is None:
            raise KeyError(count)
        return found

    def lowest(self, count: int) -> frozenset[int]:
        """The numbers of those that go first."""
        return frozenset(lowest(self.scores, count))

    def threshold(self, count: int) -> float | None:
        """The score below which `count` go, half way between two of them; None where nothing goes, or all."""
        ascending = sorted(self.scores)
        if not 0 < count < len(ascending):
            return None
        return (ascending[count - 1] + ascending[count]) / 2


class Target(_Part):
    """The whole network cut to a share of its MACs in one go, and the images it has right after each step."""

    keep: float
    macs: int
    removed: tuple[str, ...]  # blocks
    widths: dict[str, int]  # of the layers that are left
    plain: int
    reconstructed: int
    recovered: int


class Experiment(_Part):
    """One criterion and order over several targets."""

    criterion: str
    order: str
    targets: tuple[Target, ...]

    def target(self, keep: float) -> Target:
        """That of a share of the MACs."""
        return next(target for target in self.targets if target.keep == keep)


class Demonstration(_Part):
    """The network, its data, and everything that was measured of it."""

    weights: str  # SHA-256 of the weights that all of this was measured of
    data: str
    training_images: int
    validation_images: int
    calibration_images: int
    training_epochs: int
    recovery_images: int  # that fine-tuning saw
    layers: tuple[Layer, ...]
    blocks: tuple[str, ...]  # those that may go
    macs: int
    params: int
    correct: int
    rankings: dict[str, dict[str, Ranking]]  # by criterion and layer; by criterion and `BLOCKS` for those of blocks
    experiments: tuple[Experiment, ...]

    def share(self, images: int) -> float:
        """So many of the validation images as a share of all."""
        return images / self.validation_images

    def experiment(self, criterion: str, order: str) -> Experiment:
        """The one of a criterion and an order."""
        return next(e for e in self.experiments if (e.criterion, e.order) == (criterion, order))

    def widths(self, kept: dict[str, int] | None = None) -> dict[str, tuple[int, int]]:
        """Original and kept output channels of every layer; those that `kept` does not name stay as they are."""
        kept = {} if kept is None else kept
        return {layer.name: (layer.width, kept.get(layer.name, layer.width)) for layer in self.layers}

    def widths_at(self, target: Target) -> dict[str, tuple[int, int]]:
        """The same at a target, where a layer that is not named has gone with its block."""
        return {layer.name: (layer.width, target.widths.get(layer.name, 0)) for layer in self.layers}


def lowest(scores: Sequence[float], count: int) -> tuple[int, ...]:
    """The numbers of the `count` lowest scores, ascending; among equal ones the first goes first."""
    ranked = sorted(range(len(scores)), key=lambda number: (scores[number], number))
    return tuple(sorted(ranked[:count]))


def counts(width: int, shares: Iterable[float]) -> tuple[int, ...]:
    """How many of `width` channels are to go for each share, each number once, none and all but one among them."""
    return tuple(sorted({0, *(round(share * width) for share in shares), width - 1}))


@cache
def load() -> Demonstration:
    """What is shipped."""
    return Demonstration.model_validate_json(FILE.read_bytes())
