"""Models over the runs that differ from theirs in nothing but the seed. Pure functions, and what the page shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from app import escape, format
from app.compare import groups
from app.compare.models import Model, join
from app.tables.selection import SEEDS_FOR_INTERVAL
from engine.comparison import verdict
from engine.comparison.analysis import Pair, of_seeds
from engine.errors import RequestError
from engine.statistics.intervals import mean_interval
from engine.statistics.many import least_pairs


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
    """How far each model lies from the first over the seeds that all have, and which is the best, if any.

    Told by the rules of `espalier compare`. What is made as another one, or has no second seed, is named apart.
    """
    distinct: dict[frozenset[str], Repetitions] = {}
    pairs = [(each, distinct.setdefault(each.ids, each)) for each in repeated]
    said = [
        f"{each.letter} is made as {same.letter} is, with another seed: both have the same repetitions."
        for each, same in pairs
        if each is not same
    ]
    tested = [each for each in distinct.values() if len(each.by_seed) > 1]
    lone = [each.letter for each in distinct.values() if len(each.by_seed) < 2]
    if lone and len(distinct) > 1:
        said.append(_too_few(lone, len(distinct)))
    return said + (_compare({each.letter: dict(each.by_seed) for each in tested}) if len(tested) > 1 else [])


@st.cache_data(max_entries=64, show_spinner=False)
def _compare(accuracies: dict[str, dict[int, float]]) -> list[str]:
    """By letter and seed; resampling for six models takes too long for every click."""
    try:
        found = of_seeds(accuracies)
    except RequestError as error:
        return [f"No test: {error}."]
    by_letters = {frozenset({pair.first, pair.second}): pair for pair in found.pairs}
    first, *others = accuracies
    said = [_difference(by_letters[frozenset({first, other})], other) for other in others]
    return [*filter(None, said), verdict.sentence(found)]


def _difference(pair: Pair, other: str) -> str:
    """How far one of a pair lies above the other one; empty for one seed, which has no interval."""
    mean, low, high, n = pair.student.mean, pair.student.low, pair.student.high, pair.student.n
    if low is None or high is None:
        return ""
    first = pair.first
    if other == first:
        first, mean, low, high = pair.second, -mean, -high, -low
    return (
        f"{other} against {first}, paired by {n} seeds: {format.points_between(mean, low, high)}, "
        f"{verdict.probability(pair.adjusted)} after Holm's correction."
    )


def _too_few(letters: Sequence[str], count: int) -> str:
    has, it = ("has", "it") if len(letters) == 1 else ("have", "them")
    return (
        f"{join(letters)} {has} no second seed, so nothing is tested of {it}; of {count} models it takes "
        f"{least_pairs(count * (count - 1) // 2)} seeds each to call one the best."
    )


def _mean(each: Repetitions) -> str:
    if not each.by_seed:
        return format.MISSING
    interval = mean_interval(list(each.by_seed.values()))
    if interval.high is None or interval.n < SEEDS_FOR_INTERVAL:
        return format.percent(interval.mean)
    return f"{100 * interval.mean:.1f} ± {100 * (interval.high - interval.mean):.1f} %"
