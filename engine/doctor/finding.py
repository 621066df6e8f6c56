"""One thing that is wrong with a results folder. No torch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from engine.storage.store import Store

Kind = Literal["permission", "disk", "link", "damage", "worker", "index", "leftover"]


@dataclass(frozen=True)
class Finding:
    """What is wrong with what is at `where`, in one sentence that says what helps; `fix` mends it, where that can be.

    A fix raises RequestError or WorkError when it cannot.
    """

    kind: Kind
    where: str
    sentence: str
    fix: Callable[[], object] | None = None


Check = Callable[[Store], Iterator[Finding]]
