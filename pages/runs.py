"""Runs: what is running, live; then every run in a table, with its actions; the gallery's apart; space on the disk."""

from app.components import empty
from app.runs import history, live, usage
from app.tables import store

token = store.settled_token()
runs = store.runs(token)
own_runs = [run for run in runs if not run["gallery"]]
gallery_runs = [run for run in runs if run["gallery"]]

live.show_head()
history.show_unknown(runs)
live.show(token)

if own_runs:
    history.show(own_runs)
else:
    empty.show("Runs appear here as soon as one is launched: their progress, curves and log.")
if gallery_runs:
    history.show_gallery(gallery_runs)
if own_runs:
    usage.show()
