"""How long a landscape will take, from the cells of earlier ones. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.spec.landscape.request import LandscapeRequest
from engine.storage.landscapes.grid import Grid


@dataclass(frozen=True)
class Reference:
    """A landscape that is measured, as the list has it, and its figures."""

    job: Mapping[str, Any]
    grid: Grid

    @property
    def seconds(self) -> float | None:
        """What a cell took, those among them that repeat another; None without any."""
        cells = self.grid.cells
        return sum(cell.seconds for cell in cells) / len(cells) if cells else None


@dataclass(frozen=True)
class Estimate:
    """The seconds that all cells will take, and whether cells on this machine say so."""

    seconds: float
    own: bool


def estimate(request: LandscapeRequest, macs: int, references: Sequence[Reference]) -> Estimate | None:
    """From the landscape most like the request: of this machine, then of the same network and data, then the newest.

    A cell's time is taken to go with the untouched network's MACs, which are `macs`. None where nothing is measured.
    """
    usable = [each for each in references if each.seconds and each.grid.untouched.macs]
    if not usable:
        return None
    spec = request.spec

    def likeness(each: Reference) -> tuple[bool, bool, bool]:
        same = (each.job["model"], each.job["data"]) == (spec.model, spec.data.name)
        return not each.job["gallery"], same, each.job["reconstruct"] == spec.recover.reconstruct

    best = max(usable, key=likeness)  # the first of equals, which is the newest
    assert best.seconds is not None
    scale = macs / best.grid.untouched.macs
    return Estimate(best.seconds * scale * request.grid**2, not best.job["gallery"])
