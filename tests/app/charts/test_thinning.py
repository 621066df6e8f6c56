"""Of thousands of points those are drawn that can be told apart, in few traces. Plain calls."""

import numpy as np
import pandas as pd
import pytest

from app import theme
from app.charts import axes, tradeoff
from app.charts.marks import thinning
from app.charts.marks.points import MOST_LOOKS
from app.tables import points, selection
from engine.spec.catalog import CRITERIA
from engine.spec.run import ORDERS
from engine.storage.store import Store
from tests.support import runs

X, Y = axes.X_AXES["macs"], axes.Y_AXES["top1"]


@pytest.fixture
def many(results: Store) -> pd.DataFrame:
    """Twenty thousand final points of one network, with all criteria and orders."""
    run = runs.finished(results, runs.spec(criterion="taylor"), files=False)
    frame = points.tidy(results.points())
    last = frame[frame["id"] == f"{run.id}.{frame['point'].max()}"]
    draw, count = np.random.default_rng(0), 20_000
    copies = last.iloc[np.zeros(count, dtype=int)].assign(
        id=[f"{run.id}.{n}" for n in range(1000, 1000 + count)],
        criterion=draw.choice(list(CRITERIA), count),
        order=draw.choice(list(ORDERS), count),
        macs=draw.uniform(1e6, 4e7, count),
        top1=draw.uniform(0.3, 0.9, count),
    )
    return pd.concat([frame[frame["baseline"]], copies], ignore_index=True)


def test_a_chart_of_very_many_points_draws_those_that_can_be_told_apart_and_says_so(many: pd.DataFrame) -> None:
    front = selection.front(many, "macs", "top1", y_better="high")
    for log in (False, True):
        fig = tradeoff.figure(many, X, Y, ink=theme.LIGHT, log=log, marks=tradeoff.Marks(front=front)).checked()
        ids = [point for trace in fig.data if trace.customdata is not None for point in trace.customdata]
        assert 1000 < len(ids) == len(set(ids)) <= thinning.MOST and len(front & set(ids)) > 0.5 * len(front)
        assert f"{len(ids):,} of {len(many):,} drawn" in fig.layout.xaxis.title.text
        (line,) = (trace for trace in fig.data if trace.name == "Pareto front")
        assert len(line.x) == len(front), "the front is that of all points"


def test_many_looks_share_a_trace_for_each_criterion_and_keep_their_marks(many: pd.DataFrame) -> None:
    front = frozenset(many["id"].iloc[1:2000])
    fig = tradeoff.figure(many, X, Y, ink=theme.LIGHT, marks=tradeoff.Marks(front=front)).checked()
    dots = [trace for trace in fig.data if trace.customdata is not None and trace.legendgroup]
    assert {trace.legendgroup for trace in dots} == set(many["criterion"].iloc[1:]) and len(dots) < MOST_LOOKS
    rows = many.set_index("id")
    for trace in dots:
        shapes = [theme.ORDER_SYMBOLS[rows.loc[point, "order"]] for point in trace.customdata]
        assert [symbol.removesuffix("-open") for symbol in trace.marker.symbol] == shapes
        assert [bool(colour) for colour in trace.marker.color] == [point in front for point in trace.customdata]


def test_few_points_are_all_drawn(many: pd.DataFrame) -> None:
    few = many.head(thinning.MOST).assign(at_x=1.0, at_y=1.0)
    assert thinning.thin(few, np.zeros(len(few), dtype=bool), log=(True, False)) is few
    same = many.assign(at_x=0.0, at_y=1.0)
    preferred = (many["id"] == many["id"].iloc[77]).to_numpy()
    assert list(thinning.thin(same, preferred, log=(False, False))["id"]) == [many["id"].iloc[77]]
