"""The filters of Explore, folded into one button, and what a link asks for that is not there."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from app import escape, text
from app.charts import axes
from app.explore import address
from app.tables import board_columns


@dataclass(frozen=True)
class _Filter:
    label: str
    name: str  # of its parameter
    column: str
    placeholder: str

    def words(self, frame: pd.DataFrame) -> dict[object, str]:
        """Each value there is, and how a page shows it."""
        in_words = text.NAMES.get(self.column, str)
        return {value: in_words(value) for value in frame[self.column].unique()}

    def options(self, frame: pd.DataFrame) -> list[str]:
        return list(dict.fromkeys(self.words(frame).values()))


_FILTERS = (
    _Filter("Experiment", "exp", "experiment", "All experiments"),
    _Filter("Model", "model", "model", "All models"),
    _Filter("Data", "data", "data_label", "All data"),
    _Filter("Criterion", "criterion", "criterion", "All criteria"),
    _Filter("Order", "order", "order", "All orders"),
)


def asked() -> tuple[tuple[str, ...], ...]:
    """What the address asks of each filter: the same tables pass where it is the same."""
    return tuple(address.values(each.name) for each in _FILTERS)


def narrow(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that pass the filters in the address; one without a value that there is lets everything pass."""
    keep: pd.Series | None = None
    for each in _FILTERS:
        asked = address.values(each.name)
        passing = [value for value, name in each.words(frame).items() if name in asked] if asked else []
        if passing:
            passes = frame[each.column].isin(passing)
            keep = passes if keep is None else keep & passes
    return frame if keep is None else frame[keep]


def show(frame: pd.DataFrame, shown: pd.DataFrame) -> None:
    """The button, with how many filters are set; those of which every row has one value are not drawn."""
    drawn = [(each, options) for each in _FILTERS if len(options := each.options(frame)) > 1]
    if not drawn:
        return
    active = [each.name for each, options in drawn if set(options) & set(address.values(each.name))]
    with st.popover(f"Filters · {len(active)}" if active else "Filters", icon=":material/filter_alt:", key="filters"):
        for each, options in drawn:
            address.multiselect(each.label, options, each.name, placeholder=each.placeholder)
        st.caption(f"{len(shown):,} of {len(frame):,} measured networks pass.")
        if active:
            st.button("Clear", icon=":material/filter_alt_off:", on_click=_clear, args=(tuple(active),))


def show_unknown(frame: pd.DataFrame) -> None:
    """The one line that says what the link asks for that is not there; the rest of it is shown."""
    unknown = list(_unknown(frame))
    if unknown:
        st.caption(
            f":material/link_off: This link asks for what is not here: {escape.markdown(', '.join(unknown), 400)}. "
            "The rest of it is shown."
        )


def _unknown(frame: pd.DataFrame) -> Iterator[str]:
    """What the address asks for that is neither a value of a filter, an axis, a number nor a point that there is."""
    for each in _FILTERS:
        known = set(each.options(frame)) if address.values(each.name) else set()
        yield from (f"{each.label.lower()} “{value}”" for value in address.values(each.name) if value not in known)
    axes_of = {
        "x": ("cost", axes.x_axes(board_columns.boards(frame)) if address.values("x") else []),
        "y": ("quality", axes.y_axes(frame["domains"].unique()) if address.values("y") else []),
    }
    for name, (label, known_axes) in axes_of.items():
        labels = {axis.label for axis in known_axes}
        yield from (f"{label} “{value}”" for value in address.values(name) if value not in labels)
    for name in address.bounds():
        if address.number(name) is None:
            yield f"{name.replace('_', ' ')} “{address.values(name)[-1]}”"
    ids = set(frame["id"]) if address.values("point") else set()
    yield from (f"model “{point}”" for point in address.values("point") if point not in ids)


def _clear(names: tuple[str, ...]) -> None:
    address.write(dict.fromkeys(names, ()))
