"""Registries that fill themselves: what is declared in the files of a package, by name. No torch.

A file of the package declares its entries when it is imported; all files are imported when names are first read.
So a new file there is enough, and nothing else has to name it.
"""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import RLock
from typing import TypeVar, overload

from engine.errors import RequestError

E = TypeVar("E")

_lock = RLock()
_imported: set[str] = set()  # packages whose files have all been imported


class Registry(Mapping[str, E]):
    """The entries that the files of `package` declare, by name.

    Order: `rank`, then the declaring file's name, then the place in the file; so it never depends on which file was
    imported first. Names consist of the characters in `allowed`, a part of a regular expression.
    """

    def __init__(self, kind: str, package: str, allowed: str = "a-z0-9_") -> None:
        self._kind, self._package, self._allowed = kind, package, allowed
        self._entries: dict[str, E] = {}
        self._ranks: dict[str, tuple[int, str]] = {}  # name → rank and declaring module
        self._origins: dict[str, str] = {}

    def add(self, name: str, entry: E, origin: Callable[..., object] | str, rank: int = 0) -> None:
        """Declare an entry; `origin` is the function that it stands above, or the declaring module's name.

        RequestError when the name is malformed or something else has it. The same origin may declare it again, as it
        does when a file is reloaded.
        """
        module = origin if isinstance(origin, str) else origin.__module__
        source = module if isinstance(origin, str) else f"{module}.{origin.__qualname__}"
        if not re.fullmatch(f"[{self._allowed}]+", name):
            raise RequestError(
                f"{self._kind} {name[:60]!r}, declared in {source}, has a name of other characters than "
                f"{self._allowed}; rename it"
            )
        if self._origins.setdefault(name, source) != source:
            raise RequestError(
                f"{self._kind} {name!r} is declared in {self._origins[name]} and again in {source}; "
                "a name stands for one thing, so rename one of them"
            )
        self._entries[name] = entry
        self._ranks[name] = rank, module

    def __getitem__(self, name: str) -> E:
        import_all(self._package)
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        import_all(self._package)
        return iter(sorted(self._entries, key=self._ranks.__getitem__))

    def __len__(self) -> int:
        import_all(self._package)
        return len(self._entries)


class Names(Sequence[str]):
    """A sequence of names that is worked out when it is first read."""

    def __init__(self, names: Callable[[], Sequence[str]]) -> None:
        self._names = names

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return self._names()[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    def __len__(self) -> int:
        return len(self._names())


def import_all(package: str) -> None:
    """Import every file of a package, once; packages inside it are left alone."""
    if package in _imported:
        return
    with _lock:
        if package in _imported:
            return
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
            if not module.ispkg:
                importlib.import_module(module.name)
        _imported.add(package)
