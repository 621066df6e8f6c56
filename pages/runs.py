"""Runs: what is running, live; then every other run, with its actions."""

from app.components import empty
from app.runs import history, live
from app.tables import store

token = store.settled_token()
runs = store.runs(token)

live.show(token)

if all(run["gallery"] for run in runs):
    empty.show("Runs appear here as soon as one is launched: their progress, curves and log.")
inactive = [run for run in runs if run["gallery"] or run["state"] not in store.ACTIVE]
if inactive:
    history.show(inactive)
