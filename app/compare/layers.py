"""The networks layer by layer: their skylines under each other, and each layer's share of what the whole costs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from app import escape, format, theme
from app.charts.comparison import aligned
from app.compare.models import Model, name_letters
from app.components.layer_times import board_profiles, dialog, kept, view
from engine.storage.timings.layers import LayerProfile

CHANNELS = "Channels"


@dataclass(frozen=True)
class Quantity:
    """Something that layers cost, of each model that it is known of by its letter: layer by layer, and in all."""

    noun: str
    layers: Mapping[str, Mapping[str, float]]
    totals: Mapping[str, float]
    write: Callable[[float], str]
    note: str = ""  # below the shares
    is_latency: bool = False


def show(models: Sequence[Model], token: str) -> None:
    """One figure, by channels or by what layers cost, and the shares as a table."""
    ids = [str(model.row["id"]) for model in models]
    known = quantities(models, {**kept.host_profiles(ids), **board_profiles.profiles(token, ids)})
    by = CHANNELS
    if known:
        choice = st.segmented_control(
            "By",
            [CHANNELS, *known],
            default=CHANNELS,
            format_func=escape.markdown,  # the name of a processor stands in a file
            key="layers_by",
            bind="query-params",
        )
        by = choice or CHANNELS
    quantity = known.get(by)
    rows = networks(models, quantity, theme.ink())
    bars = aligned.channel_bars(rows) if quantity is None else aligned.cost_bars(rows, quantity.write)
    st.plotly_chart(
        aligned.figure(rows, bars, ink=theme.ink()),
        key="aligned",
        config={"displayModeBar": False},
        alt=aligned.describe(rows, None if quantity is None else quantity.noun),
    )
    if quantity is not None:
        _show_shares(models, quantity, paired(known, by))
    _explain_absence(models)
    with st.container(horizontal=True, gap="small"):
        for model in models:
            dialog.offer(model.row, "compare", "compare", f"Why is {model.letter} not faster?")


def quantities(models: Sequence[Model], profiles: Mapping[str, Mapping[str, LayerProfile]]) -> dict[str, Quantity]:
    """What is known of the layers of one model at least, by its label; `profiles` are those of hosts and of boards."""
    known = {"MACs": _count(models, "macs", "MACs"), "Parameters": _count(models, "params", "parameters")}
    known |= {f"Latency on {board}": _latency(models, board, of_points) for board, of_points in profiles.items()}
    return {label: quantity for label, quantity in known.items() if quantity.layers}


def networks(models: Sequence[Model], quantity: Quantity | None, ink: theme.Ink) -> list[aligned.Network]:
    """The models as the figure takes them, with what their layers cost where that is drawn."""
    return [
        aligned.Network(
            title=model.title,
            colour=ink.line if model.row["baseline"] else theme.criterion_colour(model.row["criterion"]),
            widths=model.row["widths"],
            blocks_removed=model.row["blocks_removed"],
            costs={} if quantity is None else quantity.layers.get(model.letter, {}),
            total=0.0 if quantity is None else quantity.totals.get(model.letter, 0.0),
        )
        for model in models
    ]


def shares(models: Sequence[Model], quantity: Quantity) -> pd.DataFrame:
    """Each layer's share of the whole of its network, in order of depth: `layer`, and a column a model by its letter.

    Empty where a network lacks the layer.
    """
    letters = [model.letter for model in models if model.letter in quantity.layers]
    names = aligned.merge([list(quantity.layers[letter]) for letter in letters])
    columns = {
        letter: [_share(quantity.layers[letter].get(name), quantity.totals[letter]) for name in names]
        for letter in letters
    }
    return pd.DataFrame({"layer": names, **columns}).astype(dict.fromkeys(letters, float))


def paired(known: Mapping[str, Quantity], by: str) -> dict[str, Quantity]:
    """What is shown of the layers when `by` is chosen: beside a latency what has no part in it, too."""
    is_latency = known[by].is_latency
    return {label: quantity for label, quantity in known.items() if label == by or is_latency > quantity.is_latency}


def share_table(models: Sequence[Model], quantities: Mapping[str, Quantity]) -> pd.DataFrame:
    """The shares in several quantities: `layer`, and for each model a column `LETTER · label` for each that it has."""
    tables = {label: shares(models, quantity).set_index("layer") for label, quantity in quantities.items()}
    names = aligned.merge([list(table.index) for table in tables.values()])
    columns = {
        f"{model.letter} · {label}": table[model.letter].reindex(names).to_numpy()
        for model in models
        for label, table in tables.items()
        if model.letter in table
    }
    return pd.DataFrame({"layer": names, **columns})


def _count(models: Sequence[Model], column: str, noun: str) -> Quantity:
    having = [model for model in models if model.outcome.layers]
    return Quantity(
        noun,
        {m.letter: {layer.name: getattr(layer, column) for layer in m.outcome.layers} for m in having},
        {model.letter: float(model.row[column]) for model in having},
        lambda value: f"{format.si(value)} {noun}",
        "Norms are no layers here, so that a column may sum to less than 100 %." if column == "params" else "",
    )


def _latency(models: Sequence[Model], board: str, profiles: Mapping[str, LayerProfile]) -> Quantity:
    having = {model.letter: profiles[model.row["id"]] for model in models if model.row["id"] in profiles}
    note = next(map(view.on_sum, having.values()), "")
    return Quantity(
        f"time on {board}",
        {letter: board_profiles.by_layer(profile) for letter, profile in having.items()},
        {letter: profile.total_ms or 0.0 for letter, profile in having.items()},
        format.milliseconds,
        f"{note} Layers that ran as one share its time equally; copies and what has no name make the rest.",
        is_latency=True,
    )


def _share(cost: float | None, total: float) -> float | None:
    return None if cost is None or not total else cost / total


def _show_shares(models: Sequence[Model], quantity: Quantity, shown: Mapping[str, Quantity]) -> None:
    with st.expander(f"Each layer's share of the {quantity.noun}", icon=":material/table_rows:"):
        table = share_table(models, shown)
        numbers = [column for column in table if column != "layer"]
        st.dataframe(
            escape.cells(table.assign(**{column: 100 * table[column] for column in numbers})),
            hide_index=True,
            placeholder=format.MISSING,
            column_config={column: st.column_config.NumberColumn(format="%.1f %%") for column in numbers},
            alt=f"The share that each layer has of its network's {quantity.noun}",
        )
        if quantity.note:
            st.caption(quantity.note)


def _explain_absence(models: Sequence[Model]) -> None:
    lacking = [model for model in models if not model.outcome.layers]
    if lacking:
        one = len(lacking) == 1
        st.caption(
            f":material/info: {name_letters(lacking)}: {'its run keeps' if one else 'their runs keep'} no costs of "
            f"single layers, as runs of earlier versions; run {'it' if one else 'them'} again to have them."
        )
