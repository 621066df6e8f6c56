"""What a comparison comes to, and what it takes for granted, in sentences."""

from collections.abc import Sequence

from engine.comparison.analysis import ALPHA, Comparison, Pair
from engine.statistics.intervals import MIN_FOR_BOOTSTRAP
from engine.statistics.many import MOST_NEEDED
from engine.statistics.ranks import MIN_METHODS, MIN_PROBLEMS
from engine.texts import few

_MOST_NAMES = 4


def winner(comparison: Comparison) -> str | None:
    """The kind that is better than each other one, beyond chance; None where there is none, or too little to say so."""
    best = _of_best(comparison)
    if comparison.repetitions < comparison.least or not best or not all(_is_ahead(comparison, pair) for pair in best):
        return None
    return comparison.kinds[0].name


def sentence(comparison: Comparison) -> str:
    """Which kind is the best, or why none is called so."""
    first = comparison.kinds[0].name
    pairs = _of_best(comparison)
    if not pairs:
        return "There is one kind of run here, so nothing to test; its means stand above."
    if comparison.repetitions < comparison.least:
        return f"No winner is called: {_too_few(comparison)}"
    if winner(comparison):
        return f"{first} has {_best(comparison)}, and differs from each other kind ({_n(comparison)})."
    open_pairs = [pair for pair in pairs if not _is_ahead(comparison, pair)]
    return (
        f"No winner is called: chance may explain what is between {first}, with {_best(comparison)}, and "
        f"{few([pair.second for pair in open_pairs], _MOST_NAMES)} ({_n(comparison)}). {_more(comparison, open_pairs)}"
    )


def of_ranks(comparison: Comparison) -> str:
    """What Friedman's test says, or why there is none."""
    ranks = comparison.ranks
    if ranks is None:
        return (
            f"Friedman's test takes {MIN_METHODS} kinds and {MIN_PROBLEMS} problems (a problem is a target of "
            f"a network on its images); here: {len(comparison.kinds)} and {len(comparison.problems)}."
        )
    found = (
        f"Friedman over {ranks.problems} problems: χ² = {ranks.chi2:.2f}, {probability(ranks.p)}, of ranks shuffled "
        f"within each problem. Nemenyi's critical difference is {ranks.critical_difference:.2f}"
    )
    if ranks.problems < comparison.least_problems:
        return f"{found}, more than ranks can differ by: it takes {comparison.least_problems} problems to tell any two."
    if ranks.p >= ALPHA:
        return f"{found}; as Friedman's test finds no difference, no two kinds are told apart by it."
    return f"{found}: kinds whose mean ranks lie so far apart differ."


def assumptions(comparison: Comparison) -> list[str]:
    """How it was counted, what the tests take for granted, and how ties were handled."""
    said = [
        "What was matched: network, images, baseline, target, seed"
        + "".join(f", {name}" for name in comparison.beside)
        + f". Figures: {_places(comparison)} where every kind has one.",
    ]
    if comparison.places > comparison.repetitions:
        said.append(
            "Places that share network, images and seed begin with one baseline, so their figures are averaged first: "
            f"n = {comparison.repetitions}."
        )
    said.append(
        f"Intervals are at 95 %: Student's t takes the figures as normal, the bootstrap (BCa) does not and needs "
        f"{MIN_FOR_BOOTSTRAP} seeds."
    )
    if comparison.pairs:
        said.append(_about_pairs(comparison))
    if comparison.ranks is not None:
        said.append(
            "Friedman's test takes problems as independent, which several targets of one network are not: its p is "
            "too small then. Equal figures share their mean rank, for which χ² is corrected."
            + (
                " All problems here are targets of one network: it says nothing of others."
                if comparison.origins == 1
                else ""
            )
        )
    return said


def probability(p: float) -> str:
    """p in three digits."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _about_pairs(comparison: Comparison) -> str:
    zeros, tied = (max(getattr(pair.test, name) for pair in comparison.pairs) for name in ("zeros", "tied"))
    ties = f"here at most {zeros} and {tied} in a pair" if zeros or tied else "there are none here"
    exact = "exact" if all(pair.test.exact for pair in comparison.pairs) else "by a normal distribution for large n"
    return (
        f"Pairs: Wilcoxon's signed-rank test, two-sided, {exact}, corrected by Holm over {_count(comparison)}. It "
        "takes differences as independent and symmetric. Those of 0 are left out and equal ones share their mean "
        f"rank: {ties}. r is the rank-biserial correlation, d_z the mean difference in units of its spread."
    )


def _is_ahead(comparison: Comparison, pair: Pair) -> bool:
    """Whether the first of a pair is surely better; a mean and ranks may speak for different ones."""
    falls = pair.test.rank_biserial < 0
    return pair.differs and falls == comparison.metric.higher_is_better


def _best(comparison: Comparison) -> str:
    return f"the {'highest' if comparison.metric.higher_is_better else 'lowest'} mean {comparison.metric.heading}"


def _of_best(comparison: Comparison) -> list[Pair]:
    return [pair for pair in comparison.pairs if pair.first == comparison.kinds[0].name]


def _too_few(comparison: Comparison) -> str:
    best = min(1.0, len(comparison.pairs) * 2.0 ** (1 - comparison.repetitions))
    needed = [pair for pair in _of_best(comparison) if not _is_ahead(comparison, pair)]
    return (
        f"{_n(comparison)} is too few, as p cannot fall below {best:.3g} then, after Holm over {_count(comparison)}. "
        f"It takes n = {comparison.least}. {_more(comparison, needed)}"
    ).rstrip()


def _more(comparison: Comparison, pairs: Sequence[Pair]) -> str:
    """How many repetitions would do, by the differences that were seen."""
    if comparison.repetitions < 2 or not pairs:  # one difference has no spread to go by
        return ""
    if any(not pair.test.n for pair in pairs):
        return "Where all figures are equal there is no difference to go by."
    if any(pair.needed is None for pair in pairs):
        return f"By the differences seen not even n = {MOST_NEEDED:,} would tell all of them from it."
    most = max(pair.needed or 0 for pair in pairs)
    return f"By the differences seen about n = {most:,} would find them in four of five cases."


def _n(comparison: Comparison) -> str:
    one, several = ("seed", "seeds") if comparison.origins == 1 else ("network and seed", "networks and seeds")
    return f"n = {comparison.repetitions} {one if comparison.repetitions == 1 else several}"


def _places(comparison: Comparison) -> str:
    return "1 place" if comparison.places == 1 else f"{comparison.places} places"


def _count(comparison: Comparison) -> str:
    return "1 pair" if len(comparison.pairs) == 1 else f"{len(comparison.pairs)} pairs"
