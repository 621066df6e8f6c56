"""The name of two datasets, `SOURCE>TARGET`: labelled images of one domain, and those of another. No torch."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NoReturn

from engine.errors import RequestError
from engine.spec.messages import quote

FORM = "SOURCE>TARGET, such as 'mnist5k>digits', in quotes, as a shell takes > for its own"


@dataclass(frozen=True)
class Pair:
    """The names of two datasets, each as it would stand alone."""

    source: str
    target: str

    @property
    def name(self) -> str:
        return f"{self.source}>{self.target}"


def parse(name: str, names: Collection[str], prefixes: Collection[str]) -> Pair | None:
    """The halves of a pair's name; None where it names one dataset. RequestError for other than two halves.

    A > separates behind a dataset's name, and behind a path where a dataset's name or a prefix follows. Any other > is
    part of the path, as in `npz:a>b.npz`.
    """
    place = next(_separators(name, names, prefixes), None)
    if place is None:
        return None
    source, target = name[:place], name[place + 1 :]
    if source != source.strip() or target != target.strip():
        raise RequestError(f"dataset {quote(name)} has a space beside its >; write {FORM}")
    if not source or not target:
        raise RequestError(f"dataset {quote(name)} has no {'target' if source else 'source'}; write {FORM}")
    if next(_separators(target, names, prefixes), None) is not None:
        raise RequestError(f"dataset {quote(name)} names more than two datasets; write {FORM}")
    return Pair(source, target)


def refuse_equal(name: str) -> NoReturn:
    """RequestError for a pair of a dataset with itself."""
    raise RequestError(f"{quote(name)} is both source and target; a pair is of two different datasets")


def _separators(name: str, names: Collection[str], prefixes: Collection[str]) -> Iterator[int]:
    """Where a > stands that is no part of a path."""
    first, *others = name.split(">")
    is_path = first.lstrip().startswith(tuple(prefixes))
    place = len(first)
    for piece in others:
        following = piece.strip()
        if not is_path or following in names or following.startswith(tuple(prefixes)):
            yield place
        place += 1 + len(piece)
