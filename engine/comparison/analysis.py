"""The figures of runs, tested: means over seeds, each kind against each, and all of them by their ranks."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from engine.comparison.cells import Cells, Place, match
from engine.comparison.choice import Summary, unfinished
from engine.comparison.measured import Figures, read
from engine.comparison.metrics import Metric, metric_of
from engine.comparison.settings import Kind
from engine.errors import RequestError
from engine.statistics.intervals import Interval, bootstrap_interval, mean_interval
from engine.statistics.many import holm, least_pairs, pairs_for_power
from engine.statistics.pairs import SignedRanks, cohens_dz, differences, signed_ranks
from engine.statistics.ranks import MIN_METHODS, MIN_PROBLEMS, RankTest, least_problems, rank_test
from engine.storage.indexing.columns import PointColumns
from engine.storage.records.measurement import Conditions

ALPHA = 0.05


@dataclass(frozen=True)
class Question:
    """What runs are compared by: a metric, one target or all, and the settings that make a kind (all that differ).

    `int8` asks of the 8-bit network of each target, `board` of the latency there and not on this host.
    """

    metric: str = "top1"
    at: float | None = None
    by: tuple[str, ...] = ()
    int8: bool = False
    board: str | None = None


@dataclass(frozen=True)
class Problem:
    """What kinds are compared on: a network on its images, and a target."""

    origin: tuple[str, ...]
    target: str

    @property
    def words(self) -> str:
        return ", ".join((*self.origin, self.target))


@dataclass(frozen=True)
class Mean:
    """Of one kind on one problem: the mean over seeds, with Student's interval and the bootstrap's."""

    kind: str
    problem: Problem
    student: Interval
    bootstrap: Interval


@dataclass(frozen=True)
class Pair:
    """Two kinds: how far `second` lies above `first`, by Wilcoxon's test and in units of the differences' spread.

    `adjusted` is p after Holm's correction over all pairs; `needed` about how many repetitions would show a difference
    of this size, None for more than anyone will run.
    """

    first: str
    second: str
    student: Interval
    bootstrap: Interval
    test: SignedRanks
    adjusted: float
    effect: float | None
    needed: int | None

    @property
    def differs(self) -> bool:
        return self.adjusted < ALPHA


@dataclass(frozen=True)
class Comparison:
    """Kinds of runs compared over `places` matched places, which come from `repetitions` independent ones.

    Places that share their network, images and seed begin with one baseline and are not independent: their differences
    are averaged first. `least` repetitions is what it takes for any pair to differ, `least_problems` for `ranks`, which
    is None where there are fewer than three kinds or two problems. Kinds come best first; `by` are the settings that
    make them, `beside` others in which the runs differ, in which they were matched.
    """

    metric: Metric
    by: tuple[str, ...]
    beside: tuple[str, ...]
    kinds: tuple[Kind, ...]
    runs: dict[str, tuple[str, ...]]
    problems: tuple[Problem, ...]
    seeds: tuple[int, ...]
    places: int
    repetitions: int
    means: tuple[Mean, ...]
    pairs: tuple[Pair, ...]
    ranks: RankTest | None
    least: int
    least_problems: int
    conditions: Conditions | None
    left_out: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def origins(self) -> int:
        """How many networks on how many images there are."""
        return len({problem.origin for problem in self.problems})


def compare(
    summaries: Collection[Summary], columns: Iterable[tuple[Summary, PointColumns]], question: Question
) -> Comparison:
    """The comparison of runs, given their summaries and their points; RequestError where nothing can be compared."""
    metric = metric_of(question.metric)
    figures = read(columns, metric, at=question.at, int8=question.int8, board=question.board)
    note = unfinished(summaries)
    return of_figures(figures, metric, question.by, (note,) if note else ())


def of_figures(figures: Figures, metric: Metric, by: Sequence[str] = (), notes: Sequence[str] = ()) -> Comparison:
    """The same of figures that were read."""
    return _of_cells(match(figures.rows, by), metric, figures.conditions, notes)


def of_seeds(accuracies: Mapping[str, Mapping[int, float]]) -> Comparison:
    """The same of top-1 accuracies by kind and seed that a page has put together; all are of the same images.

    Equal seeds make a pair: what a baseline that both began with does falls out. RequestError where no seed is common
    to all.
    """
    common = set.intersection(*(set(of_kind) for of_kind in accuracies.values()))
    if not common:
        raise RequestError(f"{', '.join(accuracies)} have no seed in common; run them with the same seeds")
    left_out = sorted(set().union(*accuracies.values()) - common)
    values = {
        Place((), "", seed, ""): tuple(of_kind[seed] for of_kind in accuracies.values()) for seed in sorted(common)
    }
    cells = Cells(
        kinds=tuple(Kind(name, {}) for name in accuracies),
        by=(),
        beside=(),
        values=values,
        runs=dict.fromkeys(accuracies, ()),
        left_out=tuple(f"seed {seed}: not of all" for seed in left_out),
        notes=(),
    )
    return _of_cells(cells, metric_of("top1"), None, ())


def _of_cells(cells: Cells, metric: Metric, conditions: Conditions | None, notes: Sequence[str]) -> Comparison:
    repetitions = _repetitions(cells)
    order = _best_first(cells, repetitions, metric)
    problems = _by_problem(cells)
    kinds = tuple(cells.kinds[number] for number in order)
    return Comparison(
        metric=metric,
        by=cells.by,
        beside=cells.beside,
        kinds=kinds,
        runs={kind.name: cells.runs[kind.name] for kind in kinds},
        problems=tuple(problems),
        seeds=tuple(sorted({place.seed for place in cells.values})),
        places=len(cells.values),
        repetitions=len(repetitions),
        means=tuple(_mean(cells, number, problem, seeds) for problem, seeds in problems.items() for number in order),
        pairs=_pairs(cells, order, repetitions),
        ranks=_ranks(cells, order, problems.values(), metric),
        least=least_pairs(len(kinds) * (len(kinds) - 1) // 2, ALPHA),
        least_problems=least_problems(len(kinds), ALPHA) if len(kinds) >= MIN_METHODS else MIN_PROBLEMS,
        conditions=conditions,
        left_out=cells.left_out,
        notes=(*notes, *cells.notes),
    )


def _repetitions(cells: Cells) -> list[list[Place]]:
    """The places that are not independent together: those of one network on its images with one seed."""
    together: dict[tuple[tuple[str, ...], int], list[Place]] = {}
    for place in cells.values:
        together.setdefault((place.origin, place.seed), []).append(place)
    return list(together.values())


def _averages(cells: Cells, number: int, groups: Iterable[Sequence[Place]]) -> list[float]:
    return [fmean(cells.column(number, places)) for places in groups]


def _best_first(cells: Cells, repetitions: Sequence[Sequence[Place]], metric: Metric) -> list[int]:
    means = [fmean(_averages(cells, number, repetitions)) for number in range(len(cells.kinds))]
    sign = -1 if metric.higher_is_better else 1
    return sorted(range(len(means)), key=lambda number: (sign * means[number], cells.kinds[number].name))


def _by_problem(cells: Cells) -> dict[Problem, list[list[Place]]]:
    """The places of each problem, seed by seed."""
    found: dict[Problem, dict[int, list[Place]]] = {}
    for place in cells.values:
        found.setdefault(Problem(place.origin, place.target), {}).setdefault(place.seed, []).append(place)
    return {problem: list(seeds.values()) for problem, seeds in found.items()}


def _mean(cells: Cells, number: int, problem: Problem, seeds: Iterable[Sequence[Place]]) -> Mean:
    values = _averages(cells, number, seeds)
    return Mean(cells.kinds[number].name, problem, mean_interval(values), bootstrap_interval(values))


def _pairs(cells: Cells, order: Sequence[int], repetitions: Sequence[Sequence[Place]]) -> tuple[Pair, ...]:
    values = {number: _averages(cells, number, repetitions) for number in order}
    both = list(combinations(order, 2))
    changes = [differences(values[first], values[second]) for first, second in both]
    tests = [signed_ranks(each) for each in changes]
    adjusted = holm([test.p for test in tests])
    return tuple(
        Pair(
            cells.kinds[first].name,
            cells.kinds[second].name,
            mean_interval(change),
            bootstrap_interval(change),
            test,
            p,
            effect := cohens_dz(change),
            _needed(effect, test, len(both)),
        )
        for (first, second), change, test, p in zip(both, changes, tests, adjusted, strict=True)
    )


def _needed(effect: float | None, test: SignedRanks, tests: int) -> int | None:
    """None where nothing can be estimated: of one repetition, or of no difference at all."""
    if test.n + test.zeros < 2 or test.n == 0:
        return None
    return pairs_for_power(effect, tests, ALPHA)


def _ranks(
    cells: Cells, order: Sequence[int], problems: Collection[Sequence[Sequence[Place]]], metric: Metric
) -> RankTest | None:
    if len(order) < MIN_METHODS or len(problems) < MIN_PROBLEMS:
        return None
    table = [[fmean(_averages(cells, number, seeds)) for number in order] for seeds in problems]
    return rank_test(table, higher_is_better=metric.higher_is_better, alpha=ALPHA)
