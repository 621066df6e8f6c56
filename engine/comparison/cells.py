"""Figures put side by side: what every kind of run came to from one network, at one target, by one seed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.comparison.measured import Measured
from engine.comparison.settings import Kind, compared_settings, differing_origins, kind_of, origin
from engine.errors import RequestError
from engine.texts import few

_MOST_KINDS = 40
_MOST_NAMED = 8  # cells that were left out
_MOST_NAMES = 3  # kinds in a sentence


@dataclass(frozen=True)
class Place:
    """What kinds of runs are compared at: what the figure is of, the target, the seed, and settings beside (`--by`)."""

    origin: tuple[str, ...]
    target: str
    seed: int
    beside: str

    @property
    def words(self) -> str:
        return ", ".join(filter(None, (*self.origin, self.target, f"seed {self.seed}", self.beside)))


@dataclass(frozen=True)
class Cells:
    """`values` has for each place a figure for every kind, in the order of `kinds`.

    The settings `by` make the kinds; the runs differ in those `beside`, too, which are a part of a place. `runs` are
    those that stand for each kind, `left_out` says where something is missing, `notes` what was decided.
    """

    kinds: tuple[Kind, ...]
    by: tuple[str, ...]
    beside: tuple[str, ...]
    values: Mapping[Place, tuple[float, ...]]
    runs: Mapping[str, tuple[str, ...]]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]

    def column(self, number: int, places: Sequence[Place]) -> list[float]:
        """The figures of one kind at some places."""
        return [self.values[place][number] for place in places]


def match(rows: Sequence[Measured], by: Sequence[str]) -> Cells:
    """The cells that figures make; a place counts where every kind has a figure there, from one and the same baseline.

    Of several runs with everything in common the newest counts. RequestError where no place is left.
    """
    columns, others = compared_settings(rows, by)
    kinds = list({kind.name: kind for kind in (kind_of(row, columns) for row in rows)}.values())
    if len(kinds) > _MOST_KINDS:
        raise RequestError(
            f"{len(kinds)} kinds of runs are too many to test each against each; {_MOST_KINDS} are allowed, and --by "
            f"names the settings that make a kind: {', '.join(columns)}"
        )
    table, again = _table(rows, columns, others)
    values: dict[Place, tuple[float, ...]] = {}
    left_out: list[str] = []
    for place, found in sorted(table.items(), key=lambda item: item[0].words):
        reason = _reason(found, kinds)
        if reason is None:
            values[place] = tuple(_value(found[kind.name]) for kind in kinds)
        else:
            left_out.append(f"{place.words}: {reason}")
    if not values:
        raise RequestError(_nothing_left(left_out, kinds))
    kept = [found for place, found in table.items() if place in values]
    runs = {kind.name: tuple(dict.fromkeys(found[kind.name].run_id for found in kept)) for kind in kinds}
    several = "1 figure was" if again == 1 else f"{again} figures were"
    notes = (f"{several} measured more than once; of each the newest run's counts",) if again else ()
    return Cells(tuple(kinds), tuple(columns), tuple(others), values, runs, _shortened(left_out), notes)


def _table(
    rows: Sequence[Measured], columns: Sequence[str], others: Sequence[str]
) -> tuple[dict[Place, dict[str, Measured]], int]:
    """The newest figure of each kind at each place, and how many others there were."""
    origins = differing_origins(rows)
    table: dict[Place, dict[str, Measured]] = defaultdict(dict)
    again = 0
    for row in sorted(rows, key=lambda row: (row.created, row.run_id)):
        beside = kind_of(row, others).name if others else ""
        found = table[Place(origin(row, origins), row.target, row.seed, beside)]
        name = kind_of(row, columns).name
        again += name in found
        found[name] = row
    return table, again


def _reason(found: Mapping[str, Measured], kinds: Sequence[Kind]) -> str | None:
    """Why a place does not count; None where it does."""
    missing = [kind.name for kind in kinds if kind.name not in found]
    if missing:
        return f"no run of {few(missing, _MOST_NAMES)}"
    unmeasured = [kind.name for kind in kinds if found[kind.name].value is None]
    if unmeasured:
        return f"not measured of {few(unmeasured, _MOST_NAMES)}"
    baselines = {row.baseline for row in found.values()}
    if len(kinds) > 1 and (None in baselines or len(baselines) > 1):
        return "the runs did not begin with the same network"
    return None


def _value(row: Measured) -> float:
    assert row.value is not None
    return row.value


def _nothing_left(left_out: Sequence[str], kinds: Sequence[Kind]) -> str:
    more = f" (and so on, {len(left_out)} places in all)" if len(left_out) > 1 else ""
    if len(kinds) == 1:
        return f"there is nothing to compare: {left_out[0]}{more}; choose a metric that these runs have"
    return (
        f"these {len(kinds)} kinds of runs have no place in common: {left_out[0]}{more}; compare runs of the same "
        "network, images, targets and seeds"
    )


def _shortened(left_out: Sequence[str]) -> tuple[str, ...]:
    more = len(left_out) - _MOST_NAMED
    return (*left_out[:_MOST_NAMED], f"and so on, {len(left_out)} places in all") if more > 0 else tuple(left_out)
