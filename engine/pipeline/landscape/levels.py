"""The networks of a landscape: a level for each share of what is cut first, and the networks that are cut from it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from torch import Tensor

from engine.pipeline.landscape.selection import Conditions, Selection
from engine.pipeline.network import Network
from engine.pipeline.reconstruction import Reconstructor
from engine.storage.records.point import Reconstruction
from engine.surgery import plan


@dataclass(frozen=True)
class Twins:
    """A network as it was cut, and the one that is refitted in its place; the same one where nothing is to be refitted.

    `refit` does that once, and says what it did.
    """

    plain: Network
    refitted: Network
    refit: Callable[[], Reconstruction | None]
    is_whole: bool = False  # the untouched network


@dataclass(frozen=True)
class Level:
    """The network after what is cut first, and the selection of what goes then, from the refitted one."""

    untouched: Network
    twins: Twins
    selection: Selection

    @property
    def plain(self) -> Network:
        return self.twins.plain


@dataclass
class Levels:
    """Makes levels; the one that was made last serves again where the next share comes to the same cut."""

    conditions: Conditions
    untouched: Network
    reconstructor: Reconstructor | None
    images: Tensor  # a few, on which every cut is held against the masked network
    _last: tuple[plan.Step, Level] | None = None

    def __post_init__(self) -> None:
        self._first_phase, self._second_phase = self.conditions.spec.phases()
        self._first = Selection(self.conditions, self.untouched, self._first_phase)

    def level(self, share: float) -> Level:
        """The level that keeps `share` of the baseline; TargetUnreachable when that cannot be."""
        step = self._first.step(share)
        if self._last is None or self._last[0] != step:
            self._last = step, self._make(step)
        return self._last[1]

    def twins(self, level: Level, share: float) -> Twins:
        """The network that keeps `share` of a level; TargetUnreachable when that cannot be."""
        step = level.selection.step(share)
        return self._twins(level.plain.cut(step, self.images)[0]) if step.removes_something() else level.twins

    def _make(self, step: plan.Step) -> Level:
        twins = self._twins(self.untouched.cut(step, self.images)[0])
        twins.refit()
        return Level(self.untouched, twins, Selection(self.conditions, twins.refitted, self._second_phase))

    def _twins(self, plain: Network) -> Twins:
        reconstructor, is_whole = self.reconstructor, plain is self.untouched
        if reconstructor is None or is_whole:
            return Twins(plain, plain, lambda: None, is_whole)
        refitted = Network(copy.deepcopy(plain.module), plain.plan)
        return Twins(plain, refitted, cache(lambda: reconstructor.reconstruct(refitted)))
