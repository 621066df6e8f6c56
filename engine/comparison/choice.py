"""Which runs are compared: those that are named, by their ids, their groups or their experiment."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from engine.errors import RequestError
from engine.spec import messages
from engine.texts import few

Summary = Mapping[str, Any]
_MOST_NAMES = 5
_LISTS = "`espalier runs --json` lists what there is"


def repetitions(summaries: Sequence[Summary], ids: Iterable[str], groups: Iterable[str]) -> list[Summary]:
    """The runs of the groups, and of those that the runs `ids` are of: who names a run means its repetitions, too.

    RequestError for an id or a group that no run has.
    """
    by_id = {str(run["run_id"]): run for run in summaries}
    known = {run["group"] for run in summaries}
    wanted: set[Any] = set()
    for run_id in ids:
        if run_id not in by_id:
            raise RequestError(f"there is no run {messages.quote(run_id)}; {_LISTS}")
        if by_id[run_id]["group"] is None:
            raise RequestError(f"run {run_id} cannot be read: {by_id[run_id]['error']}")
        wanted.add(by_id[run_id]["group"])
    for group in groups:
        if group not in known:
            raise RequestError(f"there is no group {messages.quote(group)}; {_LISTS}, each with its group")
        wanted.add(group)
    return with_points(run for run in summaries if run["group"] in wanted)


def of_experiment(summaries: Sequence[Summary], name: str) -> list[Summary]:
    """The runs that were launched under a name, or the shipped ones for `gallery`; RequestError where there is none."""
    chosen = [run for run in summaries if (run["gallery"] and name == "gallery") or run.get("experiment") == name]
    if not chosen:
        raise RequestError(f"there is no experiment {messages.quote(name)}; {_known(summaries)}")
    return with_points(chosen)


def with_points(runs: Iterable[Summary]) -> list[Summary]:
    """Those that have measured something, oldest first; RequestError where none has."""
    measured = sorted((run for run in runs if run["points"]), key=lambda run: (run["created"], run["run_id"]))
    if not measured:
        raise RequestError("none of these runs has measured anything yet; compare them when they are done")
    return measured


def unfinished(runs: Collection[Summary]) -> str | None:
    """A sentence on the runs that are not done, of which the figures that are there count."""
    open_runs = [str(run["run_id"]) for run in runs if run["state"] != "done"]
    if not open_runs:
        return None
    verb = "run is" if len(open_runs) == 1 else "runs are"
    return f"{len(open_runs)} {verb} not done; what they have measured counts: {few(open_runs, _MOST_NAMES)}"


def _known(summaries: Sequence[Summary]) -> str:
    names = sorted({str(run["experiment"]) for run in summaries if run.get("experiment")})
    return (
        f"there are {few(names, _MOST_NAMES)}"
        if names
        else "no run was launched under a name, as --experiment gives one"
    )
