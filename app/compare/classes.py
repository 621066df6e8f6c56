"""The accuracy of each class, those first that suffer most. Pure functions, and what the page shows of them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from app import escape, format, theme
from app.charts.comparison import class_changes
from app.compare.models import Model, name_letters

_MOST_DRAWN = 12  # classes


def show(models: Sequence[Model]) -> None:
    """The classes of the models whose predictions are kept, of the same images."""
    accuracies = by_class(models)
    st.markdown(escape.markdown(describe(accuracies, models), 1000))
    bars = [
        class_changes.Series(model.letter, escape.html(model.title), colour)
        for model, colour in zip(models, colours(models, theme.ink()), strict=True)
    ]
    st.plotly_chart(
        class_changes.figure(accuracies.head(_MOST_DRAWN), bars[0], bars[1:], ink=theme.ink()),
        key="class-changes",
        config={"displayModeBar": False},
        alt=describe(accuracies, models),
    )
    with st.expander(f"All {len(accuracies):,} classes", icon=":material/table_rows:"):
        st.dataframe(
            escape.cells(accuracies.assign(**{m.letter: 100 * accuracies[m.letter] for m in models})),
            hide_index=True,
            column_config={m.letter: st.column_config.NumberColumn(m.title, format="%.1f %%") for m in models},
            alt="The accuracy of each model in each class",
        )


def by_class(models: Sequence[Model]) -> pd.DataFrame:
    """A row for each class with test images: `class`, `images`, and each model's share of right ones by its letter.

    Those come first that lose most to the first model, in whichever other one; of equal ones the larger class.
    All models have predictions of the same images; the share of a group is the mean over its seeds.
    """
    known = models[0].outcome.images
    assert known is not None
    labels = np.asarray(known.labels)
    counts = np.bincount(labels, minlength=len(known.classes))
    table = pd.DataFrame({"class": [escape.plain(name) for name in known.classes], "images": counts})
    for model in models:
        outcomes = [each for each in (model.outcome, *model.repeats) if each.is_of(known.digest)]
        right = [np.bincount(labels[each.predictions == labels], minlength=len(counts)) for each in outcomes]
        table[model.letter] = np.mean(right, axis=0) / np.maximum(counts, 1)
    table = table[table["images"] > 0]
    change = table[[model.letter for model in models[1:]]].sub(table[models[0].letter], axis=0).min(axis=1)
    order = table.assign(_change=change).sort_values(["_change", "images"], ascending=[True, False], kind="stable")
    return order.drop(columns="_change").reset_index(drop=True)


def describe(accuracies: pd.DataFrame, models: Sequence[Model]) -> str:
    """Which class suffers most, in one sentence."""
    worst = accuracies.iloc[0]
    first, others = models[0].letter, [model.letter for model in models[1:]]
    letter = min(others, key=lambda other: worst[other])
    if worst[letter] >= worst[first]:
        return f"No class has fewer right in {name_letters(models[1:])} than in {first}."
    suffering = int((accuracies[others].min(axis=1) < accuracies[first]).sum())
    return (
        f"Class {worst['class']} suffers most: {format.percent(worst[letter])} of its {worst['images']:,} test images "
        f"are right in {letter}, {format.percent(worst[first])} in {first}. "
        f"{suffering:,} of {len(accuracies):,} classes lose something."
    )


def colours(models: Sequence[Model], ink: theme.Ink) -> list[str]:
    """Each model in its criterion's colour, fainter for each one before it that has the same; the baseline in ink."""
    plain = [ink.line if m.row["baseline"] else theme.criterion_colour(m.row["criterion"]) for m in models]
    return [
        theme.translucent(colour, 1 / (1 + 0.8 * plain[:number].count(colour))) for number, colour in enumerate(plain)
    ]
