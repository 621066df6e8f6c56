"""The networks layer by layer: their skylines under each other, and each layer's share of MACs and parameters."""

from collections.abc import Sequence
from typing import Literal

import pandas as pd
import streamlit as st

from app import escape, theme
from app.charts.comparison import aligned
from app.compare.models import Model, name_letters

Cost = Literal["macs", "params"]
_COSTS: dict[str, Cost] = {"MACs": "macs", "Parameters": "params"}
_CHANNELS = "Channels"


def show(models: Sequence[Model]) -> None:
    """One figure, by channels or by what layers cost, and the shares as a table."""
    known = [model for model in models if model.outcome.layers]
    by = _CHANNELS
    if known:
        options = [_CHANNELS, *_COSTS]
        by = st.segmented_control("By", options, default=_CHANNELS, key="by", bind="query-params") or _CHANNELS
    cost = _COSTS.get(by)
    rows = networks(models, cost)
    noun = by if by == "MACs" else by.lower()
    bars = aligned.channel_bars(rows) if cost is None else aligned.cost_bars(rows, noun)
    st.plotly_chart(
        aligned.figure(rows, bars, ink=theme.ink()),
        key="aligned",
        config={"displayModeBar": False},
        alt=aligned.describe(rows, noun),
    )
    if cost is not None:
        _show_shares(known, cost, noun)
    if lacking := [model for model in models if model not in known]:
        one = len(lacking) == 1
        st.caption(
            f":material/info: {name_letters(lacking)}: {'its run keeps' if one else 'their runs keep'} no costs of "
            f"single layers, as runs of earlier versions; run {'it' if one else 'them'} again to have them."
        )


def networks(models: Sequence[Model], cost: Cost | None) -> list[aligned.Network]:
    """The models as the figure takes them, with what their layers cost where that is drawn."""
    line = theme.ink().line
    return [
        aligned.Network(
            title=model.title,
            colour=line if model.row["baseline"] else theme.criterion_colour(model.row["criterion"]),
            widths=model.row["widths"],
            blocks_removed=model.row["blocks_removed"],
            costs={} if cost is None else {layer.name: getattr(layer, cost) for layer in model.outcome.layers},
            total=0 if cost is None else int(model.row[cost]),
        )
        for model in models
    ]


def shares(models: Sequence[Model], cost: Cost) -> pd.DataFrame:
    """Each layer's share of its network's MACs or parameters, in order of depth: `layer`, and a column a model.

    Empty where a network lacks the layer. Of parameters, those of norms belong to no layer.
    """
    by_layer = [
        {layer.name: getattr(layer, cost) / model.row[cost] for layer in model.outcome.layers} for model in models
    ]
    names = aligned.merge([list(each) for each in by_layer])
    columns = {model.letter: [each.get(name) for name in names] for model, each in zip(models, by_layer, strict=True)}
    return pd.DataFrame({"layer": names, **columns})


def _show_shares(models: Sequence[Model], cost: Cost, noun: str) -> None:
    with st.expander(f"Each layer's share of the {noun}", icon=":material/table_rows:"):
        table = shares(models, cost)
        letters = [model.letter for model in models]
        st.dataframe(
            escape.cells(table.assign(**{letter: 100 * table[letter].astype(float) for letter in letters})),
            hide_index=True,
            column_config={
                model.letter: st.column_config.NumberColumn(model.title, format="%.1f %%") for model in models
            },
            alt=f"The share that each layer has of its network's {noun}",
        )
        if cost == "params":
            st.caption("Norms and their parameters are no layers here, so that a column may sum to less than 100 %.")
