"""What was decided before numbers were made, and what to doubt in these."""

from collections.abc import Sequence

import streamlit as st

from app import escape, text
from engine.storage.records import remarks
from engine.storage.records.point import Point

_MOST_NOTES = 40


def show(notes: Sequence[str]) -> None:
    """The notes, a line each; nothing where there are none."""
    if notes:
        lines = [f"- {escape.message(note)}" for note in notes[:_MOST_NOTES]]
        lines += [f"- and {len(notes) - _MOST_NOTES:,} more"] if len(notes) > _MOST_NOTES else []
        st.caption("\n".join(lines))


def show_remarks(points: Sequence[Point]) -> None:
    """What to doubt in a run's points: in red what is no better than chance, in orange what is slower than before."""
    for colour, icon, sentences in (
        ("red", "error", remarks.of_accuracy(points)),
        ("orange", "warning", remarks.of_latency(points)),
    ):
        for sentence in sentences:
            st.markdown(f":{colour}[:material/{icon}: {text.sentence(sentence)}]")
