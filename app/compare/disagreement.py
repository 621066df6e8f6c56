"""The images on which models disagree. Pure functions, and what the page shows of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from app import escape, format
from app.compare.models import Model, name_letters
from engine.statistics import counts

if TYPE_CHECKING:
    from engine.storage.outcomes.predictions import Array

MOST_IMAGES = 12
_ROW_PX = 60


def show(models: Sequence[Model]) -> None:
    """How many images they disagree on, who is right there, and some of the images."""
    for sentence in sentences(models):
        st.markdown(escape.markdown(sentence, 1000))
    rows = images(models)
    if rows.empty:
        return
    known = models[0].outcome.images
    assert known is not None
    columns = {model.letter: st.column_config.TextColumn(model.title) for model in models}
    st.dataframe(
        escape.cells(rows),
        hide_index=True,
        height="content",
        row_height=_ROW_PX,
        column_config={
            "picture": st.column_config.ImageColumn("image"),
            "number": st.column_config.NumberColumn("number", help="Its place in the test split, from 0."),
            **columns,
        },
        alt="Images on which the models disagree, with the class that each of them names",
    )
    if rows["picture"].isna().any():
        st.caption(
            f"A run keeps pictures of {len(known.thumbnails):,} of its {len(known.labels):,} test images, the same "
            "ones in every run; the others are named by their place in the test split."
        )


def sentences(models: Sequence[Model]) -> list[str]:
    """On how many images the models disagree, and for each but the first who of both is right, and how sure that is."""
    labels, predictions = _arrays(models)
    count = int(disagree(predictions).sum())
    said = [f"{name_letters(models)} name different classes for {count:,} of {len(labels):,} test images."]
    first = predictions[0] == labels
    for model, classes in zip(models[1:], predictions[1:], strict=True):
        right = classes == labels
        lost, gained = int((first & ~right).sum()), int((right & ~first).sum())
        loss = counts.paired_loss(lost, gained, len(labels))
        assert loss.low is not None and loss.high is not None
        change = format.points_between(-loss.mean, -loss.high, -loss.low)
        said.append(
            f"{model.letter} loses {lost:,} images that {models[0].letter} has right, and gains {gained:,}: {change}."
        )
    return said


def images(models: Sequence[Model]) -> pd.DataFrame:
    """At most `MOST_IMAGES` images on which they disagree: `picture`, `number`, `label`, who is `right`, and what each
    model names by its letter.

    Those with a picture come first, and of these the ones that the first model has right and most others wrong.
    """
    known = models[0].outcome.images
    assert known is not None
    labels, predictions = _arrays(models)
    right = np.stack([classes == labels for classes in predictions])
    pictures = {thumbnail.image: thumbnail.picture for thumbnail in known.thumbnails}
    numbers = np.flatnonzero(disagree(predictions))
    pictured = np.isin(numbers, list(pictures))
    lost = np.where(right[0], (~right[1:]).sum(axis=0), 0)[numbers]
    shown = numbers[np.lexsort((numbers, -lost, ~pictured))][:MOST_IMAGES]
    names = [escape.plain(name) for name in known.classes]
    rows = {
        "picture": [pictures.get(int(number)) for number in shown],
        "number": shown,
        "label": [names[labels[number]] for number in shown],
        **{
            model.letter: [names[classes[number]] for number in shown]
            for model, classes in zip(models, predictions, strict=True)
        },
        "right": [_letters(models, right[:, number]) for number in shown],
    }
    return pd.DataFrame(rows)


def disagree(predictions: Sequence["Array"]) -> "Array":
    """For which images not all models name the same class."""
    return np.asarray(np.any([classes != predictions[0] for classes in predictions[1:]], axis=0))


def _arrays(models: Sequence[Model]) -> tuple["Array", list["Array"]]:
    """The labels, and each model's classes."""
    known = models[0].outcome.images
    predictions = [model.outcome.predictions for model in models]
    assert known is not None
    return np.asarray(known.labels), [classes for classes in predictions if classes is not None]


def _letters(models: Sequence[Model], right: "Array") -> str:
    letters = [model.letter for model, is_right in zip(models, right, strict=True) if is_right]
    return ", ".join(letters) or "none"
