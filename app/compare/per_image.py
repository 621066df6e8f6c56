"""Which of the models can be compared image by image, and why not the others."""

from collections.abc import Sequence

import streamlit as st

from app import escape
from app.compare import classes, disagreement
from app.compare.models import Model, name_letters


def show(models: Sequence[Model]) -> None:
    """The classes and the images of those that are comparable, under their headings; a sentence for each reason."""
    comparable, reasons = split(models)
    st.subheader("Classes" if len(comparable) > 1 else "Classes and images")
    for reason in reasons:
        st.caption(f":material/info: {escape.message(reason)}")
    if len(comparable) > 1:
        classes.show(comparable)
        st.subheader("Where they disagree")
        disagreement.show(comparable)


def split(models: Sequence[Model]) -> tuple[list[Model], list[str]]:
    """Those whose predictions are of the same test images as the first one's that has any, and a sentence on others."""
    damaged = [model for model in models if model.outcome.damage]
    having = [model for model in models if model.outcome.predictions is not None]
    lacking = [model for model in models if model not in having and model not in damaged]
    same = [model for model in having if _digest(model) == _digest(having[0])]
    other = [model for model in having if model not in same]
    reasons = [model.outcome.damage for model in damaged]
    if lacking:
        one = len(lacking) == 1
        reasons.append(
            f"{name_letters(lacking)}: {'its run keeps' if one else 'their runs keep'} no predictions for single "
            f"images, as runs of earlier versions; run {'it' if one else 'them'} again to compare classes and images."
        )
    if other:
        verb = "was" if len(other) == 1 else "were"
        reasons.append(
            f"{name_letters(other)} {verb} tested on other images than {having[0].letter}, or at another size, so "
            "that neither classes nor images are compared with it."
        )
    return same, reasons


def _digest(model: Model) -> str | None:
    known = model.outcome.images
    return None if known is None else known.digest
