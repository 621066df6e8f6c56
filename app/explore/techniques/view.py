"""The charts by technique on their page, what each comes to at one cost, and what of the rows is not in them."""

import pandas as pd
import streamlit as st

from app import escape, theme
from app.charts import axes
from app.charts.techniques import panel
from app.charts.techniques.scene import Untouched, scene
from app.explore.budget import Budget
from app.explore.controls import View
from app.explore.techniques import comparison
from app.tables.techniques import means, names
from engine import words
from engine.storage.records.remarks import NEAR_CHANCE

_MOST_BESIDE, _NARROWEST = 4, 250  # charts beside each other, and px of one: a phone has one
_STILL = {"displayModeBar": False}


def show(rows: pd.DataFrame, view: View, limits: Budget) -> None:
    """A chart for each technique, with a key, and the table; of one network on its images, and better than chance."""
    x, y = view.axes
    own = means.of_one_network(rows)
    every = _placed(own[~own["baseline"] & (own["final"] | own["int8"])], view)
    pruned = means.without_doubt(every)
    if pruned.empty:
        quality, cost = escape.markdown(view.y.label), escape.markdown(view.x.label)
        st.info(f"None of the chosen runs has both {quality} and {cost} yet.", icon=":material/scatter_plot:")
        return
    pruned = names.with_technique(pruned)
    baselines = _placed(own[own["baseline"] & ~own["at_chance"]], view)
    table = means.means(pruned)
    table = table.assign(on_front=means.on_front(table, x_better=x.better, y_better=y.better))
    everywhere = scene(table, x, y, ink=theme.ink(), log=(view.log, view.log_y), untouched=_untouched(baselines, view))
    with st.grid(_MOST_BESIDE, gap="small", min_column_width=_NARROWEST):
        for technique, own_means in table.groupby("technique", observed=True):
            st.plotly_chart(
                panel.figure(own_means, str(technique), everywhere),
                key=f"technique {technique}",
                height=panel.HEIGHT,
                config=_STILL,
                alt=panel.describe(own_means, str(technique), everywhere),
            )
        key = panel.key(table, everywhere)
        st.plotly_chart(key, key="technique key", height=key.layout.height, config=_STILL, alt="What the marks mean")
    st.caption(" ".join(_sentences(own, view, others=len(rows) - len(own), doubted=len(every) - len(pruned))))
    comparison.show(pruned, table, baselines, view, limits.at_most)


def _placed(rows: pd.DataFrame, view: View) -> pd.DataFrame:
    """The rows that lie on both axes, with what `means.means` looks at."""
    x, y = view.axes
    values = {"at_x": x.values(rows), "at_y": y.values(rows)}
    for name, axis in (("cost", view.x), ("quality", view.y)):
        values |= {name: rows[axis.column], f"base_{name}": rows[f"base_{axis.column}"]}
    return rows.assign(**values).dropna(subset=["at_x", "at_y"])


def _untouched(baselines: pd.DataFrame, view: View) -> Untouched | None:
    """The network before pruning, each seed's once."""
    if baselines.empty:
        return None
    mean = baselines.groupby("seed")[["at_x", "at_y", "cost", "quality"]].mean()
    seeds, (at_x, at_y, cost, quality) = len(mean), mean.mean().tolist()
    lines = [
        f"<b>{escape.html(baselines['model'].iloc[0], 24)}</b>, untouched",
        f"{escape.html(view.y.label, 24)} {panel.quality_label(quality, float('nan'), view.y)}",
        f"{escape.html(view.x.label, 24)} {axes.value_label(cost, view.x)}",
        f"mean of {words.count(seeds, 'seed')}" if seeds > 1 else f"seed {mean.index[0]:g}",
    ]
    return Untouched(at_x, at_y, "<br>".join(lines))


def _sentences(own: pd.DataFrame, view: View, *, others: int, doubted: int) -> list[str]:
    """What the charts are of, under which conditions, and how many networks are not in them."""
    first = own.iloc[0]
    what = escape.markdown(f"{first['model']} on {first['data_label']}")
    said = [f"Each mark is the mean over the seeds of one kind of run, of {what}; all charts have the same axes."]
    said += [f"{escape.markdown(view.y.title)[:1].upper()}{escape.markdown(view.y.title)[1:]}."]
    said += [f"Measured with {escape.markdown(view.note)}."] if view.note else []
    if others:
        said.append(f"{words.count(others, 'network')} of other models, images or trainings left out: filters choose.")
    if doubted:
        said.append(f"{words.count(doubted, 'network')} left out, as they or their repetitions are {NEAR_CHANCE}.")
    return said
