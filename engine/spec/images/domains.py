"""The domains that a name of data stands for, in few words: the labelled one, and the one carried over to. No torch."""

from collections.abc import Iterable
from dataclasses import dataclass

from engine.errors import RequestError
from engine.spec import catalog
from engine.texts import short_names


@dataclass(frozen=True)
class Domains:
    """Short names of a run's source and target; no target where a network stays on the data that it is trained on."""

    source: str
    target: str | None = None

    @property
    def label(self) -> str:
        """Both in one word, as the command line has them."""
        return self.source if self.target is None else f"{self.source}>{self.target}"


def shorten(names: Iterable[str]) -> dict[str, Domains]:
    """For each name of data its domains by the shortest names that tell them from all others."""
    halves = {name: _halves(name) for name in dict.fromkeys(names)}
    short = short_names(half for pair in halves.values() for half in pair)
    return {name: Domains(*(short[half] for half in pair)) for name, pair in halves.items()}


def _halves(name: str) -> tuple[str, ...]:
    """Source and target; the name as it is where this version does not know what to make of it."""
    try:
        return catalog.halves(name)
    except RequestError:
        return (name,)
