"""Runs: what is running, live; then every other run, with what can be done about it."""

from app import data, history, live, view

token = data.settled_token()
runs = data.runs(token)

live.board(token)

if all(run["gallery"] for run in runs):
    view.empty("Runs appear here as soon as one is launched: their progress, curves and log.")
rest = [run for run in runs if run["gallery"] or run["state"] not in data.ACTIVE]
if rest:
    history.show(rest)
