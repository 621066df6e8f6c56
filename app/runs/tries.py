"""The tries of a run that looks for the smallest network, on the page: a chart and a table, the answer marked."""

import pandas as pd
import streamlit as st

from app import escape, format, theme
from app.charts import tries as chart
from engine.spec import phases
from engine.storage.folders.run import Run


def show(folder: Run) -> None:
    """Draws the search of a run, where it is one and has begun."""
    search = chart.search_of(phases.of_request(folder.request()), folder.points())
    if search is None:
        return
    if search.answer is not None and search.answer.note:
        st.markdown(escape.message(f"Point {search.answer.point} is {search.answer.note}."))
    st.plotly_chart(
        chart.figure(search, ink=theme.ink()),
        key=f"tries-{folder.id}",
        config={"displayModeBar": False},
        alt=chart.describe(search),
    )
    rows = escape.cells(_rows(search))
    st.dataframe(
        rows,
        hide_index=True,
        placeholder=format.MISSING,
        height=min(260, 38 + 35 * len(rows)),
        column_config={
            "kept": st.column_config.NumberColumn(format="%.3f×"),
            "validation": st.column_config.NumberColumn(format="%.1f %%"),
            "change": st.column_config.NumberColumn(format="%+.1f", help="Points from the untouched network."),
            "seconds": st.column_config.NumberColumn(format="%.1f"),
        },
        alt="Every try of the search, the last one first",
    )


def _rows(search: chart.Search) -> pd.DataFrame:
    base = search.baseline.val_top1
    return pd.DataFrame(
        [
            {
                "try": point.step,
                "by": search.label(point),
                "kept": search.share(point),
                "validation": 100 * point.val_top1,
                "change": 100 * (point.val_top1 - base),
                "": "found" if search.is_found(point) else ("kept" if search.holds(point) else "lost"),
                "seconds": point.seconds,
            }
            for point in reversed(search.tries)
        ]
    )
