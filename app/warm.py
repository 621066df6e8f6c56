"""What the first visitor would wait for, done as soon as the server is there: the code of charts for the browser,
imports, the results read, one chart.
"""

import pkgutil
from importlib import import_module
from threading import Thread

import app
from app import frontend
from engine.errors import RequestError, WorkError

_FRAME = "app.main"  # is run for each page, and draws


def begin() -> Thread:
    """Begins, beside whatever is asked for; what it makes stays in this process.

    Streamlit's runtime is to be there: components that are declared before it are known to nobody.
    """
    thread = Thread(target=_warm, name="warm", daemon=True)
    thread.start()
    return thread


def _warm() -> None:
    frontend.code_of_charts()
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if module.name != _FRAME:
            import_module(module.name)
    try:
        _draw()
    except (RequestError, WorkError):
        return  # results that cannot be read: each page says so itself


def _draw() -> None:
    """The chart that Explore begins with: Plotly's classes take longer to be made ready than to be drawn."""
    from app import theme
    from app.charts import axes, tradeoff
    from app.tables import selection, store

    frame = store.points(store.open_store().token())
    if frame.empty:
        return
    x, y = axes.X_AXES["macs"], axes.Y_AXES["top1"]
    rows = selection.select(frame, before=False, steps=False).dropna(subset=["top1"])
    tradeoff.figure(rows, x, y, ink=theme.LIGHT).to_json()
