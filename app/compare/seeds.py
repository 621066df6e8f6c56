"""Models over the runs that differ from theirs in nothing but the seed. Pure functions, and what the page shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from app import escape, format
from app.compare import groups
from app.compare.models import Model, join
from app.tables.selection import SEEDS_FOR_INTERVAL
from engine.statistics import intervals, pairs

_SURE = 0.05  # the largest p of a difference that is called one


@dataclass(frozen=True)
class Repetitions:
    """A model's accuracy under each seed that it was made with; `ids` are equal for models that are made alike."""

    letter: str
    title: str
    ids: frozenset[str]
    by_seed: Mapping[int, float]


def show(frame: pd.DataFrame, models: Sequence[Model]) -> None:
    """Means with their intervals, and a test for each difference; a sentence where there are too few seeds for one."""
    repeated = [repetitions(frame, model) for model in models if model.is_of_same_data(models[0])]
    st.subheader("Over seeds")
    if any(len(each.by_seed) > 1 for each in repeated):
        shown = table(repeated).map(escape.markdown)
        shown.columns = [escape.markdown(column) for column in shown.columns]
        st.table(shown, border="horizontal", alt="The mean accuracy of each model over its seeds")
    for sentence in sentences(repeated):
        st.markdown(escape.markdown(sentence, 1000))


def repetitions(frame: pd.DataFrame, model: Model) -> Repetitions:
    """What `frame`, all points, has of a model under every seed."""
    rows = groups.members(frame, str(model.row["id"]))
    by_seed = {int(seed): float(share) for seed, share in zip(rows["seed"], rows["top1"], strict=True)}
    return Repetitions(model.letter, model.title, frozenset(rows["id"]) or frozenset({model.row["id"]}), by_seed)


def table(repeated: Sequence[Repetitions]) -> pd.DataFrame:
    """The seeds, and the mean of the accuracies with its interval, a column a model."""
    rows = {
        "Seeds": [groups.numbers(each.by_seed) for each in repeated],
        "Top-1 accuracy": [_mean(each) for each in repeated],
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=[each.title for each in repeated])


def sentences(repeated: Sequence[Repetitions]) -> list[str]:
    """Of each model but the first whether seeds explain its difference, or how many are missing to say so."""
    first, said = repeated[0], []
    few: dict[int, list[str]] = {}  # seeds in common → letters
    for other in repeated[1:]:
        seeds = sorted(first.by_seed.keys() & other.by_seed.keys())
        if other.ids == first.ids:
            said.append(
                f"{other.letter} is made as {first.letter} is, with another seed: both have the same repetitions."
            )
        elif len(seeds) < pairs.MIN_PAIRS:
            few.setdefault(len(seeds), []).append(other.letter)
        else:
            said.append(_compare(first, other, seeds))
    return said + [_too_few(first.letter, letters, shared) for shared, letters in few.items()]


def _compare(first: Repetitions, other: Repetitions, seeds: Sequence[int]) -> str:
    test = pairs.paired_test([first.by_seed[seed] for seed in seeds], [other.by_seed[seed] for seed in seeds])
    low, high = test.difference.low, test.difference.high
    assert low is not None and high is not None
    verdict = "seeds alone hardly explain it" if test.p < _SURE else "seeds alone may explain it"
    difference = format.points_between(test.difference.mean, low, high)
    return (
        f"{other.letter} against {first.letter}, paired by {len(seeds)} seeds: {difference}, "
        f"p {_probability(test.p)}; {verdict}."
    )


def _too_few(first: str, letters: Sequence[str], shared: int) -> str:
    have = "no seed" if not shared else "one seed" if shared == 1 else f"{shared} seeds"
    missing = pairs.MIN_PAIRS - shared
    more = "one more" if missing == 1 else f"{missing} more"
    one = len(letters) == 1
    shares = f"they have {have} in common" if one else f"each has {have} in common with {first}"
    return (
        f"{join(letters)} against {first}: no test, as {shares}. It takes {pairs.MIN_PAIRS}, "
        f"so run {'both' if one else 'all'} with {more}."
    )


def _mean(each: Repetitions) -> str:
    if not each.by_seed:
        return format.MISSING
    interval = intervals.mean_interval(list(each.by_seed.values()))
    if interval.high is None or interval.n < SEEDS_FOR_INTERVAL:
        return format.percent(interval.mean)
    return f"{100 * interval.mean:.1f} ± {100 * (interval.high - interval.mean):.1f} %"


def _probability(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
