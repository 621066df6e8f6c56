"""A comparison as a JSON document, and as rows of text that tables in a terminal and in Markdown are made of."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from engine.comparison import verdict
from engine.comparison.analysis import ALPHA, Comparison, Mean, Pair, Problem
from engine.statistics.intervals import Interval

Writer = Callable[[float], str]


@dataclass(frozen=True)
class Table:
    """Rows of text; the name of a column of numbers begins with >."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def document(comparison: Comparison) -> dict[str, Any]:
    """Everything that was found, in the metric's own unit."""
    ranks = comparison.ranks
    return {
        "metric": comparison.metric.name,
        "higher_is_better": comparison.metric.higher_is_better,
        "alpha": ALPHA,
        "by": list(comparison.by),
        "beside": list(comparison.beside),
        "kinds": [
            {"name": kind.name, "settings": dict(kind.values), "runs": list(comparison.runs[kind.name])}
            for kind in comparison.kinds
        ],
        "problems": [_problem(problem) for problem in comparison.problems],
        "seeds": list(comparison.seeds),
        "places": comparison.places,
        "n": comparison.repetitions,
        "means": [
            {"kind": mean.kind, "problem": _problem(mean.problem), **_intervals(mean)} for mean in comparison.means
        ],
        "pairs": [_pair(pair) for pair in comparison.pairs],
        "friedman": None if ranks is None else asdict(ranks),
        "least_n": comparison.least,
        "least_problems": comparison.least_problems,
        "winner": verdict.winner(comparison),
        "verdict": verdict.sentence(comparison),
        "conditions": None if comparison.conditions is None else asdict(comparison.conditions),
        "left_out": list(comparison.left_out),
        "assumptions": verdict.assumptions(comparison),
        "notes": list(comparison.notes),
    }


def common_words(comparison: Comparison) -> str:
    """What all problems have in common, in words."""
    first, *others = comparison.problems
    parts = [part for part in (*first.origin, first.target) if all(part in _parts(each) for each in others)]
    return ", ".join(parts)


def means_table(comparison: Comparison) -> Table:
    """The mean of each kind on each problem, best kinds first."""
    many, metric = len(comparison.problems) > 1, comparison.metric
    columns = ("", *(("problem",) if many else ()), ">n", f">{_headed('mean ± t', metric.unit)}", ">bootstrap")
    rows = []
    for mean in comparison.means:
        problem = (_own_words(comparison, mean.problem),) if many else ()
        figures = (_around(mean.student, metric.write, metric.write), _between(mean.bootstrap, metric.write))
        rows.append((mean.kind, *problem, str(mean.student.n), *figures))
    return Table(columns, tuple(rows))


def pairs_table(comparison: Comparison, *, whole: bool) -> Table:
    """Each kind against each, the surest differences first; `whole` with p before correction and the bootstrap."""
    metric = comparison.metric
    more = (">bootstrap", ">p") if whole else ()
    columns = ("kind", "against", f">{_headed('difference ± t', metric.change_unit)}", *more, ">p (Holm)", ">r", ">d_z")
    rows = []
    for pair in sorted(comparison.pairs, key=lambda pair: pair.adjusted):
        change = _around(pair.student, metric.write_change, metric.write)
        also = (_between(pair.bootstrap, metric.write_change), _three(pair.test.p)) if whole else ()
        effects = (f"{pair.test.rank_biserial:+.2f}", "–" if pair.effect is None else f"{pair.effect:+.2f}")
        needed = "–" if pair.needed is None else f"{pair.needed:,}"
        rows.append((pair.second, pair.first, change, *also, _three(pair.adjusted), *effects, needed))
    return Table((*columns, ">n needed"), tuple(rows))


def ranks_table(comparison: Comparison) -> Table:
    """The mean rank of each kind, 1 the best."""
    assert comparison.ranks is not None
    ranked = sorted(zip(comparison.ranks.ranks, comparison.kinds, strict=True), key=lambda each: each[0])
    return Table(("", ">mean rank"), tuple((kind.name, f"{rank:.2f}") for rank, kind in ranked))


def _intervals(each: Mean | Pair) -> dict[str, Any]:
    return {
        "mean": each.student.mean,
        "n": each.student.n,
        "t": [each.student.low, each.student.high],
        "bootstrap": [each.bootstrap.low, each.bootstrap.high],
    }


def _pair(pair: Pair) -> dict[str, Any]:
    test = pair.test
    return {
        "first": pair.first,
        "second": pair.second,
        **_intervals(pair),
        "wilcoxon": {"p": test.p, "holm": pair.adjusted, "exact": test.exact, "zeros": test.zeros, "tied": test.tied},
        "rank_biserial": test.rank_biserial,
        "d_z": pair.effect,
        "n_needed": pair.needed,
        "differs": pair.differs,
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {"of": list(problem.origin), "target": problem.target}


def _parts(problem: Problem) -> tuple[str, ...]:
    return tuple(filter(None, (*problem.origin, problem.target)))


def _own_words(comparison: Comparison, problem: Problem) -> str:
    """A problem by what tells it from the others."""
    own = [part for part in _parts(problem) if not all(part in _parts(each) for each in comparison.problems)]
    return ", ".join(own)


def _headed(heading: str, unit: str) -> str:
    return f"{heading}, {unit}" if unit else heading


def _around(interval: Interval, write_mean: Writer, write: Writer) -> str:
    """A mean and half of its interval, which is as wide on both sides."""
    if interval.high is None:
        return write_mean(interval.mean)
    return f"{write_mean(interval.mean)} ± {write(interval.high - interval.mean)}"


def _between(interval: Interval, write: Writer) -> str:
    if interval.low is None or interval.high is None:
        return "–"
    return f"{write(interval.low)} … {write(interval.high)}"


def _three(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
